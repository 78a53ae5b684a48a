// SPDX-License-Identifier: Apache-2.0

// Package qemu turns a typed description of a guest into a QEMU process.
package qemu

import (
	"fmt"
	"strconv"
	"strings"
)

// Accel is how QEMU executes guest instructions.
type Accel string

const (
	TCG Accel = "tcg" // translation: works everywhere, can count instructions
	KVM Accel = "kvm" // hardware: faster, where booting a guest shows that it works
)

// JobFile is the fw_cfg file that holds the guest's job. Reading fw_cfg is synchronous:
// it loses nothing, and takes the same number of guest instructions each time, which no
// serial or virtio input does.
const JobFile = "opt/bpflab/job"

// ResultPort is the I/O port of the debug console on which a guest reports. A write to
// it is synchronous and raises no interrupt, so reporting does not disturb an exact run,
// and only code with port permission reaches it.
const ResultPort = 0xe9

// Config describes a guest.
type Config struct {
	Binary    string // QEMU binary; empty: qemu-system-x86_64 on PATH
	Kernel    string // bzImage
	Initrd    string // initramfs
	Cmdline   []string
	CPUs      int // zero: 1
	MemoryMiB int // zero: 256
	Accel     Accel

	// Exact makes one guest instruction one nanosecond of guest time (TCG, one CPU) and
	// removes every source of randomness, so that two runs are equal to the bit.
	Exact bool
}

// Args returns QEMU's arguments. Descriptors 3, 4 and 5 of the process are the result
// channel, the console and the job.
func (c Config) Args() []string {
	cpus, mem := max(c.CPUs, 1), c.MemoryMiB
	if mem == 0 {
		mem = 256
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-M", "pc", "-m", strconv.Itoa(mem), "-smp", strconv.Itoa(cpus),
	}
	switch {
	case c.Accel == KVM:
		args = append(args, "-accel", "kvm", "-cpu", "host")
	case c.Exact:
		args = append(args, "-accel", "tcg,thread=single", "-cpu", cpuModel(c.Exact),
			"-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm")
	default:
		args = append(args, "-accel", "tcg,thread=multi", "-cpu", cpuModel(c.Exact))
	}
	return append(args,
		"-chardev", "file,id=results,path=/dev/fd/3",
		"-device", fmt.Sprintf("isa-debugcon,iobase=%#x,chardev=results", ResultPort),
		"-chardev", "file,id=console,path=/dev/fd/4",
		"-serial", "chardev:console",
		"-fw_cfg", "name="+JobFile+",file=/dev/fd/5",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-kernel", c.Kernel, "-initrd", c.Initrd,
		"-append", strings.Join(c.cmdline(), " "),
	)
}

// cmdline is the kernel's command line.
func (c Config) cmdline() []string {
	line := []string{
		"console=ttyS0",
		"loglevel=5",           // warnings and worse: what the console is scanned for
		"panic=-1",             // end at once …
		"oops=panic",           // … and for any oops, so that a broken guest never reports
		"nokaslr",              // the same addresses in every boot
		"random.trust_cpu=off", // entropy from the CPU would differ from run to run
	}
	return append(line, c.Cmdline...)
}
