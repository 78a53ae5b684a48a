// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/build"
	"bpflab/harness/job"
)

const (
	starterFile  = "sampler.bpf.c"
	solutionFile = "../../solutions/lab12_3/sampler.bpf.c"
)

// layoutOf compiles a file with something replaced, each from and to, and looks at it as the grader does.
func layoutOf(t *testing.T, file string, replace ...string) (l layout) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for i := 0; i < len(replace); i += 2 {
		require.Contains(t, string(text), replace[i])
		text = []byte(strings.Replace(string(text), replace[i], replace[i+1], 1))
	}
	path := filepath.Join(t.TempDir(), Lab.File)
	require.NoError(t, os.WriteFile(path, text, 0o644))
	object, err := build.Compile(t.Context(), t.TempDir(), path)
	require.NoError(t, err)
	spec, err := Lab.Policy.Check(object.ELF)
	require.NoError(t, err)
	o, err := Lab.Inspect(spec)
	require.NoError(t, err)
	l, err = job.Get[layout](o, "layout")
	require.NoError(t, err)
	return l
}

// What is right is found where it is, whether it is built on the stack or in the ring.
func TestLayoutOfRightPrograms(t *testing.T) {
	want := layout{
		Seen: &part{0, 8}, Sampled: &part{8, 8},
		Sample: sent{Sizes: []int64{16}, TS: []part{{0, 8}}, Class: []part{{8, 8}}, Args: []int64{112}},
	}
	for _, file := range []string{starterFile, solutionFile} {
		l := layoutOf(t, file)
		assert.Equal(t, want, l, file)
		assert.Empty(t, l.Sample.explain(), file)
		assert.Empty(t, l.explainCounts([]played{{calls: 5}}), file)
	}
}

// Two looks at a program find the same in the same order: a receipt holds it.
func TestLayoutIsTheSame(t *testing.T) {
	insns := asm.Instructions{asm.FnKtimeGetNs.Call()}
	for at := int16(-64); at < 0; at += 8 {
		insns = append(insns, asm.StoreMem(asm.RFP, at, asm.R0, asm.DWord))
	}
	insns = append(insns, asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -64), asm.Mov.Imm(asm.R3, 64), asm.FnRingbufOutput.Call())
	first := sampleOf(insns)
	require.Len(t, first.TS, 8)
	for range 20 {
		assert.Equal(t, first, sampleOf(insns))
	}
}

// Each mistake with a sample's fields is named.
func TestSampleExplained(t *testing.T) {
	const (
		ts, class    = "\t__u64 ts;\n", "\t__u64 class;\n"
		read         = "bpf_probe_read_kernel(&s->class, sizeof(s->class), &PT_REGS_PARM1_SYSCALL(regs));"
		stackedTS    = "__u64 ts;    /* ns, bpf_ktime_get_ns */"
		stackedClass = "__u64 class; /* the call's first argument */"
	)
	for name, tt := range map[string]struct {
		file    string
		replace []string
		want    string
	}{
		"swapped":              {solutionFile, []string{ts + class, class + ts}, "in the order class, ts, and the grader reads ts, class"},
		"swapped on the stack": {starterFile, []string{stackedTS, "__u64 class;", stackedClass, "__u64 ts;"}, "in the order class, ts, and the grader reads ts, class"},
		"a field more":         {solutionFile, []string{class, class + "\t__u32 pid;\n"}, "a sample has 24 bytes, and the grader reads 16"},
		"a field less":         {starterFile, []string{stackedTS, "__u32 ts;", stackedClass, "__u32 class;"}, "a sample has 8 bytes, and the grader reads 16"},
		"a narrow class":       {solutionFile, []string{class, "\t__u32 class;\n"}, "a sample has class in bytes 8 to 11, and the grader reads it in bytes 8 to 15"},
		"a narrow time":        {starterFile, []string{stackedTS, "__u32 ts;"}, "a sample has ts in bytes 0 to 3, and the grader reads it in bytes 0 to 7"},
		"both out of place":    {solutionFile, []string{ts + class, "\t__u32 class;\n\t__u32 pad;\n\t__u64 ts;\n"}, "a sample has ts in bytes 8 to 15"},
		"by way of the stack":  {solutionFile, []string{read, "__u64 first; bpf_probe_read_kernel(&first, 8, &PT_REGS_PARM1_SYSCALL(regs)); s->ts = first;"}, "a sample has class in bytes 0 to 7"},
		"no time":              {solutionFile, []string{"bpf_ktime_get_ns()", "0"}, "no sample has a time"},
		"no class":             {solutionFile, []string{read, "s->class = ctx->args[1];"}, "no sample has its class"},
		"another argument":     {solutionFile, []string{"PARM1", "PARM2"}, "class is the call's second argument"},
		"the fourth argument":  {starterFile, []string{"PARM1", "PARM4"}, "class is the call's fourth argument"},
	} {
		assert.Contains(t, layoutOf(t, tt.file, tt.replace...).Sample.explain(), tt.want, name)
	}
}

