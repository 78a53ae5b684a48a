// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/vm/guest"
	"bpflab/vm/qemu"
)

func TestRun(t *testing.T) {
	t.Parallel()
	for _, behaviour := range []string{"well", "well, then hang", "orphan"} {
		t.Run(behaviour, func(t *testing.T) {
			t.Parallel()
			c := fakeGuest(t, behaviour, "")
			var stages []string
			c.Stage = func(name string) { stages = append(stages, name) }
			r, err := Run(t.Context(), c, []byte("{}"))
			require.NoError(t, err)
			assert.Equal(t, guest.Greeting{Release: "1.2.3", CPUs: 1}, r.Greeting)
			assert.Equal(t, "42", string(r.Body))
			assert.Equal(t, []string{"a step"}, stages)
		})
	}
}

func TestRunFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		behaviour string
		silence   time.Duration // zero: long
		deadline  time.Duration // zero: longer
		kind      error
		want      string
	}{
		{"never done", time.Second, 0, ErrSilent, "not a word for 1s"},
		{"no done", 0, 0, ErrProtocol, `ended without "done"`},
		{"no result", 0, 0, ErrProtocol, `"done" without a result`},
		{"empty result", 0, 0, ErrProtocol, "without a body"},
		{"garbage", 0, 0, ErrProtocol, "expected a line of JSON"},
		{"wrong nonce", 0, 0, ErrProtocol, `"hello" before a greeting with this run's nonce`},
		{"no greeting", 0, 0, ErrProtocol, `"result" before a greeting`},
		{"two greetings", 0, 0, ErrProtocol, "it greeted twice"},
		{"busy", 0, 0, ErrBusy, "more than 2s of CPU time"},
		{"unknown kind", 0, 0, ErrProtocol, `unknown kind "gossip"`},
		{"bad greeting", 0, 0, ErrProtocol, "greeting"},
		{"agent fails", 0, 0, ErrAgent, "no module"},
		{"mute monitor", time.Second, 0, ErrBoot, "not a word"},
		{"silent", time.Second, 0, ErrBoot, "not a word"},
		{"silent later", time.Second, 0, ErrSilent, "not a word"},
		{"spins", time.Second, 0, ErrSilent, "not a word for 1s"},
		{"slow", 2 * time.Second, 5 * time.Second, ErrDeadline, "5s were allowed"},
		{"dies", 0, 0, ErrProtocol, "exit status 1: no such device"},
		{"dies booting", 0, 0, ErrBoot, "exit status 1: no such device"},
		{"killed", 0, 0, ErrKilled, "QEMU: signal: killed"},
		{"closes", 0, 0, ErrProtocol, "closed its result channel"},
		{"babble", 0, 0, ErrProtocol, "more than 16 MiB"},
		{"one endless line", 0, 0, ErrProtocol, "more than 16 MiB"},
	} {
		t.Run(tt.behaviour, func(t *testing.T) {
			t.Parallel()
			c := fakeGuest(t, tt.behaviour, "")
			if tt.behaviour == "busy" {
				c.CPU = 2 * time.Second
			}
			if tt.silence != 0 {
				c.Silence = tt.silence
			}
			if tt.deadline != 0 {
				c.Deadline = tt.deadline
			}
			_, err := Run(t.Context(), c, []byte("{}"))
			f := requireFailure(t, err, tt.kind)
			assert.ErrorContains(t, err, tt.want)
			assert.Contains(t, f.Report(false), "console, last lines:\n  ")
			assert.NotContains(t, f.Report(false), f.Command)
			assert.Contains(t, f.Report(true), "by hand:\n  "+f.Command)
		})
	}
}

// A guest that is silent because its host is busy is not hung: what it has not run does not count.
func TestRunStarved(t *testing.T) {
	t.Parallel()
	c := fakeGuest(t, "starved", "")
	c.Silence = 2 * time.Second
	_, err := Run(t.Context(), c, []byte("{}"))
	require.NoError(t, err)
}

