// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"bpflab/harness/host/build"
)

const header = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");
`

// cache is shared so that clang is asked for its version once.
var cache string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bpflab-verifier-*")
	if err != nil {
		panic(err)
	}
	cache = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func loadText(t *testing.T, text string) (*ebpf.Collection, Report, error) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: loads BPF programs")
	}
	path := filepath.Join(t.TempDir(), "test.bpf.c")
	require.NoError(t, os.WriteFile(path, []byte(header+text), 0o644))
	obj, err := build.Compile(t.Context(), cache, path)
	require.NoError(t, err)
	spec, err := ebpf.LoadCollectionSpec(write(t, obj.ELF))
	require.NoError(t, err)

	coll, report, err := Load(spec)
	if coll != nil {
		t.Cleanup(coll.Close)
	}
	again, second, _ := Load(spec)
	if again != nil {
		t.Cleanup(again.Close)
	}
	want, jsonErr := json.Marshal(report)
	require.NoError(t, jsonErr)
	got, jsonErr := json.Marshal(second)
	require.NoError(t, jsonErr)
	assert.Equal(t, string(want), string(got), "two loads, two reports")
	return coll, report, err
}

func write(t *testing.T, elf []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.o")
	require.NoError(t, os.WriteFile(path, elf, 0o644))
	return path
}

func TestLoadAccepted(t *testing.T) {
	coll, report, err := loadText(t, `
static __attribute__((noinline)) __u64 second(struct xdp_md *ctx)
{
	__u32 key = 2;
	__u64 *v = bpf_map_lookup_elem(&counts, &key);

	return v ? *v : 0;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	__u32 key = 1;
	__u64 *v = bpf_map_lookup_elem(&counts, &key);

	return v ? *v + second(ctx) : 0;
}`)
	require.NoError(t, err)
	require.NotNil(t, coll)
	assert.Equal(t, "first", report.Program)
	assert.True(t, report.Accepted)
	assert.Positive(t, report.Stats.Processed)
	assert.Equal(t, 1_000_000, report.Stats.Limit)
	assert.Equal(t, 16, report.Stats.StackDepth)
	assert.Empty(t, report.Message)
	assert.Empty(t, report.Log)
}

func TestLoadRejected(t *testing.T) {
	tests := []struct {
		name, body             string
		errno, message, source string
	}{
		{"packet bounds", `
	char *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 key = 1;
	__u64 *v = bpf_map_lookup_elem(&counts, &key);
	if (v)
		*v += 1;
	if (data + 4 > end)
		return 0;
	return data[4];`,
			"EACCES", "invalid access to packet, off=4 size=1, R", "test.bpf.c:25: return data[4];"},
		{"missing null check", `
	__u32 key = 1;
	__u64 *v = bpf_map_lookup_elem(&counts, &key);
	return *v;`,
			"EACCES", "invalid mem access 'map_value_or_null'", "test.bpf.c:20: return *v;"},
		{"too many instructions", `
	__u64 sum = 0;
	for (int i = 0; i < 1000000; i++) {
		sum += bpf_get_prandom_u32();
		asm volatile("" : "+r"(sum));
	}
	return sum & 1;`,
			"E2BIG", "BPF program is too large. Processed 1000001 insn", ""},
		{"unreachable code", `
	asm volatile("1: goto 1b");
	return 0;`,
			"EINVAL", "unreachable insn 1", "test.bpf.c:19: return 0;"},
		{"helper of another type", `
	char b[8] = {};
	bpf_get_current_comm(b, 8);
	bpf_override_return((void *)ctx, 0);
	return b[0];`,
			"EINVAL", "#58", "test.bpf.c:20: bpf_override_return((void *)ctx, 0);"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			coll, report, err := loadText(t, "\nSEC(\"xdp\")\nint bad(struct xdp_md *ctx)\n{\n"+tt.body+"\n}\n")
			require.NoError(t, err)
			assert.Nil(t, coll)
			assert.False(t, report.Accepted)
			assert.Equal(t, "bad", report.Program)
			assert.Equal(t, tt.errno, report.Errno)
			assert.Contains(t, report.Message, tt.message)
			assert.Equal(t, tt.source, report.Source)
			assert.NotEmpty(t, report.Log)
			assert.LessOrEqual(t, len(report.Log), 20)
			assert.NotContains(t, strings.Join(report.Log, "\n"), "usec")
		})
	}
}

func TestLoadMapRefused(t *testing.T) {
	coll, report, err := loadText(t, `
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 1 << 30);
} huge SEC(".maps");

SEC("xdp")
int bad(struct xdp_md *ctx)
{
	__u32 key = 0;

	return bpf_map_delete_elem(&huge, &key);
}`)
	require.NoError(t, err)
	assert.Nil(t, coll)
	assert.False(t, report.Accepted)
	assert.Contains(t, report.Message, "map huge refused")
	assert.Contains(t, []string{"E2BIG", "EINVAL", "ENOMEM"}, report.Errno)
}

func TestLoadWantsAProgram(t *testing.T) {
	_, _, err := Load(&ebpf.CollectionSpec{})
	assert.EqualError(t, err, "load: expected a program, found none: check the object with package policy first")
}

// Of several programs the report is on the first that is rejected, or on the largest.
func TestLoadSeveral(t *testing.T) {
	const small = `
SEC("xdp")
int small(struct xdp_md *ctx)
{
	return 2;
}
`
	coll, report, err := loadText(t, small+`
SEC("xdp")
int large(struct xdp_md *ctx)
{
	__u32 key = 1;
	__u64 *v = bpf_map_lookup_elem(&counts, &key);

	return v ? *v : 0;
}`)
	require.NoError(t, err)
	require.NotNil(t, coll)
	assert.Len(t, coll.Programs, 2)
	assert.True(t, report.Accepted)
	assert.Equal(t, "large", report.Program)

	coll, report, err = loadText(t, small+`
SEC("xdp")
int unchecked_b(struct xdp_md *ctx)
{
	__u32 key = 1;

	return *(__u64 *)bpf_map_lookup_elem(&counts, &key);
}

SEC("xdp")
int unchecked_a(struct xdp_md *ctx)
{
	return *(char *)(long)ctx->data;
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, int (struct xdp_md *));
} next SEC(".maps") = { .values = { [0] = &small } };

SEC("xdp")
int jump(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &next, 0);
	return 2;
}`)
	require.NoError(t, err)
	assert.Nil(t, coll)
	assert.Equal(t, "unchecked_a", report.Program)
	assert.Contains(t, report.Message, "invalid access to packet")
}

func TestEnvironmentIsNoJudgement(t *testing.T) {
	assert.True(t, judgement(unix.E2BIG))
	assert.False(t, judgement(unix.ENOMEM), "of a program; a map's is its size")
	assert.False(t, judgement(unix.EPERM))
	assert.ErrorContains(t, environment("load program p", unix.EPERM), "run as root")
}
