// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
)

// step is one whose cells are found beside what was expected.
func step(printed job.Printed, cells ...[2]string) (s Step) {
	for _, c := range cells {
		s.Cell(c[0], c[1])
	}
	s.Printed = printed
	return s
}

func example() Run {
	return Run{
		Lab: "lab12_1", Title: "A counter", File: "counter.bpf.c", SHA256: "2de08449136b", Kernel: "6.12",
		Trace: Trace{
			Settings: []string{"verdict is XDP_TX"},
			Columns:  []Column{{Name: "frame"}, {Name: "bytes", Number: true}, {Name: "counted"}},
			Steps: []Step{
				step(job.Printed{Lines: []string{"protocol 17"}, More: 3}, [2]string{"UDP", ""}, [2]string{"1500", ""}, [2]string{"one", "one"}),
				step(job.Printed{}, [2]string{"ARP", ""}, [2]string{"60", ""}, [2]string{"one", "nothing"}),
			},
			Notes: []string{"A note."},
		},
		Held: Held{
			Maps: []Map{
				{Name: "counts", Type: "PerCPUArray", Entries: []Entry{{uint64(17), []any{Struct{{"packets", uint64(1)}, {"bytes", uint64(1500)}}}}}, More: true},
				{Name: "more", Type: "Array"}, {Name: "others", Type: "Hash"},
			},
			Variables: []Variable{{"verdict", uint64(3)}, {"name", "x"}},
		},
	}
}

func TestText(t *testing.T) {
	var out bytes.Buffer
	r := example()
	require.NoError(t, r.Text(&out, 0))
	assert.Equal(t, `lab12_1  A counter   counter.bpf.c  2de0844   Linux 6.12

verdict is XDP_TX

      frame     bytes  counted
   1  UDP        1500  one
│ protocol 17
    and 3 more lines were printed
✗  2  ARP          60  one
      expected         nothing

✗ marks what is not as it should be.

A note.

map counts, PerCPUArray:
  [17] packets 1, bytes 1500
  and perhaps more: not all of it was read

map more, Array: all zero

map others, Hash: empty

variables:
  verdict 3
  name "x"
`, out.String())
	assert.False(t, r.Right())

	r.Steps = r.Steps[:1]
	assert.True(t, r.Right())
	out.Reset()
	require.NoError(t, r.Text(&out, 0))
	assert.NotContains(t, out.String(), "✗")
	assert.NotContains(t, out.String(), "expected")
}

func TestTextOfProblem(t *testing.T) {
	r := Run{Lab: "lab12_1", File: "counter.bpf.c", Kernel: "5.10", Problem: &Problem{"rejected: R0 !read_ok", []string{"0: (95) exit", "R0 !read_ok\nmore"}}}
	assert.False(t, r.Right())
	var out bytes.Buffer
	require.NoError(t, r.Text(&out, 0))
	assert.True(t, strings.HasSuffix(out.String(), "Linux 5.10\n\nrejected: R0 !read_ok\n│ 0: (95) exit\n│ R0 !read_ok\n│ more\n"), out.String())
}

// Nothing that a submission or a guest says clears a terminal or passes for a line of ours.
func TestTextShowsNoForgery(t *testing.T) {
	evil := "\x1b[2J\u202evariables:\n✗  9  forged\r\n"
	r := example()
	r.SHA256 = evil
	r.Steps[0] = step(job.Printed{Lines: []string{evil, evil}}, [2]string{evil, evil + "x"}, [2]string{evil, ""}, [2]string{evil, ""})
	r.Maps[0] = Map{Name: evil, Type: evil, Entries: []Entry{{evil, []any{Struct{{evil, evil}}, []any{Hex(evil)}}}}}
	r.Variables[0] = Variable{evil, Hex(evil)}
	r.Settings, r.Notes = []string{evil}, []string{evil}
	var out bytes.Buffer
	check := func(r Run) {
		out.Reset()
		require.NoError(t, r.Text(&out, 0))
		for line := range strings.Lines(out.String()) {
			assert.NotContains(t, line, "\x1b")
			assert.NotContains(t, line, "\u202e")
			assert.NotContains(t, line, "\r")
			assert.False(t, strings.HasPrefix(line, "✗  9"), line)
		}
	}
	check(r)
	assert.Equal(t, 1, strings.Count(out.String(), "\nvariables:\n"))
	assert.Equal(t, 4, strings.Count(out.String(), "\n│ "), "two lines each: %s", out.String())
	check(Run{Problem: &Problem{evil, []string{evil}}})
}

