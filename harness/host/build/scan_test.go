// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestScanRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"#include \"/etc/passwd\"\n":                               `1: #include "/etc/passwd": a header's name cannot begin with a slash`,
		"#include </dev/zero>\n":                                   `1: #include "/dev/zero"`,
		"\n\n #\tinclude\t\"../a.h\"\n":                            `3: #include "../a.h": a header's name cannot leave its folder`,
		"#include \"a/../../b.h\"\n":                               `1: #include "a/../../b.h"`,
		"#include \"..\"\n":                                        `1: #include ".."`,
		"%:include \"/dev/stdin\"\n":                               `1: #include "/dev/stdin"`,
		"/* */ # /* a\n b */ include /* c */ \"/dev/stdin\"\n":     `1: #include "/dev/stdin"`,
		"#inc\\\nlude \"/dev/st\\\ndin\"\n":                        `1: #include "/dev/stdin"`,
		"#inc\\  \nlude \"/a\"\n":                                  `1: #include "/a"`,
		"#inc\\\r\nlude \"/a\"\r\n":                                `1: #include "/a"`,
		"int x;\r#include \"/a\"\r":                                `2: #include "/a"`,
		"\xef\xbb\xbf#include \"/a\"\n":                            `1: #include "/a"`,
		"\u00a0#include \"/a\"\n":                                  `1: #include "/a"`,
		"#if 0\n#include \"/a\"\n#endif\n":                         `2: #include "/a"`,
		"#define H \"/etc/passwd\"\n#include H\n":                  `2: #include of something else than <name> or "name"`,
		"#include\n":                                               `1: #include of something else`,
		"#include STR(a)\n":                                        `1: #include of something else`,
		"#include \"unfinished\n\"\n":                              `1: #include of something else`,
		"#include \"a\\b.h\"\n":                                    `1: #include "a\\b.h": a header's name has letters`,
		"#include \"-.h\"\n":                                       `1: #include "-.h"`,
		"#include \"a b.h\"\n":                                     `1: #include "a b.h"`,
		"#include_next <a.h>\n":                                    `1: #include_next is not allowed`,
		"#import \"a.h\"\n":                                        `1: #import is not allowed`,
		"#__include_macros \"a.h\"\n":                              `1: #__include_macros: this directive is not allowed`,
		"#embed \"a.bin\"\n":                                       `1: #embed is not allowed`,
		"#line 7 \"/etc/passwd\"\n":                                `1: #line is not allowed`,
		"# 7 \"/etc/passwd\"\n":                                    `1: #line is not allowed`,
		"#pragma GCC dependency \"/dev/zero\"\n":                   `1: #pragma GCC dependency`,
		"#pragma clang /* */ section text=\"a\"\n":                 `1: #pragma clang section`,
		"_Pragma(\"GCC dependency \\\"/dev/zero\\\"\")\n":          `1: _Pragma(`,
		"#define P(x) _Pragma(#x)\n":                               `1: _Pragma of something else`,
		"#if __has_include(\"/dev/zero\")\n#endif\n":               `1: __has_include "/dev/zero"`,
		"#if __has_include(</dev/zero>)\n#endif\n":                 `1: __has_include "/dev/zero"`,
		"#if __has_include ( /**/ \"/dev/zero\" )\n#endif\n":       `1: __has_include "/dev/zero"`,
		"#if __has_inc\\\nlude(\"/dev/zero\")\n#endif\n":           `1: __has_include "/dev/zero"`,
		"#define H(x) __has_include(x)\n":                          `1: __has_include of something else`,
		"#if __has_include_next(<a.h>)\n#endif\n":                  `1: __has_include_next is not allowed`,
		"#if __has_embed(\"a\")\n#endif\n":                         `1: __has_embed is not allowed`,
		"??=include \"/a\"\n":                                      `1: ??=: trigraphs are not allowed`,
		"int a; /\x2f ??/\n#include \"/a\"\n":                      `1: ??/: trigraphs are not allowed`,
		"const char *s = R\"(\n#include \"/a\"\n)\";\n":            `1: raw string literals are not allowed`,
		"int a = 1'000; // '\n":                                    `1: 1: a number cannot go on with a quote here`,
		"int a;\x00\n#include \"/a\"\n":                            `1: a NUL byte`,
		"char c = '\\'; // '\n#include \"/a\"\n":                   `2: #include "/a"`,
		"const char *s = \"\\\\\"; /* \" */\n#include \"/a\" /**/": `2: #include "/a"`,
		"// comment \\\n#include \"/b\"\n#include \"/a\"\n":        `3: #include "/a"`,
		"#error don't\n#include \"/a\"\n":                          `2: #include "/a"`,
		"const char *s = \"no end\n#include \"/a\"\n":              `2: #include "/a"`,
	} {
		_, refused := scan([]byte(text))
		if assert.NotEmpty(t, refused, "%q", text) {
			assert.Contains(t, fmt.Sprintf("%d: %s", refused[0].Line, refused[0].Text), want, "%q", text)
		}
	}
}

