// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/attach"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/instrument"
	"bpflab/harness/guest/measure"
	"bpflab/harness/job"
)

// bpfStatsRunTime is BPF_STATS_RUN_TIME of enum bpf_stats_type.
const bpfStatsRunTime = 0

// eventRounds is how often the calls are made, and counted.
const eventRounds = 11

// Events attaches a program where its section says, makes system calls of many kinds, and says how often the program
// ran for them and what a run costs, over a program that only returns, at the same place. The kernel itself
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

// timed attaches a program and makes the calls, round by round. An interrupt may fall into a run, and makes it longer by
// thousands of instructions. So what a run costs is taken step by step, the median of all rounds, in most of which
// nothing came between; and the steps count by how often the program ran in them.
func timed(prog *ebpf.Program, spec *ebpf.ProgramSpec) (runs job.EventRuns, err error) {
	var (
		costs  [][]float64
		counts []uint64
		before *ebpf.ProgramStats
	)
	err = bringAbout(prog, spec, func(round, step int) error {
		now, err := prog.Stats()
		if err != nil {
			return err
		}
		if step == len(costs) {
			costs, counts = append(costs, nil), append(counts, 0)
		}
		if before != nil && round > 0 {
			if n := now.RunCount - before.RunCount; n > 0 {
				counts[step] += n
				costs[step] = append(costs[step], float64(now.Runtime-before.Runtime)/float64(n))
			}
		}
		before = now
		return nil
	})
	if err != nil {
		return runs, err
	}
	sum := 0.0
	for i, list := range costs {
		if len(list) > 0 {
			sum += list[middle(list)] * float64(counts[i])
			runs.Count += counts[i]
		}
	}
	if runs.Count > 0 {
		runs.Cost = sum / float64(runs.Count)
	}
	return runs, nil
}

