// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// value returns what follows an argument.
func value(t testing.TB, args []string, name string) string {
	t.Helper()
	i := slices.Index(args, name)
	require.True(t, i >= 0 && i+1 < len(args), "%s in %q", name, args)
	return args[i+1]
}

func TestMachine(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		c                    Config
		accel, cpu, smp, mem string
		exact                bool
	}{
		{"default", Config{}, "tcg,thread=multi", "qemu64-v1,-cx16", "1", "256", false},
		{"exact", Config{Exact: true, Accel: TCG}, "tcg,thread=single", "qemu64-v1,-cx16,-rdrand,-rdseed", "1", "256", true},
		{"two CPUs in turns", Config{CPUs: 2, Accel: TCG, Exact: true}, "tcg,thread=single", "qemu64-v1,-cx16,-rdrand,-rdseed", "3", "256", true},
		{"three CPUs, of five", Config{CPUs: 3, Accel: TCG, Exact: true}, "tcg,thread=single", "qemu64-v1,-cx16,-rdrand,-rdseed", "5", "256", true},
		{"two CPUs under KVM", Config{CPUs: 2, Accel: KVM, MemoryMiB: 512}, "kvm", "host", "3", "512", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Kernel, tt.c.Initrd, tt.c.Cmdline = "/k", "/i", []string{"quiet", "a=b"}
			args := tt.c.Machine()
			assert.Equal(t, "pc-i440fx-7.2,hpet=off", value(t, args, "-M"))
			assert.Equal(t, tt.accel, value(t, args, "-accel"))
			assert.Equal(t, tt.cpu, value(t, args, "-cpu"))
			assert.Equal(t, tt.smp, value(t, args, "-smp"))
			assert.Equal(t, tt.mem, value(t, args, "-m"))
			assert.Equal(t, "/k", value(t, args, "-kernel"))
			assert.Equal(t, "/i", value(t, args, "-initrd"))
			assert.Equal(t, tt.exact, slices.Contains(args, "-icount"))
			assert.Equal(t, tt.exact, slices.Contains(args, "-rtc"))
			assert.Contains(t, args, "-no-reboot")
			assert.Contains(t, args, "-nodefaults")

			line := strings.Fields(value(t, args, "-append"))
			for _, word := range []string{"console=ttyS0", "panic=-1", "oops=panic", "nokaslr"} {
				assert.Contains(t, line, word)
			}
			assert.Equal(t, tt.c.CPUs > 1, slices.Contains(line, "maxcpus=1"), "the CPU in the middle never starts")
			assert.Equal(t, []string{"quiet", "a=b"}, line[len(line)-2:], "the caller has the last word")
		})
	}
}

// Each quirk has its reason and is in the model of the guests that it is for.
func TestQuirks(t *testing.T) {
	for _, q := range quirks {
		assert.NotEmpty(t, q.Why, q.Feature)
		assert.Contains(t, strings.Split(cpuModel(true), ","), "-"+q.Feature)
		assert.Equal(t, !q.Exact, slices.Contains(strings.Split(cpuModel(false), ","), "-"+q.Feature), q.Feature)
	}
}

func TestArgs(t *testing.T) {
	boot := strings.Join(Config{}.Args(), " ")
	for _, want := range []string{
		"file,id=results,path=/dev/fd/3", "file,id=console,path=/dev/fd/4", "name=opt/bpflab/job,file=/dev/fd/5",
		"socket,id=monitor,fd=6", "pvpanic,ioport=0x505", "iobase=0xe9,chardev=results", "-sandbox on",
	} {
		assert.Contains(t, boot, want)
	}
	assert.NotContains(t, boot, "-incoming")
	assert.Equal(t, boot+" -incoming fd:7 -global migration.announce-rounds=0", strings.Join(Config{Restore: true}.Args(), " "))
}

// What String prints means the same to a shell, whatever a file is called.
func TestString(t *testing.T) {
	c := Config{
		Binary: "/opt/my qemu/$(false)", Kernel: "/a b/it's;rm -rf (x) & \\ `y`\n#*?~!|<>", Initrd: "~/i",
		Cmdline: []string{`"quoted"`, "$HOME"}, Exact: true,
	}
	out, err := exec.Command("sh", "-c", `printf '%s\0' `+c.String()).Output()
	require.NoError(t, err)
	words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	want := append([]string{c.Binary}, c.Machine()...)
	require.Greater(t, len(words), len(want))
	assert.Equal(t, want, words[:len(want)])
	rest := strings.Join(words[len(want):], " ")
	assert.NotContains(t, rest, "/dev/fd", "that only bpflab has")
	assert.Contains(t, rest, "stdio,id=console")
	assert.Contains(t, Config{Kernel: "/k"}.String(), "qemu-system-x86_64 -nodefaults")

	for _, char := range "~$\"'\\;&|<>()*?[]#!{}`^\n\t " {
		c := Config{Initrd: string(char) + "HOME"}
		out, err := exec.Command("sh", "-c", `printf '%s\0' `+c.String()).Output()
		require.NoError(t, err, "%q", char)
		assert.Contains(t, strings.Split(string(out), "\x00"), c.Initrd)
	}
}