func TestScanAllows(t *testing.T) {
	for text, want := range map[string][]include{
		"#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include <asm-generic/int-ll64.h>\n": nil,
		"#include \"a.h\"\n": {{"a.h", 1}},
		"\n#include \"bpf/bpf_helpers.h\" // those of the system\n":          {{"bpf/bpf_helpers.h", 2}},
		"/* #include \"/a\" */\n// #include \"/b\"\n":                        nil,
		"const char *s = \"#include \\\"/a\\\"\";\n":                         nil,
		"int a; #include \"/a\"\n":                                           nil, // no directive, and no C
		"#\n# // nothing\n#define S(x) #x\n#define C(a, b) a ## b\n":         nil,
		"#ifdef __has_include\n#endif\n#if defined(__has_include)\n#endif\n": nil,
		"#if __has_include(\"a.h\")\n#endif\n":                               {{"a.h", 1}},
		"#pragma once\n#pragma unroll 4\n#pragma clang loop unroll(full)\n#pragma GCC diagnostic push\n#pragma clang attribute push (x)\n": nil,
		"#define U _Pragma(\"unroll\")\n":                                nil,
		"char a = 'x', b = '\"', c = L'y'; int d = 0x1fu + 1e+5 + .5;\n": nil,
		"":       nil,
		"\\":     nil,
		"/*":     nil,
		"\"":     nil,
		"#if 1":  nil,
		"a //\\": nil,
	} {
		includes, refused := scan([]byte(text))
		assert.Empty(t, refused, "%q", text)
		assert.Equal(t, want, includes, "%q", text)
	}
}

func TestScanTellsAFew(t *testing.T) {
	_, refused := scan([]byte(strings.Repeat("#embed \"a\"\n", 1000)))
	assert.Len(t, refused, maxRefused)
}

func TestUnquote(t *testing.T) {
	for literal, want := range map[string]string{
		`"abc"`: "abc", `L"a"`: "a", `"\x2eincbin"`: ".incbin", `"\056x"`: ".x", `"\u002ex"`: ".x", `"\n\t\"\\"`: "\n\t\"\\", `"\q"`: "q", `""`: "", `"\x"`: "\x00",
	} {
		assert.Equal(t, want, unquote(literal), literal)
	}
}