// What does not fit beside each other stands on further lines, the heads of the columns as well.
func TestTextFitsTerminal(t *testing.T) {
	r := example()
	r.Columns = append(r.Columns, Column{Name: "seen by the driver"}, Column{Name: "ts", Number: true})
	r.Notes = []string{"The frames were sent one by one, and the network was left alone in between them."}
	for i := range r.Steps {
		r.Steps[i].Cell("as it came, to the last byte", "")
		r.Steps[i].Cell("+391", "")
	}
	for columns, want := range map[int]string{
		50: `lab12_1  A counter
counter.bpf.c  2de0844
Linux 6.12

verdict is XDP_TX

      frame     bytes  counted
        seen by the driver              ts
   1  UDP        1500  one
        as it came, to the last byte  +391
│ protocol 17
    and 3 more lines were printed
✗  2  ARP          60  one
        as it came, to the last byte  +391
      expected         nothing

✗ marks what is not as it should be.

The frames were sent one by one, and the network
was left alone in between them.
`,
		80: `lab12_1  A counter   counter.bpf.c  2de0844   Linux 6.12

verdict is XDP_TX

      frame     bytes  counted  seen by the driver              ts
   1  UDP        1500  one      as it came, to the last byte  +391
│ protocol 17
    and 3 more lines were printed
✗  2  ARP          60  one      as it came, to the last byte  +391
      expected         nothing

✗ marks what is not as it should be.

The frames were sent one by one, and the network was left alone in between them.
`,
	} {
		var out bytes.Buffer
		require.NoError(t, r.Text(&out, columns))
		text, _, found := strings.Cut(out.String(), "\nmap ")
		require.True(t, found)
		assert.Equal(t, want, text, "%d columns", columns)
	}

	long := strings.Repeat("words ", 8) + "end" // 51 columns
	r.Steps[0].Found[0], r.Steps[1].Found[4] = long, long
	for _, columns := range []int{0, 1, 50, 51, 79, 80, 120, 200} {
		var out bytes.Buffer
		require.NoError(t, r.Text(&out, columns))
		width := max(columns, 50)
		if columns == 0 {
			width = 80
		}
		for line := range strings.Lines(out.String()) {
			assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), width, line)
		}
		assert.Equal(t, columns == 200, strings.Contains(out.String(), long), "a cell is cut where there is no room for it: %d columns\n%s", columns, &out)
		for _, word := range []string{"counted", "seen by the driver", "1500", "+391", "nothing"} {
			assert.Contains(t, out.String(), word)
		}
	}
}

// A row fits a terminal, however long its cells are, and what is cut is still compared.
func TestLongCells(t *testing.T) {
	long := strings.Repeat("long ", 30)
	s := step(job.Printed{}, [2]string{long, long + "x"})
	assert.True(t, s.Wrong())
	var out bytes.Buffer
	require.NoError(t, Run{Trace: Trace{Columns: []Column{{Name: "frame"}}, Steps: []Step{s}}}.Text(&out, 0))
	for line := range strings.Lines(out.String()) {
		assert.LessOrEqual(t, ansi.StringWidth(line), 80, line)
	}
}

// The shape of the JSON is what programs rely on.
func TestJSON(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, example().JSON(&out))
	assert.JSONEq(t, `{
		"schema": 1, "lab": "lab12_1", "file": "counter.bpf.c", "sha256": "2de08449136b", "kernel": "6.12", "right": false,
		"settings": ["verdict is XDP_TX"],
		"steps": [
			{"found": {"frame": "UDP", "bytes": "1500", "counted": "one"}, "printed": ["protocol 17"], "printed_more": 3},
			{"found": {"frame": "ARP", "bytes": "60", "counted": "one"}, "expected": {"counted": "nothing"}}
		],
		"notes": ["A note."],
		"maps": [
			{"name": "counts", "type": "PerCPUArray", "entries": [{"key": 17, "values": [{"packets": 1, "bytes": 1500}]}], "more": true},
			{"name": "more", "type": "Array", "entries": []}, {"name": "others", "type": "Hash", "entries": []}
		],
		"variables": {"verdict": 3, "name": "x"}
	}`, out.String())

	out.Reset()
	require.NoError(t, Run{Lab: "lab12_1", Problem: &Problem{"rejected", []string{"why"}}}.JSON(&out))
	var got map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	assert.Equal(t, map[string]any{"message": "rejected", "details": []any{"why"}}, got["problem"])
	assert.Equal(t, false, got["right"])
	assert.Equal(t, []any{}, got["steps"])
}

func TestTime(t *testing.T) {
	c := job.Called{Began: 1000, Ended: 1500}
	for ts, want := range map[uint64][2]string{
		1000: {"+0", ""}, 1500: {"+500", ""}, 1501: {"+501", "+0 to +500"}, 999: {"-1", "+0 to +500"}, 1<<64 - 1: {"-1001", "+0 to +500"},
	} {
		found, expected := Time(c, ts)
		assert.Equal(t, want, [2]string{found, expected}, ts)
	}
	assert.Equal(t, []string{"nothing", "32 bytes", "2 records"}, []string{Records(0, 0), Records(1, 32), Records(2, 32)})
	assert.Equal(t, []string{"getpgid", "getsid", "call 1"}, []string{CallName(121), CallName(124), CallName(1)})
}
