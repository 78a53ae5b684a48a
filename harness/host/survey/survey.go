// SPDX-License-Identifier: Apache-2.0

// Package survey is what several kernels made of many programs: a table for people, each rejection once with what it
// means, and the verifier's figures for programs.
package survey

import (
	"slices"

	"bpflab/harness/host/explain"
	"bpflab/harness/job"
)

// Survey is programs by kernels.
type Survey struct {
	Kernels []string
	Files   []File
	Detail  Detail // of Text
}

// File is one input.
type File struct {
	Name     string
	Broken   string // not empty: why nothing of it could be loaded
	Note     string // not empty: what a reader should know of it
	Programs []Program
}

// Program is one of a file's.
type Program struct {
	Name string
	On   []job.Loaded // one a kernel
}

// New puts together what became of files. objects are, by kernel, those of the files that are not broken, in their order.
func New(kernels []string, files []File, objects [][]job.Object) Survey {
	s := Survey{Kernels: kernels}
	next := 0
	for _, f := range files {
		if f.Broken == "" {
			of := make([]job.Object, len(kernels))
			for k := range kernels {
				of[k] = objects[k][next]
			}
			next++
			f.fill(of)
		}
		s.Files = append(s.Files, f)
	}
	return s
}

// fill adds a file's programs. A kernel whose guest failed names none; those that the others name are not judged there.
func (f *File) fill(of []job.Object) {
	var names []string
	for _, o := range of {
		if f.Broken = o.Broken; f.Broken != "" {
			f.Broken = f.Name + " cannot be read by cilium/ebpf, which loads programs here: " + f.Broken
			return
		}
		for _, p := range o.Programs {
			if !slices.Contains(names, p.Program) {
				names = append(names, p.Program)
			}
		}
	}
	if len(names) == 0 {
		for _, o := range of {
			if o.Error != "" {
				names = []string{""} // none is known
			}
		}
	}
	if len(names) == 0 {
		f.Broken = f.Name + " holds no program: a function is one by its SEC()"
		return
	}
	for _, name := range names {
		p := Program{Name: name}
		for _, o := range of {
			at := slices.IndexFunc(o.Programs, func(l job.Loaded) bool { return l.Program == name })
			if at >= 0 {
				p.On = append(p.On, o.Programs[at])
				continue
			}
			l := job.Loaded{Error: o.Error}
			l.Program = name
			p.On = append(p.On, l)
		}
		f.Programs = append(f.Programs, p)
	}
}

// Verdict is what became of a program on a kernel, in a word.
type Verdict string

const (
	Accepted  Verdict = "accepted"
	Rejected  Verdict = "rejected"
	NoTarget  Verdict = "no target"  // accepted, and there is nothing to attach it to
	Lacks     Verdict = "incomplete" // it cannot be loaded by itself
	NotJudged Verdict = "not judged" // the guest failed
)

// VerdictOf sums up what became of a program.
func VerdictOf(l job.Loaded) Verdict {
	switch {
	case l.Error != "":
		return NotJudged
	case l.Lacks != "":
		return Lacks
	case !l.Accepted:
		return Rejected
	case l.NoTarget != "":
		return NoTarget
	}
	return Accepted
}

// Sound reports whether all kernels accept all programs, and complete whether each was judged.
func (s Survey) Sound() (sound, complete bool) {
	sound, complete = true, true
	for _, f := range s.Files {
		sound = sound && f.Broken == ""
		for _, p := range f.Programs {
			for _, l := range p.On {
				v := VerdictOf(l)
				sound, complete = sound && v == Accepted, complete && v != NotJudged
			}
		}
	}
	return sound, complete
}

// explanation says what a rejection means, if its kind is known.
func explanation(l job.Loaded) (explain.Explanation, bool) {
	if VerdictOf(l) != Rejected {
		return explain.Explanation{}, false
	}
	return explain.Rejection(l.Report)
}
