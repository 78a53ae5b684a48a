// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/awake"
)

// turns is how often CPUs that QEMU runs in turns change places. The shorter, the more often
// one of them stands between a load and its store; but each costs an interrupt. They are two
// primes: nothing that a program does repeats in step with both.
var turns = [2]time.Duration{19_997, 21_269}

// Runs is how often a program is run on a frame.
type Runs struct {
	Frame  []byte
	Repeat uint32
}

// Race runs prog on each of two CPUs at once, each on a frame of its own. The program should be
// attached somewhere: for one that is not, the kernel waits for an RCU grace period before
// each run, one run after the other, and little of them overlaps.
func Race(prog *ebpf.Program, on [2]Runs) error {
	return OnTwoCPUs(func(i int) error {
		_, err := prog.Run(&ebpf.RunOptions{Data: on[i].Frame, Repeat: on[i].Repeat})
		return err
	})
}

// OnTwoCPUs calls f on each of two CPUs at once, with 0 and with 1.
//
// Where instructions are counted, QEMU runs one CPU at a time, up to the next timer of the
// guest, and then the next CPU: so the timers that OnTwoCPUs starts on both decide how often
// they meet, however busy the host is.
func OnTwoCPUs(f func(i int) error) (err error) {
	cpus, err := twoCPUs()
	if err != nil {
		return err
	}
	defer awake.Alone()()
	for i, cpu := range cpus {
		timer, err := startTimer(cpu, turns[i])
		if err != nil {
			return err
		}
		defer unix.Close(timer)
	}
	var (
		wg    sync.WaitGroup
		ready atomic.Int32
		errs  = make([]error, len(cpus))
	)
	for i, cpu := range cpus {
		wg.Go(func() {
			// The thread is never unlocked: it ends with its goroutine, and its affinity
			// with it.
			runtime.LockOSThread()
			var set unix.CPUSet
			set.Set(cpu)
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				errs[i] = fmt.Errorf("move to CPU %d: %w", cpu, err)
			}
			for ready.Add(1); ready.Load() < int32(len(errs)); {
				runtime.Gosched()
			}
			if errs[i] == nil {
				errs[i] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// twoCPUs returns the first and the last that this process may run on.
func twoCPUs() (cpus [2]int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return cpus, fmt.Errorf("find the CPUs: %w", err)
	}
	if set.Count() < 2 {
		return cpus, fmt.Errorf("two CPUs are needed, %d is there", set.Count())
	}
	for cpus[0] = 0; !set.IsSet(cpus[0]); cpus[0]++ {
	}
	for cpus[1] = 8*len(set)*8 - 1; !set.IsSet(cpus[1]); cpus[1]-- {
	}
	return cpus, nil
}

// startTimer has the kernel take a timer interrupt on a CPU once in every period, until the
// descriptor is closed. Of all timers that user space can ask for, the clock of perf alone
// starts itself again.
func startTimer(cpu int, period time.Duration) (int, error) {
	fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK,
		Size: unix.PERF_ATTR_SIZE_VER0, Sample: uint64(period),
	}, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("start a timer on CPU %d: %w", cpu, err)
	}
	return fd, nil
}
