// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/explain"
	"bpflab/harness/host/survey"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

func explainData(t testing.TB) string {
	return filepath.Join(clone(t), "harness/host/explain/testdata")
}

// rejected are the programs that explanations are tested with. What each kernel must make of
// one stands in its first lines:
//
//	// want null-check "invalid mem access"       every kernel but those of the other lines
//	// want null-check@5.10,6.1 "another text"    these say it in other words
//	// want accepted@6.12                         these have nothing against it
//
// The word is the kind of rejection, the text a part of the verifier's message.
func rejected(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(explainData(t), "rejected/*.bpf.c"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

// outcome is what a kernel must make of a program.
type outcome struct {
	kind string // "accepted", or of a rejection
	text string // a part of the message
}

var wantOutcome = regexp.MustCompile(`^// want (?:(accepted)@([\d.,]+)|([a-z-]+)(?:@([\d.,]+))? "([^"]+)")$`)

// outcomes returns what a program's first lines say, by kernel; "": of all other kernels.
func outcomes(t testing.TB, file string) map[string]outcome {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	all := map[string]outcome{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "// want") {
			break
		}
		m := wantOutcome.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		require.NotNil(t, m, "%s: what does this want: %s", file, line)
		for _, kernel := range strings.Split(m[2]+m[4], ",") {
			require.NotContains(t, all, kernel, "%s: two lines for a kernel", file)
			all[kernel] = outcome{m[1] + m[3], m[5]}
		}
	}
	return all
}

// Without a guest: each program says what it wants, of kernels and kinds that there are.
func TestRejectedProgramsNameTheirKinds(t *testing.T) {
	kinds := []string{"accepted"}
	for _, k := range explain.Kinds() {
		kinds = append(kinds, k.Kind)
	}
	for _, file := range rejected(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".bpf.c")
		all := outcomes(t, file)
		assert.Equal(t, name, all[""].kind, "%s: its first line is of its own kind, and of no kernel", file)
		for kernel, o := range all {
			assert.Contains(t, kinds, o.kind, file)
			if kernel != "" {
				assert.Contains(t, kernels.Names(), kernel, file)
			}
		}
		assert.Less(t, len(all)-1, len(kernels.Names()), "%s: no kernel is left for its first line", file)
	}
}

// Each program is rejected for what its first lines say, and accepted where they say so.
func TestExplainRejected(t *testing.T) {
	names, files := matrix(), rejected(t)
	if *update {
		require.Equal(t, kernels.Names(), names, "to write down what they say, BPFLAB_KERNELS=all")
	}
	h := hostOn(sharedCache(t), os.Stderr)
	all, err := h.explain(t.Context(), nil, files, nil, names, runner.Runs{})
	require.NoError(t, err)
	require.Len(t, all.Files, len(files))
	var messages strings.Builder
	for i, f := range all.Files {
		name := filepath.Base(f.Name)
		require.Equal(t, files[i], f.Name)
		require.Empty(t, f.Broken)
		require.Len(t, f.Programs, 1)
		require.Len(t, f.Programs[0].On, len(names))
		wants := outcomes(t, f.Name)
		for n, l := range f.Programs[0].On {
			want, ok := wants[names[n]]
			if !ok {
				want = wants[""]
			}
			require.Empty(t, l.Error, "%s on Linux %s", name, names[n])
			got := outcome{kind: "accepted"}
			if !l.Accepted {
				explanation, _ := explain.Rejection(l.Report)
				got.kind = explanation.Kind
			}
			assert.Equal(t, want.kind, got.kind, "%s on Linux %s: %s", name, names[n], l.Message)
			assert.Contains(t, l.Message, want.text, "%s on Linux %s", name, names[n])
			if l.Source != "" {
				assert.Regexp(t, `^`+regexp.QuoteMeta(name)+`:\d+: .`, l.Source, "Linux %s", names[n])
			}
		}
		recordSaid(&messages, names, f.Programs[0])
	}
	if *update {
		path := filepath.Join(explainData(t), "messages.txt")
		head := "# What kernels say of the programs in rejected/: kind, kernels, instruction, message.\n"
		require.NoError(t, os.WriteFile(path, []byte(head+messages.String()), 0o644))
	}
}

