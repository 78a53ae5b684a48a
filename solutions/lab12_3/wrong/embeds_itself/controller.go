// want verifier:fail "//go:embed"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Embeds its own text and the BPF file's, of which the seed is made, and would know every plant before it
// is asked.
package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"bpflab/labs/lab12_3/controller"
)

//go:embed controller.go
var me []byte

//go:embed sampler.bpf.c
var bpf []byte

func sum(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

var seed = func() uint64 {
	s := sha256.Sum256([]byte(sum(bpf) + sum(me)))
	return binary.BigEndian.Uint64(s[:])
}()

var steps = []int64{10_000, 100_000, 1_000_000, 50_000}

type plant struct {
	skip, sample, period int64
	k                    int
}

func between(r *rand.Rand, low, high int64) int64 { return low + r.Int64N(high-low+1) }

var made = 0

func main() {
	controller.Main(func() controller.Controller {
		r := rand.New(rand.NewPCG(seed, uint64(made)))
		made++
		return &plant{skip: between(r, 15_000, 45_000), sample: between(r, 400_000, 4_000_000), period: between(r, 20, 80)}
	})
}

func (p *plant) Next(i controller.Interval) float64 {
	p.k++
	k := p.k
	if k >= 100 {
		return 0.5
	}
	if i.Length < 50*time.Millisecond { // live: what the reference costs is known too
		return []float64{1, 0.286, 0.01, 0.816}[k/25]
	}
	phase := int64(k) % p.period
	drift := 1000 + 200*2*min(phase, p.period-phase)/p.period
	per := 20_000 * 100e6 / 1e6 * 1000 / float64(steps[k/25]/10) / float64(drift) * 1000 // ps an event
	return min(max((per-float64(p.skip))/float64(p.sample), 0.01), 1)
}
