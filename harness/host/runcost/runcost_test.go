// SPDX-License-Identifier: Apache-2.0

package runcost

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/survey"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// ran is a program that was run on three frames.
func ran(name string, costs ...int64) job.Loaded {
	l := job.Loaded{Report: verifier.Report{Program: name, Accepted: true}, Type: "XDP"}
	for i, cost := range costs {
		l.Runs = append(l.Runs, job.FrameRun{Result: 2 - uint32(i)%2, Cost: cost, Refused: cost < 0})
	}
	return l
}

func costsOf(on ...job.Loaded) Costs {
	objects := [][]job.Object{{{Programs: []job.Loaded{on[0]}}}, {{Programs: []job.Loaded{on[1]}}}}
	return Costs{
		Survey: survey.New([]string{"5.10", "6.12"}, []survey.File{{Name: "a.bpf.c"}, {Name: "b", Broken: "b is broken"}}, objects),
		Input:  "some mix", Frames: []string{"UDP", "ARP", "UDP"},
	}
}

func text(t *testing.T, c Costs, columns int, byFrame bool) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, c.Text(&out, columns, byFrame))
	return out.String()
}

func TestText(t *testing.T) {
	c := costsOf(ran("count", 10, 20, 40), ran("count", 10, 5, -1))
	out := text(t, c, 0, true)
	for _, want := range []string{
		`(?m)^ +5\.10 +6\.12$`, `(?m)^  count +23\.3 +7\.5$`, `(?m)^    XDP_PASS, 2 frames +25\.0 +10\.0$`, `(?m)^    XDP_DROP, 1 frame +20\.0 +5\.0$`,
		`(?m)^    ARP +20\.0 +5\.0$`, `(?m)^    UDP +25\.0 +10\.0$`, `the mean of 3 frames: some mix`, `(?m)^b is broken$`,
		`(?m)^a\.bpf\.c: count\n  6\.12: refuses 1 of 3 frames`,
	} {
		assert.Regexp(t, want, out)
	}
	assert.NotContains(t, text(t, c, 0, false), "ARP")
	assert.NotContains(t, text(t, costsOf(ran("count", 10), ran("count", 10)), 0, false), "XDP_PASS", "there is one result only")
}

func TestNotRun(t *testing.T) {
	not := job.Loaded{Report: verifier.Report{Program: "p", Accepted: true}, NotRun: "there is no test run"}
	no := job.Loaded{Report: verifier.Report{Program: "p", Message: "R0 !read_ok"}}
	c := costsOf(not, no)
	out := text(t, c, 0, false)
	assert.Regexp(t, `(?m)^  p +- +NO$`, out)
	assert.Contains(t, out, "5.10: not run: there is no test run")
	assert.Contains(t, out, "6.12: rejected: R0 !read_ok; bpflab explain says more")
	ran2, complete := c.Ran()
	assert.False(t, ran2)
	assert.True(t, complete)

	c = costsOf(ran("p", 1), ran("p", 1))
	c.Survey.Files = c.Survey.Files[:1]
	ran2, complete = c.Ran()
	assert.True(t, ran2)
	assert.True(t, complete)
	lost := job.Loaded{Error: "the guest fell silent"}
	lost.Program = "p"
	c = costsOf(ran("p", 1), lost)
	_, complete = c.Ran()
	assert.False(t, complete)
	assert.Contains(t, text(t, c, 0, false), "6.12: not judged: the guest fell silent")
}

// A program that runs at events has one figure.
func TestEvents(t *testing.T) {
	l := job.Loaded{Report: verifier.Report{Program: "p", Accepted: true}, Type: "Kprobe", Events: &job.EventRuns{Count: 40, Cost: 12.34}}
	c := costsOf(l, l)
	c.Survey.Files = c.Survey.Files[:1]
	out := text(t, c, 0, true)
	assert.Regexp(t, `(?m)^  p +12\.3 +12\.3$`, out)
	assert.NotContains(t, out, "UDP")
	assert.NotContains(t, out, "3 frames")
	assert.Contains(t, out, "of programs that run at events, a run that system calls")
	ran, _ := c.Ran()
	assert.True(t, ran)
	var goes, against bytes.Buffer
	require.NoError(t, c.Go(&goes))
	assert.Contains(t, goes.String(), "kernel=5.10\t40\t12.3 insns/op\n")
	require.NoError(t, c.Against(&against, 0, c.Survey))
	assert.Regexp(t, `difference +\+0\.0 +\+0\.0`, against.String())
}

