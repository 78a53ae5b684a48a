// SPDX-License-Identifier: Apache-2.0

// Package abi is where a guest and its QEMU meet: the ports, files and variables that both know.
package abi

// JobFile is the fw_cfg file that holds the guest's job. Reading fw_cfg is synchronous:
// it loses nothing, and takes the same number of guest instructions each time, which no
// serial or virtio input does.
const JobFile = "opt/bpflab/job"

// ResultPort is the I/O port of the debug console on which a guest reports. A write to
// it is synchronous and raises no interrupt, so reporting does not disturb an exact run,
// and only code with port permission reaches it.
const ResultPort = 0xe9

// PausePort is the I/O port at which a guest pauses itself, at an instruction of its choice:
// a pause that the host asks for comes at a random one, and no two snapshots would be equal.
const PausePort = 0x505

// PauseValue is what a guest writes there; it tells QEMU of a panic that is none.
const PauseValue = 1

// Awake is set in the environment of an exact guest's init, which is to see to it that the
// guest does not halt.
const Awake = "BPFLAB_AWAKE"