// What a guest ran for counts from its last word: one that had much to do before is not hung when its host
// then leaves it little time.
func TestListenCountsFromLastWord(t *testing.T) {
	t.Parallel()
	until, alive := make(chan struct{}), make(chan struct{})
	s := session{Config: Config{Silence: time.Second}.withDefaults(), greeted: true, until: until}
	var before atomic.Int64
	began := time.Now()
	// A tenth of the time, and never so long that it would be hung, however slow this machine is.
	cpu := func() time.Duration {
		return time.Duration(before.Load()) + min(time.Since(began)/10, 900*time.Millisecond)
	}
	go func() {
		before.Store(int64(time.Minute))
		alive <- struct{}{}
		time.Sleep(1500 * time.Millisecond)
		close(until)
	}()
	assert.Nil(t, s.listen(t.Context(), nil, alive, nil, cpu), "it ran for less than a second since")
}

// What a guest may take of a CPU counts from when it is listened to.
func TestListenLimitsCPU(t *testing.T) {
	t.Parallel()
	const before, limit = time.Minute, time.Second
	for ran, busy := range map[time.Duration]bool{0: false, limit: false, limit + 1: true} {
		until := make(chan struct{})
		s := session{Config: Config{CPU: limit}.withDefaults(), until: until}
		asked := 0
		cpu := func() time.Duration {
			switch asked++; {
			case asked <= 2: // as it begins
				return before
			case asked == 6: // it has looked some times
				close(until)
			}
			return before + ran
		}
		f := s.listen(t.Context(), nil, nil, nil, cpu)
		if !busy {
			assert.Nil(t, f, "it ran for %v", ran)
			continue
		}
		if assert.NotNil(t, f) {
			assert.Equal(t, ErrBusy, f.Kind)
			assert.Equal(t, "it took more than 1s of CPU time", f.Detail)
		}
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := Config{}.withDefaults()
	assert.Equal(t, []time.Duration{15 * time.Minute, 45 * time.Second, 45 * time.Second}, []time.Duration{c.Deadline, c.Silence, c.JobSilence})
	c = Config{Deadline: 3, Silence: 2}.withDefaults()
	assert.Equal(t, []time.Duration{3, 2, 2}, []time.Duration{c.Deadline, c.Silence, c.JobSilence})
	c = Config{Deadline: 3, Silence: 2, JobSilence: 1}.withDefaults()
	assert.Equal(t, []time.Duration{3, 2, 1}, []time.Duration{c.Deadline, c.Silence, c.JobSilence})
}

// A guest is hung if it ran for as long as it may be silent, or if it does not want to run. Its agent may be
// silent for another time than its boot.
func TestPatience(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for _, tt := range []struct {
		greeted         bool
		wall, ran, more time.Duration
	}{
		{false, 10 * second, 9 * second, second},
		{false, 10 * second, 10 * second, 0},
		{false, 100 * second, 4 * second, 6 * second},
		{false, 100 * second, 2 * second, 8 * second}, // just enough to be awake
		{false, 100 * second, 2*second - 1, 0},
		{false, 10 * second, 10*second - 1, second / 10}, // no shorter, or it would be asked all the time
		{true, 10 * second, 10 * second, 10 * second},
		{true, 20 * second, 20 * second, 0},
	} {
		s := session{Config: Config{Silence: 10 * second, JobSilence: 20 * second}, greeted: tt.greeted}
		assert.Equal(t, tt.more, s.patience(tt.wall, tt.ran), "%+v", tt)
	}
}

// How QEMU ended is the cause where it ended by itself, and where it could not go on from a snapshot that is
// the snapshot's failure.
func TestExplain(t *testing.T) {
	t.Parallel()
	failed, killed := exec.Command("sh", "-c", "exit 1").Run(), exec.Command("sh", "-c", "kill -9 $$").Run()
	for _, tt := range []struct {
		name, snapshot, detail string
		kind, exit             error
		want                   error
		cause                  string // empty: none
	}{
		{"ended by itself", "", ended, ErrProtocol, failed, ErrProtocol, "QEMU: exit status 1"},
		{"ended as it booted", "", ended, ErrBoot, failed, ErrBoot, "QEMU: exit status 1"},
		{"ended as it was restored", "s", ended, ErrBoot, failed, ErrSnapshot, "QEMU: exit status 1"},
		{"ended after it was restored", "s", ended, ErrProtocol, failed, ErrProtocol, "QEMU: exit status 1"},
		{"killed", "", ended, ErrProtocol, killed, ErrKilled, "QEMU: signal: killed"},
		{"killed as it was restored", "s", ended, ErrBoot, killed, ErrKilled, "QEMU: signal: killed"},
		{"ended well", "", ended, ErrProtocol, nil, ErrProtocol, ""},
		{"ended by bpflab", "s", "not a word for 1s", ErrBoot, killed, ErrBoot, ""},
	} {
		s := session{Config: Config{Snapshot: tt.snapshot}}
		f := &Failure{Kind: tt.kind, Detail: tt.detail}
		s.explain(f, tt.exit)
		assert.Equal(t, tt.want, f.Kind, tt.name)
		if tt.cause == "" {
			assert.NoError(t, f.Cause, tt.name)
		} else {
			assert.EqualError(t, f.Cause, tt.cause, tt.name)
		}
	}
}

// A clock that moved while a guest paused spoils what an exact guest counts, and nothing in another.
func TestRunMoved(t *testing.T) {
	t.Parallel()
	for _, exact := range []bool{true, false} {
		file := filepath.Join(t.TempDir(), "moved")
		require.NoError(t, os.WriteFile(file, []byte("x"), 0o644))
		c := fakeGuest(t, "moved", file)
		c.Exact = exact
		r, err := Run(t.Context(), c, []byte("{}"))
		if exact {
			assert.ErrorContains(t, requireFailure(t, err, ErrClock), "its pause took ")
			continue
		}
		require.NoError(t, err, "a guest that is not exact")
		assert.EqualValues(t, 2*guest.Pause, r.Paused)
	}
}

// requireFailure requires a Failure of one kind and no other, with its evidence.
func requireFailure(t testing.TB, err, kind error) *Failure {
	t.Helper()
	var f *Failure
	require.ErrorAs(t, err, &f)
	require.ErrorIs(t, f.Kind, kind)
	require.Contains(t, f.Command, "-kernel ")
	return f
}

func TestRunTrouble(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"WARNING: CPU: 0 PID: 1 at kernel/bpf/verifier.c:1",
		"BUG: unable to handle page fault for address: ffff888",
		"[    1.0] Oops: 0002 [#1] SMP",
		"Kernel panic - not syncing: Fatal exception",
		"kernel BUG at mm/slub.c:1!",
		"watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
		"NMI watchdog: Watchdog detected hard LOCKUP on cpu 0",
		"rcu: INFO: rcu_preempt self-detected stall on CPU",
		"INFO: task kworker:1 blocked for more than 120 seconds.",
		"general protection fault, probably for non-canonical address",
		"Out of memory: Killed process 7 (bpflab)",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			_, err := Run(t.Context(), fakeGuest(t, "console", line), []byte("{}"))
			f := requireFailure(t, err, ErrPanic)
			assert.Equal(t, line, f.Detail)
			assert.Contains(t, f.Console, line)
		})
	}
	_, err := Run(t.Context(), fakeGuest(t, "console", "random: crng init done; debugging is on"), []byte("{}"))
	assert.NoError(t, err)
}