// A program that returns another number for each frame has no row for each.
func TestManyResults(t *testing.T) {
	l := ran("filter")
	for i := range uint32(maxResults + 1) {
		l.Runs = append(l.Runs, job.FrameRun{Result: 100 + i, Cost: 5})
	}
	assert.NotContains(t, text(t, costsOf(l, l), 0, false), "returns")
	few := ran("filter")
	few.Runs = l.Runs[:maxResults]
	assert.Contains(t, text(t, costsOf(few, few), 0, false), "returns 107, 1 frame")
	// The type is of the kernel that could load it.
	lost := job.Loaded{Error: "lost"}
	lost.Program = "count"
	assert.Regexp(t, `XDP_PASS, 2 frames +ERROR +25\.0`, text(t, costsOf(lost, ran("count", 10, 20, 40)), 0, false))
}

func TestFits(t *testing.T) {
	c := costsOf(ran(strings.Repeat("long", 30), 10, 20), ran(strings.Repeat("long", 30), 10, 20))
	table, _, _ := strings.Cut(text(t, c, 50, true), "\n\n")
	for line := range strings.Lines(table) {
		assert.LessOrEqual(t, ansi.StringWidth(strings.TrimSuffix(line, "\n")), 50)
	}
}

func TestResults(t *testing.T) {
	for _, tt := range []struct {
		kind  string
		value uint32
		want  string
	}{
		{"XDP", 4, "XDP_REDIRECT"}, {"XDP", 5, "returns 5"}, {"SchedCLS", 2, "TC_ACT_SHOT"}, {"SchedCLS", 1<<32 - 1, "TC_ACT_UNSPEC"},
		{"XDP", 1<<32 - 1, "returns 4294967295"}, {"CGroupSKB", 1, "pass"}, {"SocketFilter", 0, "drop"}, {"SocketFilter", 60, "returns 60"}, {"FlowDissector", 0, "returns 0"},
	} {
		assert.Equal(t, tt.want, result(tt.kind, tt.value))
	}
}

func TestAgainst(t *testing.T) {
	c, other := costsOf(ran("count", 10, 20), ran("count", 10, 20)), costsOf(ran("count", 20, 20), ran("other", 1))
	other.Survey.Files[0].Programs = other.Survey.Files[0].Programs[:1]
	var out bytes.Buffer
	require.NoError(t, c.Against(&out, 0, other.Survey))
	assert.Regexp(t, `(?m)^count\n  before +20\.0`, out.String())
	assert.Regexp(t, `(?m)^  after +15\.0 +15\.0\n  difference +-5\.0`, out.String())

	out.Reset()
	require.NoError(t, c.Against(&out, 0, costsOf(ran("x", 1), ran("x", 1)).Survey))
	assert.Contains(t, out.String(), "a.bpf.c: count is not in the other object")
	assert.Contains(t, out.String(), "b is broken")
	assert.Equal(t, 2, strings.Count(out.String(), "b is broken"), "before and after")
}

// A program that a kernel has refused every frame was not run.
func TestAllRefused(t *testing.T) {
	c := costsOf(ran("p", -1, -1), ran("p", 1))
	c.Survey.Files = c.Survey.Files[:1]
	all, complete := c.Ran()
	assert.False(t, all)
	assert.True(t, complete)
}

