// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
)

// What a lab must have at least.
const (
	minHints = 3
	minWrong = 8
	// A starter is open, and worth something: points.
	minStarter, maxStarter = 25, 50
)

// sections are those of every lab's README, in this order.
var sections = []string{"## What you will build and learn", "## How it works", "## The tasks", "## How to check", "## Going further"}

var todo = regexp.MustCompile(`TODO(?: (\d+))?[:,]`)

// Texts checks what needs no compiler and no guest, in the clone at root, and returns what is
// wrong.
func Texts(root string, lab *harness.Lab) (found []string) {
	wrong := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	starter, solution := filepath.Join(root, "labs", lab.Name), filepath.Join(root, "solutions", lab.Name)

	var points float64
	for _, t := range lab.Tasks {
		points += t.Points
		if len(t.Hints) < minHints {
			wrong("task %s has %d hints; at least %d required", t.ID, len(t.Hints), minHints)
		}
		if i := slices.IndexFunc(lab.Tasks, func(other judge.Task) bool { return other.ID == t.ID }); lab.Tasks[i].Title != t.Title {
			wrong("duplicate task %s", t.ID)
		}
	}
	if points != 100 {
		wrong("the tasks are worth %v points; a lab is worth 100", points)
	}

	files := lab.Files()
	if lab.Starter == nil {
		wrong("it has no Starter, which bpflab reset brings back")
		files = nil
	}
	for _, file := range files {
		text, err := fs.ReadFile(lab.Starter, "starter/"+file)
		if err != nil {
			wrong("the starter: %v", err)
			continue
		}
		if there, err := os.ReadFile(filepath.Join(starter, file)); err != nil || !bytes.Equal(there, text) {
			wrong("%s is not the starter's; bpflab reset %s brings it back", file, lab.Name)
		}
		marks := todo.FindAllStringSubmatch(string(text), -1)
		if len(marks) == 0 {
			wrong("the starter's %s has no TODO", file)
		}
		for _, m := range marks {
			if n, err := strconv.Atoi(m[1]); err != nil || n < 1 || n > len(lab.Tasks) {
				wrong("the starter's %s has a TODO that names no task, as \"TODO 3:\" does", file)
			}
		}
		if text, err = os.ReadFile(filepath.Join(solution, file)); err != nil {
			wrong("the solution: %v", err)
		} else if strings.Contains(string(text), "TODO") {
			wrong("the solution's %s has a TODO", file)
		}
	}

	readme, err := os.ReadFile(filepath.Join(starter, "README.md"))
	if err != nil {
		wrong("%v", err)
	}
	rest := string(readme)
	for _, s := range sections {
		_, after, ok := strings.Cut(rest, "\n"+s+"\n")
		if !ok {
			wrong("README.md lacks %q, or has it too early", s)
			continue
		}
		rest = after
	}
	for i, t := range lab.Tasks {
		if heading := fmt.Sprintf("### %d. %s", i+1, t.Title); !strings.Contains(string(readme), "\n"+heading+"\n") {
			wrong("README.md lacks %q", heading)
		}
	}

	folders, err := Wrong(root, lab)
	if err != nil || len(folders) < minWrong {
		wrong("there are %d wrong submissions; at least %d required", len(folders), minWrong)
	}
	for _, folder := range folders {
		if _, err := ReadWant(folder, lab); err != nil {
			wrong("%v", err)
		}
	}
	return found
}

// Unused says what a lab's policy allows that none of some objects uses and its README does not
// name: a policy allows what a lab needs.
func Unused(lab *harness.Lab, objects []*ebpf.CollectionSpec, readme string) (found []string) {
	helpers, types := map[asm.BuiltinFunc]bool{}, map[ebpf.MapType]bool{}
	for _, spec := range objects {
		for _, p := range spec.Programs {
			for _, ins := range p.Instructions {
				if ins.IsBuiltinCall() {
					helpers[asm.BuiltinFunc(ins.Constant)] = true
				}
			}
		}
		for _, m := range spec.Maps {
			types[m.Type] = true
		}
	}
	for _, h := range lab.Policy.Helpers {
		if name := policy.HelperName(h); !helpers[h] && !strings.Contains(readme, name) {
			found = append(found, fmt.Sprintf("the policy allows %s, which neither starter nor solution nor any wrong submission uses, nor README.md names", name))
		}
	}
	for _, m := range lab.Policy.Maps {
		for _, t := range m.Types {
			if name := strings.ToUpper(t.String()); !types[t] && !strings.Contains(strings.ReplaceAll(readme, "_", ""), name) {
				found = append(found, fmt.Sprintf("the policy allows a %v for %s, which neither starter nor solution nor any wrong submission uses, nor README.md names", t, m.Name))
			}
		}
	}
	return found
}

// Starter says what is wrong with a starter's result.
func Starter(r judge.Result) (found []string) {
	if r.Passed() {
		found = append(found, "the starter passes")
	}
	if r.Score < minStarter || r.Score > maxStarter {
		found = append(found, fmt.Sprintf("the starter scores %v; %d to %d leave something to do and something to keep", r.Score, minStarter, maxStarter))
	}
	return found
}

// Solution says what is wrong with a solution's result.
func Solution(r judge.Result) (found []string) {
	for _, k := range r.Kernels {
		for _, t := range k.Tasks {
			if t.Status != judge.Pass && t.Status != judge.Skip {
				found = append(found, fmt.Sprintf("the solution, Linux %s, task %s: %s: %s", k.Name, t.ID, t.Status, t.Message))
			}
		}
	}
	return found
}
