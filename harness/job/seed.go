// SPDX-License-Identifier: Apache-2.0

package job

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Seed is what everything that a submission meets is drawn from: frames, calls, names, users, rates.
type Seed uint64

// Part is the seed of one part of it. A guest is given the parts that it needs and never the seed
// itself: who finds a part in the guest's memory learns nothing of another.
func (s Seed) Part(name string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "bpflab %s %d", name, uint64(s)))
	return binary.BigEndian.Uint64(sum[:])
}

// seedName is where GetSeed finds a submission's seed among the observations. No guest observes it:
// the host puts it there.
const seedName = "seed"

// GetSeed returns the submission's seed.
func GetSeed(o Observations) (Seed, error) { return Get[Seed](o, seedName) }

// SetSeed puts the submission's seed where GetSeed finds it, whatever was there.
func (o Observations) SetSeed(s Seed) error { return o.Set(seedName, s) }