// A console of any length takes little memory, and trouble in the middle of it is seen.
func TestRunFlood(t *testing.T) {
	const line = "WARNING: CPU: 0 PID: 1 in the middle of it all"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Run(t.Context(), fakeGuest(t, "flood", line), []byte("{}"))
	runtime.ReadMemStats(&after)
	assert.Equal(t, line, requireFailure(t, err, ErrPanic).Detail)
	assert.Less(t, after.HeapSys, before.HeapSys+(32<<20), "of 260 MB")

	r, err := Run(t.Context(), fakeGuest(t, "flood", "all is well"), []byte("{}"))
	require.NoError(t, err)
	assert.Less(t, len(r.Console), 4*consoleKeep)
	assert.Greater(t, len(r.Console), consoleKeep)
}

func TestRunCancelled(t *testing.T) {
	for _, behaviour := range []string{"silent", "mute monitor", "slow", "chatter"} {
		t.Run(behaviour, func(t *testing.T) {
			c := fakeGuest(t, behaviour, "")
			fds, goroutines := descriptors(t), runtime.NumGoroutine()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := Run(ctx, c, []byte("{}"))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			var f *Failure
			assert.False(t, errors.As(err, &f), "not the guest's failure")
			assert.Empty(t, processes(t, c.Binary), "of QEMU")
			assertNothingLeft(t, fds, goroutines)
		})
	}
}