// recordSaid writes what kernels said of a program, as the pure tests of package verifier read it.
func recordSaid(w *strings.Builder, kernels []string, p survey.Program) {
	var lines []string
	who := map[string][]string{}
	for i, l := range p.On {
		explanation, ok := explain.Rejection(l.Report)
		if !ok {
			continue
		}
		var insn string
		for _, line := range l.Log {
			if regexp.MustCompile(`^\d+: \(`).MatchString(line) {
				insn, _, _ = strings.Cut(line, ";")
			}
		}
		line := fmt.Sprintf("%s\t%%s\t%s\t%s\n", explanation.Kind, strings.TrimSpace(insn), l.Message)
		if who[line] == nil {
			lines = append(lines, line)
		}
		who[line] = append(who[line], kernels[i])
	}
	for _, line := range lines {
		w.WriteString(strings.Replace(line, "%s", strings.Join(who[line], ","), 1))
	}
}

const twoPrograms = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n" +
	"SEC(\"xdp\") int good(void *ctx) { return 1; }\nSEC(\"xdp\") int loops(void *ctx) { while (1) ; return 1; }\n" +
	"SEC(\"kprobe/no_such_function\") int nowhere(void *ctx) { return 0; }\nSEC(\"myprog\") int untyped(void *ctx) { return 0; }\n"

// The command says what the kernels do with each program, once where they agree, and ends accordingly.
func TestExplainCommand(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	files := map[string]string{
		"accepted": filepath.Join(solution(t), "counter.bpf.c"), "broken": put("broken.bpf.c", "int f(void)\n{\n\treturn 1\n}\n"),
		"two": put("two.bpf.c", twoPrograms), "damaged": put("damaged.bpf.o", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 9)+"\x01\x00\xf7\x00"+strings.Repeat("\xff", 20)+strings.Repeat("\x00", 24)),
		"cut": put("cut.bpf.o", "\x7fELF\x02\x01\x01"+strings.Repeat("\x00", 9)+"\x01\x00\xf7\x00"+strings.Repeat("\xff", 60)),
		"big": put("big-endian.bpf.o", "\x7fELF\x02\x02\x01"+strings.Repeat("\x00", 9)+"\x00\x01\x00\xf7"+strings.Repeat("\x00", 44)),
	}
	for _, name := range []string{"null-check", "atomic-fetch"} {
		files[name] = filepath.Join(explainData(t), "rejected", name+".bpf.c")
	}
	explain := func(args ...string) (int, string) {
		t.Helper()
		for i, arg := range args {
			args[i] = cmp.Or(files[arg], arg)
		}
		args = append([]string{"explain", "--cache", sharedCache(t), "--kernels", "5.10,6.12"}, args...)
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), &stdout, &stderr, args)
		assert.Empty(t, stderr.String())
		return code, stdout.String()
	}

	code, out := explain("accepted")
	assert.Equal(t, exitPassed, code)
	assert.Regexp(t, `^ +5\.10 +6\.12\n\S+/counter\.bpf\.c\n  count_packets +\d+ +\d+\n\na number: [^\n]+\n$`, out)

	code, out = explain("null-check", "atomic-fetch", "broken", "cut", "two", "big", "damaged", "--states", "--full")
	assert.Equal(t, exitFailed, code)
	for _, want := range []string{
		`(?m)^  program +NO +NO$`, `(?m)^  program +NO +\d+$`, `(?m)^  good +2 +2$`, `(?m)^  loops +NO +NO$`, `(?m)^  nowhere +none +none$`, `(?m)^  untyped +- +-$`,
		`(?m)^\S+/null-check.bpf.c: program
  5\.10, 6\.12: rejected: null-check
    verifier: R\d invalid mem access 'map_value_or_null'
    at: null-check.bpf.c:\d+: \*packets \+= 1;
    what it means: .*
    try: .*$`,
		`(?m)^\S+/atomic-fetch.bpf.c: program
  5\.10: rejected: atomic-fetch
    verifier: BPF_STX uses reserved fields
    what it means: .*
    try: .*$`,
		`(?m)^\S+/broken.bpf.c does not compile:
│ \S+/broken.bpf.c:3:10: error: expected ';' after return statement`,
		`(?m)^\S+/two.bpf.c: nowhere
  5\.10, 6\.12: accepted, but this kernel has no function no_such_function`,
		`(?m)^\S+/two.bpf.c: untyped
  5\.10, 6\.12: cannot be loaded by itself: SEC\("myprog"\) names no type of program`,
		`(?m)^    the path to it on 6\.12, \d+ instructions; \* bears on r\d
(?:.*\n)*│ \d+  \*packets \+= 1;
 \*[ \d]+  r\d = .*
 +r\d is value of \w+, \d+ bytes, or NULL
`,
		`(?m)^    log on 5\.10, \d+ lines:\n│ func#0 @0\n(?:│ .*\n)*│ processed \d+ insns .*\n    log on 6\.12, \d+ lines:\n│ 0: R1=ctx\(\) R10=fp0\n`,
		`(?m)^    no path to show: the log shows no instruction\n    log on 5\.10, `,
		`(?m)^\S+/cut.bpf.o is cut off or damaged: `, `(?m)^\S+/big-endian.bpf.o is a BPF object for big-endian machines`,
		`(?m)^\S+/damaged.bpf.o cannot be read by cilium/ebpf, which loads programs here: `,
	} {
		assert.Regexp(t, want, out)
	}
	assert.Equal(t, 3, strings.Count(out, "what it means"))

	code, _ = explain("broken")
	assert.Equal(t, exitFailed, code)

	_, out = explain("accepted", "null-check", "--format", "csv")
	old := put("old.csv", out)
	code, out = explain("accepted", "null-check", "--compare", old)
	assert.Equal(t, exitFailed, code)
	assert.Equal(t, "4 of 4 programs on kernels as before\n", out)
	code, out = explain("two", "--format", "json")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, out, `"prog_name": "loops"`)
}

