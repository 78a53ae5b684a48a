// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"regexp"
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
