// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// timers are all that run in a guest: that of its CPU and that of its real-time clock. It
// stops them to pause. QEMU, which finds all CPUs idle then, may or may not move the
// clock on to the next timer before it has stopped the guest, whichever of two of its threads
// is first. Without a timer there is nothing to move it to.
type timers struct {
	apic []byte // the local APIC's registers
	left uint32 // of the CPU's timer, in its own unit
	rtc  byte   // register B of the real-time clock
}

const (
	apicBase    = 0xfee00000
	apicInitial = 0x380 // how long the timer runs from when this is written; zero stops it
	apicCurrent = 0x390 // what is left of that

	rtcIndex     = port(0x70)
	rtcData      = port(0x71)
	rtcRegisterB = 0x0b
	rtcSet       = 0x80 // holds the clock, for it to be set
)

// findTimers needs iomem=relaxed and nox2apic on the kernel's command line, and, as long as
// they are used, the calling thread.
func findTimers() (*timers, error) {
	for _, p := range []port{rtcIndex, rtcData} {
		if err := p.permit(); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile("/dev/mem", os.O_RDWR|os.O_SYNC, 0)
	if err != nil {
		return nil, fmt.Errorf("reach the timers: %w", err)
	}
	defer f.Close()
	apic, err := unix.Mmap(int(f.Fd()), apicBase, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("reach the CPU's timer: %w", err)
	}
	rtcIndex.outb(rtcRegisterB)
	return &timers{apic: apic, rtc: inb(uint16(rtcData))}, nil
}

func (t *timers) close() { _ = unix.Munmap(t.apic) } // of a mapping that exists

func (t *timers) register(offset int) *uint32 { return (*uint32)(unsafe.Pointer(&t.apic[offset])) }

func (t *timers) stop() {
	rtcData.outb(t.rtc | rtcSet)
	t.left = atomic.LoadUint32(t.register(apicCurrent))
	atomic.StoreUint32(t.register(apicInitial), 0)
}

// start has the CPU's timer go on where it stood. The real-time clock stays stopped: a guest
// does not read it again, and QEMU would tell its monitor that the clock was set, and then
// wait for a second of the host's time before it tells so again. The end of that second cuts
// short the turn of whichever CPU has it.
func (t *timers) start() { atomic.StoreUint32(t.register(apicInitial), t.left) }
