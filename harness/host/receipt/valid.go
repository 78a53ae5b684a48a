// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/job"
)

// What a receipt may hold at most: some times what a grade writes.
const (
	maxDepth    = 64      // of lists and objects within one another
	maxKernels  = 64      //
	maxNames    = 1000    // in a map
	maxVerdicts = 64 * 64 //
	maxName     = 200     // bytes of a name or a version
	maxText     = 1 << 20 // bytes of a line that says what failed
	maxLines    = 10_000  // of a refusal
	maxNumber   = 1e6     // points
)

var (
	labName    = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
	fileName   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	kernelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$`)
	wordForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._ -]{0,63}$`)
	hashForm   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	kinds      = []job.Guest{job.Exact, job.SMP, job.LoadOnly}
	statuses   = []judge.Status{judge.Pass, judge.Partial, judge.Fail, judge.Skip, judge.Inconclusive, judge.Error}
)

// shallow refuses JSON that is nested deeper than any receipt, in one look at it and without
// memory.
func shallow(data []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return fmt.Errorf("expected JSON of at most %d levels, found more", maxDepth)
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

// valid says what in a receipt is not of its form. It trusts nothing: who wrote it is unknown.
func (r *Receipt) valid() error {
	s := r.Submission
	for _, f := range []struct {
		what, text string
		form       *regexp.Regexp
		may        bool // be empty
	}{
		{"lab", r.Lab, labName, false},
		{"file", s.File, fileName, false}, {"program", s.Program, fileName, true},
		{"sha256 of the source", s.SHA256, hashForm, false}, {"sha256 of the object", s.ObjectSHA256, hashForm, true},
		{"sha256 of the program", s.ProgramSHA256, hashForm, true}, {"sha256 of the binary", s.BinarySHA256, hashForm, true},
		{"sha256 of all that was compiled", s.ContentSHA256, hashForm, true},
		{"digest", r.Digest, hashForm, false}, {"seal", r.Seal, hashForm, false},
	} {
		if !f.form.MatchString(f.text) && (f.text != "" || !f.may) {
			return fmt.Errorf("%s: %.80q is not of its form", f.what, f.text)
		}
	}
	if err := named("tools", r.Tools, func(v string) error { return short(v, 10*maxName) }); err != nil {
		return err
	}
	if r.Refused != nil {
		if len(r.Refused.Details) > maxLines {
			return fmt.Errorf("refused: expected at most %d lines, found %d", maxLines, len(r.Refused.Details))
		}
		for _, line := range append(r.Refused.Details, r.Refused.Reason) {
			if err := short(line, maxText); err != nil {
				return fmt.Errorf("refused: %w", err)
			}
		}
	}
	if len(r.Kernels) > maxKernels {
		return fmt.Errorf("expected at most %d kernels, found %d", maxKernels, len(r.Kernels))
	}
	seen := map[string]bool{}
	for _, k := range r.Kernels {
		if !kernelName.MatchString(k.Name) {
			return fmt.Errorf("kernel: %.80q is not of its form", k.Name)
		}
		if seen[k.Name] {
			return fmt.Errorf("duplicate kernel %s", k.Name)
		}
		seen[k.Name] = true
		if err := k.valid(); err != nil {
			return fmt.Errorf("kernel %s: %w", k.Name, err)
		}
	}
	if len(r.Verdicts) > maxVerdicts {
		return fmt.Errorf("expected at most %d verdicts, found %d", maxVerdicts, len(r.Verdicts))
	}
	for _, v := range r.Verdicts {
		switch {
		case !seen[v.Kernel]:
			return fmt.Errorf("a verdict on the kernel %.80q, which is not there", v.Kernel)
		case !wordForm.MatchString(v.Task):
			return fmt.Errorf("a verdict's task: %.80q is not of its form", v.Task)
		case !slices.Contains(statuses, v.Status):
			return fmt.Errorf("a verdict's status: %.80q is none", v.Status)
		case !points(v.Points):
			return fmt.Errorf("a verdict of %v points", v.Points)
		}
	}
	if !points(r.Score) {
		return fmt.Errorf("a score of %v points", r.Score)
	}
	return nil
}

func (k Kernel) valid() error {
	if err := short(k.Release, maxName); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if k.SHA256 != "" && !hashForm.MatchString(k.SHA256) {
		return fmt.Errorf("sha256: %.80q is not of its form", k.SHA256)
	}
	if err := short(k.Error, maxText); err != nil {
		return fmt.Errorf("error: %w", err)
	}
	if err := named("guests", k.Guests, func(v string) error { return short(v, maxText) }); err != nil {
		return err
	}
	if k.Fate != nil {
		if err := short(k.Fate.Stage+k.Fate.Trouble, maxText); err != nil {
			return fmt.Errorf("fate: %w", err)
		}
	}
	seen := 0
	all := map[string]job.Observations{"static": k.Static}
	for prefix, guests := range map[string]map[job.Guest]job.Observations{"": k.Guest, "again ": k.Again} {
		for kind, o := range guests {
			if !slices.Contains(kinds, kind) {
				return fmt.Errorf("a guest of the kind %.80q", kind)
			}
			all[prefix+string(kind)] = o
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		// How long they are is bounded by the whole; what they say is for the lab to judge.
		if err := named(kind, all[kind], func(json.RawMessage) error { return nil }); err != nil {
			return err
		}
		seen += len(all[kind])
	}
	if seen > maxNames {
		return fmt.Errorf("expected at most %d observations, found %d", maxNames, seen)
	}
	return nil
}

// named checks the names of a map, and its values.
func named[M ~map[string]V, V any](what string, m M, valid func(V) error) error {
	if len(m) > maxNames {
		return fmt.Errorf("%s: expected at most %d names, found %d", what, maxNames, len(m))
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !wordForm.MatchString(name) {
			return fmt.Errorf("%s: the name %.80q is not of its form", what, name)
		}
		if err := valid(m[name]); err != nil {
			return fmt.Errorf("%s: %s: %w", what, name, err)
		}
	}
	return nil
}

func short(text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("expected at most %d bytes, found %d", most, len(text))
	}
	return nil
}

func points(p float64) bool { return p >= 0 && p <= maxNumber && !math.IsNaN(p) }

// Of says whether the receipt is one of a lab: by its name, and by those of its files.
func (r *Receipt) Of(lab *harness.Lab) error {
	if r.Lab != lab.Name {
		return fmt.Errorf("a receipt of %s, not of %s", r.Lab, lab.Name)
	}
	if r.Submission.File != lab.File || r.Submission.Program != lab.Program {
		return fmt.Errorf("a receipt of %s has the files %q, not %q", lab.Name, lab.Files(), []string{r.Submission.File, r.Submission.Program})
	}
	return nil
}
