// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
)

// mistake is one that students make in a solution: what of it, and what they are told.
type mistake struct {
	name     string
	lab      int
	from, to string   // in the BPF file, everywhere
	program  []string // the same in the Go program
	reason   string   // why nothing was run
	details  []string // parts of what is said of it, in this order
}

var mistakes = []mistake{
	{"no SEC", 0, `SEC("xdp")`, "", nil, "not allowed in this lab", []string{`found one without SEC(): put SEC("xdp") before it`}},
	{"another SEC", 0, `SEC("xdp")`, `SEC("tc")`, nil, "not allowed in this lab", []string{`found SEC("tc"): change it to SEC("xdp")`}},
	{"a misspelt SEC", 0, `SEC("xdp")`, `SEC("xpd")`, nil, "not allowed in this lab", []string{`change it to SEC("xdp")`}},
	{"the old form of maps", 0, `SEC(".maps")`, `SEC("maps")`, nil, "not allowed in this lab", []string{"add the dot"}},
	{"a map renamed", 0, "counts", "counters", nil, "not allowed in this lab", []string{"found a map counters: rename it to counts"}},
	{"a map in capitals", 0, "counts", "Counts", nil, "not allowed in this lab", []string{"found a map Counts: rename it to counts"}},
	{"the program renamed", 0, "count_packets", "count_packet", nil, "not allowed in this lab", []string{"found one named count_packet: rename it to count_packets"}},
	{"a variable renamed", 0, "verdict", "verdct", nil, "not allowed in this lab", []string{"found verdct: rename it to verdict"}},
	{"a static variable", 0, "const volatile", "static const volatile", nil, "not allowed in this lab", []string{"found a static one: remove static"}},
	{"a variable of another width", 0, "const volatile __u32", "const volatile __u64", nil, "not allowed in this lab", []string{"expected a global of 4 bytes, const volatile, found 8 bytes"}},
	{"a variable without const", 0, "const volatile __u32", "volatile __u32", nil, "not allowed in this lab", []string{"found one in .data"}},
	{"no max_entries", 0, "\t__uint(max_entries, 256);\n", "", nil, "not allowed in this lab", []string{"add __uint(max_entries, …)"}},
	{"too few entries", 0, "max_entries, 256", "max_entries, 255", nil, "not allowed in this lab", []string{"at least 256 entries, found 255: raise max_entries"}},
	{"a key of another width", 0, "key, __u32", "key, __u16", nil, "not allowed in this lab", []string{"keys of 4 bytes, found 2"}},
	{"printk", 0, "\tprotocol = ip->protocol;", "\tprotocol = ip->protocol;\n\tbpf_printk(\"%d\", protocol);", nil, "not allowed in this lab", []string{"bpf_trace_printk"}},
	{"another helper", 0, "\tprotocol = ip->protocol;", "\tprotocol = ip->protocol;\n\tbpf_redirect(1, 0);", nil, "not allowed in this lab", []string{"bpf_redirect"}},
	{"a floating-point constant", 0, "ip->protocol;", "ip->protocol * 1.5;", nil, "counter.bpf.c does not compile", []string{"counter.bpf.c:", "BPF has no floating point"}},
	{"stdio.h", 0, "#include <linux/bpf.h>", "#include <stdio.h>\n#include <linux/bpf.h>", nil, "counter.bpf.c does not compile", []string{"BPF programs have no C library"}},
	{"printf", 0, "\tprotocol = ip->protocol;", "\tprotocol = ip->protocol;\n\tprintf(\"%d\", protocol);", nil, "counter.bpf.c does not compile", []string{"printf", "BPF programs have no C library"}},
	{"malloc", 0, "\tprotocol = ip->protocol;", "\tprotocol = ip->protocol;\n\tchar *p = malloc(8);\n\tp[0] = 1;", nil, "counter.bpf.c does not compile", []string{"malloc", "BPF programs have no C library"}},
	{"vmlinux.h", 0, "#include <linux/bpf.h>", "#include \"vmlinux.h\"", nil, "counter.bpf.c does not compile", []string{"vmlinux.h", "need no vmlinux.h"}},
	{"no semicolon", 0, "return verdict;\n}", "return verdict\n}", nil, "counter.bpf.c does not compile", []string{"counter.bpf.c:", "';'"}},
	{"a misspelt variable", 0, "protocol = ip->protocol", "protcol = ip->protocol", nil, "counter.bpf.c does not compile", []string{"undeclared identifier 'protcol'; did you mean 'protocol'?"}},
	{"a ring of 500 KiB", 1, "512 * 1024", "500 * 1024", nil, "not allowed in this lab", []string{"a power of two for max_entries, found 512000: use 262144"}},
	{"a ring of a MiB", 1, "512 * 1024", "1024 * 1024", nil, "not allowed in this lab", []string{"at most 524288 bytes, found 1048576: lower max_entries"}},
	{"the ring renamed", 1, "events", "event_ring", nil, "not allowed in this lab", []string{"found a map event_ring: rename it to events"}},
	{"dropped renamed", 1, "dropped", "drops", nil, "not allowed in this lab", []string{"found drops: rename it to dropped"}},
	{"neither compiles", 1, "return 0;\n}", "return 0\n}", []string{"position, end :=", "position, ende :="}, "events.bpf.c does not compile", []string{"events.bpf.c:", "';'"}},
	{"the Go program does not", 1, "", "", []string{"position, end :=", "position, ende :="}, "consumer.go does not compile", []string{"consumer.go:", "declared and not used: ende"}},
	{"a package that is not allowed", 1, "", "", []string{"\t\"syscall\"\n", "\t\"syscall\"\n\t\"os/exec\"\n"}, "consumer.go does not compile", []string{`import "os/exec"`, "may import"}},
	{"the process's memory read", 1, "bpf_probe_read_kernel", "bpf_probe_read_user", nil, "not allowed in this lab", []string{"found bpf_probe_read_user: a process's registers are kernel memory, so use bpf_probe_read_kernel"}},
	{"rate const", 2, "volatile __u32 rate", "const volatile __u32 rate", nil, "not allowed in this lab", []string{"variable rate: expected a global of 4 bytes, found a const one: user space writes it while the program runs, so remove const"}},
	{"rate renamed", 2, "rate", "sample_rate", nil, "not allowed in this lab", []string{"found sample_rate: rename it to rate"}},
}

