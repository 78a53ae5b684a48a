// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bpflab/vm/guest"
	"bpflab/vm/qemu"
)

// fake is a process that looks like QEMU to vm: this test binary, started through a script.
// It has the descriptors that QEMU gets and answers on the monitor.
type fake struct {
	results, console *os.File
	nonce            string
	monitor          *net.UnixConn
	cont             chan struct{} // closed when the guest is told to go on from its pause
	paused           bool          // it has booted, or is restored
	restoring        bool          // until it was asked whether it is restored: before, it must not be told to go on
	saved            *os.File      // where to save the guest to
}

// fakeVersion and fakeBehaviour tell the process what to be.
const fakeBehaviour, fakeVersion, fakeArgument = "BPFLAB_FAKE", "BPFLAB_FAKE_VERSION", "BPFLAB_FAKE_ARGUMENT"

// fakeQEMU returns a binary for qemu.Config.
func fakeQEMU(t testing.TB, behaviour, version, argument string) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "qemu")
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] || echo $$ >> \"$0.started\"\n"+
		"export %s=%s %s=%s %s=%s\nexec %s \"$@\"\n", fakeBehaviour, quote(behaviour),
		fakeVersion, quote(version), fakeArgument, quote(argument), quote(self))
	require.NoError(t, os.WriteFile(name, []byte(script), 0o755))
	return name
}

// starts returns how often a fake was started as a guest.
func starts(t testing.TB, binary string) int {
	t.Helper()
	data, err := os.ReadFile(binary + ".started")
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	return strings.Count(string(data), "\n")
}

// fakeGuest is a Config of such a guest, which has little patience.
func fakeGuest(t testing.TB, behaviour, argument string) Config {
	t.Helper()
	return Config{
		Config:   qemu.Config{Binary: fakeQEMU(t, behaviour, "QEMU emulator version 90.0", argument), Kernel: "k", Initrd: "i"},
		Deadline: 60 * time.Second, Silence: 30 * time.Second,
	}
}

// fakeMain is the process's life.
func fakeMain(behaviour string) {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println(os.Getenv(fakeVersion))
		return
	}
	f := &fake{results: os.NewFile(3, "results"), console: os.NewFile(4, "console"), cont: make(chan struct{})}
	if strings.Contains(strings.Join(os.Args, " "), "-incoming") {
		if data, err := io.ReadAll(os.NewFile(7, "snapshot")); err != nil || !strings.HasPrefix(string(data), "saved") {
			fmt.Fprintln(os.Stderr, "load of migration failed: Invalid argument")
			os.Exit(1)
		}
		f.paused, f.restoring = true, true
	}
	raw, _ := io.ReadAll(os.NewFile(5, "job"))
	job, err := guest.DecodeJob(raw)
	if err != nil {
		panic(err)
	}
	f.nonce = job.Nonce
	conn, err := net.FileConn(os.NewFile(6, "monitor"))
	if err != nil {
		panic(err)
	}
	f.monitor = conn.(*net.UnixConn)
	if behaviour != "mute monitor" {
		go f.serve()
		<-f.cont
	}
	behaviours[behaviour](f, os.Getenv(fakeArgument))
}

// serve answers the commands that vm gives, one a message.
func (f *fake) serve() {
	fmt.Fprintln(f.monitor, `{"QMP": {"version": {}}}`)
	buf, oob := make([]byte, 4096), make([]byte, 64)
	for {
		n, oobn, _, _, err := f.monitor.ReadMsgUnix(buf, oob)
		if err != nil || n == 0 {
			return
		}
		if messages, _ := syscall.ParseSocketControlMessage(oob[:oobn]); len(messages) > 0 {
			if fds, _ := syscall.ParseUnixRights(&messages[0]); len(fds) > 0 {
				f.saved = os.NewFile(uintptr(fds[0]), "saved")
			}
		}
		var request struct{ Execute string }
		_ = json.Unmarshal(buf[:n], &request)
		answer := "{}"
		switch request.Execute {
		case "query-status":
			answer, f.restoring = `{"status": "guest-panicked"}`, false
		case "migrate":
			if _, err := fmt.Fprint(f.saved, "saved ", strings.Repeat("x", 1000)); err != nil {
				panic(err)
			}
			time.Sleep(100 * time.Millisecond) // for others to find the snapshot half made
		case "query-migrate":
			answer = `{"status": "completed"}`
		}
		fmt.Fprintln(f.monitor, `{"event": "NOISE"}`)
		fmt.Fprintf(f.monitor, "{\"return\": %s}\n", answer)
		switch {
		case request.Execute == "cont" && f.restoring:
			panic("told to go on while it is being restored")
		case request.Execute == "cont" && f.paused:
			close(f.cont)
		case request.Execute == "cont": // it boots, and pauses itself
			f.paused = true
			fmt.Fprintln(f.monitor, `{"event": "GUEST_PANICKED", "data": {"action": "pause"}}`)
		}
	}
}

func (f *fake) say(kind guest.MessageType, body any) {
	nonce := ""
	if kind == guest.Hello {
		nonce = f.nonce
	}
	f.sayAs(nonce, kind, body)
}

func (f *fake) sayAs(nonce string, kind guest.MessageType, body any) {
	m := guest.Message{Nonce: nonce, Type: kind}
	if body != nil {
		m.Body, _ = json.Marshal(body)
	}
	line, _ := json.Marshal(m)
	_, _ = f.results.Write(append(line, '\n'))
}

