// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckGo(t *testing.T) {
	packages := []string{"bpflab/labs/lab12_2/consumer", "bpflab/harness/guest/ring"}
	for text, want := range map[string]string{
		"package main\n\nimport \"os/exec\"\n":                               `3:8: import "os/exec": a submission's Go program may import bpflab/labs/lab12_2/consumer, bpflab/harness/guest/ring, of the standard library bufio, bytes,`,
		"package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n)\n":           `5:2: import "net/http"`,
		"package main\n\nimport \"frnt\"\n":                                  `3:8: import "frnt": did you mean "fmt"?`,
		"package main\n\nimport \"bpflab/harness/guest/rnig\"\n":             `did you mean "bpflab/harness/guest/ring"?`,
		"package main\n\nimport \"ring\"\n":                                  `did you mean "bpflab/harness/guest/ring"?`,
		"package main\n\nimport \"bpflab/ring\"\n":                           `did you mean "bpflab/harness/guest/ring"?`,
		"package main\n\nimport \"Bytes\"\n":                                 `did you mean "bytes"?`,
		"package main\n\nimport \"bpflab/harness/traffic\"\n":                `import "bpflab/harness/traffic"`,
		"package main\n\nimport \"bpflab/labs/lab12_3/controller\"\n":        `import "bpflab/labs/lab12_3/controller"`,
		"package main\n\nimport \"C\"\n":                                     `import "C": there is no C`,
		"package main\n\nimport _ \"embed\"\n":                               `import "embed"`,
		"package main\n\nimport \"plugin\"\n":                                `import "plugin"`,
		"package main\n\nimport \"runtime/cgo\"\n":                           `import "runtime/cgo"`,
		"package main\n\nimport \"testing\"\n":                               `import "testing"`,
		"package main\n\nimport \"./x\"\n":                                   `import "./x"`,
		"package main\n\nimport \"/etc/x\"\n":                                `import "/etc/x"`,
		"package main\n\nimport \"internal/cpu\"\n":                          `import "internal/cpu"`,
		"package main\n\nimport \"\"\n":                                      `import ""`,
		"package main\n\nimport `net`\n":                                     `import "net"`,
		"package main\n\nimport \"n\\x65t\"\n":                               `import "net"`,
		"package events\n":                                                   `1:9: package events: a submission's Go program is package main`,
		"package main\n\n//go:embed x\nvar b []byte\n":                       `3:1: //go:embed x is not allowed: the //go: directives`,
		"package main\n\n//go:linkname f g.h\nfunc f()\n":                    `3:1: //go:linkname f g.h`,
		"package main\n\nfunc f()\n":                                         `3:1: func f has no body`,
		"package main\n\nvar a = 1 //go:cgo_import_dynamic x\n":              `//go:cgo_import_dynamic x`,
		"//go:build linux\n\npackage main\n":                                 `1:1: //go:build linux`,
		"//go:build ignore || linux\n\npackage main\n":                       `//go:build ignore || linux`,
		"package main\n\n//go:nosplitter\n":                                  `//go:nosplitter`,
		"package main\r\n\r\n//go:embed x\r\nvar b []byte\r\n":               `3:1: //go:embed x`,
		"package main\n\n//line /etc/passwd:1\n":                             `3:1: //line /etc/passwd:1`,
		"package main\n\nvar a = /*line x.go:7*/ 1\n":                        `/*line x.go:7*/`,
		"package main\n\nimport \"os/exec\"\n\nfunc f( {\n":                  `import "os/exec"`,
		"package main\n\nimport \"os/exec\"; import \"fmt\"\n\nvar x = \"\n": `import "os/exec"`,
		"package main\n\nimport \"net\"\n":                                   `import "net": a submission's Go program may`,
		"package main\n\nimport \"oss\"\n":                                   `import "oss": did you mean "os"?`,
	} {
		refused, _ := checkGo("dir/consumer.go", []byte(text), packages)
		if assert.NotEmpty(t, refused, "%q", text) {
			d := refused[0]
			assert.Contains(t, fmt.Sprintf("%d:%d: %s", d.Line, d.Column, d.Text), want, "%q", text)
			assert.Equal(t, "dir/consumer.go", d.File)
		}
	}
	for _, text := range []string{
		"//go:build ignore\n\npackage main\n\nimport (\n\t\"bpflab/labs/lab12_2/consumer\"\n\t\"syscall\"\n\t\"unsafe\"\n)\n\n//go:noinline\nfunc f() {}\n",
		"package main // go:embed is only talked about\n\n// line 7: as well\n//line up\n",
		"package main\n\n//go:generate stringer\nfunc main() {}\n",
		"", "package main\n\nfunc main( {\n", "\x00",
	} {
		refused, _ := checkGo("consumer.go", []byte(text), packages)
		assert.Empty(t, refused, "%q", text)
	}
}

func TestCheckGoTellsTheListOnce(t *testing.T) {
	refused, _ := checkGo("a.go", []byte("package main\n\nimport (\n\t\"net\"\n\t\"plugin\"\n\t\"math/rnad\"\n)\n"), nil)
	require.Len(t, refused, 3)
	assert.Contains(t, refused[0].Text, "of the standard library bufio")
	assert.Equal(t, `import "plugin": that is not one of these`, refused[1].Text)
	assert.Equal(t, `import "math/rnad": did you mean "math/rand"? that is not one of these`, refused[2].Text)
}

// What may be imported is there, and leads to nothing that starts processes or reaches a network.
func TestLibrary(t *testing.T) {
	out, err := exec.Command("go", append([]string{"list", "-deps"}, library...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, p := range strings.Fields(string(out)) {
		assert.NotContains(t, []string{"os/exec", "net", "plugin", "runtime/cgo", "testing", "embed", "debug/elf", "os/user"}, p)
		assert.NotContains(t, p, "bpflab/")
	}
}

func FuzzCheckGo(f *testing.F) {
	for _, text := range []string{
		"package main\n\nimport \"fmt\"\n", "package main\n\nimport \"os/exec\"\n", "//go:embed x", "/*line a.go:1*/", "package main; import \"C\"", "package main\nfunc f()", "\xff",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		refused, broken := checkGo("a.go", text, nil)
		assert.LessOrEqual(t, len(refused), maxRefused)
		for _, d := range refused {
			assert.Equal(t, printable(d.Text), d.Text)
			assert.Positive(t, d.Line)
			assert.Positive(t, d.Column)
		}
		if broken == nil && len(refused) == 0 {
			again, _ := checkGo("a.go", append(append([]byte{}, text...), "\n//go:embed x\n"...), nil)
			assert.NotEmpty(t, again)
		}
	})
}
