// SPDX-License-Identifier: Apache-2.0

// Package contents reads what a program's maps hold, whatever they are, and fills them.
package contents

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"bpflab/harness/job"
)

const (
	maxLooked  = 4 << 10 // entries of a map that are looked at
	maxEntries = 64      // of them, those that are returned
	maxBytes   = 1 << 20 // of all values that are returned
)

// Of returns what the arrays and hashes of a collection hold, by name; those of global variables are among them.
func Of(c *ebpf.Collection) (all []job.Map, err error) {
	room := maxBytes
	for _, name := range slices.Sorted(maps.Keys(c.Maps)) {
		m := c.Maps[name]
		switch m.Type() {
		case ebpf.Array, ebpf.PerCPUArray, ebpf.Hash, ebpf.PerCPUHash, ebpf.LRUHash, ebpf.LRUCPUHash:
		default:
			continue
		}
		one, err := read(name, m, &room)
		if err != nil {
			return nil, fmt.Errorf("read the map %s: %w", name, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// read reads a map. room is how many bytes of values may be kept.
func read(name string, m *ebpf.Map, room *int) (one job.Map, err error) {
	one.Name = name
	array := m.Type() == ebpf.Array || m.Type() == ebpf.PerCPUArray
	var key []byte
	for range maxLooked {
		var after any // nil: the first
		if key != nil {
			after = key
		}
		if key, err = m.NextKeyBytes(after); err != nil || key == nil {
			break
		}
		value, err := m.LookupBytes(key)
		if err != nil {
			return one, err
		}
		if value == nil || array && len(bytes.Trim(value, "\x00")) == 0 {
			continue
		}
		one.Entries = append(one.Entries, job.Entry{Key: key, Values: [][]byte{value}})
	}
	if err != nil {
		return one, err
	}
	one.More = key != nil
	// As numbers: the byte that counts most is the last.
	slices.SortFunc(one.Entries, func(a, b job.Entry) int {
		for i := len(a.Key) - 1; i >= 0; i-- {
			if a.Key[i] != b.Key[i] {
				return int(a.Key[i]) - int(b.Key[i])
			}
		}
		return 0
	})
	for i := range one.Entries {
		value := one.Entries[i].Values[0]
		if i == maxEntries || *room == 0 {
			one.Entries, one.More = one.Entries[:i], true
			break
		}
		value = value[:min(len(value), *room)]
		*room -= len(value)
		one.Entries[i].Values = split(value, m)
	}
	return one, nil
}

// split cuts what a lookup returned into the values of each CPU.
func split(value []byte, m *ebpf.Map) (all [][]byte) {
	switch m.Type() {
	case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash:
	default:
		return [][]byte{value}
	}
	size := int(m.ValueSize())
	for one := range slices.Chunk(value, (size+7)&^7) { // each is aligned
		all = append(all, one[:min(len(one), size)])
	}
	return all
}