// bringAbout attaches a program and makes the calls, step by step, in rounds; of the first, caches are empty. It calls seen
// after each step.
func bringAbout(prog *ebpf.Program, spec *ebpf.ProgramSpec, seen func(round, step int) error) (err error) {
	if err := prepared(); err != nil {
		return err
	}
	attached, err := attach.Program(prog, spec, 0)
	if err != nil {
		return err
	}
	defer func(l io.Closer) { err = errors.Join(err, l.Close()) }(attached)
	dir, err := os.MkdirTemp("", "events-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	measure.Settle()
	steps := happenings(dir)
	if it, ok := attached.(*link.Iter); ok {
		steps = []func() error{func() error { return read(it) }}
	}
	forbids := spec.Type == ebpf.LSM || attach.InGroups(spec.Type)
	for round := range eventRounds + 1 {
		for i, step := range steps {
			err := step()
			if forbids { // it may
				err = nil
			}
			if err := errors.Join(err, seen(round, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// read has an iterator go through all that it iterates over.
func read(it *link.Iter) error {
	f, err := it.Open()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, f)
	return errors.Join(err, f.Close())
}

// prepared makes what events need that a guest has not from the beginning: control groups, and a network interface.
var prepared = sync.OnceValue(func() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(attach.Groups, &fs); err == nil && fs.Type != unix.CGROUP2_SUPER_MAGIC {
		if err := unix.Mount("cgroup2", attach.Groups, "cgroup2", 0, ""); err != nil {
			return fmt.Errorf("mount control groups: %w", err)
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("bring up loopback: %w", err)
	}
	return nil
})

// CountEvents has a copy of a program run at the events at which Events has the program run. Of each step that brings
// events about one round counts, the median by what was counted and what calls took, as often as there are rounds in
// which it did.
func CountEvents(c *instrument.Copy, prog *ebpf.Program, counts *ebpf.Map, spec *ebpf.ProgramSpec) (sum instrument.Words, err error) {
	var (
		all    [][]instrument.Words // by step and round
		before instrument.Words
	)
	err = bringAbout(prog, spec, func(round, step int) error {
		now, err := instrument.Read(counts)
		if err != nil {
			return err
		}
		if step == len(all) {
			all = append(all, nil)
		}
		if before != nil && round > 0 {
			if since := now.Less(before); c.Ran(since) > 0 {
				all[step] = append(all[step], since)
			}
		}
		before = now
		return nil
	})
	sum = make(instrument.Words, len(before))
	for _, rounds := range all {
		var totals []uint64
		for _, w := range rounds {
			totals = append(totals, w.Sum())
		}
		for range rounds {
			sum.Add(rounds[middle(totals)])
		}
	}
	return sum, err
}

// happenings bring about events of many kinds, of files, memory, processes, sockets and signals, again and again. They
// leave nothing in dir.
func happenings(dir string) []func() error {
	file, folder, link := filepath.Join(dir, "a"), filepath.Join(dir, "d"), filepath.Join(dir, "l")
	var memory []byte
	steps := []func() error{
		func() error { return os.WriteFile(file, make([]byte, 100), 0o600) },
		func() error { _, err := os.ReadFile(file); return err },
		func() error { return os.Rename(file, file+"b") },
		func() error { return os.Mkdir(folder, 0o700) },
		func() error { return os.Symlink("ab", link) },
		func() error { _, err := os.ReadDir(dir); return err },
		func() error { return errors.Join(os.Remove(file+"b"), os.Remove(folder), os.Remove(link)) },
		func() (err error) {
			memory = nil
			memory, err = unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			return err
		},
		func() error {
			if memory == nil { // the program forbids it
				return nil
			}
			memory[0] = 1 // a page fault
			return unix.Munmap(memory)
		},
		func() error { _, err := calls.ByAnother(calls.Call{Number: unix.SYS_GETPID}, 1); return err }, // clone, exit, wait
		func() error {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			_, err = unix.Write(pair[0], []byte("x"))
			return errors.Join(err, unix.Close(pair[0]), unix.Close(pair[1]))
		},
		loopback,
		connection,
		func() error { _, err := os.ReadFile("/proc/sys/kernel/ostype"); return err },
		func() error { f, err := os.Open("/dev/null"); return errors.Join(err, f.Close()) },
		func() error { // perf events
			for began := calls.Now(); calls.Now()-began < 3e6; {
			}
			return nil
		},
		func() error { return unix.Kill(os.Getpid(), 0) },
		func() error { // sched_switch
			pause := unix.NsecToTimespec(1000)
			return unix.Nanosleep(&pause, nil)
		},
	}
	for _, number := range []uint64{unix.SYS_GETPID, unix.SYS_GETPGID, unix.SYS_GETUID, unix.SYS_SCHED_YIELD, unix.SYS_UNAME} {
		steps = append(steps, func() error { calls.Make(calls.Call{Number: number}); return nil })
	}
	return steps
}

// connection makes a connection from this machine to itself, says something and ends it at once.
func connection() error {
	local := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	listening, err := socket(unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	defer unix.Close(listening)
	if err := errors.Join(unix.Bind(listening, local), unix.Listen(listening, 1)); err != nil {
		return err
	}
	to, err := unix.Getsockname(listening)
	if err != nil {
		return err
	}
	client, err := socket(unix.SOCK_STREAM)
	if err != nil {
		return err
	}
	defer unix.Close(client)
	// It ends with a reset: what waits for more would come between later steps.
	if err := unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if _, err := unix.GetsockoptInt(client, unix.SOL_SOCKET, unix.SO_KEEPALIVE); err != nil {
		return err
	}
	if err := unix.Connect(client, to); err != nil {
		return err
	}
	server, _, err := unix.Accept4(listening, unix.SOCK_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(server)
	if err := patience(server); err != nil {
		return err
	}
	if _, err := unix.Write(client, []byte("x")); err != nil {
		return err
	}
	_, err = unix.Read(server, make([]byte, 1))
	return err
}

// socket makes one that does not wait for ever: a program may lose what is sent.
func socket(kind int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		if err = patience(fd); err != nil {
			unix.Close(fd)
		}
	}
	return fd, err
}

// patience limits how long a socket waits, to a tenth of a second.
func patience(fd int) error {
	limit := unix.Timeval{Usec: 100_000}
	return errors.Join(unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit), unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit))
}

// loopback sends a datagram from this machine to itself.
func loopback() error {
	fd, err := socket(unix.SOCK_DGRAM)
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
	if err := unix.Sendto(fd, []byte("x"), 0, to); err != nil {
		return err
	}
	_, _, err = unix.Recvfrom(fd, make([]byte, 1), 0)
	return err
}
