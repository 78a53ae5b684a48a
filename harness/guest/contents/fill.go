// SPDX-License-Identifier: Apache-2.0

package contents

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"

	"bpflab/harness/job"
)

// Fill has maps of an object hold entries as soon as they are loaded, beside those that the object itself gives them. A
// key or value that is shorter than the map's is filled up with zeros; one that is longer only by zeros is cut. Maps per
// CPU hold the value on each. It fails for a map that the object does not have, or that holds no plain bytes.
func Fill(object *ebpf.CollectionSpec, entries map[string][]job.Entry) error {
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		m := object.Maps[name]
		if m == nil {
			return fmt.Errorf("expected a map %q to fill, found %q", name, slices.Sorted(maps.Keys(object.Maps)))
		}
		copies := 0 // of a value
		switch m.Type {
		case ebpf.Array, ebpf.Hash, ebpf.LRUHash, ebpf.LPMTrie:
		case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash:
			var err error
			if copies, err = ebpf.PossibleCPU(); err != nil {
				return err
			}
		default:
			return fmt.Errorf("the map %q, a %v, cannot be filled: only arrays, hashes and tries can", name, m.Type)
		}
		for i, e := range entries[name] {
			if len(e.Values) != 1 {
				return fmt.Errorf("entry %d of map %q: expected one value, found %d", i+1, name, len(e.Values))
			}
			key, err1 := sized(e.Key, m.KeySize)
			value, err2 := sized(e.Values[0], m.ValueSize)
			switch {
			case err1 != nil:
				return fmt.Errorf("entry %d of map %q: its key: %w", i+1, name, err1)
			case err2 != nil:
				return fmt.Errorf("entry %d of map %q: its value: %w", i+1, name, err2)
			}
			kv := ebpf.MapKV{Key: key, Value: value}
			if copies > 0 {
				kv.Value = slices.Repeat([][]byte{value}, copies)
			}
			m.Contents = append(m.Contents, kv)
		}
	}
	return nil
}

// sized makes bytes as many as a map takes.
func sized(raw []byte, size uint32) ([]byte, error) {
	if rest := raw[min(len(raw), int(size)):]; len(bytes.Trim(rest, "\x00")) > 0 {
		return nil, fmt.Errorf("expected %d bytes, found %d", size, len(raw))
	}
	out := make([]byte, size)
	copy(out, raw)
	return out, nil
}
