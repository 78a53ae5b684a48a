// SPDX-License-Identifier: Apache-2.0

package survey

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// A log of Linux 6.12, whose comparison says of r3 alone what holds for r1 too.
const packetLog = `0: R1=ctx() R10=fp0
; int program(struct xdp_md *ctx) @ packet.bpf.c:13
0: (b4) w0 = 2                        ; R0_w=2
; void *data_end = (void *)(long)ctx->data_end; @ packet.bpf.c:16
1: (61) r2 = *(u32 *)(r1 +4)          ; R1=ctx() R2_w=pkt_end()
; void *data = (void *)(long)ctx->data; @ packet.bpf.c:15
2: (61) r1 = *(u32 *)(r1 +0)          ; R1_w=pkt(r=0)
; struct iphdr *ip = (void *)(eth + 1); @ packet.bpf.c:18
3: (bf) r3 = r1                       ; R1_w=pkt(r=0) R3_w=pkt(r=0)
4: (07) r3 += 14                      ; R3_w=pkt(off=14,r=0)
; if ((void *)(eth + 1) > data_end) @ packet.bpf.c:20
5: (2d) if r3 > r2 goto pc+4          ; R2_w=pkt_end() R3_w=pkt(off=14,r=14)
; return ip->protocol == IPPROTO_UDP ? XDP_DROP : XDP_PASS; @ packet.bpf.c:22
6: (71) r1 = *(u8 *)(r1 +23)
invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14)
R1 offset is outside of the packet
processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`

func states(t *testing.T, log string, columns int, d Detail) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Log(&out, verifier.ParseLog(log), columns, d))
	_, path, _ := strings.Cut(out.String(), "\n  try: ")
	_, path, _ = strings.Cut(path, "\n")
	return path
}

func TestStates(t *testing.T) {
	assert.Equal(t, `  the path to it, 7 instructions; * bears on r1
       at the start            r1 = context
│ packet.bpf.c
│ 13  int program(struct xdp_md *ctx)
      0  w0 = 2                r0 = 2
│ 16  void *data_end = (void *)(long)ctx->data_end;
      1  r2 = *(u32 *)(r1 +4)  r2 = packet's end
│ 15  void *data = (void *)(long)ctx->data;
 *    2  r1 = *(u32 *)(r1 +0)  r1 = packet, nothing checked
│ 18  struct iphdr *ip = (void *)(eth + 1);
      3  r3 = r1               r3 = packet, nothing checked
      4  r3 += 14              r3 = packet + 14, nothing checked
│ 20  if ((void *)(eth + 1) > data_end)
 *    5  if r3 > r2 goto pc+4  not taken
                               r1 = packet, 14 bytes checked
                               r3 = packet + 14, 14 bytes checked
│ 22  return ip->protocol == IPPROTO_UDP ? XDP_DROP : XDP_PASS;
 *    6  r1 = *(u8 *)(r1 +23)
           r1 is packet, 14 bytes checked
  rejected: invalid access to packet, off=23 size=1, R1(id=0,off=23,r=14): R1
            offset is outside of the packet
`, states(t, packetLog, 80, Detail{States: true}))

	// Where there is no room, changes go below.
	narrow := states(t, packetLog, 50, Detail{States: true})
	assert.Contains(t, narrow, "\n *    2  r1 = *(u32 *)(r1 +0)\n           r1 = packet, nothing checked\n")
	assert.Contains(t, narrow, "\n      0  w0 = 2\n           r0 = 2\n")
	assert.Contains(t, narrow, "\n│ 22  return ip->protocol == IPPROTO_UDP ? XDP_DR…\n")
	for line := range strings.Lines(narrow) {
		assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), 50, line)
	}
}

