// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/runner/testdata/labs/kprobe"
	"bpflab/runner/testdata/labs/lsm"
	"bpflab/runner/testdata/labs/tc"
	tcobserve "bpflab/runner/testdata/labs/tc/observe"
	"bpflab/vm/kernels"
)

// cloneWithLabs is a copy of the clone whose agent has the labs of testdata as well.
func cloneWithLabs(t *testing.T) string {
	t.Helper()
	root, err := ModuleRoot()
	require.NoError(t, err)
	dir := t.TempDir()
	for _, part := range []string{"cmd/agent", "harness", "labs", "runner", "vm"} {
		require.NoError(t, os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))))
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	main := filepath.Join(dir, "cmd/agent/main_linux_amd64.go")
	text, err := os.ReadFile(main)
	require.NoError(t, err)
	var imports, entries strings.Builder
	for _, name := range []string{"tc", "kprobe", "lsm"} {
		imports.WriteString("\t" + name + ` "bpflab/runner/testdata/labs/` + name + `/observe"` + "\n")
		entries.WriteString("\t" + `"lab_` + name + `": ` + name + ".Observe,\n")
	}
	added := strings.Replace(string(text), "import (\n", "import (\n"+imports.String(), 1)
	added = strings.Replace(added, "agent.Observe{\n", "agent.Observe{\n"+entries.String(), 1)
	require.NoError(t, os.WriteFile(main, []byte(added), 0o644))
	return dir
}

type notices struct{ t *testing.T }

func (n notices) Set(string, string)                {}
func (n notices) Notice(format string, args ...any) { n.t.Logf(format, args...) }

// What a lab says it needs, its guests have: modules, memory, CPUs, kernel parameters; and an object of two
// programs that read the kernel's structures. Each is graded, as it should be and with one mistake.
func TestNeeds(t *testing.T) {
	if testing.Short() {
		t.Skip("it needs guests, which -short leaves out")
	}
	user, err := os.UserCacheDir()
	require.NoError(t, err)
	h := &Host{Version: "test", Cache: t.TempDir(), Progress: notices{t}}
	// The kernels are the user's, where they are fetched once; all else is this test's.
	names := strings.Split(cmp.Or(os.Getenv("BPFLAB_KERNELS"), "6.12"), ",")
	if names[0] == "all" {
		names = kernels.Names()
	}
	require.NoError(t, os.MkdirAll(filepath.Join(user, "bpflab", "kernels"), 0o755))
	require.NoError(t, os.Symlink(filepath.Join(user, "bpflab", "kernels"), filepath.Join(h.Cache, "kernels")))
	_, err = h.Kernels(t.Context(), names)
	require.NoError(t, err)
	root, err := ModuleRoot()
	require.NoError(t, err)
	t.Chdir(cloneWithLabs(t))

	for _, tt := range []struct {
		lab           *harness.Lab
		old, new      string // the mistake
		task, message string // that tells of it
	}{
		{tc.Lab, "skb->len", "skb->len - 14", "counts", "were counted"},
		{kprobe.Lab, "real_parent, tgid", "tgid", "parent", "of this parent, and 0 counted"},
		{kprobe.Lab, "if (result)", "if (!result)", "failed", "attempts failed, and"},
		{lsm.Lab, "mode & 02", "mode & 020", "refused", "refused is false, and should be true"},
	} {
		t.Run(tt.lab.Name, func(t *testing.T) {
			folder := filepath.Join(root, "runner/testdata/labs", strings.TrimPrefix(tt.lab.Name, "lab_"))
			on, err := h.Choose(nil, tt.lab.Needs.Oldest)
			require.NoError(t, err)
			chosen := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(on, name) })
			if len(chosen) == 0 {
				t.Skipf("it needs Linux %s, and %q are older", tt.lab.Needs.Oldest, names)
			}
			grade := func(folder string) (judge.Result, *Grading) {
				source, err := FindSubmission(tt.lab, folder)
				require.NoError(t, err)
				g, err := h.Prepare(t.Context(), tt.lab, source, chosen)
				require.NoError(t, err)
				_, result, err := g.Finish(t.Context(), "")
				require.NoError(t, err)
				return result, g
			}
			result, g := grade(folder)
			assert.True(t, result.Complete)
			assert.Equal(t, 100.0, result.Score, "%+v", result.Kernels)
			if tt.lab == tc.Lab {
				for _, k := range g.Receipt.Kernels {
					m, err := job.Get[tcobserve.Machine](k.Guest[job.SMP], "machine")
					require.NoError(t, err)
					assert.Equal(t, 3, m.CPUs, k.Name)
					assert.InDelta(t, 384, m.MemoryMiB, 60, k.Name)
				}
			}

			wrong := t.TempDir()
			require.NoError(t, os.CopyFS(wrong, os.DirFS(folder)))
			file := filepath.Join(wrong, tt.lab.File)
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(text), tt.old)
			require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), tt.old, tt.new)), 0o644))
			result, _ = grade(wrong)
			for _, k := range result.Kernels {
				for _, task := range k.Tasks {
					want := judge.Pass
					if task.ID == tt.task {
						want = judge.Fail
						assert.Contains(t, task.Message, tt.message, k.Name)
					}
					assert.Equal(t, want, task.Status, "Linux %s, %s: %s", k.Name, task.ID, task.Message)
				}
			}
		})
	}
}
