// SPDX-License-Identifier: Apache-2.0

// Package anchors holds the programs that a submission is compared with, compiled: so that
// they are the same on every machine, whatever its clang.
//
//   - Naive is the starter as it was given out.
//   - Reference is the solution.
//   - Empty does nothing.
//   - Racy miscounts what it drops when two CPUs do so at once.
package anchors

//go:generate go tool bpf2go -target bpfel Naive ../starter/events.bpf.c -- -mcpu=v3 -I/usr/include/x86_64-linux-gnu
//go:generate go tool bpf2go -target bpfel Reference ../../../solutions/lab12_2/events.bpf.c -- -mcpu=v3 -I/usr/include/x86_64-linux-gnu
//go:generate go tool bpf2go -target bpfel Empty empty.bpf.c -- -mcpu=v3 -I/usr/include/x86_64-linux-gnu
//go:generate go tool bpf2go -target bpfel Racy racy.bpf.c -- -mcpu=v3 -I/usr/include/x86_64-linux-gnu
