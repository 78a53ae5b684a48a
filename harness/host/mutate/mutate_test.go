// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const inC = `#include <a.h> /* 1 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

/* x == 1 */
int f(struct ctx *ctx)
{
	__u64 n = 1ULL << 33, *p = &n;

	if (ctx->len < 5 || !ctx->data) {
		return XDP_PASS;
	}
	n += g(&events, 7);
	if (n)
		n++;
	else
		n--;
	bpf_ringbuf_output(&events, p, sizeof(n), 0);
	return 0;
}
`

const inGo = `package main

import "time"

const nap = 400 * time.Microsecond

func f(a, b int) error {
	for a < b && b != 3 {
		if err := g(a, b); err != nil {
			return err
		}
		a++
	}
	return nil
}
`

// told are the edits' descriptions.
func told(edits []Edit) (list []string) {
	for _, e := range edits {
		list = append(list, e.String())
	}
	return list
}

func TestC(t *testing.T) {
	edits := C(inC)
	list := told(edits)
	for _, want := range []string{
		"line 3, map type: `BPF_MAP_TYPE_HASH` → `BPF_MAP_TYPE_ARRAY`",
		"line 3, map flags: `)` → `); __uint(map_flags, BPF_F_NO_PREALLOC)`",
		"line 4, map size: `64 * 1024` → `260000`",
		"line 5, section: `\".maps\"` → `\"maps\"`",
		"line 4, declaration left out: `__uint(max_entries, 64 * 1024);` → ``",
		"line 10, constant: `1ULL` → `-1ULL`",
		"line 10, operator: `<<` → `>>`",
		"line 10, type: `__u64` → `__u32`",
		"line 10, pointer: `&` → ``",
		"line 12, operator: `<` → `<=`",
		"line 12, operator: `||` → `&&`",
		"line 12, condition: `ctx->len < 5 || !ctx->data` → `!(ctx->len < 5 || !ctx->data)`",
		"line 12, condition left out: `ctx->len < 5 || !ctx->data` → `ctx->len < 5`",
		"line 12, condition left out: `if (ctx->len < 5 || !ctx->data) { return XDP_PASS; }` → `{ return XDP_PASS; }`",
		"line 13, returned value: `XDP_PASS` → `XDP_TX`",
		"line 13, statement left out: `return XDP_PASS;` → `;`",
		"line 15, operator: `+=` → `-=`",
		"line 15, arguments swapped: `&events, 7` → `7, &events`",
		"line 15, statement twice: `n += g(&events, 7);` → `n += g(&events, 7); n += g(&events, 7);`",
		"line 18, statement left out: `else n--;` → ``",
		"line 20, flags: `0` → `BPF_RB_NO_WAKEUP`",
		"line 20, pointer: `p` → `*p`",
		"line 20, name: `p` → `events`",
	} {
		assert.Contains(t, list, want)
	}
	assertDistinct(t, inC, edits)
	for _, e := range edits {
		assert.NotContains(t, []int{1, 7}, e.Line, "%v: comments and includes stay", e)
	}
}

func TestGo(t *testing.T) {
	edits, err := Go(inGo)
	require.NoError(t, err)
	list := told(edits)
	for _, want := range []string{
		"line 5, constant: `400` → `200`",
		"line 5, word: `Microsecond` → `Hour`",
		"line 8, condition: `a < b && b != 3` → `true`",
		"line 8, condition left out: `a < b && b != 3` → `b != 3`",
		"line 9, arguments swapped: `a, b` → `b, a`",
		"line 9, condition: `err != nil` → `false`",
		"line 10, returned value: `err` → `nil`",
		"line 12, statement left out: `a++` → ``",
		"line 12, statement twice: `a++` → `a++ a++`",
		"line 12, operator: `++` → `--`",
	} {
		assert.Contains(t, list, want)
	}
	assertDistinct(t, inGo, edits)

	_, err = Go("package")
	assert.ErrorContains(t, err, "edit a Go program")
}

func assertDistinct(t *testing.T, text string, edits []Edit) {
	t.Helper()
	seen := map[string]bool{text: true}
	for _, e := range edits {
		assert.False(t, seen[e.Text], "%v changes nothing, or what another does", e)
		seen[e.Text] = true
	}
}

func TestOrder(t *testing.T) {
	edits := C(inC)
	one, same, other := Order(edits, 1), Order(edits, 1), Order(edits, 2)
	assert.Equal(t, one, same)
	assert.NotEqual(t, one, other)
	assert.ElementsMatch(t, edits, one)
	kinds := map[string]bool{}
	for _, e := range one[:10] {
		kinds[e.Kind] = true
	}
	assert.Len(t, kinds, 10, "of ten, no two are of one kind while there are others")
}

// Whatever it is given, it comes to an end.
func FuzzEdits(f *testing.F) {
	f.Add(inC)
	f.Add(inGo)
	f.Add("f() { if (")
	f.Add("f() { for (;;) } else ) ( [ }")
	f.Fuzz(func(t *testing.T, program string) {
		if len(program) > 300 {
			return
		}
		for _, e := range C(program) {
			require.NotEqual(t, program, e.Text)
		}
		if edits, err := Go(program); err == nil {
			for _, e := range edits {
				require.NotEqual(t, program, e.Text)
			}
		}
	})
}
