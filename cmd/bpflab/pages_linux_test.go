// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/pagetest"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/report"
	"bpflab/vm/kernels"
)

// The page of each lab's kept receipt shows the score, all tasks and all figures on a phone, a laptop and paper.
func TestPages(t *testing.T) {
	browser := pagetest.Open(t)
	for _, lab := range labs {
		t.Run(lab.Name, func(t *testing.T) {
			name := filepath.Join("testdata/receipts", lab.Name+".json")
			code, page, notes := bpflab(t, "judge", name, "--format", "html")
			require.Equal(t, exitPassed, code, notes)
			r, err := receipt.ReadFile(name)
			require.NoError(t, err)
			want := pagetest.Want{
				Texts:   []string{lab.Title, lab.File, "100 /100", fmt.Sprintf("graded on 1 of %d kernels", len(kernels.Since(lab.Needs.Oldest))), "no key: the seal detects accidental changes"},
				Printed: []string{r.Digest, r.Tools["qemu"], r.Kernels[0].Release},
				Figures: len(lab.Figures(r.Cases())),
			}
			for _, task := range lab.Tasks {
				want.Texts = append(want.Texts, task.Title)
			}
			browser.Read(t, []byte(page), want)
		})
	}
}

// So does a page of one, two or six kernels. What was observed on one stands for all.
func TestPagesOfKernels(t *testing.T) {
	browser := pagetest.Open(t)
	for _, lab := range labs {
		r, err := receipt.ReadFile(filepath.Join("testdata/receipts", lab.Name+".json"))
		require.NoError(t, err)
		var cases []judge.Case
		for _, kernel := range []string{"5.10", "6.1", "6.12", "6.18", "7.3", "mine-6.19-rc1"} {
			c := r.Cases()[0]
			c.Kernel = kernel
			cases = append(cases, c)
			if n := len(cases); n > 2 && n < 6 {
				continue
			}
			t.Run(fmt.Sprintf("%s on %d", lab.Name, len(cases)), func(t *testing.T) {
				graded := report.Report{Lab: lab.Name, Title: lab.Title, File: lab.File, Result: judge.Judge(lab.Tasks, cases), Figures: lab.Figures(cases)}
				var page bytes.Buffer
				require.NoError(t, graded.HTML(&page))
				browser.Read(t, page.Bytes(), pagetest.Want{Texts: []string{"100 /100"}, Figures: len(graded.Figures)})
			})
		}
	}
}
