// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/netlab"
	"bpflab/harness/host/build"
	"bpflab/harness/traffic"
)

// BenchmarkContention measures, on the machine that it runs on, what counted instructions
// cannot see: that two CPUs wait for each other's cache line.
//
//	sudo go test -run '^$' -bench Contention -benchtime 1x ./labs/lab12_1/observe
func BenchmarkContention(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("it runs BPF on this machine, for which it must be root")
	}
	if runtime.NumCPU() < 2 {
		b.Skip("it needs two CPUs")
	}
	pair, err := netlab.New(1)
	require.NoError(b, err)
	defer pair.Close()

	const solution = "../../../solutions/lab12_1/counter.bpf.c"
	source, err := os.ReadFile(solution)
	require.NoError(b, err)
	shared := filepath.Join(b.TempDir(), "counter.bpf.c")
	text := strings.NewReplacer(
		"BPF_MAP_TYPE_PERCPU_ARRAY", "BPF_MAP_TYPE_ARRAY",
		"c->packets++", "__sync_fetch_and_add(&c->packets, 1)",
		"c->bytes += data_end - data", "__sync_fetch_and_add(&c->bytes, data_end - data)",
	).Replace(string(source))
	require.Equal(b, 2, strings.Count(text, "__sync_fetch_and_add"))
	require.NoError(b, os.WriteFile(shared, []byte(text), 0o644))
	programs, counters := map[string]*ebpf.Program{}, map[string]*ebpf.Collection{}
	for name, file := range map[string]string{"empty": "../anchors/empty.bpf.c", "per CPU": solution, "shared": shared} {
		object, err := build.Compile(b.Context(), b.TempDir(), file)
		require.NoError(b, err)
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object.ELF))
		require.NoError(b, err)
		coll, _, err := load(spec, XDPDrop)
		require.NoError(b, err)
		defer coll.Close()
		programs[name] = coll.Programs[Program]
		if coll.Maps["counts"] != nil {
			counters[name] = coll
		}
	}

	const protocol = 17
	frame := traffic.IPv4(protocol, 64)
	took := map[string][]float64{}
	for range b.N * 9 {
		for name, prog := range programs {
			for cpus := 1; cpus <= 2; cpus++ {
				key := fmt.Sprintf("%s, %d", name, cpus)
				took[key] = append(took[key], timeOn(b, pair, prog, frame, cpus))
			}
		}
	}
	for name, coll := range counters {
		c, err := readCount(coll, protocol)
		require.NoError(b, err)
		require.EqualValues(b, b.N*9*3*contentionRuns, c.Packets, "counted %s", name)
	}
	median := func(name string, cpus int) float64 {
		list := took[fmt.Sprintf("%s, %d", name, cpus)]
		slices.Sort(list)
		return list[len(list)/2]
	}
	b.ReportMetric(0, "ns/op") // of no interest
	for cpus := 1; cpus <= 2; cpus++ {
		over := func(name string) float64 { return median(name, cpus) - median("empty", cpus) }
		b.ReportMetric(over("per CPU"), fmt.Sprintf("ns-percpu-on-%d", cpus))
		b.ReportMetric(over("shared"), fmt.Sprintf("ns-shared-on-%d", cpus))
	}
}

const contentionRuns = 1 << 21 // on each CPU

// timeOn runs a program on some CPUs at once, and returns the ns that a run took.
func timeOn(b *testing.B, pair *netlab.Pair, prog *ebpf.Program, frame []byte, cpus int) float64 {
	link, err := pair.Receiver.Attach(prog) // see measure.Race
	require.NoError(b, err)
	defer link.Close()
	var (
		wg    sync.WaitGroup
		errs  = make([]error, cpus)
		took  = make([]time.Duration, cpus)
		start = make(chan struct{})
	)
	for cpu := range cpus {
		wg.Go(func() {
			runtime.LockOSThread() // and never unlocks it: it is of no other use
			var set unix.CPUSet
			set.Set(cpu)
			errs[cpu] = unix.SchedSetaffinity(0, &set)
			if errs[cpu] == nil { // ahead of whatever else this machine does
				errs[cpu] = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
			}
			<-start
			if errs[cpu] != nil {
				return
			}
			began := time.Now()
			_, errs[cpu] = prog.Run(&ebpf.RunOptions{Data: frame, Repeat: contentionRuns})
			took[cpu] = time.Since(began)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		require.NoError(b, err)
	}
	return float64(slices.Max(took).Nanoseconds()) / contentionRuns
}
