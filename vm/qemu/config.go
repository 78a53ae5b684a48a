// SPDX-License-Identifier: Apache-2.0

// Package qemu turns a typed description of a guest into a QEMU process.
package qemu

import (
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"bpflab/vm/abi"
)

// Accel is how QEMU executes guest instructions.
type Accel string

const (
	TCG Accel = "tcg" // translation: works everywhere, can count instructions
	KVM Accel = "kvm" // hardware: faster, where booting a guest shows that it works
)

// MachineType is the machine that guests are. What "pc" means differs between versions of QEMU,
// and so would the cost of a packet; this one QEMU has had since 7.2.
const MachineType = "pc-i440fx-7.2"

// Config describes a guest.
type Config struct {
	Binary    string // QEMU binary; empty: qemu-system-x86_64 on PATH
	Kernel    string // bzImage
	Initrd    string // initramfs
	Cmdline   []string
	CPUs      int // zero: 1
	MemoryMiB int // zero: 256
	Accel     Accel

	// Exact makes one guest instruction one nanosecond of guest time (TCG) and
	// removes every source of randomness, so that two runs are equal to the bit.
	Exact bool

	// Restore goes on from a snapshot, the Command's, instead of booting.
	Restore bool
}

// The descriptors of the process beyond the standard ones.
const (
	fdResults  = 3 + iota // the result channel
	fdConsole             // the guest's serial console
	fdJob                 // what the guest reads from abi.JobFile
	fdMonitor             // QEMU's own control channel, QMP
	fdSnapshot            // a saved guest, to go on from
)

// Hardware returns the arguments that choose the machine: its memory, its CPUs and how
// they run.
func (c Config) Hardware() []string {
	cpus, mem := max(1, 2*c.CPUs-1), c.MemoryMiB // every other one is used: see cmdline
	if mem == 0 {
		mem = 256
	}
	// Without HPET, whose timer Linux 5.10 leaves running: a guest that pauses has to stop all of
	// its timers, and knows those of its CPU and of its real-time clock.
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-M", MachineType + ",hpet=off", "-m", strconv.Itoa(mem), "-smp", strconv.Itoa(cpus),
	}
	switch {
	case c.Accel == KVM:
		args = append(args, "-accel", "kvm", "-cpu", "host")
	case c.Exact:
		args = append(args, "-accel", "tcg,thread=single", "-cpu", cpuModel(c.Exact),
			"-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm",
			"-seed", "1") // of what QEMU hands a guest at boot: hash tables and pointers depend on it
	default:
		args = append(args, "-accel", "tcg,thread=multi", "-cpu", cpuModel(c.Exact))
	}
	return args
}

// Machine returns the arguments that make the guest what it is. With the contents of the
// kernel and the initramfs and with QEMU's version, they decide what a guest does until it
// pauses.
func (c Config) Machine() []string {
	return append(c.Hardware(),
		"-device", fmt.Sprintf("isa-debugcon,iobase=%#x,chardev=results", abi.ResultPort),
		"-serial", "chardev:console",
		"-kernel", c.Kernel, "-initrd", c.Initrd,
		"-append", strings.Join(c.cmdline(), " "),
	)
}

// Args returns QEMU's arguments, with its channels at the descriptors above.
func (c Config) Args() []string {
	args := append(c.Machine(),
		"-chardev", fmt.Sprintf("file,id=results,path=/dev/fd/%d", fdResults),
		"-chardev", fmt.Sprintf("file,id=console,path=/dev/fd/%d", fdConsole),
		"-fw_cfg", fmt.Sprintf("name=%s,file=/dev/fd/%d", abi.JobFile, fdJob),
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", fdMonitor), "-mon", "chardev=monitor,mode=control", "-S",
		"-device", fmt.Sprintf("pvpanic,ioport=%#x", abi.PausePort), "-action", "panic=pause",
	)
	if runtime.GOOS == "linux" { // seccomp
		args = append(args, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
	}
	if c.Restore {
		// After a migration QEMU announces the guest on its networks, of which it has none, at
		// times of the host's clock, and each cuts short the turn of whichever CPU has it.
		args = append(args, "-incoming", fmt.Sprintf("fd:%d", fdSnapshot), "-global", "migration.announce-rounds=0")
	}
	return args
}

// String is a shell command that boots the same guest by hand: its console on the terminal,
// its job from job.json, its results to results.json. Without the device that pauses it,
// the guest goes on to its job at once.
func (c Config) String() string {
	words := append([]string{c.binary()}, c.Machine()...)
	words = append(words,
		"-chardev", "stdio,id=console", "-chardev", "file,id=results,path=results.json",
		"-fw_cfg", "name="+abi.JobFile+",file=job.json")
	for i, word := range words {
		if !plain.MatchString(word) {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// plain is a word that no shell reads anything into.
var plain = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

func (c Config) binary() string {
	if c.Binary != "" {
		return c.Binary
	}
	return Binary
}

// cmdline is the kernel's command line.
func (c Config) cmdline() []string {
	line := []string{
		"console=ttyS0",
		"loglevel=7",           // all it says as it boots, from which a slow guest is told from a hung one; the agent lowers it
		"panic=-1",             // end at once …
		"oops=panic",           // … and for any oops, so that a broken guest never reports
		"nokaslr",              // the same addresses in every boot
		"random.trust_cpu=off", // entropy from the CPU would differ from run to run
		"iomem=relaxed",        // a guest stops its CPU's timer while it pauses …
		"nox2apic",             // … which is in memory
	}
	if c.CPUs > 1 {
		// QEMU runs the CPUs in turns, each up to the next timer of the guest. Before 8.1 it
		// then leaves out the one whose turn it is: of two CPUs the second would hardly ever
		// run. So one that never starts stands between two; the agent starts the others.
		line = append(line, "maxcpus=1")
	}
	// The kernel hands init what it does not know. A signal of Go's that preempts a thread in
	// the middle of a test run starts that run anew, and its packets count twice.
	line = append(line, "GODEBUG=asyncpreemptoff=1")
	if c.Exact {
		line = append(line,
			// Under icount the CPU's time-stamp counter is the guest's clock: 1 GHz, on all CPUs
			// alike. Otherwise a kernel with several CPUs takes a slower one, and watches it.
			"tsc=reliable", "tsc_early_khz=1000000",
			abi.Awake+"=1")
	}
	return append(line, c.Cmdline...)
}
