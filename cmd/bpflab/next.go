// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/report"
	"bpflab/vm/kernels"
)

// next says what to do after a grade: a paragraph each.
func next(lab *harness.Lab, from string, r *receipt.Receipt, result judge.Result) []string {
	of := of(lab, from)
	switch {
	case r.Refused != nil:
		return []string{"next: fix this first; nothing was run."}
	case !result.Complete:
		return []string{"next: grade again. If the error comes back, ./bpflab doctor checks this machine."}
	case !result.Passed():
		n := result.Next() + 1
		return []string{fmt.Sprintf("next: task %d. ./bpflab hint %s %d", n, of, n)}
	}
	var graded, remaining []string
	for _, k := range r.Kernels {
		graded = append(graded, k.Name)
	}
	for _, name := range kernels.Since(lab.Needs.Oldest) {
		if !slices.Contains(graded, name) {
			remaining = append(remaining, name)
		}
	}
	if len(remaining) > 0 {
		return []string{fmt.Sprintf("passed on %s. The score is the lowest of all kernels, and %s not graded yet: ./bpflab grade %s", report.Enumerate(graded), areLeft(remaining), of)}
	}
	paragraphs := []string{"passed on all kernels."}
	if lab.Learned != nil {
		if lines := lab.Learned(r.Cases()); len(lines) > 0 {
			paragraphs = append(paragraphs, "What you have achieved:\n- "+strings.Join(lines, "\n- "))
		}
	}
	then := fmt.Sprintf("Now read solutions/%s/NOTES.md, which has what each step is worth, and solutions/%[1]s/wrong, submissions that do not pass.", lab.Name)
	if i := slices.Index(labs, lab); i >= 0 && i+1 < len(labs) {
		then += fmt.Sprintf(" The next lab is %s, %s: labs/%[1]s/README.md", labs[i+1].Name, labs[i+1].Title)
	}
	return append(paragraphs, then)
}

// of is how a command names a lab, and a submission that is not in the clone.
func of(lab *harness.Lab, from string) string {
	if from == "" {
		return lab.Name
	}
	return lab.Name + " --from " + shellescape.Quote(from)
}

func areLeft(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return report.Enumerate(names) + " are"
}