func TestNotFound(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := (&Command{}).Start(t.Context())
	require.ErrorIs(t, err, ErrNotFound)
	assert.ErrorContains(t, err, "apt-get install qemu-system-x86")
	_, err = Version(t.Context(), "")
	assert.ErrorIs(t, err, ErrNotFound)
}

// program is an executable script.
func program(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "qemu")
	require.NoError(t, os.WriteFile(name, []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	return name
}

func TestVersion(t *testing.T) {
	v, err := Version(t.Context(), "")
	require.NoError(t, err)
	assert.Regexp(t, `^QEMU emulator version \d+\.\d+`, v)

	v, err = Version(t.Context(), program(t, "echo QEMU 1; echo and more"))
	require.NoError(t, err)
	assert.Equal(t, "QEMU 1", v)

	for line, old := range map[string]bool{
		"QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11)":    true,
		"QEMU emulator version 7.1.93":                          true,
		"QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)":    false,
		"QEMU emulator version 7.10.0":                          false,
		"QEMU emulator version 10.0.13 (Debian 1:10.0.13+ds-0)": false,
	} {
		v, err := Version(t.Context(), program(t, "echo '"+line+"'"))
		if old {
			assert.ErrorIs(t, err, ErrOld)
			assert.ErrorContains(t, err, "guests need QEMU 7.2 or later")
			assert.ErrorContains(t, err, line)
			continue
		}
		assert.NoError(t, err)
		assert.Equal(t, line, v)
	}

	_, err = Version(t.Context(), program(t, "exit 4"))
	assert.ErrorContains(t, err, "exit status 4")

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = Version(ctx, program(t, "exec sleep 3600"))
	assert.ErrorIs(t, err, context.DeadlineExceeded)

	old := versionTimeout
	t.Cleanup(func() { versionTimeout = old })
	versionTimeout = 200 * time.Millisecond
	_, err = Version(t.Context(), program(t, "sleep 10 & wait"))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

// What QEMU says on standard error is kept, its beginning, however much it is.
func TestStderr(t *testing.T) {
	c := &Command{Config: Config{Binary: program(t, "echo first >&2; head -c 3000000 /dev/zero >&2; exit 3")}}
	require.NoError(t, c.Start(t.Context()))
	err := c.Wait()
	c.Close()
	assert.ErrorContains(t, err, "exit status 3: first")
	assert.Less(t, len(err.Error()), 20<<10)
}

// A QEMU without the guests' machine type is told in a sentence.
func TestNoMachine(t *testing.T) {
	c := &Command{Config: Config{Binary: program(t, "echo \"qemu: unsupported machine type\nUse -machine help to list supported machines\" >&2; exit 1")}}
	require.NoError(t, c.Start(t.Context()))
	err := c.Wait()
	c.Close()
	assert.ErrorContains(t, err, "machine type pc-i440fx-7.2")
	assert.NotContains(t, err.Error(), "\n")
}

// A job of any size does not keep the caller, and ends with a QEMU that never reads it.
func TestJobNotRead(t *testing.T) {
	c := &Command{Config: Config{Binary: program(t, "exec sleep 3600")}, Job: make([]byte, 1<<20)}
	require.NoError(t, c.Start(t.Context()))
	c.Kill()
	assert.ErrorContains(t, c.Wait(), "killed")
	c.Close()
}

// Where descriptors run out half-way, nothing starts, and nothing is left of trying.
func TestNoDescriptors(t *testing.T) {
	run := func() error {
		c := &Command{Config: Config{Binary: "true"}}
		err := c.Start(t.Context())
		if err == nil {
			err = c.Wait()
			c.Close()
		}
		return err
	}
	require.NoError(t, run()) // the run time takes its own descriptors

	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	t.Cleanup(func() { assert.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) })
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: limit.Max}))
	fill := func() (fds []int) {
		for {
			fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
			if err != nil {
				return fds
			}
			fds = append(fds, fd)
		}
	}
	held := fill()
	t.Cleanup(func() {
		for _, fd := range held {
			syscall.Close(fd)
		}
	})
	for free := 1; ; free++ {
		require.NotEmpty(t, held)
		syscall.Close(held[0])
		held = held[1:]
		err := run()
		left := fill()
		for began := time.Now(); len(left) < free && time.Since(began) < 5*time.Second; time.Sleep(time.Millisecond) {
			left = append(left, fill()...) // the job's writer hears a moment later that nobody reads
		}
		for _, fd := range left {
			syscall.Close(fd)
		}
		require.GreaterOrEqual(t, len(left), free, "after %v", err)
		free = len(left) // more if the run time or an earlier test has closed one of its own meanwhile
		if err == nil {
			require.Greater(t, free, 8, "its channels alone take eight")
			return
		}
		require.ErrorIs(t, err, syscall.EMFILE)
	}
}