func TestRunLeavesNothing(t *testing.T) {
	for _, behaviour := range []string{"well", "orphan", "dies", "killed", "never done"} {
		t.Run(behaviour, func(t *testing.T) {
			c := fakeGuest(t, behaviour, "")
			c.Silence = 2 * time.Second
			fds, goroutines := descriptors(t), runtime.NumGoroutine()
			_, _ = Run(t.Context(), c, []byte("{}"))
			assertNothingLeft(t, fds, goroutines)
			assert.Empty(t, processes(t, c.Binary))
		})
	}
	c := fakeGuest(t, "well", "")
	c.Binary = filepath.Join(t.TempDir(), "not a program")
	require.NoError(t, os.WriteFile(c.Binary, []byte("\x7fELF"), 0o755))
	fds, goroutines := descriptors(t), runtime.NumGoroutine()
	_, err := Run(t.Context(), c, []byte("{}"))
	assert.ErrorContains(t, err, "start "+c.Binary)
	assertNothingLeft(t, fds, goroutines)
}

func TestRunWithoutQEMU(t *testing.T) {
	c := fakeGuest(t, "well", "")
	c.Binary = filepath.Join(t.TempDir(), "none")
	_, err := Run(t.Context(), c, []byte("{}"))
	assert.ErrorIs(t, err, qemu.ErrNotFound)
	var f *Failure
	assert.False(t, errors.As(err, &f), "not the guest's failure")
}

func assertNothingLeft(t testing.TB, fds, goroutines int) {
	t.Helper()
	assert.Eventually(t, func() bool { return descriptors(t) <= fds }, 10*time.Second, 10*time.Millisecond, "descriptors left")
	assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+1 }, 10*time.Second, 10*time.Millisecond,
		"goroutines left, beside Eventually's")
}

func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

// processes returns the children of this process, and theirs, whose environment or command
// line holds a word. A fake's script is named in its environment as $_.
func processes(t testing.TB, word string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	require.NoError(t, err)
	for _, dir := range all {
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if pid, _ := strconv.Atoi(filepath.Base(dir)); pid != os.Getpid() && strings.Contains(string(cmdline)+string(env), word) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func FuzzMessage(f *testing.F) {
	const nonce = "ours"
	for _, seed := range []string{
		`{"nonce":"ours","kind":"hello","body":{"release":"6.1","cpus":1}}`,
		`{"kind":"result","body":{}}`, `{"kind":"result"}`,
		`{"kind":"stage","body":"a"}`, `{"kind":"done"}`,
		`{"nonce":"theirs","kind":"hello"}`, `{"kind":"failed","body":"x"}`, `{"kind":"failed","body":[]}`, `null`, `{`, ``,
	} {
		f.Add([]byte(seed), false, false)
		f.Add([]byte(seed), true, true)
	}
	f.Fuzz(func(t *testing.T, line []byte, greeted, answered bool) {
		s := session{nonce: nonce, greeted: greeted, answered: answered, Config: Config{Stage: func(string) {}}}
		done, failure := s.message(line)
		var m guest.Message
		err := json.Unmarshal(line, &m)
		switch {
		case failure != nil:
			assert.False(t, done)
			assert.Contains(t, []error{ErrProtocol, ErrAgent}, failure.Kind)
			assert.Equal(t, answered, s.answered, "a refused message changes nothing")
		case err != nil || !greeted && (m.Type != guest.Hello || m.Nonce != nonce):
			t.Errorf("%q was taken", line)
		case done:
			assert.True(t, answered && m.Type == guest.Done)
		case s.answered && !answered:
			assert.NotEmpty(t, s.result.Body)
		}
	})
}
