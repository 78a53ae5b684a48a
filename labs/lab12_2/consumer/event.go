// SPDX-License-Identifier: Apache-2.0

package consumer

import (
	"bytes"
	"encoding/binary"
	"unsafe"
)

// Event is an event as the BPF program writes it into the ring, and as a consumer reports it.
type Event struct {
	PID  uint32
	UID  uint32
	Time uint64 // ns, bpf_ktime_get_ns
	Comm [16]byte
}

// Name is Comm up to its first NUL. What stands behind that is anybody's: on Linux 6.1
// bpf_get_current_comm leaves there what the ring held before.
func (e *Event) Name() string {
	name, _, _ := bytes.Cut(e.Comm[:], []byte{0})
	return string(name)
}

// Size is the size of an event, in bytes.
const Size = int(unsafe.Sizeof(Event{}))

// Decode reads an event. It returns nil for what is not as long as one.
func Decode(record []byte) *Event {
	if len(record) != Size {
		return nil
	}
	e := &Event{
		PID:  binary.LittleEndian.Uint32(record),
		UID:  binary.LittleEndian.Uint32(record[4:]),
		Time: binary.LittleEndian.Uint64(record[8:]),
	}
	copy(e.Comm[:], record[16:])
	return e
}
