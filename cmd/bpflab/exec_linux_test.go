// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inGuests are the packages whose tests need a guest's kernel, or a guest to themselves.
var inGuests = []string{
	"./harness/guest/attach", "./harness/guest/awake", "./harness/guest/calls", "./harness/guest/measure", "./harness/guest/netlab",
	"./harness/guest/percpu", "./harness/guest/process", "./harness/guest/ring", "./harness/guest/tracing", "./labs/lab12_2/observe/collect",
}

// The tests of what runs in guests pass there, as go test -exec runs them. Elsewhere they skip what they
// cannot do; here nothing is skipped but for a shell.
func TestInGuests(t *testing.T) {
	cache := sharedCache(t)
	for _, kernel := range matrix() {
		t.Run(kernel, func(t *testing.T) {
			through := command(t, "exec", "--cache", cache, "--kernel", kernel, "--cpus", "2", "--module", "sch_ingress,cls_bpf", "--")
			test := exec.CommandContext(t.Context(), "go", append([]string{"test", "-vet=off", "-v", "-exec", strings.Join(through.Args, " ")}, inGuests...)...)
			test.Dir, test.Env = clone(t), append(os.Environ(), "CGO_ENABLED=0")
			out, err := test.CombinedOutput()
			require.NoError(t, err, "%s", out)
			assert.Len(t, regexp.MustCompile(`(?m)^ok `).FindAll(out, -1), len(inGuests), "%s", out)
			for _, skipped := range regexp.MustCompile(`(?m)^.*\n *--- SKIP: .*`).FindAllString(string(out), -1) {
				assert.Contains(t, skipped, "it needs a shell")
			}
		})
	}
}