// Beside the mistake stands what was seen of it.
func TestExplainedCountsKeepTheirFigures(t *testing.T) {
	s := newSound()
	s.Counted.Full.Strange, s.Layout.Sample.Sizes = 3, []int64{24}
	v, err := judgeCounts(judges.Observations(t, s))
	require.NoError(t, err)
	assert.Equal(t, []string{"with a ring that nobody reads: 3 of 10900 events in the ring are not of a call that was made, or are out of order"}, v.Details)
	assert.Equal(t, 3.0, v.Measured.Value)
}

// What the text does not say, nobody is told.
func TestSampleUnknown(t *testing.T) {
	clock, read, reserve := asm.FnKtimeGetNs.Call(), asm.FnProbeReadKernel.Call(), asm.FnRingbufReserve.Call()
	known := asm.Instructions{clock, read} // somewhere
	for name, insns := range map[string]asm.Instructions{
		"nothing is sent":        nil,
		"a size that is loaded":  {asm.LoadMem(asm.R2, asm.R6, 0, asm.DWord), reserve},
		"a size of another call": {asm.Mov.Imm(asm.R2, 24), clock, reserve},
		"a time that is calculated with": {
			asm.Mov.Imm(asm.R2, 16), reserve, asm.Mov.Reg(asm.R6, asm.R0), clock, asm.RSh.Imm(asm.R0, 10), asm.StoreMem(asm.R6, 8, asm.R0, asm.DWord),
		},
		"a time that is stored elsewhere": {clock, asm.StoreMem(asm.R7, 8, asm.R0, asm.DWord)},
	} {
		assert.Empty(t, sampleOf(append(known, insns...)).explain(), name)
	}
}

// A field of `struct count` in another place or of another width is named, if the program names it as the README does.
func TestCountsExplained(t *testing.T) {
	const fields = "\t__u64 seen;\n\t__u64 sampled;\n"
	wrong := []played{{calls: 9, Trial: newSound().Counted.Trials[0]}}
	for name, tt := range map[string]struct{ to, want string }{
		"behind one's own": {"\t__u64 first;\n" + fields, "has seen in bytes 8 to 15 and sampled in bytes 16 to 23; the grader reads them in bytes 0 to 7 and bytes 8 to 15"},
		"narrow":           {"\t__u32 seen;\n\t__u32 sampled;\n\t__u64 first;\n", "has seen in bytes 0 to 3 and sampled in bytes 4 to 7"},
		"swapped":          {"\t__u64 sampled;\n\t__u64 seen;\n", "has seen in bytes 8 to 15 and sampled in bytes 0 to 7"},
	} {
		replace := []string{fields, tt.to}
		if name == "behind one's own" {
			replace = append(replace, "\t__u64 unused;\n", "")
		}
		assert.Contains(t, layoutOf(t, solutionFile, replace...).explainCounts(wrong), tt.want, name)
	}
	l := layoutOf(t, solutionFile, "\t__u64 seen;\n", "\t__u64 calls;\n", "++c->seen", "++c->calls", "c->seen", "c->calls", "c->seen", "c->calls")
	assert.Empty(t, l.explainCounts(wrong), "under another name")
	l = layoutOf(t, solutionFile, "\t__type(value, struct count);", "\t__uint(value_size, sizeof(struct count));")
	assert.Empty(t, l.explainCounts(wrong), "without a type")
}
