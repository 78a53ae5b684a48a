// SPDX-License-Identifier: Apache-2.0

// Package lint checks that a lab is whole: that its starter is open, that its texts are there,
// and that each wrong submission says what it must get.
package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bpflab/harness"
	"bpflab/harness/host/judge"
)

// Want is the verdict that a wrong submission must get: the first task, in the lab's order,
// that it does not pass.
type Want struct {
	Task    string
	Status  judge.Status
	Kernels []string // that say so; empty: all
	Message string   // a part of the message or of its details
}

var wantLine = regexp.MustCompile(`^// want (\w+):(\w+)(?:@([\w.]+(?:,[\w.]+)*))? "([^"]+)"$`)

// ReadWant reads the first line of a wrong submission: that of the one of its files that has
// it. The other, where there is one, may be a copy of the solution's.
func ReadWant(folder string, lab *harness.Lab) (Want, error) {
	var found []Want
	for _, file := range lab.Files() {
		text, err := os.ReadFile(filepath.Join(folder, file))
		if err != nil {
			return Want{}, err
		}
		first, _, _ := strings.Cut(string(text), "\n")
		m := wantLine.FindStringSubmatch(first)
		if m == nil {
			continue
		}
		w := Want{Task: m[1], Status: judge.Status(m[2]), Message: m[4]}
		if m[3] != "" {
			w.Kernels = strings.Split(m[3], ",")
		}
		found = append(found, w)
	}
	if len(found) != 1 {
		return Want{}, fmt.Errorf("%s: expected one file whose first line names the verdict, as in // want counts:fail \"0 counted\"; found %d", folder, len(found))
	}
	return found[0], nil
}

// Check says how a result differs from what is wanted.
func (w Want) Check(r judge.Result) error {
	for _, k := range r.Kernels {
		named := len(w.Kernels) == 0 || slices.Contains(w.Kernels, k.Name)
		i := slices.IndexFunc(k.Tasks, func(t judge.TaskResult) bool { return t.Status != judge.Pass && t.Status != judge.Skip })
		switch {
		case i < 0 && named:
			return fmt.Errorf("on Linux %s: expected %s:%s, and every task passes", k.Name, w.Task, w.Status)
		case i < 0:
			continue
		}
		t := k.Tasks[i]
		text := t.Message + "\n" + strings.Join(t.Details, "\n")
		same := t.ID == w.Task && t.Status == w.Status && strings.Contains(text, w.Message)
		if named != same {
			verb := "expected"
			if !named {
				verb = "expected no"
			}
			return fmt.Errorf("on Linux %s: %s %s:%s with %q, found %s:%s with %q", k.Name, verb, w.Task, w.Status, w.Message, t.ID, t.Status, t.Message)
		}
	}
	return nil
}

// Wrong returns the folders of a lab's wrong submissions.
func Wrong(root string, lab *harness.Lab) ([]string, error) {
	return filepath.Glob(filepath.Join(root, "solutions", lab.Name, "wrong", "*"))
}