// Each mistake is named, once, with what to do, and without a path of this machine. None is the grader's error.
func TestMistakes(t *testing.T) {
	bin := t.TempDir()
	fake := "#!/bin/sh\necho QEMU emulator version 90.0\n"
	require.NoError(t, os.WriteFile(filepath.Join(bin, "qemu-system-x86_64"), []byte(fake), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	cache := t.TempDir()
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			lab, from := labs[m.lab], t.TempDir()
			edit(t, lab, lab.File, from, m.from, m.to)
			if lab.Program != "" {
				program := append(m.program, "", "")
				edit(t, lab, lab.Program, from, program[0], program[1])
			}
			code, out, notes := bpflab(t, "grade", lab.Name, "--from", from, "--kernels", "6.12", "--cache", cache, "--format", "json")
			require.Equal(t, exitFailed, code, "%s%s", out, notes)
			var r struct {
				Refused struct {
					Reason  string
					Details []string
				}
			}
			require.NoError(t, json.Unmarshal([]byte(out), &r))
			assert.Equal(t, m.reason, r.Refused.Reason)
			rest := strings.Join(r.Refused.Details, "\n")
			assert.NotContains(t, rest, from)
			assert.NotContains(t, rest, cache)
			for _, part := range m.details {
				_, after, found := strings.Cut(rest, part)
				assert.True(t, found, "%q in:\n%s", part, strings.Join(r.Refused.Details, "\n"))
				rest = after
			}
			if m.reason == "not allowed in this lab" {
				assert.Len(t, r.Refused.Details, 1, "one mistake, one line")
			}
		})
	}
}

// edit writes a solution's file with something replaced.
func edit(t *testing.T, lab *harness.Lab, file, folder, from, to string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(solutionOf(t, lab.Name), file))
	require.NoError(t, err)
	if from != "" {
		require.Contains(t, string(text), from)
		text = bytes.ReplaceAll(text, []byte(from), []byte(to))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, file), text, 0o644))
}
