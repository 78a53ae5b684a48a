// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checked has two programs of which one fails what the other passes.
const checked = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} own SEC(".maps");

__u64 shared;

SEC("xdp")
int good(struct xdp_md *ctx)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&own, &key);

	if (count)
		*count += 1;
	return XDP_PASS;
}

SEC("xdp")
int hasty(struct xdp_md *ctx)
{
	shared++;
	bpf_printk("a packet of %d bytes", ctx->data_end - ctx->data);
	return XDP_PASS;
}
`

// check runs the command and returns how it ended and what it wrote.
func check(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), &stdout, &stderr, append([]string{"check", "--cache", sharedCache(t), "--kernels", quickKernel}, args...))
	return code, stdout.String(), stderr.String()
}

// Each point is judged by what a guest measured and the object holds; a file that is broken hides no other.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	source, broken := filepath.Join(dir, "checked.bpf.c"), filepath.Join(dir, "broken.bpf.c")
	require.NoError(t, os.WriteFile(source, []byte(checked), 0o644))
	require.NoError(t, os.WriteFile(broken, []byte("int broken(\n"), 0o644))
	code, out, warnings := check(t, source, broken, "--rate", "100k", "--peak", "2.5M", "--format", "json")
	assert.Equal(t, exitFailed, code)
	assert.Empty(t, warnings)
	type finding struct {
		Point, Outcome, Number string
		Places                 []struct{ Text string }
	}
	var got struct {
		Programs []struct {
			Program  string `json:"prog_name"`
			Findings []finding
		}
		Broken []struct{ Why string }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Len(t, got.Broken, 1)
	assert.Contains(t, got.Broken[0].Why, "broken.bpf.c does not compile")
	require.Len(t, got.Programs, 2)
	outcomes := map[string][2]string{}
	for i, name := range []string{"good", "hasty"} {
		assert.Equal(t, name, got.Programs[i].Program)
		for _, f := range got.Programs[i].Findings {
			both := outcomes[f.Point]
			both[i] = f.Outcome
			outcomes[f.Point] = both
		}
	}
	assert.Equal(t, map[string][2]string{
		"profiled-under-load": {"PASS", "PASS"},
		"overhead":            {"PASS", "FAIL"},
		"verifier":            {"PASS", "PASS"},
		"kernels":             {"NEEDS YOU", "NEEDS YOU"}, // one is not several
		"map-operations":      {"PASS", "NOT APPLICABLE"},
		"peak-load":           {"PASS", "FAIL"},
		"lock-contention":     {"PASS", "FAIL"},
		"instructions":        {"PASS", "PASS"},
		"scaling":             {"PASS", "FAIL"},
		"memory":              {"PASS", "PASS"},
		"tail-calls":          {"NOT APPLICABLE", "NOT APPLICABLE"},
		"packet-rate":         {"PASS", "FAIL"},
		"btf":                 {"PASS", "PASS"},
		"helpers":             {"PASS", "FAIL"},
		"error-handling":      {"PASS", "PASS"},
	}, outcomes)
	hasty := got.Programs[1].Findings
	contention := hasty[slices.IndexFunc(hasty, func(f finding) bool { return f.Point == "lock-contention" })]
	assert.Equal(t, "up to 1 time a run", contention.Number)
	require.Len(t, contention.Places, 1)
	assert.Equal(t, "shared++;", contention.Places[0].Text)
}

func TestCheckCommand(t *testing.T) {
	notes := filepath.Join(t.TempDir(), "notes.txt") // no program, so that no guest is needed
	require.NoError(t, os.WriteFile(notes, []byte("hello"), 0o644))
	for format, want := range map[string]string{
		"text": "is neither C source (*.c) nor a BPF object\n", "json": `"programs": []`, "sarif": `"ruleId": "unreadable"`,
	} {
		code, out, _ := check(t, notes, "--format", format)
		assert.Equal(t, exitFailed, code, format)
		assert.Contains(t, out, want)
	}
	code, out, _ := check(t, "--list")
	assert.Equal(t, exitPassed, code)
	assert.Contains(t, out, "15. cost of error handling\n")

	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "requires at least 1 arg"}, {[]string{"none.o"}, "none.o: no such file"}, {[]string{notes, "--format", "xml"}, "expected text, json or sarif"},
		{[]string{notes, "--rate", "often"}, "expected a number of at least 1, such as 250000, 250k or 14.88M"}, {[]string{notes, "--peak", "-3"}, "expected a number of at least 1"},
		{[]string{notes, "--memory", "much"}, "expected a size such as 64MiB"}, {[]string{notes, "--packets", "none"}, "no such file"}, {[]string{"--list", notes}, "unknown command"},
	} {
		code, _, err := check(t, tt.args...)
		assert.Equal(t, exitUsage, code, tt.args)
		assert.Contains(t, err, tt.want)
	}

	s := onTerminal(t, 40, 24, command(t, "check", notes, "--cache", t.TempDir()))
	require.Error(t, s.end())
	s.untilPrinted("is neither C source (*.c) nor a")
	assert.NotContains(t, s.printed(), "nor a BPF object", "it is wrapped")
}
