// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// OnEachCPU runs prog on frame, repeat times on each of the CPUs 0 to cpus-1, all at once.
// The program should be attached somewhere: for one that is not, the kernel waits for an
// RCU grace period before each run, one run after the other, and little of them overlaps.
func OnEachCPU(cpus int, prog *ebpf.Program, frame []byte, repeat uint32) error {
	var (
		wg    sync.WaitGroup
		ready atomic.Int32
		errs  = make([]error, cpus)
	)
	for cpu := range cpus {
		wg.Go(func() {
			// The thread is never unlocked: it ends with its goroutine, and its affinity
			// with it.
			runtime.LockOSThread()
			var set unix.CPUSet
			set.Set(cpu)
			if err := unix.SchedSetaffinity(0, &set); err != nil {
				errs[cpu] = fmt.Errorf("move to CPU %d: %w", cpu, err)
			}
			for ready.Add(1); ready.Load() < int32(cpus); {
				runtime.Gosched()
			}
			if errs[cpu] == nil {
				_, errs[cpu] = prog.Run(&ebpf.RunOptions{Data: frame, Repeat: repeat})
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
