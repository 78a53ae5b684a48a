// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// trouble is what a healthy guest's console never says. A run that said it is not judged,
// whatever it reported.
var trouble = regexp.MustCompile(`(?m)^.*(?:\bWARNING: |\bBUG: |\bOops\b|Kernel panic|kernel BUG at|soft lockup|hard LOCKUP|rcu.*detected stall|INFO: task .* blocked|general protection fault|Out of memory: ).*$`)

// words are such that every line of trouble holds one. To look for them is cheap.
var words = [][]byte{
	[]byte("WARNING: "), []byte("BUG"), []byte("Oops"), []byte("Kernel panic"), []byte("lockup"), []byte("LOCKUP"),
	[]byte("detected stall"), []byte("blocked"), []byte("general protection fault"), []byte("Out of memory: "),
}

// findTrouble returns the first line of trouble in text.
func findTrouble(text []byte) string {
	if !slices.ContainsFunc(words, func(word []byte) bool { return bytes.Contains(text, word) }) {
		return ""
	}
	return strings.TrimSpace(string(trouble.Find(text)))
}

// console keeps the beginning and the end of what a guest prints, and looks through all of
// it, however much that is.
type console struct {
	mu         sync.Mutex
	head, tail []byte
	line       []byte // that has not ended yet
	trouble    string // the first line of trouble
}

const (
	consoleKeep = 64 << 10
	lineMax     = 4 << 10 // a longer line is looked through in pieces
)

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scan(p)
	n := len(p)
	room := min(consoleKeep-len(c.head), n)
	c.head = append(c.head, p[:room]...)
	c.tail = append(c.tail, p[room:]...)
	if len(c.tail) > 2*consoleKeep {
		c.tail = append(c.tail[:0], c.tail[len(c.tail)-consoleKeep:]...)
	}
	return n, nil
}

// scan looks for trouble in the lines that p ends.
func (c *console) scan(p []byte) {
	c.line = append(c.line, p...)
	end := bytes.LastIndexByte(c.line, '\n') + 1
	if len(c.line)-end > lineMax {
		end = len(c.line)
	}
	if c.trouble == "" {
		c.trouble = findTrouble(c.line[:end])
	}
	c.line = append(c.line[:0], c.line[end:]...)
}

// Trouble returns the first line that a healthy guest's console never says, if there is one.
func (c *console) Trouble() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trouble == "" {
		return findTrouble(c.line)
	}
	return c.trouble
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(string(c.head)+string(c.tail), "\r", "")
}

// lastLines returns the end of s, n lines at most.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
