// SPDX-License-Identifier: Apache-2.0

// Package observe is the guest's side of the lab.
package observe

// Count is of packets.
type Count struct{ Packets, Bytes uint64 }

// Seen is what arrived.
type Seen struct{ Sent, Counted Count }

// Machine is what the guest has.
type Machine struct{ CPUs, MemoryMiB int }
