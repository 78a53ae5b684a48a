// SPDX-License-Identifier: Apache-2.0

// Package record keeps what became of a user's grades, lab by lab: each grade in a line, the last receipt, the
// files that passed last, and what a reset replaced. It is kept apart from caches, which may be removed at any
// time.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/adrg/xdg"
	"github.com/google/renameio/v2"
)

// Record is that of one lab, in a folder of its own.
type Record struct{ dir string }

// Of returns a lab's record, in the folder that this system has for a user's state: $XDG_STATE_HOME/bpflab,
// or ~/.local/state/bpflab. It makes nothing.
func Of(lab string) Record {
	xdg.Reload() // which reads the environment
	return Record{filepath.Join(xdg.StateHome, "bpflab", lab)}
}

// Grade is what became of one grade.
type Grade struct {
	Time     time.Time `json:"time"`
	Folder   string    `json:"folder"`  // of the submission, an absolute path
	Content  string    `json:"content"` // sum of all of its files
	Kernels  []string  `json:"kernels"`
	All      bool      `json:"all"` // that the lab runs on
	Score    float64   `json:"score"`
	MaxScore float64   `json:"max_score"`
	Complete bool      `json:"complete"` // the grader did not fail on any kernel
	Passed   bool      `json:"passed"`
	Refused  bool      `json:"refused,omitempty"` // it never came to run
	Left     []int     `json:"left,omitempty"`    // the tasks that did not pass on some kernel, from 1
}

// File is a file of a submission.
type File struct {
	Name string
	Text []byte
}

// Receipt is the path of the last grade's receipt. There is none before the first.
func (r Record) Receipt() string { return filepath.Join(r.dir, "last.json") }

// Add adds a grade, its receipt and, if it passed, the files. It does not matter whether two grades end at
// once: of receipts the one stays that was written last.
func (r Record) Add(g Grade, receipt []byte, files []File) error {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("keep a record of grades: %w", err)
	}
	line, err := json.Marshal(g)
	if err == nil {
		err = r.append(line)
	}
	if err == nil {
		err = renameio.WriteFile(r.Receipt(), receipt, 0o644, renameio.WithTempDir(r.dir))
	}
	if err == nil && g.Passed {
		err = write(r.passing(g.Content), files)
	}
	if err != nil {
		return fmt.Errorf("keep a record of grades: %w", err)
	}
	return nil
}

// append writes a line in one call. It comes after a newline, so that half a line that a full disk left
// spoils no other.
func (r Record) append(line []byte) error {
	f, err := os.OpenFile(r.grades(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append([]byte("\n"), append(line, '\n')...))
	return errors.Join(err, f.Close())
}

func (r Record) grades() string { return filepath.Join(r.dir, "grades.jsonl") }

func (r Record) passing(content string) string { return filepath.Join(r.dir, "passed", content) }

// Grades returns all grades of a folder's submissions, oldest first.
func (r Record) Grades(folder string) ([]Grade, error) {
	list, err := r.All()
	return slices.DeleteFunc(list, func(g Grade) bool { return g.Folder != folder }), err
}

// All returns all grades, oldest first. A damaged line is left out.
func (r Record) All() (list []Grade, err error) {
	text, err := os.ReadFile(r.grades())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the record of grades: %w", err)
	}
	for line := range bytes.Lines(text) {
		var g Grade
		if json.Unmarshal(line, &g) == nil && g.Folder != "" {
			list = append(list, g)
		}
	}
	return list, nil
}

// Passing returns where the files of a folder's last submission that passed are kept, or nothing if none did.
func (r Record) Passing(folder string) (string, error) {
	list, err := r.Grades(folder)
	for i := len(list) - 1; i >= 0; i-- {
		if dir := r.passing(list[i].Content); list[i].Passed && filepath.IsLocal(list[i].Content) {
			if _, err := os.Stat(dir); err == nil {
				return dir, nil
			}
		}
	}
	return "", err
}

// Keep keeps files that are about to be replaced, and returns their folder, which is named after the time.
func (r Record) Keep(now time.Time, files []File) (string, error) {
	name := filepath.Join(r.dir, "replaced", now.Format("2006-01-02T150405"))
	dir := name
	for n := 2; ; n++ {
		if _, err := os.Stat(dir); err != nil {
			return dir, write(dir, files)
		}
		dir = fmt.Sprintf("%s-%d", name, n)
	}
}

func write(dir string, files []File) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := renameio.WriteFile(filepath.Join(dir, filepath.Base(f.Name)), f.Text, 0o644, renameio.WithTempDir(dir)); err != nil {
			return err
		}
	}
	return nil
}