// A long path is cut down to what bears on the rejection and its end, a long line to its ends; both in full if asked.
func TestStatesFold(t *testing.T) {
	var log strings.Builder
	log.WriteString("0: R1=ctx() R10=fp0\n; p->a = 1; @ a.c:1\n0: (b7) r6 = 5 ; R6=5\n")
	for range 40 {
		log.WriteString("; f(); @ a.c:2\n1: (b7) r2 = 1 ; R2=1\n2: (b7) r3 = 2 ; R3=2\n; g(); @ a.c:3\n3: (b7) r4 = 1\n")
	}
	log.WriteString("; h(); @ a.c:4\n" + strings.Repeat("4: (07) r2 += 1\n", 30) + "; return *(int *)p->a; @ a.c:5\n5: (61) r0 = *(u32 *)(r6 +0)\nR6 invalid mem access 'scalar'\n")
	out := states(t, log.String(), 80, Detail{States: true})
	assert.Contains(t, out, "the path to it, 152 instructions; * bears on r6\n")
	assert.Contains(t, out, " *    0  r6 = 5 ")
	assert.Contains(t, out, "\n  … 116 instructions of 77 lines\n")
	assert.Contains(t, out, "\n  … 18 instructions of this line\n")
	assert.Less(t, strings.Count(out, "\n"), 40)
	path, _, _ := strings.Cut(states(t, log.String(), 80, Detail{States: true, Full: true}), "  log, ")
	assert.NotContains(t, path, "…")
	assert.Greater(t, strings.Count(path, "\n"), 150)

	// Of what bears on it, the last lines.
	log.Reset()
	log.WriteString("0: R1=ctx() R10=fp0\n")
	for range 50 {
		log.WriteString("; p++; @ a.c:2\n1: (07) r6 += 1 ; R6=5\n; g(); @ a.c:3\n2: (b7) r4 = 1\n3: (b7) r4 = 1\n")
	}
	log.WriteString("; return *p; @ a.c:5\n5: (61) r0 = *(u32 *)(r6 +0)\nR6 invalid mem access 'scalar'\n")
	out = states(t, log.String(), 80, Detail{States: true})
	assert.Equal(t, 15, strings.Count(out, " *    1  r6 += 1"))
	assert.Contains(t, out, "\n  … 2 instructions of 1 line\n")
	assert.Contains(t, out, "\n  … 105 instructions of 70 lines\n")
}

// A kernel may write the text of a line at different lengths.
func TestStatesSameLine(t *testing.T) {
	out := states(t, "0: R1=ctx() R10=fp0\n; a + b @ a.c:2\n0: (b7) r6 = 1 ; R6=1\n; a + @ a.c:2\n1: (b7) r7 = 1 ; R7=1\n; a + b @ a.c:3\n2: (61) r0 = *(u32 *)(r6 +0)\nR6 invalid mem access 'scalar'\n", 80, Detail{States: true})
	assert.Equal(t, 2, strings.Count(out, "a + b"))
	assert.NotContains(t, out, "a +\n")
}

// Registers of functions are their own, and shown further in.
func TestStatesNested(t *testing.T) {
	out := states(t, `0: R1=ctx() R10=fp0
; return f(4); @ a.c:9
0: (b7) r6 = 4                        ; R6_w=4
1: (85) call pc+2
caller:
 R6=4 R10=fp0
callee:
 frame1: R1=ctx() R10=fp0
4: frame1: R1=ctx() R10=fp0
; return n; @ a.c:3
4: (b7) r6 = 1                        ; frame1: R6_w=1
5: (79) r0 = *(u64 *)(r6 +0)
R6 invalid mem access 'scalar'
`, 80, Detail{States: true})
	assert.Contains(t, out, "      1  call pc+2        r1 = context\n│   3  return n;\n *      4  r6 = 1         r6 = 1\n *      5  r0 = *(u64 *)(r6 +0)\n           r6 is 1\n")
	assert.Contains(t, out, "\n      0  r6 = 4           r6 = 4\n", "not what the function reads through")
}

func TestStatesWithout(t *testing.T) {
	for name, tt := range map[string]struct {
		report verifier.Report
		want   string
	}{
		"library":     {verifier.Report{By: verifier.Loader, Message: "resolve .kconfig: no"}, "no path to show: the verifier did not look at the instructions\n"},
		"too long":    {verifier.Report{Message: "BPF program is too large", Stats: verifier.Stats{Processed: 1_000_001}}, "no path to show: the verifier has processed 1000001 instructions, and only up to 65536 are logged\n"},
		"before them": {verifier.Report{Message: "unreachable insn 2", Trace: []string{"unreachable insn 2"}}, "no path to show: the log shows no instruction\n"},
	} {
		var out bytes.Buffer
		require.NoError(t, Log(&out, tt.report, 80, Detail{States: true}), name)
		assert.Contains(t, out.String(), tt.want, name)
		both := strings.Builder{}
		require.NoError(t, Log(&both, tt.report, 80, Detail{States: true, Full: true}), name)
		assert.Equal(t, out.String(), both.String(), "said once")
		out.Reset()
		require.NoError(t, Log(&out, tt.report, 80, Detail{Full: true}), name)
		assert.Contains(t, out.String(), strings.Replace(tt.want, "no path to show", "no log", 1), name)
	}
}

