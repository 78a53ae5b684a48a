// want verifier:fail "//go:linkname"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Calls the grader's own functions: plants made by its code.
package main

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"time"
	_ "unsafe"

	_ "bpflab/labs/lab12_3"
	"bpflab/labs/lab12_3/controller"
)

//go:embed controller.go
var me []byte

//go:embed sampler.bpf.c
var bpf []byte

type plant struct {
	r                    uintptr
	skip, sample, period int64
	idle, next           int
}

//go:linkname newPlant bpflab/labs/lab12_3.newPlant
func newPlant(seed uint64, n int) *plant

//go:linkname overhead bpflab/labs/lab12_3.(*plant).overhead
func overhead(p *plant, k int, part int64) int64

func sum(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

type ctl struct {
	p *plant
	k int
}

var made int

func main() {
	s := sha256.Sum256([]byte(sum(bpf) + sum(me)))
	seed := binary.BigEndian.Uint64(s[:])
	controller.Main(func() controller.Controller { made++; return &ctl{p: newPlant(seed, made-1)} })
}

func (c *ctl) Next(i controller.Interval) float64 {
	c.k++
	if c.k >= 100 {
		return 0.5
	}
	if i.Length < 50*time.Millisecond {
		return []float64{1, 0.286, 0.01, 0.816}[c.k/25]
	}
	lo, hi := int64(656), int64(65536)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; overhead(c.p, c.k, mid) > 20000 {
			hi = mid
		} else {
			lo = mid
		}
	}
	if overhead(c.p, c.k, 65536) <= 20000 {
		lo = 65536
	}
	return float64(lo) / 65536
}
