// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bpflab/harness/job"
)

// Difference is where two receipts part.
type Difference struct {
	What string // submission, kernel, tool, observation or verdict
	Name string // which of them
	A, B string
}

// Compare returns the first difference in the order in which one explains the next: another
// submission, another kernel, another tool, another observation, another verdict. nil: the
// receipts agree. Digests that agree despite a tool that differs are said by agree. They are
// computed: what a receipt says that its digest is does not count.
func Compare(a, b *Receipt) (first *Difference, agree bool) {
	da, errA := a.digest()
	db, errB := b.digest()
	agree = errA == nil && errB == nil && da == db
	for _, d := range [][4]string{
		{"submission", "lab", a.Lab, b.Lab},
		{"submission", "source", a.Submission.SHA256, b.Submission.SHA256},
		{"submission", "program", a.Submission.ProgramSHA256, b.Submission.ProgramSHA256},
		{"submission", "seed", fmt.Sprint(a.Submission.Seed), fmt.Sprint(b.Submission.Seed)},
	} {
		if d[2] != d[3] {
			return &Difference{d[0], d[1], d[2], d[3]}, agree
		}
	}
	for i := range max(len(a.Kernels), len(b.Kernels)) {
		ka, kb := at(a.Kernels, i), at(b.Kernels, i)
		if ka.Name != kb.Name || ka.SHA256 != kb.SHA256 {
			return &Difference{"kernel", or(ka.Name, kb.Name), ka.describe(), kb.describe()}, agree
		}
	}
	if d := differ("tool", "", a.Tools, b.Tools); d != nil {
		return d, agree
	}
	if a.Submission.ObjectSHA256 != b.Submission.ObjectSHA256 {
		return &Difference{"submission", "object", a.Submission.ObjectSHA256, b.Submission.ObjectSHA256}, agree
	}
	if a.Submission.BinarySHA256 != b.Submission.BinarySHA256 {
		return &Difference{"submission", "binary", a.Submission.BinarySHA256, b.Submission.BinarySHA256}, agree
	}
	if ra, rb := a.Refused.text(), b.Refused.text(); ra != rb {
		return &Difference{"verdict", "refused", ra, rb}, agree
	}
	for i, ka := range a.Kernels {
		kb := b.Kernels[i]
		if d := differ("observation", ka.Name+" static ", texts(ka.Static), texts(kb.Static)); d != nil {
			return d, agree
		}
		for _, seen := range []struct {
			name string
			a, b map[job.Guest]job.Observations
		}{{"", ka.Guest, kb.Guest}, {"with another seed ", ka.Again, kb.Again}} {
			both := map[job.Guest]job.Observations{}
			maps.Copy(both, seen.a)
			maps.Copy(both, seen.b)
			for _, kind := range slices.Sorted(maps.Keys(both)) {
				if kind == job.SMP && (a.Racing || b.Racing) { // different each time; its verdict says what there is to say
					continue
				}
				if d := differ("observation", ka.Name+" "+seen.name+string(kind)+" ", texts(seen.a[kind]), texts(seen.b[kind])); d != nil {
					return d, agree
				}
			}
		}
		if fa, fb := ka.fate(), kb.fate(); fa != fb {
			return &Difference{"observation", ka.Name + " guest that ended", fa, fb}, agree
		}
		if ka.Error != kb.Error {
			return &Difference{"observation", ka.Name + " error", ka.Error, kb.Error}, agree
		}
	}
	for i := range max(len(a.Verdicts), len(b.Verdicts)) {
		va, vb := at(a.Verdicts, i), at(b.Verdicts, i)
		if va != vb {
			return &Difference{"verdict", cmp.Or(va.Kernel, vb.Kernel) + " " + cmp.Or(va.Task, vb.Task), fmt.Sprint(va), fmt.Sprint(vb)}, agree
		}
	}
	return nil, agree
}

// text is why a submission was refused, if it was.
func (r *Refusal) text() string {
	if r == nil {
		return ""
	}
	return strings.Join(append([]string{r.Reason}, r.Details...), "\n")
}

// fate is how the submission ended a guest, if it did.
func (k Kernel) fate() string {
	if k.Fate == nil {
		return ""
	}
	return k.Fate.Stage + ": " + k.Fate.Trouble
}

func (k Kernel) describe() string {
	if k.Name == "" {
		return "(none)"
	}
	return fmt.Sprintf("%s %s (sha256 %.12s)", k.Name, k.Release, k.SHA256)
}

// differ finds the first name, in order, under which two maps hold different texts.
func differ(what, prefix string, a, b map[string]string) *Difference {
	names := slices.Sorted(maps.Keys(a))
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if a[name] != b[name] {
			return &Difference{what, prefix + name, a[name], b[name]}
		}
	}
	return nil
}

func texts[M ~map[string]V, V ~[]byte](m M) map[string]string {
	t := make(map[string]string, len(m))
	for k, v := range m {
		t[k] = string(v)
	}
	return t
}

func at[T any](list []T, i int) (zero T) {
	if i < len(list) {
		return list[i]
	}
	return zero
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
