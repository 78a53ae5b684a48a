// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/pagetest"
)

func written(t *testing.T, r Report) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.HTML(&b))
	return b.Bytes()
}

func parsed(t *testing.T, r Report) *html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(written(t, r)))
	require.NoError(t, err)
	return root
}

// all are the elements of one of the names, or all elements.
func all(root *html.Node, names ...string) (found []*html.Node) {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (len(names) == 0 || slices.Contains(names, n.Data)) {
			found = append(found, n)
		}
	}
	return found
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// says is the text of an element, its words one blank apart.
func says(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.DataAtom != atom.Style {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// with is a report with figures of so many kernels.
func with(t *testing.T, kernels int) Report {
	names := []string{"5.10", "6.1", "6.12", "6.18", "7.3", "linux-next-é"}[:kernels]
	seen := map[string]verdicts{}
	var costs [3][]float64
	for i, k := range names {
		seen[k] = verdicts{ok, ok, long, fast}
		costs[0], costs[1], costs[2] = append(costs[0], float64(700-i)), append(costs[1], 1_250_000), append(costs[2], -44)
	}
	r := graded(t, names, seen)
	r.Figures = []figure.Figure{
		figure.Bars{File: "cost", Title: "Cost of other calls over the empty program", Unit: "instructions", Kernels: names, Series: []figure.Series{
			{Label: "yours", Values: costs[0]}, {Label: "starter", Values: costs[1]}, {Label: "reference", Values: costs[2]},
		}},
		figure.Bars{File: "same", Title: "The same", Unit: "instructions", Kernels: names, Series: []figure.Series{{Label: "yours", Values: costs[0]}}},
	}
	for _, k := range names {
		r.Figures = append(r.Figures, figure.Lines{
			File: "time", Title: "Adaptation on Linux " + k, TimeUnit: "seconds", Time: []float64{0, 0.3, 0.7, 1},
			Panels: []figure.Panel{
				{Label: "events a second", Values: []float64{9380, 1e5, 969e3, 4e4}, Log: true},
				{Label: "overhead, %", Values: []float64{0.3, 2, 32, 2}, Low: 1.5, High: 2.5},
			},
		})
	}
	return r
}

// A page is of one piece, loads nothing, and has an order that can be heard as well as seen.
func TestHTML(t *testing.T) {
	sorts := reports(t)
	sorts["figures"] = with(t, 2)
	for name, r := range sorts {
		t.Run(name, func(t *testing.T) {
			root := parsed(t, r)
			assert.Equal(t, "en", attribute(all(root, "html")[0], "lang"))
			policy := all(root, "meta")[1]
			assert.Equal(t, "Content-Security-Policy", attribute(policy, "http-equiv"))
			assert.True(t, strings.HasPrefix(attribute(policy, "content"), "default-src 'none'; "))

			ids := map[string]bool{"": true}
			for _, n := range all(root) {
				assert.NotContains(t, []string{"script", "link", "img", "iframe", "object", "base", "form"}, n.Data)
				id := attribute(n, "id")
				assert.True(t, id == "" || !ids[id], "%s is there twice", id)
				ids[id] = true
			}
			for _, n := range all(root) {
				for _, a := range n.Attr {
					assert.NotContains(t, []string{"src", "srcset", "action", "data"}, a.Key)
					assert.False(t, strings.HasPrefix(a.Key, "on"), a.Key)
					if a.Key == "href" {
						target, within := strings.CutPrefix(a.Val, "#")
						assert.True(t, within && ids[target], a.Val)
					}
				}
			}
			depth := "h0"
			for _, h := range all(root, "h1", "h2", "h3", "h4") {
				assert.LessOrEqual(t, h.Data[1], depth[1]+1, "%s after %s", h.Data, depth)
				depth = h.Data
			}
			assert.Len(t, all(root, "h1"), 1)
			for _, th := range all(root, "th") {
				assert.Contains(t, []string{"row", "col"}, attribute(th, "scope"), says(th))
			}
			assert.Len(t, all(root, "svg"), len(r.Figures))
			for _, svg := range all(root, "svg") {
				assert.Equal(t, "img", attribute(svg, "role"))
				assert.NotEmpty(t, attribute(svg, "aria-label"))
			}

			text := says(root)
			for _, want := range []string{r.Lab, r.Title, r.File, r.SourceSHA256[:7], "QEMU emulator version 7.2", "clang <14>"} {
				assert.Contains(t, text, want)
			}
			score := says(all(root, "header")[0])
			assert.Contains(t, score, Points(r.Result.Score)+" /"+Points(r.Result.MaxScore))
			assert.Equal(t, r.Result.Passed(), strings.HasSuffix(score, "✓ passed"), score)
			assert.Equal(t, !r.Result.Complete, strings.HasSuffix(score, "! provisional"), score)
			if r.Refused != nil {
				assert.Contains(t, text, "Nothing was run "+r.Refused.Reason)
				for _, line := range r.Refused.Details {
					assert.Contains(t, text, line)
				}
				return // no task was judged
			}
			for _, k := range r.Result.Kernels {
				for _, task := range k.Tasks {
					assert.Contains(t, text, task.Title)
					if first, _, _ := strings.Cut(task.Message, "\n"); task.Status != judge.Pass {
						assert.Contains(t, text, first)
					}
					if task.Status != judge.Pass {
						for _, line := range task.Details {
							assert.Contains(t, text, strings.Join(strings.Fields(line), " "))
						}
					}
				}
			}
		})
	}
}

// The table has what the text has, and says each cell's status in words and signs.
func TestHTMLTable(t *testing.T) {
	root := parsed(t, reports(t)["mixed"])
	var rows []string
	for _, row := range all(all(root, "table")[0], "tr") {
		rows = append(rows, says(row))
	}
	assert.Equal(t, []string{
		"task 5.10 6.12 linux-next-é points",
		"1 verifier ✓ ok passed ✓ ok passed ✓ ok passed 20/20",
		"2 exact counts ✓ ok passed ✗ WRONG not passed ✓ ok passed 0/20",
		"3 hot path ≤ 50 insns ◐ 61 passed in part ◐ 61 passed in part ◐ 61 passed in part 8/20",
		"4 vitesse à l'arrivée ✓ 1.24M passed ✗ - not passed ? ~ inconclusive 0/40",
		"score 88 28 48 28/100",
	}, rows)
}

func articles(root *html.Node) (found []string) {
	for _, a := range all(root, "article") {
		found = append(found, says(a))
	}
	return found
}

// A task that did not pass says why on each kernel, once where kernels agree, and what to do. The worst comes first.
func TestHTMLNotPassed(t *testing.T) {
	sorts := reports(t)
	assert.Equal(t, []string{
		`2 exact counts ✗ not passed 0/20 On 6.12 frames of the kind "ARP": 16 counted, 0 should have been Measured 16 packets counted wrong, target 0 ` +
			`On 5.10 and linux-next-é, passed What to do next: ./bpflab hint lab12_1 2`,
		`3 hot path ≤ 50 insns ◐ passed in part 8/20 61 instructions; 50 is the target … Measured 61 BPF instructions, target 50 What to do next: ./bpflab hint lab12_1 3`,
		`4 vitesse à l'arrivée ✗ not passed 0/40 On 6.12 not judged: task 2 first Measured 1.24M packets/s (virtual), target 1.2M ` +
			`On linux-next-é and 5.10 On linux-next-é, inconclusive too noisy to tell On 5.10, passed Measured 1.24M packets/s (virtual), target 1.2M What to do next: ./bpflab hint lab12_1 4`,
	}, articles(parsed(t, sorts["mixed"])))
	assert.Empty(t, articles(parsed(t, sorts["refused"])))
	assert.Empty(t, articles(parsed(t, sorts["passed"])))
	// A task that waits for another one on every kernel has a line.
	gated := graded(t, []string{"5.10", "6.12"}, map[string]verdicts{"5.10": {ok, wrong, ok, fast}, "6.12": {ok, wrong, ok, fast}})
	assert.Equal(t, "4 vitesse à l'arrivée: not judged: task 2 first", articles(parsed(t, gated))[1])
	gated.Next = []string{"next: <task 2>", "Read:\n- one\n- two"}
	gated.Change, gated.Of = "+2.0 since the last grade", "lab12_1 --from 'my work'"
	text := says(parsed(t, gated))
	assert.Contains(t, text, "next: <task 2> Read: one two")
	assert.Contains(t, text, "+2.0 since the last grade")
	assert.Contains(t, text, "./bpflab hint lab12_1 --from 'my work' 2")
}

// What kernels say alike of another outcome is not the same.
func TestHTMLAgree(t *testing.T) {
	said := func(status judge.Status, message string, details ...string) judge.Verdict {
		return judge.Verdict{Status: status, Message: message, Details: details}
	}
	r := graded(t, []string{"a", "b", "c", "d", "e"}, map[string]verdicts{
		"a": {said(judge.Partial, "slow"), ok, ok, ok}, "b": {said(judge.Fail, "slow"), ok, ok, ok}, "c": {said(judge.Fail, "slow", "a line"), ok, ok, ok},
		"d": {said(judge.Fail, "slower"), ok, ok, ok}, "e": {said(judge.Fail, "slow"), ok, ok, ok},
	})
	assert.Equal(t, []string{
		"1 verifier ✗ not passed 0/20 On b and e slow On c, d and a On c, not passed slow Evidence, quoted a line On d, not passed slower " +
			"On a, passed in part slow What to do next: ./bpflab hint lab12_1 1",
	}, articles(parsed(t, r)))
}

// What the grader failed on says so once, and is nobody's to fix.
func TestHTMLNotGraded(t *testing.T) {
	const failed = "! grader failed boot: no word from the guest after 60 s"
	sorts := reports(t)
	assert.Equal(t, []string{"5.10 " + failed}, articles(parsed(t, sorts["all-lost"])))
	assert.Equal(t, []string{
		"3 hot path ≤ 50 insns ◐ passed in part 8/20 On 6.12 61 instructions; 50 is the target … Measured 61 BPF instructions, target 50 What to do next: ./bpflab hint lab12_1 3",
		"5.10 " + failed,
	}, articles(parsed(t, sorts["one-kernel-lost"])))
	assert.Contains(t, says(parsed(t, sorts["all-lost"])), "the grader’s failure, not the submission’s. Grade again; ./bpflab doctor shows")

	r := graded(t, []string{"5.10", "6.1", "6.12"}, map[string]verdicts{"5.10": {ok, ok}, "6.1": {ok, ok}, "6.12": {ok, ok, ok, fast}})
	assert.Equal(t, []string{
		`5.10 and 6.1 ! grader failed nothing was observed of "path" Tasks: hot path ≤ 50 insns`,
		`5.10 and 6.1 ! grader failed nothing was observed of "speed" Tasks: vitesse à l'arrivée`,
	}, articles(parsed(t, r)))
}

// What was measured is a range where kernels differ, and nothing where a task failed before it was measured.
func TestHTMLMeasured(t *testing.T) {
	verdict := func(status judge.Status, measured, target float64, unit string) judge.Verdict {
		return judge.Verdict{Status: status, Fraction: 1, Measured: judge.Quantity{Value: measured, Unit: unit}, Target: judge.Quantity{Value: target, Unit: unit}}
	}
	root := parsed(t, graded(t, []string{"5.10", "6.1", "6.12"}, map[string]verdicts{
		"5.10": {verdict(judge.Pass, 110, 500, "processed instructions"), ok, verdict(judge.Pass, 1.5, 5, "% of a call"), verdict(judge.Fail, 0, 0, "intervals off")},
		"6.1":  {verdict(judge.Pass, 167, 500, "processed instructions"), ok, verdict(judge.Pass, 1.25, 5, "% of a call"), verdict(judge.Fail, 0, 0, "intervals off")},
		"6.12": {ok, ok, skip, skip},
	}))
	var rows []string
	for _, row := range all(all(root, "table")[1], "tr") {
		rows = append(rows, says(row))
	}
	assert.Equal(t, []string{
		"task measured target",
		"1 verifier 110 to 167 processed instructions 500",
		"2 exact counts",
		"3 hot path ≤ 50 insns 6.12: no live frames before 5.18 1.25 to 1.5% of a call 5%",
	}, rows)
	assert.NotContains(t, says(all(root, "article")[0]), "Measured")
	for v, want := range map[float64]string{0: "0", 0.48: "0.48", 147677: "147677", 1240000: "1.24M", 1195345678: "1195.35M"} {
		assert.Equal(t, want, number(v))
	}
	assert.Equal(t, "0.16M to 1.24M", between([]float64{1_240_000, 160_882}))
	assert.Equal(t, "44 to 1.24M", between([]float64{44, 1_240_000}))
	assert.Equal(t, "7", between([]float64{7, 7}))
}

// evil is a report in which all that others may say would rather be something else.
func evil(t *testing.T) Report {
	const evil = "</code></td></style><script>ran = 1</script><img src=x onerror=ran=1>{{.}}\"' onload=ran=1 \x1b[2K\u202e\xff"
	r := graded(t, []string{"5.10", "6.12"}, map[string]verdicts{"5.10": {
		{Status: judge.Fail, Cell: evil, Message: evil + "\nand more", Details: []string{evil, "a\n" + evil, "\x1b]0;t\a"}, Measured: judge.Quantity{Value: 1, Unit: evil}},
		ok, {Status: judge.Skip, Message: evil}, fast,
	}, "6.12": {ok, ok, ok, fast}})
	r.Lab, r.Title, r.File, r.Program, r.SourceSHA256, r.ProgramSHA256 = evil, evil, evil, evil, evil, evil
	r.Notes, r.Environment = []string{evil}, map[string]string{evil: evil}
	r.Result.Kernels[0].Name, r.Result.Kernels[0].Release = evil, evil
	r.Figures = []figure.Figure{
		figure.Bars{Title: "Cost", Unit: evil, Kernels: []string{evil, strings.Repeat("W", 64)}, Series: []figure.Series{{Label: evil, Values: []float64{1, 1e300}}}},
		figure.Lines{Title: evil, TimeUnit: "s", Time: []float64{0, 1}, Panels: []figure.Panel{{Label: evil, Values: []float64{1, 2}}}},
	}
	return r
}

// Whatever a submission, a guest or a receipt says is text, and nothing of the page is its own.
func TestHTMLOfOthers(t *testing.T) {
	r := evil(t)
	page := written(t, r)
	for line := range strings.Lines(string(page)) {
		assert.False(t, strings.ContainsFunc(line, func(r rune) bool { return r != '\n' && (r < ' ' || r == '\u202e' || r >= 0x7f && r < 0xa0) }), "%q", line)
	}
	root := parsed(t, r)
	assert.Empty(t, all(root, "script", "img"))
	for _, n := range all(root) {
		for _, a := range n.Attr {
			assert.False(t, strings.HasPrefix(a.Key, "on"), a.Key)
		}
	}
	assert.Len(t, all(root, "blockquote"), 1)
	assert.Len(t, all(all(root, "blockquote")[0], "code"), 4, "a line of evidence each")
	assert.Contains(t, says(root), `<script>ran = 1</script>`)
	assert.Contains(t, says(root), `\u001b[2K\u202e\xff`)
}

type broken struct{ figure.Figure }

func (broken) Name() string { return "broken" }

func (broken) SVG(io.Writer) error { return errors.New("out of ink") }

func TestHTMLWithoutFigure(t *testing.T) {
	r := with(t, 1)
	r.Figures = append(r.Figures, broken{})
	assert.ErrorContains(t, r.HTML(io.Discard), "draw broken: out of ink")
}

// Pages of all sorts are looked at as readers do.
func TestPages(t *testing.T) {
	browser := pagetest.Open(t)
	sorts := reports(t)
	for kernels := 1; kernels <= 6; kernels++ {
		sorts[fmt.Sprintf("figures of %d kernels", kernels)] = with(t, kernels)
	}
	for name, r := range sorts {
		t.Run(name, func(t *testing.T) {
			want := pagetest.Want{Figures: len(r.Figures), Texts: []string{r.Title}, Printed: []string{"QEMU emulator version 7.2"}}
			if r.Refused != nil {
				want.Texts = append(append(want.Texts, r.Refused.Reason), r.Refused.Details...)
				r.Result.Kernels = nil
			}
			for _, k := range r.Result.Kernels {
				want.Printed = append(want.Printed, k.Release)
				for _, task := range k.Tasks {
					want.Texts = append(want.Texts, task.Title)
					first, _, _ := strings.Cut(task.Message, "\n")
					if task.Status != judge.Pass {
						want.Printed = append(want.Printed, first)
					}
				}
			}
			browser.Read(t, written(t, r), want)
		})
	}
	t.Run("more kernels than fit", func(t *testing.T) {
		var kernels []string
		seen := map[string]verdicts{}
		for n := range 30 {
			kernels = append(kernels, fmt.Sprintf("6.%d", n))
			seen[kernels[n]] = verdicts{ok, wrong, long, fast}
		}
		browser.Read(t, written(t, graded(t, kernels, seen)), pagetest.Want{Scrolls: true, Texts: []string{"exact counts"}})
	})
	t.Run("text of others", func(t *testing.T) {
		r := evil(t)
		r.Lab, r.Title, r.File, r.Program = "lab12_1", "A title", "counter.bpf.c", "consumer.go" // a receipt's are those of a lab
		r.Result.Kernels[0].Name = strings.Repeat("W", 64)
		browser.Read(t, written(t, r), pagetest.Want{Figures: 2, Texts: []string{"<script>ran = 1</script>"}})
	})
}