// Kernels that say the same in a log have one together; a path is shown once for a kind, of the newest.
func TestDetail(t *testing.T) {
	whole := func(message string, lines ...string) job.Loaded {
		l := rejected("p", message)
		l.Whole = &verifier.Log{Lines: append(lines, message)}
		return l
	}
	const first, second = "0: (b7) r0 = 1 ; R0=1", "1: (b7) r3 = 7 ; R3=7"
	a, b := whole("R2 !read_ok", first, second), whole("R2 !read_ok", first, "a word\tmore", second)
	c := whole("R3 !read_ok", first, second)
	c.Whole.Cut, c.Whole.At = 70, 1
	s := New([]string{"5.10", "6.1", "6.12", "7.3"}, []File{{Name: "f"}}, [][]job.Object{
		{{Programs: []job.Loaded{a}}}, {{Programs: []job.Loaded{b}}}, {{Programs: []job.Loaded{a}}}, {{Programs: []job.Loaded{c}}}})
	assert.NotContains(t, text(t, s, 80), "r0 = 1")

	s.Detail = Detail{Full: true}
	out := text(t, s, 80)
	assert.Contains(t, out, "    log on 5.10, 6.12, 3 lines:\n│ "+first+"\n│ "+second+"\n│ R2 !read_ok\n    log on 6.1, 4 lines:\n")
	assert.Contains(t, out, "    log on 7.3, 73 lines:\n│ "+first+"\n│ … 70 lines are left out here …\n│ "+second+"\n")

	s.Detail = Detail{States: true}
	out = text(t, s, 80)
	assert.Equal(t, 1, strings.Count(out, "the path to it"))
	assert.Contains(t, out, "    the path to it on 7.3, 1 instruction; * bears on r3\n")
	assert.Contains(t, out, "\n  … it begins 71 lines of the log before\n")

	var raw bytes.Buffer
	require.NoError(t, s.JSON(&raw))
	var got struct{ Programs []Row }
	require.NoError(t, json.Unmarshal(raw.Bytes(), &got))
	require.NotNil(t, got.Programs[0].Path)
	assert.Equal(t, "r0 = 1", got.Programs[0].Path.Steps[0].Text)
	s.Detail = Detail{Full: true}
	assert.Nil(t, s.Rows()[0].Path)
	assert.Equal(t, []string{first, second, "R2 !read_ok"}, s.Rows()[0].Log)
	assert.Equal(t, "… 70 lines are left out here …", s.Rows()[3].Log[1])
}

// Whatever a log holds, its path is shown in clean lines, each of which fits.
func FuzzStates(f *testing.F) {
	f.Add(packetLog, 80)
	for _, name := range []string{"5.10", "6.18", "7.3"} {
		raw, err := os.ReadFile("../../verifier/testdata/rejected-" + name + ".log")
		require.NoError(f, err)
		f.Add(string(raw), 50)
	}
	f.Add("0: R1=pkt(r=\xff) fp-8=m0?\n1: (85) call pc+1\ncaller:\n R1=2\ncallee:\n frame1: R1=5\n2: (95) exit\nfrom 1 to 2: R0=map_value_or_null(id=2)\n3: safe\ninfinite loop detected at insn 2\n", 1)
	f.Fuzz(func(t *testing.T, log string, columns int) {
		columns = min(max(columns, 40), 200)
		r := verifier.ParseLog(log)
		for _, d := range []Detail{{States: true}, {States: true, Full: true}} {
			var out strings.Builder
			d.write(&out, Program{On: []job.Loaded{{Report: r}}}, []string{""}, "  ", columns)
			for _, c := range out.String() {
				if c != '\n' && c != '\t' && !unicode.IsPrint(c) {
					t.Fatalf("%q in %q", c, out.String())
				}
			}
		}
	})
}

// What a kernel has in place of a missing field is said of each kernel, and what that means once.
func TestMissing(t *testing.T) {
	a, b := rejected("p", "invalid func unknown#195896080"), rejected("p", "invalid func unknown#195896080")
	a.Relocation, a.Missing = "s.x", "struct s of this kernel has no member x; it has \x1bx1 (int)"
	b.Relocation, b.Missing = "s.x", "struct s of this kernel has no member x; it has y (int)"
	s := New([]string{"6.1", "7.3"}, []File{{Name: "f"}}, [][]job.Object{{{Programs: []job.Loaded{a}}}, {{Programs: []job.Loaded{b}}}})
	out := text(t, s, 0)
	assert.Contains(t, out, "\n    missing: struct s of this kernel has no member x; it has \\u001bx1 (int)\n    what it means: ")
	assert.Contains(t, out, "\n    missing: struct s of this kernel has no member x; it has y (int)\n")
	assert.Equal(t, 1, strings.Count(out, "what it means"))
	assert.Equal(t, b.Missing, s.Rows()[1].Missing)
}
