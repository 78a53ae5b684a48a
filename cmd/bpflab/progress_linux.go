// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"bpflab/harness/host/visible"
)

// progress shows on a terminal what goes on, on one line that it writes over and over. In a
// pipe it shows only notices.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	terminal bool
	doing    map[string]string
	shown    bool
}

func newProgress(w io.Writer) *progress {
	return &progress{w: visible.Trusted(w), terminal: isTerminal(w), doing: map[string]string{}}
}

// Set shows what somebody is doing; empty: nothing any more.
func (p *progress) Set(who, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if what == "" {
		delete(p.doing, who)
	} else {
		p.doing[who] = what
	}
	if !p.terminal {
		return
	}
	p.wipe()
	var parts []string
	for who, what := range p.doing {
		parts = append(parts, who+": "+what)
	}
	slices.Sort(parts)
	line := []rune(visible.Line(strings.Join(parts, " · ")))
	if width, _, err := term.GetSize(int(p.w.(*os.File).Fd())); err == nil && len(line) >= width {
		line = line[:max(width-1, 0)]
	}
	fmt.Fprint(p.w, string(line))
	p.shown = len(line) > 0
}

// Notice prints a line that stays. What follows it, such as a guest's console, is marked.
func (p *progress) Notice(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	fmt.Fprintln(p.w, visible.Quote(fmt.Sprintf(format, args...)))
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

func (p *progress) wipe() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
