// SPDX-License-Identifier: Apache-2.0

// Package percpu reads maps that hold one value under a key, or one for each CPU: which of them is the
// student's choice.
package percpu

import (
	"errors"

	"github.com/cilium/ebpf"
)

// Values returns what a map holds under a key: one value, one for each possible CPU, or none if the key is not
// there.
func Values[T any](m *ebpf.Map, key any) ([]T, error) {
	var all []T
	var err error
	switch m.Type() {
	case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash:
		err = m.Lookup(key, &all)
	default:
		all = make([]T, 1)
		err = m.Lookup(key, &all[0])
	}
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, nil
	}
	return all, err
}
