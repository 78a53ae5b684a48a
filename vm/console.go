// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"regexp"
	"strings"
	"sync"
)

// trouble is what a healthy guest's console never says. A run that said it is not judged,
// whatever it reported.
var trouble = regexp.MustCompile(`(?m)^.*(?:\bWARNING: |\bBUG: |\bOops\b|Kernel panic|kernel BUG at|soft lockup|hard LOCKUP|rcu.*detected stall|INFO: task .* blocked|general protection fault|Out of memory: ).*$`)

// console keeps the beginning and the end of what a guest prints, however much that is.
type console struct {
	mu         sync.Mutex
	head, tail []byte
}

const consoleKeep = 64 << 10

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(p)
	room := min(consoleKeep-len(c.head), n)
	c.head = append(c.head, p[:room]...)
	c.tail = append(c.tail, p[room:]...)
	if len(c.tail) > 2*consoleKeep {
		c.tail = append(c.tail[:0], c.tail[len(c.tail)-consoleKeep:]...)
	}
	return n, nil
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
