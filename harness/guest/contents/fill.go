// SPDX-License-Identifier: Apache-2.0

package contents

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cilium/ebpf"

	"bpflab/harness/job"
)

// Fill has maps of an object hold entries as soon as they are loaded, beside those that the object itself gives them. A
// key or value that is shorter than the map's is filled up with zeros; one that is longer only by zeros is cut. Maps per
// CPU hold the value on each; one without a size gets it. It returns the names that the object has no map for, and fails
// for a map that has no room for its entries, or that holds no plain bytes.
func Fill(object *ebpf.CollectionSpec, entries map[string][]job.Entry) (missing []string, err error) {
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		m := object.Maps[name]
		if m == nil {
			missing = append(missing, name)
			continue
		}
		if err := fill(m, entries[name]); err != nil {
			return nil, fmt.Errorf("map %q: %w", name, err)
		}
	}
	return missing, nil
}

func fill(m *ebpf.MapSpec, entries []job.Entry) (err error) {
	array := m.Type == ebpf.Array || m.Type == ebpf.PerCPUArray
	copies := 0 // of a value
	switch m.Type {
	case ebpf.Array, ebpf.Hash, ebpf.LRUHash, ebpf.LPMTrie:
	case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash:
		if copies, err = ebpf.PossibleCPU(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("expected an array, a hash or a trie, found a %v", m.Type)
	}
	last := uint32(0) // index of an array
	for i, e := range entries {
		if len(e.Values) != 1 {
			return fmt.Errorf("entry %d: expected one value, found %d", i+1, len(e.Values))
		}
		key, err1 := sized(e.Key, m.KeySize)
		value, err2 := sized(e.Values[0], m.ValueSize)
		switch {
		case err1 != nil:
			return fmt.Errorf("entry %d: its key: %w", i+1, err1)
		case err2 != nil:
			return fmt.Errorf("entry %d: its value: %w", i+1, err2)
		}
		if array {
			last = max(last, binary.NativeEndian.Uint32(append(key, make([]byte, 4)...)))
		}
		kv := ebpf.MapKV{Key: key, Value: value}
		if copies > 0 {
			kv.Value = slices.Repeat([][]byte{value}, copies)
		}
		m.Contents = append(m.Contents, kv)
	}
	need := uint64(len(m.Contents))
	if array {
		need = uint64(last) + 1
	}
	switch {
	case len(entries) == 0:
	case m.MaxEntries == 0 && need <= math.MaxUint32:
		m.MaxEntries = uint32(need)
	case need > uint64(m.MaxEntries):
		return fmt.Errorf("expected at most %d entries, found %d, or an index that needs as many", m.MaxEntries, need)
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
