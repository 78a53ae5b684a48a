// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/aymanbagabas/go-udiff"
	"github.com/charmbracelet/colorprofile"

	"bpflab/harness/host/build"
	"bpflab/harness/host/record"
	"bpflab/harness/host/screen"
	"bpflab/harness/host/visible"
	"bpflab/vm/kernels"
)

// onScreen shows a watch on the terminal out, until a key or ctx ends it.
func (w *watch) onScreen(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	again := func(names []string) tea.Cmd {
		return func() tea.Msg {
			select {
			case w.again <- names:
			case <-ctx.Done():
			}
			return nil
		}
	}
	model := screen.New(screen.Lab{Name: w.lab.Name, Title: w.lab.Title, Tasks: w.lab.Tasks}, screen.Asks{
		Again: again(w.names), All: again(kernels.Since(w.lab.Needs.Oldest)), List: listPage, Diff: w.diffPage,
	}, coloured(out))
	options := []tea.ProgramOption{
		tea.WithContext(ctx), tea.WithInput(os.Stdin), tea.WithOutput(unasked{visible.Trusted(out).(*os.File)}), tea.WithoutSignalHandler(),
	}
	if !coloured(out) {
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	p := tea.NewProgram(model, options...)
	w.show, w.Progress = p.Send, told{p.Send}
	watched := make(chan error, 1)
	go func() {
		watched <- w.run(ctx)
		p.Quit()
	}()
	_, err := p.Run()
	ended := ctx.Err() != nil // from outside, which is how a watch may end
	cancel()
	if err := <-watched; err != nil { // and so all guests have ended
		return err
	}
	if ended && errors.Is(err, tea.ErrProgramKilled) {
		return nil
	}
	return err
}

// told is progress that a screen is told.
type told struct{ show func(tea.Msg) }

func (t told) Set(who, what string) { t.show(screen.Doing{Who: who, What: what}) }

func (t told) Notice(format string, args ...any) {
	t.show(screen.Notice{Text: fmt.Sprintf(format, args...)})
}

// unasked is a terminal that is not asked what it can do. If the watch ended before the reply came, the user's shell
// would get it as if it were typed.
type unasked struct{ terminal }

type terminal interface {
	io.ReadWriteCloser
	Fd() uintptr
}

// questions are what package tea asks: for modes, and for the keyboard's protocol.
var questions = regexp.MustCompile(`\x1b\[\?(\d+\$p|u)`)

// Write writes all of p but questions.
func (t unasked) Write(p []byte) (int, error) {
	if _, err := t.terminal.Write(questions.ReplaceAll(p, nil)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func listPage() tea.Msg {
	var text strings.Builder
	if err := list(&text, time.Now()); err != nil {
		text.WriteString(err.Error())
	}
	return screen.Page{Title: "labs", Text: text.String()}
}

// diffPage shows what has changed since the submission passed or, before it has, since the starter.
func (w *watch) diffPage() tea.Msg {
	text, err := w.diff()
	if err != nil {
		text = err.Error()
	}
	return screen.Page{Title: "diff", Text: text, Diff: true}
}

func (w *watch) diff() (string, error) {
	folder, err := filepath.Abs(filepath.Dir(w.source.BPF))
	if err != nil {
		return "", err
	}
	passed, err := record.Of(w.lab.Name).Passing(folder)
	if err != nil {
		return "", err
	}
	old, now := map[string]string{}, map[string]string{}
	text := "Against the last submission that passed:\n"
	if passed != "" {
		entries, err := os.ReadDir(passed)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			if err := read(old, filepath.Join(passed, e.Name())); err != nil {
				return "", err
			}
		}
	} else {
		text = "Nothing has passed yet. Against the starter:\n"
		for _, name := range w.lab.Files() {
			starter, err := fs.ReadFile(w.lab.Starter, "starter/"+name)
			if err != nil {
				return "", err
			}
			old[name] = string(starter)
		}
	}
	paths, err := w.source.All()
	if err != nil {
		return "", err
	}
	for _, path := range paths {
		if err := read(now, path); err != nil {
			return "", err
		}
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(old)), maps.Keys(now))
	slices.Sort(names)
	changed := false
	for _, name := range slices.Compact(names) {
		if diff := udiff.Unified(name+" before", name+" now", old[name], now[name]); diff != "" {
			text, changed = text+"\n"+diff, true
		}
	}
	if !changed {
		text += "\nno difference\n"
	}
	return text, nil
}

// read reads a file of a submission.
func read(texts map[string]string, path string) error {
	text, err := build.ReadFile(path)
	texts[filepath.Base(path)] = string(text)
	return err
}