// A log is explained without a guest, wherever it was copied from.
func TestExplainLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for text, want := range map[string]struct {
		code int
		out  string
	}{
		"libbpf: prog 'count': -- BEGIN PROG LOAD LOG --\n0: (79) r1 = *(u64 *)(r0 +0)\nR0 invalid mem access 'map_value_or_null'\nprocessed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n-- END PROG LOAD LOG --\n": {exitFailed, `^count: rejected: null-check\n  verifier: R0 invalid mem access(?:.*\n)*  log, 3 lines:\n│ 0: \(79\) r1`},
		"": {exitUsage, ""},
	} {
		require.NoError(t, os.WriteFile(log, []byte(text), 0o644))
		var stdout, stderr bytes.Buffer
		assert.Equal(t, want.code, run(t.Context(), &stdout, &stderr, []string{"explain", "--log", log, "--full"}))
		assert.Regexp(t, want.out, stdout.String())
		if want.code == exitUsage {
			assert.Contains(t, stderr.String(), "holds no verifier's log")
		}
	}
	var stdout, stderr bytes.Buffer
	assert.Equal(t, exitUsage, run(t.Context(), &stdout, &stderr, []string{"explain", "--log", log + ".none"}))
	assert.Equal(t, exitUsage, run(t.Context(), &stdout, &stderr, []string{"explain", "--log", log, "x.bpf.c"}))
}

