// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bpflab/vm/kernels"
)

// BenchmarkGrade takes the time of a warm grade, from the start of the process to the report,
// and says which part of it each stage has. Guests run side by side: the parts are of the time
// that all of them take together.
//
//	go test -run '^$' -bench Grade -benchtime 5x ./cmd/bpflab
func BenchmarkGrade(b *testing.B) {
	for _, bb := range []struct {
		name    string
		kernels []string
	}{{"one kernel", []string{"6.12"}}, {"five kernels", kernels.Names()}} {
		b.Run(bb.name, func(b *testing.B) {
			receiptOf(b, "lab12_1", sharedCache(b), solution(b), bb.kernels) // warms up
			stages, all := map[string]time.Duration{}, time.Duration(0)
			b.ResetTimer()
			began := time.Now()
			for range b.N {
				gradeInStages(b, bb.kernels, stages)
			}
			b.StopTimer()
			took := time.Since(began)
			for _, d := range stages {
				all += d
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms/op")
			for name, d := range stages {
				b.ReportMetric(100*d.Seconds()/all.Seconds(), "%-"+strings.ReplaceAll(name, " ", "-"))
			}
		})
	}
}

// BenchmarkWatch takes the times from a save to what a watch shows on the screen: a compiler's error, and the
// verifier's verdict on one kernel, with all caches warm. It reports the medians of ten saves.
//
//	go test -run '^$' -bench Watch -benchtime 1x ./cmd/bpflab
func BenchmarkWatch(b *testing.B) {
	folder := b.TempDir()
	firstReceipt(b, "lab12_1", starter(b)) // warms up
	s := watchOnTerminal(b, sharedCache(b), folder)
	s.until("refused at")
	saveIn(b, folder, textOf(b, starter(b)))
	s.until("graded on")
	took := func(text string, shown ...string) float64 {
		began := time.Now()
		saveIn(b, folder, text)
		s.until(shown...)
		return float64(time.Since(began).Microseconds()) / 1000
	}
	var compiler, verifier []float64
	for n := range 10 * b.N {
		broken := fmt.Sprintf("int broken%d(", n)
		compiler = append(compiler, took(broken+"\n", broken, "refused at"))
		verifier = append(verifier, took(fmt.Sprintf("%s\n// %d\n", textOf(b, starter(b)), n), "grading on"))
	}
	s.press("q")
	require.NoError(b, s.end())
	b.ReportMetric(0, "ns/op")
	for name, times := range map[string][]float64{"compiler": compiler, "verifier": verifier} {
		slices.Sort(times)
		b.ReportMetric((times[(len(times)-1)/2]+times[len(times)/2])/2, "ms-to-"+name)
	}
}

// noted is what --verbose says as a guest begins a stage: who, when and which.
var noted = regexp.MustCompile(`^(\S+ \S+) +[\d.]+ s  ([^:,]+)`)

// gradeInStages grades and adds to stages what each took.
func gradeInStages(b *testing.B, names []string, stages map[string]time.Duration) {
	b.Helper()
	cmd := command(b, append(gradeArgs("lab12_1", sharedCache(b), solution(b), names), "--verbose")...)
	notes, err := cmd.StderrPipe()
	require.NoError(b, err)
	began := time.Now()
	require.NoError(b, cmd.Start())
	type stage struct {
		name  string
		since time.Time
	}
	now := map[string]stage{} // by guest
	last := began
	for in := bufio.NewScanner(notes); in.Scan(); {
		m := noted.FindStringSubmatch(in.Text())
		if m == nil {
			continue
		}
		who, what := m[1], m[2]
		switch previous, ok := now[who]; {
		case ok:
			stages[previous.name] += time.Since(previous.since)
		case len(now) == 0:
			stages["build"] += time.Since(began)
		}
		if what == "start" {
			what = "restore" // a snapshot is there
		}
		last = time.Now()
		now[who] = stage{what, last}
	}
	require.NoError(b, cmd.Wait())
	stages["judge and report"] += time.Since(last)
	require.NotEmpty(b, now)
}
