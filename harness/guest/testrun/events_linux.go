// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/attach"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/measure"
	"bpflab/harness/job"
)

// bpfStatsRunTime is BPF_STATS_RUN_TIME of enum bpf_stats_type.
const bpfStatsRunTime = 0

// eventRounds is how often the calls are made, and counted. A timer tick may fall into a run of one round; the median of
// all rounds knows nothing of it.
const eventRounds = 11

// Events attaches a program where its section says, makes system calls of many kinds, and says how often the program
// ran for them and what a run costs, over a program that only returns, at the same place: the median of the rounds' means. The kernel itself
// takes the time of each run (BPF_ENABLE_STATS).
//
// Requires Linux 5.10, and what [attach.Program] requires.
func Events(prog *ebpf.Program, spec *ebpf.ProgramSpec) (*job.EventRuns, error) {
	stats, err := ebpf.EnableStats(bpfStatsRunTime)
	if err != nil {
		return nil, fmt.Errorf("have the kernel take the time of programs: %w", err)
	}
	defer stats.Close()
	yours, err := timed(prog, spec)
	if err != nil {
		return nil, err
	}
	if yours.Count == 0 {
		return nil, errors.New("it did not run: none of the system calls that are made here brings its event about")
	}
	nothing, err := empty(spec)
	if err != nil {
		return nil, err
	}
	defer nothing.Close()
	none, err := timed(nothing, spec)
	if err != nil {
		return nil, err
	}
	if none.Count == 0 {
		return nil, errors.New("an empty program at the same place did not run")
	}
	yours.Cost -= none.Cost
	return &yours, nil
}

// timed attaches a program and makes the calls.
func timed(prog *ebpf.Program, spec *ebpf.ProgramSpec) (runs job.EventRuns, err error) {
	link, err := attach.Program(prog, spec, 0)
	if err != nil {
		return runs, err
	}
	defer func(l io.Closer) { err = errors.Join(err, l.Close()) }(link)
	if err := happen(); err != nil { // the first time caches are empty
		return runs, err
	}
	measure.Settle()
	var costs []float64 // of a run, by round
	before, err := prog.Stats()
	if err != nil {
		return runs, err
	}
	for range eventRounds {
		if err := happen(); err != nil {
			return runs, err
		}
		now, err := prog.Stats()
		if err != nil {
			return runs, err
		}
		if n := now.RunCount - before.RunCount; n > 0 {
			runs.Count += n
			costs = append(costs, float64(now.Runtime-before.Runtime)/float64(n))
		}
		before = now
	}
	if len(costs) > 0 {
		runs.Cost = slices.Sorted(slices.Values(costs))[len(costs)/2]
	}
	return runs, nil
}

// happen brings about events of many kinds: files, memory, processes, sockets and signals.
func happen() error {
	dir, err := os.MkdirTemp("", "events-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "a")
	if err := os.WriteFile(file, make([]byte, 100), 0o600); err != nil { // openat, write, close
		return err
	}
	_, err1 := os.ReadFile(file)
	err2 := os.Rename(file, file+"b")
	err3 := os.Mkdir(filepath.Join(dir, "d"), 0o700)
	err4 := os.Symlink("b", filepath.Join(dir, "l"))
	_, err5 := os.ReadDir(dir)
	err6 := os.Remove(file + "b")
	memory, err7 := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err7 == nil {
		memory[0] = 1 // a page fault
		err7 = unix.Munmap(memory)
	}
	_, err8 := calls.ByAnother(calls.Call{Number: unix.SYS_GETPID}, 1) // clone, exit, wait
	var pair [2]int
	pair, err9 := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err9 == nil {
		_, err9 = unix.Write(pair[0], []byte("x"))
		err9 = errors.Join(err9, unix.Close(pair[0]), unix.Close(pair[1]))
	}
	err10 := loopback()
	for _, number := range []uint64{unix.SYS_GETPID, unix.SYS_GETPGID, unix.SYS_GETUID, unix.SYS_SCHED_YIELD, unix.SYS_UNAME} {
		calls.Make(calls.Call{Number: number})
	}
	err11 := unix.Kill(os.Getpid(), 0)
	pause := unix.NsecToTimespec(1000)
	err12 := unix.Nanosleep(&pause, nil) // sched_switch
	return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, err12)
}

// loopback sends a datagram from this machine to itself.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	to, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	err = unix.Sendto(fd, []byte("x"), 0, to)
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.ENETDOWN) { // loopback is down
		return nil
	}
	return err
}
