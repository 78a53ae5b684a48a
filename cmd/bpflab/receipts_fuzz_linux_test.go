// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bpflab/harness/host/receipt"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
)

// Whatever a receipt says was observed, the labs judge it in bounded time, the same each time, and
// it can be shown. Its digest and seal are made to fit, as anybody could without a key.
func FuzzJudge(f *testing.F) {
	files, err := filepath.Glob("testdata/receipts/*.json")
	require.NoError(f, err)
	require.Len(f, files, len(labs))
	var seeds []*receipt.Receipt
	for i, name := range files {
		r, err := receipt.ReadFile(name)
		require.NoError(f, err)
		require.NoError(f, r.Of(labs[i]))
		seeds = append(seeds, r)
		for kind, o := range r.Kernels[0].Guest {
			for observation, value := range o {
				f.Add(uint8(i), string(kind), observation, []byte(value))
				f.Add(uint8(i), string(kind), observation, []byte(`{}`))
				f.Add(uint8(i), string(kind), observation, []byte(`-1`))
			}
		}
		f.Add(uint8(i), "static", "path", []byte(`{"instructions":9223372036854775807,"naive":-1}`))
	}
	write, err := writer("text", visible.NewWriter(io.Discard), false)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, lab uint8, kind, observation string, value []byte) {
		l, seed := labs[int(lab)%len(labs)], seeds[int(lab)%len(labs)]
		if !json.Valid(value) {
			return
		}
		var b bytes.Buffer
		require.NoError(t, seed.Write(&b))
		r, err := receipt.Read(&b)
		require.NoError(t, err)
		k := &r.Kernels[0]
		switch o := k.Guest[job.Guest(kind)]; {
		case o != nil:
			o[observation] = value
		case k.Static == nil:
			k.Static = job.Observations{observation: value}
		default:
			k.Static[observation] = value
		}
		began := time.Now()
		if _, err := r.Close(l.Tasks, ""); err != nil {
			return
		}
		b.Reset()
		require.NoError(t, r.Write(&b))
		again, err := receipt.Read(&b)
		if err != nil {
			return
		}
		result, err := again.Check(l.Tasks, "")
		require.NoError(t, err)
		_ = scored{lab: l, receipt: again, result: result}.show(write, "")
		if l.Figures != nil {
			for _, figure := range l.Figures(again.Cases()) {
				require.NoError(t, figure.SVG(io.Discard))
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: %s %s %.200q took %v", l.Name, kind, observation, value, took)
		}
		_, _ = receipt.Compare(seed, again)
	})
}

// Receipts that are kept are judged again, to the same score. A change of what a lab draws from a seed
// makes them worthless: then they are written anew, and the schema is another.
func TestKeptReceipts(t *testing.T) {
	files, err := filepath.Glob("testdata/receipts/*.json")
	require.NoError(t, err)
	require.Len(t, files, len(labs))
	for _, name := range files {
		code, out, notes := bpflab(t, "judge", name)
		require.Equal(t, exitPassed, code, notes)
		require.Contains(t, out, "score  100/100")
		require.Contains(t, out, "note: no key: the seal detects accidental changes, not deliberate ones")
	}
}