// What clang itself makes of macros is looked at too.
func TestRefuseAsm(t *testing.T) {
	for name, text := range map[string]string{
		"file scope":     "asm(\".incbin \\\"/etc/passwd\\\"\");\n",
		"statement":      "int f(void) { asm volatile(\".include \\\"/etc/passwd\\\"\"); return 0; }\n",
		"concatenated":   "int f(void) { __asm__ __volatile__(\".inc\" /* */ \"bin \\\"/etc/passwd\\\"\"); return 0; }\n",
		"split":          "int f(void) { asm(\".\"\n\"incbin \\\"/etc/passwd\\\"\"); return 0; }\n",
		"escaped":        "asm(\"\\x2e\" \"incbin \\\"/etc/passwd\\\"\");\n",
		"octal":          "asm(\"\\56incbin \\\"/etc/passwd\\\"\");\n",
		"by macro":       "#define A asm\n#define D \".inc\"\nA(D \"bin \\\"/etc/passwd\\\"\");\n",
		"pasted":         "#define P(a, b) a ## b\nP(as, m)(\".incbin \\\"/etc/passwd\\\"\");\n",
		"stringified":    "#define S(x) #x\nasm(S(.incbin \"/etc/passwd\"));\n",
		"operand":        "int x asm(\"incbin\"); int f(void) { asm(\".%0 \\\"/etc/passwd\\\"\" :: \"i\"(&x)); return 0; }\n",
		"symbol":         "int x asm(\".incbin\"); int f(void) { asm(\"%0 \\\"/etc/passwd\\\"\" :: \"i\"(&x)); return 0; }\n",
		"macro":          "asm(\".macro m x\\n.\\\\x \\\"/etc/passwd\\\"\\n.endm\\nm incbin\");\n",
		"after a label":  "int f(void) { asm(\"a: .incbin \\\"/etc/passwd\\\"\"); return 0; }\n",
		"goto":           "int f(void) { asm goto(\".incbin \\\"/etc/passwd\\\"\" :::: l); l: return 0; }\n",
		"repeated":       "int f(void) { asm(\".rept 2\\n.incbin \\\"/etc/passwd\\\"\\n.endr\"); return 0; }\n",
		"hidden":         "int f(void) { asm(\"..endrincbin \\\"/etc/passwd\\\"\"); return 0; }\n",
		"in parentheses": "int g(int); int f(void) { asm(\"\" :: \"r\"(g(({ asm(\".incbin \\\"/etc/passwd\\\"\"); 1; })))); return 0; }\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "asm.bpf.c", text)
			_, err := Compile(t.Context(), t.TempDir(), path)
			var ce *CompileError
			require.ErrorAs(t, err, &ce)
			assert.Contains(t, ce.Diagnostics[0].Text, "assembler directives, and symbols with a dot, are not allowed", ce.Error())
			assert.Equal(t, path, ce.Diagnostics[0].File)
			assert.NotZero(t, ce.Diagnostics[0].Line)
			assert.NotContains(t, err.Error(), "root:")
		})
	}
	_, err := Compile(t.Context(), t.TempDir(), write(t, "asm.bpf.c", `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define barrier() asm volatile("" ::: "memory")
SEC("xdp") int f(void *ctx)
{
	int x = 1;

	barrier();
	asm volatile("%0 += 1.5" + 0 == 0 ? "" : "");
	asm volatile("if r0 > 1 goto +0\n%0 = %1" : "=r"(x) : "r"(x) : "r0");
	return x;
}
`))
	var ce *CompileError
	require.ErrorAs(t, err, &ce, "an asm that is none")
	assert.NotContains(t, err.Error(), "assembler directives")
	_, err = Compile(t.Context(), t.TempDir(), write(t, "asm.bpf.c", `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define barrier() asm volatile("" ::: "memory")
SEC("xdp") int f(void *ctx)
{
	int x = 1;

	barrier();
	asm volatile("%0 = %1" : "=r"(x) : "r"(x));
	asm volatile(".rept 3\nr0 = 0\n.endr" ::: "r0");
	asm volatile(".8byte 0xb7" ::: "r0");
	return x;
}
`))
	assert.NoError(t, err)
}

// Pragmas that only a macro of the system's could make are found behind clang's preprocessor.
func TestRefuseAsmPragmas(t *testing.T) {
	files := sources{"a.bpf.c": nil}
	refused := refuseAsm([]byte("# 1 \"./a.bpf.c\"\n# 1 \"/usr/include/x.h\" 1\nint y;\n# 5 \"./a.bpf.c\" 2\nint x;\n#pragma clang section bss=\"a\"\n#pragma unroll\n"), "dir/a.bpf.c", files)
	require.Len(t, refused, 1)
	assert.Equal(t, 6, refused[0].Line)
	assert.Equal(t, "dir/a.bpf.c", refused[0].File)
}

func FuzzScan(f *testing.F) {
	for _, text := range []string{
		"#include \"a.h\"\n", "#inc\\\nlude <a/b.h>\n", "#include\"a..\"", "%:pragma once", "_Pragma(\"unroll\")", "__has_include(\"a\")", "asm(\"a\" \"\\x2e\")", "'\"", "R\"(", "/*", "1'0", "# 1 \"a\"", "\xef\xbb\xbf#",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		includes, refused := scan(text)
		for _, i := range includes {
			assert.Regexp(t, headerName, i.name)
			assert.NotContains(t, strings.Split(i.name, "/"), "..")
			assert.Positive(t, i.line)
		}
		assert.LessOrEqual(t, len(refused), maxRefused)
		for _, d := range refused {
			assert.Positive(t, d.Line)
			assert.Equal(t, printable(d.Text), d.Text)
			assert.Less(t, len(d.Text), 4096+len(text)*4)
		}
		// A comment, or a line that is joined, hides nothing.
		if len(refused) == 0 && len(includes) == 0 {
			_, again := scan(append(append([]byte{}, text...), "\n/**/\n*/\n#embed \"a\"\n"...))
			if unfinished := strings.LastIndex(string(text), "/*") > strings.LastIndex(string(text), "*/"); !unfinished && !strings.HasSuffix(string(text), "\\") {
				assert.NotEmpty(t, again, "%q", text)
			}
		}
		refuseAsm(text, "a.bpf.c", sources{"a.bpf.c": text})
	})
}
