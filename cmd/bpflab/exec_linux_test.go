// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tests of what runs in guests pass there, as go test -exec runs them. Elsewhere they skip what they
// cannot do; here nothing is skipped but for a shell.
func TestInGuests(t *testing.T) {
	cache, root := sharedCache(t), clone(t)
	list := exec.CommandContext(t.Context(), "go", "list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}",
		"./harness/guest/...", "./labs/lab12_2/observe/collect")
	list.Dir = root
	out, err := list.Output()
	require.NoError(t, err)
	packages := slices.DeleteFunc(strings.Fields(string(out)), func(name string) bool {
		return strings.HasSuffix(name, "/agent") // whose test reads a file of the clone
	})
	require.GreaterOrEqual(t, len(packages), 10)
	names := matrix()
	if os.Getenv("BPFLAB_KERNELS") != "all" {
		names = names[:1] // the oldest, which has the least
	}
	for _, kernel := range names {
		t.Run(kernel, func(t *testing.T) {
			through := command(t, "exec", "--cache", cache, "--kernel", kernel, "--cpus", "2", "--module", "sch_ingress,cls_bpf", "--")
			for i, arg := range through.Args {
				through.Args[i] = "'" + arg + "'" // cmd/go splits it as a shell does
			}
			test := exec.CommandContext(t.Context(), "go", append([]string{"test", "-vet=off", "-v", "-exec", strings.Join(through.Args, " ")}, packages...)...)
			test.Dir, test.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
			out, err := test.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Len(t, regexp.MustCompile(`(?m)^ok `).FindAll(out, -1), len(packages), "%s", out)
			for _, skipped := range regexp.MustCompile(`(?m)^.*\n *--- SKIP: .*`).FindAllString(string(out), -1) {
				assert.Contains(t, skipped, "it needs a shell")
			}
		})
	}
}

// No judge, report or hint is in the agent.
func TestAgentIsOfGuests(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/agent")
	cmd.Dir, cmd.Env = clone(t), append(os.Environ(), "GOOS=linux", "GOARCH=amd64")
	out, err := cmd.Output()
	require.NoError(t, err)
	assert.Contains(t, string(out), "bpflab/harness/guest/agent\n")
	assert.NotContains(t, string(out), "bpflab/harness/host/")
}