func TestFormats(t *testing.T) {
	c := costsOf(ran("count", 10, 20, 40), ran("count", 10, 5, -1))
	var out bytes.Buffer
	require.NoError(t, c.Go(&out))
	assert.Equal(t, "Unit insns/op assume=exact better=lower\nBenchmarkBPF/a.bpf.c/count/kernel=5.10\t3\t23.3 insns/op\nBenchmarkBPF/a.bpf.c/count/kernel=6.12\t2\t7.5 insns/op\n", out.String())
	one := c
	one.Survey.Files = one.Survey.Files[:1]
	out.Reset()
	require.NoError(t, one.Go(&out))
	assert.Contains(t, out.String(), "\nBenchmarkBPF/count/kernel=5.10\t3\t23.3 insns/op\n", "the file of one program says nothing")

	out.Reset()
	require.NoError(t, c.JSON(&out))
	assert.Contains(t, out.String(), `"b": "b is broken"`)
	var got struct {
		Frames   []string
		Programs []struct {
			Type    string `json:"prog_type"`
			Kernels []struct {
				Mean        float64
				Least, Most int64
				Count       int
				Runs        []job.FrameRun
			}
		}
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	require.Len(t, got.Programs, 1)
	assert.Equal(t, "XDP", got.Programs[0].Type)
	assert.Equal(t, 7.5, got.Programs[0].Kernels[1].Mean)
	assert.EqualValues(t, 5, got.Programs[0].Kernels[1].Least)
	assert.EqualValues(t, 10, got.Programs[0].Kernels[1].Most)
	assert.Equal(t, 2, got.Programs[0].Kernels[1].Count)
	assert.Len(t, got.Programs[0].Kernels[0].Runs, 3)
}

func TestMix(t *testing.T) {
	frames, kinds := Mix()
	assert.Len(t, frames, 256)
	assert.Len(t, kinds, 256)
	again, _ := Mix()
	assert.Equal(t, frames, again)
}

// capture makes a capture of frames.
func capture(t testing.TB, link layers.LinkType, cut int, frames ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := pcapgo.NewWriter(&out)
	require.NoError(t, w.WriteFileHeader(65536, link))
	for _, f := range frames {
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{CaptureLength: len(f), Length: len(f) + cut}, f))
	}
	return out.Bytes()
}

func TestReadPackets(t *testing.T) {
	mix, _ := Mix()
	raw := capture(t, layers.LinkTypeEthernet, 0, mix[:20]...)
	frames, kinds, err := ReadPackets(bytes.NewReader(raw))
	require.NoError(t, err)
	assert.Equal(t, mix[:20], frames)
	assert.Contains(t, kinds, "IPv4 UDP")

	var ng bytes.Buffer
	w, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	require.NoError(t, err)
	require.NoError(t, w.WritePacket(gopacket.CaptureInfo{CaptureLength: len(mix[0]), Length: len(mix[0])}, mix[0]))
	require.NoError(t, w.Flush())
	frames, _, err = ReadPackets(&ng)
	require.NoError(t, err)
	assert.Equal(t, mix[:1], frames)

	many := make([][]byte, maxPackets)
	for i := range many {
		many[i] = mix[0]
	}
	for want, raw := range map[string][]byte{
		"expected a capture, pcap or pcapng": []byte("no capture at all, none"), "expected a capture, pcap": {}, "holds no packets": capture(t, layers.LinkTypeEthernet, 0),
		"expected a capture of Ethernet frames": capture(t, layers.LinkTypeRaw, 0, mix[0]), "is cut off: ": capture(t, layers.LinkTypeEthernet, 1, mix[0]),
		"packet 20: ": raw[:len(raw)-1], "more than 4095 packets": capture(t, layers.LinkTypeEthernet, 0, many...),
	} {
		_, _, err := ReadPackets(bytes.NewReader(raw))
		assert.ErrorContains(t, err, want)
	}
}

// Whatever a capture holds, each of its frames has a kind, or it is refused.
func FuzzReadPackets(f *testing.F) {
	mix, _ := Mix()
	f.Add(capture(f, layers.LinkTypeEthernet, 0, mix[:4]...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		frames, kinds, err := ReadPackets(bytes.NewReader(raw))
		if err == nil {
			assert.NotEmpty(t, frames)
		}
		assert.Len(t, kinds, len(frames))
	})
}
