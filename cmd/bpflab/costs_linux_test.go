// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"bpflab/harness/host/receipt"
	"bpflab/harness/job"
	"bpflab/vm/kernels"
)

var update = flag.Bool("update", false, "write what a test compares with anew, for all kernels")

const costsGolden = "testdata/costs.golden"

// costs is what a packet takes, in instructions: dropped, and received by a socket.
type costs struct{ Drop, Pass float64 }

// costTable is costs.golden: of each kernel, what the empty program takes, and what others
// take over it.
type costTable struct {
	made    map[string]string // qemu, clang, guest, and each kernel's release
	kernels []string
	costs   map[string]map[string]costs // by kernel and program
}

// priced are the programs whose costs are kept, beside the empty one.
func priced(t testing.TB) (names []string, from map[string]string) {
	wrong := filepath.Join(solution(t), "wrong")
	return []string{"starter", "solution", "slow_hash", "slow_update", "clock"}, map[string]string{
		"starter": starter(t), "solution": solution(t), "slow_hash": filepath.Join(wrong, "slow_hash"),
		"slow_update": filepath.Join(wrong, "slow_update"), "clock": filepath.Join(wrong, "clock"),
	}
}

// measureCosts has each program observed, in guests that count costs.
func measureCosts(t testing.TB, on []string) costTable {
	t.Helper()
	table := costTable{made: map[string]string{}, kernels: on, costs: map[string]map[string]costs{}}
	names, from := priced(t)
	for _, name := range names {
		r := observed(t, labs[0], from[name], on, job.Exact)
		for _, tool := range []string{"qemu", "clang", "guest"} {
			table.made[tool] = r.Tools[tool]
		}
		for _, k := range r.Kernels {
			table.made[k.Name] = k.Release
			if table.costs[k.Name] == nil {
				table.costs[k.Name] = map[string]costs{}
			}
			empty, yours := costsOf(t, k)
			table.costs[k.Name]["empty"] = empty
			table.costs[k.Name][name] = costs{yours.Drop - empty.Drop, yours.Pass - empty.Pass}
		}
	}
	return table
}

func costsOf(t testing.TB, k receipt.Kernel) (empty, yours costs) {
	t.Helper()
	type cost struct{ Empty, Yours job.Timing }
	o := k.Guest[job.Exact]
	drop, err := job.Get[cost](o, "drop")
	require.NoError(t, err, "%s: %s", k.Name, k.Error)
	pass, err := job.Get[cost](o, "pass")
	require.NoError(t, err)
	return costs{drop.Empty.Typical, pass.Empty.Typical}, costs{drop.Yours.Typical, pass.Yours.Typical}
}

func (table costTable) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, "Instructions that a packet takes, dropped and passed to a socket: with the empty program,")
	fmt.Fprintln(&b, "and over it with others. go test ./cmd/bpflab -run TestCosts -update writes this anew.")
	fmt.Fprintln(&b)
	for _, tool := range []string{"qemu", "clang", "guest"} {
		fmt.Fprintf(&b, "made with %-5s  %s\n", tool, table.made[tool])
	}
	for _, k := range table.kernels {
		fmt.Fprintf(&b, "\nkernel %-4s  %s\n", k, table.made[k])
		for _, name := range []string{"empty", "starter", "solution", "slow_hash", "slow_update", "clock"} {
			c := table.costs[k][name]
			fmt.Fprintf(&b, "%-12s %14.8f %14.8f\n", name, c.Drop, c.Pass) // lists of 256: eight digits are all there are
		}
	}
	return b.String()
}

func parseCosts(t testing.TB, text string) costTable {
	t.Helper()
	table := costTable{made: map[string]string{}, costs: map[string]map[string]costs{}}
	kernel := ""
	for _, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) > 3 && words[0] == "made":
			table.made[words[2]] = strings.Join(words[3:], " ")
		case len(words) == 3 && words[0] == "kernel":
			kernel = words[1]
			table.made[kernel], table.costs[kernel] = words[2], map[string]costs{}
			table.kernels = append(table.kernels, kernel)
		case len(words) == 3 && kernel != "":
			var c costs
			_, err := fmt.Sscan(words[1]+" "+words[2], &c.Drop, &c.Pass)
			require.NoError(t, err, "%s: %q", costsGolden, line)
			table.costs[kernel][words[0]] = c
		}
	}
	return table
}

// Costs are what they were, to the last digit, wherever QEMU, clang and the kernel are.
func TestCosts(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile(costsGolden, []byte(measureCosts(t, kernels.Names()).String()), 0o644))
	}
	text, err := os.ReadFile(costsGolden)
	require.NoError(t, err)
	want := parseCosts(t, string(text))
	require.Equal(t, string(text), want.String(), "as -update writes it")
	got := measureCosts(t, matrix())
	for _, k := range got.kernels {
		t.Run(k, func(t *testing.T) {
			for _, tool := range []string{"qemu", "clang", "guest", k} {
				if got.made[tool] != want.made[tool] {
					t.Skipf("%s: %s is %q here; the costs were measured with %q", costsGolden, tool, got.made[tool], want.made[tool])
				}
			}
			require.Len(t, want.costs[k], len(got.costs[k]))
			for name, c := range got.costs[k] {
				w := want.costs[k][name]
				if c != w {
					t.Errorf("%s: a packet takes %f and %f instructions (dropped, passed); %f and %f are expected", name, c.Drop, c.Pass, w.Drop, w.Pass)
				}
			}
		})
	}
}