func (f *fake) hello() { f.say(guest.Hello, guest.Greeting{Release: "1.2.3", CPUs: 1}) }

func (f *fake) well() {
	f.hello()
	f.say(guest.Stage, "a step")
	f.say(guest.Result, 42)
	f.say(guest.Done, nil)
}

func forever() { time.Sleep(time.Hour) }

func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

// behaviours are what a fake does once its guest goes on.
var behaviours = map[string]func(f *fake, argument string){
	"well":            func(f *fake, _ string) { f.well() },
	"well, then hang": func(f *fake, _ string) { f.well(); forever() },
	"moved": func(f *fake, file string) { // the clock, as often as the file has bytes
		var paused int64
		if data, _ := os.ReadFile(file); len(data) > 0 {
			_ = os.WriteFile(file, data[1:], 0o644)
			paused = 2 * guest.Pause
		}
		f.say(guest.Hello, guest.Greeting{Release: "1.2.3", Paused: paused})
		f.say(guest.Result, 42)
		f.say(guest.Done, nil)
	},
	"never done":   func(f *fake, _ string) { f.hello(); f.say(guest.Result, 42); forever() },
	"no done":      func(f *fake, _ string) { f.hello(); f.say(guest.Result, 42) },
	"no result":    func(f *fake, _ string) { f.hello(); f.say(guest.Done, nil) },
	"empty result": func(f *fake, _ string) { f.hello(); f.say(guest.Result, nil); f.say(guest.Done, nil) },
	"garbage":      func(f *fake, _ string) { f.hello(); fmt.Fprint(f.results, "\x00\xff{[\n"); forever() },
	"wrong nonce": func(f *fake, _ string) {
		f.sayAs("forged", guest.Hello, guest.Greeting{})
		f.say(guest.Result, 42)
		f.say(guest.Done, nil)
	},
	"no greeting":   func(f *fake, _ string) { f.say(guest.Result, 42); f.say(guest.Done, nil) },
	"two greetings": func(f *fake, _ string) { f.hello(); f.hello(); forever() },
	"busy": func(f *fake, _ string) { // but never silent
		f.hello()
		for {
			spin(50 * time.Millisecond)
			f.say(guest.Stage, "another step")
		}
	},
	"unknown kind": func(f *fake, _ string) { f.hello(); f.say("gossip", nil); forever() },
	"bad greeting": func(f *fake, _ string) { f.say(guest.Hello, []int{1}); forever() },
	"agent fails":  func(f *fake, _ string) { f.sayAs("", guest.Failed, "no module"); f.say(guest.Done, nil) },
	"mute monitor": func(*fake, string) { forever() },
	"silent":       func(*fake, string) { forever() },
	"silent later": func(f *fake, _ string) { f.hello(); forever() },
	"spins":        func(f *fake, _ string) { f.hello(); spin(time.Hour) },
	"starved": func(f *fake, _ string) { // of three seconds it gets to run for one
		f.hello()
		for range 30 {
			spin(30 * time.Millisecond)
			time.Sleep(70 * time.Millisecond)
		}
		f.say(guest.Result, 42)
		f.say(guest.Done, nil)
	},
	"well under KVM": func(f *fake, _ string) {
		if strings.Contains(strings.Join(os.Args, " "), "-accel kvm") {
			f.well()
		}
	},
	"dies":         func(f *fake, _ string) { f.hello(); fmt.Fprintln(os.Stderr, "no such device"); os.Exit(1) },
	"dies booting": func(*fake, string) { fmt.Fprintln(os.Stderr, "no such device"); os.Exit(1) },
	"killed": func(f *fake, _ string) {
		f.hello()
		fmt.Fprint(f.results, `{"nonce":"`) // in the middle of a word
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		forever()
	},
	"closes": func(f *fake, _ string) { f.hello(); f.results.Close(); forever() },
	"slow": func(f *fake, _ string) {
		f.hello()
		for {
			time.Sleep(50 * time.Millisecond)
			fmt.Fprint(f.console, ".")
		}
	},
	"console": func(f *fake, text string) { fmt.Fprintln(f.console, text); f.well() },
	"flood": func(f *fake, text string) {
		lines := []byte(strings.Repeat("all is well, and said at length\r\n", 2000))
		for n := range 4000 { // some 260 MB
			if n == 2000 {
				fmt.Fprintln(f.console, text)
			}
			_, _ = f.console.Write(lines)
		}
		f.well()
	},
	"chatter": func(f *fake, _ string) {
		f.hello()
		for {
			f.say(guest.Stage, "another step")
			time.Sleep(time.Millisecond)
		}
	},
	"babble": func(f *fake, _ string) {
		f.hello()
		for {
			f.say(guest.Stage, strings.Repeat("x", 1<<20))
		}
	},
	"one endless line": func(f *fake, _ string) {
		for {
			fmt.Fprint(f.results, strings.Repeat("x", 1<<16))
		}
	},
	"orphan": func(f *fake, _ string) { // what it leaves holds its channels
		cmd := exec.Command("sleep", "3600")
		cmd.ExtraFiles = []*os.File{f.results, f.console}
		cmd.Stderr = os.Stderr
		_ = cmd.Start()
		f.well()
		forever()
	},
}
