// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bpflab/harness"
	"bpflab/harness/host/build"
)

// Submission is what a student hands in.
type Submission struct {
	BPF     string // path of the BPF file
	Program string // path of the Go program, or empty if the lab has none
}

// Files are the paths of the files that each submission has.
func (s Submission) Files() []string {
	if s.Program == "" {
		return []string{s.BPF}
	}
	return []string{s.BPF, s.Program}
}

// All are the paths of all that a submission is made of: its files, and the headers beside the BPF file that
// it includes.
func (s Submission) All() ([]string, error) {
	headers, err := build.Headers(s.BPF)
	return append(s.Files(), headers...), err
}

// Has reports whether a path may be a submission's file, or a header beside it.
func (s Submission) Has(path string) bool {
	return filepath.Ext(path) == ".h" ||
		slices.ContainsFunc(s.Files(), func(f string) bool { return filepath.Base(f) == filepath.Base(path) })
}

// Sum is that of all of a submission's files, the headers that it includes among them.
func (s Submission) Sum() (string, error) {
	all, err := build.Content(s.BPF)
	if err != nil || s.Program == "" {
		return all, err
	}
	text, err := build.ReadFile(s.Program)
	return all + sha256Hex(string(text)), err
}

// Folder is where a lab's submission is: the folder from or, where that is empty, that of the lab in the clone.
func Folder(lab *harness.Lab, from string) (string, error) {
	if from != "" {
		return from, nil
	}
	root, err := ModuleRoot()
	if err != nil {
		return "", fmt.Errorf("%w: run this in one, or name the submission's folder with --from", err)
	}
	return filepath.Join(root, "labs", lab.Name), nil
}

// FindSubmission returns what to grade.
func FindSubmission(lab *harness.Lab, from string) (s Submission, err error) {
	from, err = Folder(lab, from)
	if err != nil {
		return s, err
	}
	s.BPF = filepath.Join(from, lab.File)
	if lab.Program != "" {
		s.Program = filepath.Join(from, lab.Program)
	}
	for _, path := range s.Files() {
		f, err := build.Open(path)
		if err != nil {
			return s, fmt.Errorf("a %s submission must contain %s: %w", lab.Name, filepath.Base(path), err)
		}
		f.Close()
	}
	return s, nil
}

// ModuleRoot is the clone that the current folder is in.
func ModuleRoot() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module bpflab\n") {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a clone of bpflab", here)
		}
	}
}

func sha256Hex(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
