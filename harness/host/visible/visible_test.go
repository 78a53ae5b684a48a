// SPDX-License-Identifier: Apache-2.0

package visible

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, (95) exit": "plain text, (95) exit",
		"größer ≤ 50 █ │ 日本":    "größer ≤ 50 █ │ 日本",
		"\x1b[2J\x1b[H":         `\u001b[2J\u001b[H`,
		"a\rscore 100/100":      `a\rscore 100/100`,
		"a\nb\tc":               `a\nb\tc`,
		"\u202egnp.exe\u202c":   `\u202egnp.exe\u202c`,
		"a\u200bb\ufeff\u00ad":  `a\u200bb\ufeff\u00ad`,
		"\u009b31m\x7f":         `\u009b31m\u007f`,
		"\u2028\u2029":          `\u2028\u2029`,
		"\U000e0041":            `\udb40\udc41`,
		"\u3164\ufe0f":          `\u3164\ufe0f`,
		"\xff\xc3":              `\xff\xc3`,
		"":                      "",
	} {
		assert.Equal(t, want, Line(in), "%q", in)
	}
	assert.Equal(t, "does not compile:\n│ x\ty\n│ \n│ \\u001bz", Quote("does not compile:\nx\ty\n\n\x1bz\n"))
}

// Whatever is written in whatever pieces, what comes out is printing text, and JSON still means
// what it did.
func TestWriter(t *testing.T) {
	const text = "é\u202eb\x1b[31m\tx\n│ 日\xff"
	for size := 1; size < len(text); size++ {
		var b bytes.Buffer
		w := NewWriter(&b)
		for rest := text; rest != ""; {
			n := min(size, len(rest))
			written, err := w.Write([]byte(rest[:n]))
			require.NoError(t, err)
			require.Equal(t, n, written)
			rest = rest[n:]
		}
		assert.Equal(t, `é\u202eb\u001b[31m`+"\tx\n│ 日"+`\xff`, b.String(), "in pieces of %d", size)
	}

	said := map[string]string{"a\x1b": "\u202e\u009b\U000e0041 \"quoted\" \\ <b>"}
	var b bytes.Buffer
	require.NoError(t, json.NewEncoder(NewWriter(&b)).Encode(said))
	var heard map[string]string
	require.NoError(t, json.Unmarshal(b.Bytes(), &heard))
	assert.Equal(t, said, heard)

	assert.Equal(t, os.Stdout, Trusted(NewWriter(os.Stdout)))
	assert.Equal(t, os.Stdout, Trusted(os.Stdout))
}

func FuzzLine(f *testing.F) {
	f.Add("\x1b]0;title\a\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		line := Line(text)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !prints(r) }) {
			t.Errorf("%q became %q", text, line)
		}
		if Line(line) != line {
			t.Errorf("%q became %q, and that another", text, line)
		}
		for _, l := range strings.Split(Quote(text), "\n")[1:] {
			if !strings.HasPrefix(l, Mark) {
				t.Errorf("%q: a line without a mark: %q", text, l)
			}
		}
	})
}
