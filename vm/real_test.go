// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/vm/qemu"
)

// The tests of this file boot real guests, one after the other.

func TestGuestBroken(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(t testing.TB, c *Config)
		payload string
		kind    error
		want    string
	}{
		{"kernel cut short", func(t testing.TB, c *Config) { c.Kernel = cutShort(t, c.Kernel) }, "{}", ErrBoot, "did not boot"},
		{"initramfs cut short", func(t testing.TB, c *Config) { c.Initrd = cutShort(t, c.Initrd) }, "{}", ErrPanic, "Kernel panic"},
		{"no kernel", func(_ testing.TB, c *Config) { c.Kernel += ".none" }, "{}", ErrBoot, "could not"},
		{"init ends", func(_ testing.TB, c *Config) { c.Cmdline = []string{"does=exit"} }, "{}", ErrPanic, "Attempted to kill init"},
		{"init hangs", func(_ testing.TB, c *Config) { c.Cmdline = []string{"does=hang"} }, "{}", ErrBoot, "not a word for 5s"},
		{"agent fails", func(testing.TB, *Config) {}, `{"Fail": 1}`, ErrAgent, "asked to fail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := realGuest(t, "")
			if tt.kind == ErrBoot {
				c.Silence = 5 * time.Second
			}
			tt.change(t, &c)
			_, err := Run(t.Context(), c, []byte(tt.payload))
			f := requireFailure(t, err, tt.kind)
			assert.ErrorContains(t, err, tt.want)
			if tt.kind == ErrPanic {
				assert.Contains(t, f.Console, tt.want)
			}
		})
	}
}

// cutShort returns a copy of the first half of a file.
func cutShort(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	short := filepath.Join(t.TempDir(), "short")
	require.NoError(t, os.WriteFile(short, data[:len(data)/2], 0o644))
	return short
}

func TestGuest(t *testing.T) {
	s := Snapshots{Dir: t.TempDir()}
	c := realGuest(t, "")
	path, err := s.Ensure(t.Context(), "real", c, nil, nil)
	require.NoError(t, err)
	assertKept(t, s.Dir, 1)
	cold := c
	c.Snapshot = path

	t.Run("without zero pages", func(t *testing.T) { // or this QEMU's streams are of a form that Thin does not know
		saved, err := os.ReadFile(path)
		require.NoError(t, err)
		var thin bytes.Buffer
		require.NoError(t, qemu.Thin(&thin, bytes.NewReader(saved)))
		assert.True(t, bytes.Equal(saved, thin.Bytes()), "%d bytes could be %d", len(saved), thin.Len())
	})
	t.Run("restored twice, equal to the nanosecond", func(t *testing.T) {
		c := c
		c.Later = []byte("later")
		first, err := Run(t.Context(), c, []byte(`{"Touch": 8}`))
		require.NoError(t, err)
		assert.Contains(t, string(first.Body), `"later":"later"`)
		assert.Equal(t, kernel.Release, first.Release)
		assert.Contains(t, string(first.Body), `"payload":{"Touch":8}`)
		second, err := Run(t.Context(), c, []byte(`{"Touch": 8}`))
		require.NoError(t, err)
		assert.Equal(t, string(first.Body), string(second.Body))
	})
	// A BPF program may read all memory. What it must not find there is the nonce, and what the host
	// keeps back, until that is fetched: then the same search finds it.
	t.Run("nothing to find in memory", func(t *testing.T) {
		c := c
		c.nonce, c.Later = "NONCE7OFTHISVERYRUNANDNONE", []byte("what is kept back: 1f0c2b")
		mask := func(word []byte) []byte {
			masked := slices.Clone(word)
			for i := range masked {
				masked[i] ^= 0xa5 // the agent's mask
			}
			return masked
		}
		payload, err := json.Marshal(map[string]any{"Find": [][]byte{mask([]byte(c.nonce)), mask(c.Later)}})
		require.NoError(t, err)
		r, err := Run(t.Context(), c, payload)
		require.NoError(t, err)
		var body struct{ Found [2][2]int }
		require.NoError(t, json.Unmarshal(r.Body, &body))
		assert.Equal(t, [2]int{0, 0}, body.Found[0], "nonce and what is kept back, before the rest of the job is fetched")
		assert.Zero(t, body.Found[1][0], "nonce")
		assert.NotZero(t, body.Found[1][1], "the search finds what there is")
	})
	t.Run("memory", func(t *testing.T) {
		peak := 0
		c := c
		c.Stage = func(string) {
			for _, pid := range processes(t, c.Initrd) {
				peak = max(peak, highWater(t, pid))
			}
		}
		_, err := Run(t.Context(), c, []byte(`{"Touch": 180, "Hold": 100}`))
		require.NoError(t, err)
		assert.Greater(t, peak, 180, "MiB that the guest wrote to")
		assert.LessOrEqual(t, peak, 512, "MiB")
	})
	t.Run("out of memory", func(t *testing.T) {
		_, err := Run(t.Context(), c, []byte(`{"Touch": 1000}`))
		requireFailure(t, err, ErrPanic)
	})
	t.Run("refused by QEMU", func(t *testing.T) {
		forge(t, path)
		_, err := Run(t.Context(), c, []byte("{}"))
		requireFailure(t, err, ErrSnapshot)
		assert.ErrorContains(t, err, "QEMU: exit status 1")
		require.NoError(t, s.Drop(path))
	})
	t.Run("disk full", func(t *testing.T) { // that is, QEMU may write some 10 MB and no more
		c := cold
		real, err := exec.LookPath(qemu.Binary)
		require.NoError(t, err)
		c.Binary = script(t, "ulimit -f 20000", real)
		_, err = s.Ensure(t.Context(), "full", c, nil, nil)
		requireFailure(t, err, ErrSnapshot)
		assert.ErrorContains(t, err, "File too large")
		assertKept(t, s.Dir, 0)
	})
}

// highWater is the most memory that a process has had, in MiB.
func highWater(t testing.TB, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(t, found)
	kib, err := strconv.Atoi(string(found[1]))
	require.NoError(t, err)
	return kib >> 10
}