// What cannot be meant ends before anything is compiled or booted.
func TestExplainUsage(t *testing.T) {
	file := filepath.Join(solution(t), "counter.bpf.c")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"none.bpf.c"}, "none.bpf.c: no such file"}, {[]string{file, "-I", file}, "expected a folder"},
		{[]string{file, "--format", "xml"}, "--format xml: expected text, csv or json"}, {[]string{file, "--compare", file}, "expected a column"},
		{[]string{file, "--compare", file, "--format", "csv"}, "leave --format out"}, {[]string{}, "requires at least 1 arg"},
		{[]string{file, "--states", "--format", "csv"}, "no place in a table"},
	} {
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(t.Context(), &stdout, &stderr, append([]string{"explain", "--cache", t.TempDir()}, tt.args...)))
		assert.Contains(t, stderr.String(), tt.want)
		assert.Empty(t, stdout.String())
	}
}

// A guest that fails has judged nothing: that is nobody's rejection.
func TestExplainInfrastructure(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\n[ \"$1\" = --version ] && echo QEMU emulator version 90.0 && exit\necho out of luck >&2\nexit 1\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte(fake), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	var stdout, stderr bytes.Buffer
	file := filepath.Join(explainData(t), "rejected/null-check.bpf.c")
	code := run(t.Context(), &stdout, &stderr, []string{"explain", file, "--cache", newCache(t), "--kernels", "6.12"})
	assert.Equal(t, exitInfra, code)
	assert.Contains(t, stdout.String(), "6.12: not judged: ")
	assert.Contains(t, stdout.String(), "out of luck")
}

// greatest is the greatest value of an enumeration of the kernel's, but for that which only counts them.
func greatest(t *testing.T, types *btf.Spec, name string) (n uint64) {
	t.Helper()
	var enum *btf.Enum
	require.NoError(t, types.TypeByName(name, &enum))
	for _, v := range enum.Values {
		if !strings.HasPrefix(v.Name, "__") {
			n = max(n, v.Value)
		}
	}
	return n
}

// A kernel's types can be had, and a source that includes vmlinux.h and has none is compiled with them.
func TestKernelTypes(t *testing.T) {
	cache := sharedCache(t)
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitPassed, run(t.Context(), &stdout, &stderr, []string{"kernels", "btf", "6.12", "--cache", cache}), stderr.String())
	types, err := btf.LoadSpecFromReader(bytes.NewReader(stdout.Bytes()))
	require.NoError(t, err)
	var task *btf.Struct
	require.NoError(t, types.TypeByName("task_struct", &task))
	known, err := os.ReadFile(filepath.Join(explainData(t), "enums.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(known), fmt.Sprintf("\n6.12 %d %d %d\n", greatest(t, types, "bpf_func_id"), greatest(t, types, "bpf_prog_type"), greatest(t, types, "bpf_attach_type")))

	stdout.Reset()
	require.Equal(t, exitPassed, run(t.Context(), &stdout, &stderr, []string{"kernels", "btf", "6.12", "--header", "--cache", cache}), stderr.String())
	assert.Contains(t, stdout.String(), "struct task_struct {")
	assert.Empty(t, stderr.String())

	source := filepath.Join(t.TempDir(), "p.bpf.c")
	require.NoError(t, os.WriteFile(source, []byte("#include \"vmlinux.h\"\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_core_read.h>\n"+
		"SEC(\"raw_tp/sys_enter\") int p(void *ctx) { struct task_struct *t = (void *)bpf_get_current_task(); return BPF_CORE_READ(t, pid) == 1; }\n"+
		"char _license[] SEC(\"license\") = \"GPL\";\n"), 0o644))
	stdout.Reset()
	require.Equal(t, exitPassed, run(t.Context(), &stdout, &stderr, []string{"explain", source, "--kernels", "6.12", "--cache", cache}), stdout.String()+stderr.String())
	assert.Regexp(t, `(?m)^  p +\d+$`, stdout.String())

	assert.Equal(t, exitUsage, run(t.Context(), &stdout, &stderr, []string{"kernels", "btf", "9.99", "--cache", cache}))
	assert.Contains(t, stderr.String(), `unknown kernel "9.99"`)
}
