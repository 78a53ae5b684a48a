// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/vm/qemu"
)

// newProbe returns a probe of a /dev/kvm that opens.
func newProbe(t testing.TB) Probe {
	t.Helper()
	dir := t.TempDir()
	p := Probe{File: filepath.Join(dir, "accel.json"), KVM: filepath.Join(dir, "kvm"), Deadline: 30 * time.Second}
	require.NoError(t, os.WriteFile(p.KVM, nil, 0o600))
	return p
}

func TestProbe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		behaviour string
		deadline  time.Duration // zero: long
		want      qemu.Accel
		why       string
	}{
		{"well under KVM", 0, qemu.KVM, "a guest booted under KVM"},
		{"silent", 500 * time.Millisecond, qemu.TCG, "guest"},
		{"slow", 500 * time.Millisecond, qemu.TCG, "guest"},
		{"dies", 0, qemu.TCG, "no such device"},
		{"agent fails", 0, qemu.TCG, "no module"},
	} {
		t.Run(tt.behaviour, func(t *testing.T) {
			t.Parallel()
			p, c := newProbe(t), fakeGuest(t, tt.behaviour, "")
			if tt.deadline != 0 {
				p.Deadline = tt.deadline
			}
			ask := func(boots int) {
				t.Helper()
				accel, why, err := p.Accel(t.Context(), c, []byte("{}"))
				require.NoError(t, err)
				assert.Equal(t, tt.want, accel)
				assert.Contains(t, why, tt.why)
				assert.Equal(t, boots, starts(t, c.Binary))
			}
			ask(1)
			ask(1) // the answer is kept

			require.NoError(t, p.Forget())
			require.NoError(t, p.Forget(), "nothing to forget")
			ask(2)

			require.NoError(t, os.WriteFile(p.File, []byte("{"), 0o644))
			ask(3) // what is kept is damaged

			later := time.Now().Add(time.Hour)
			require.NoError(t, os.Chtimes(c.Binary, later, later))
			ask(4) // another QEMU
		})
	}
}

func TestProbeWithoutKVM(t *testing.T) {
	t.Parallel()
	p, c := newProbe(t), fakeGuest(t, "well", "")
	require.NoError(t, os.Remove(p.KVM))
	accel, why, err := p.Accel(t.Context(), c, []byte("{}"))
	require.NoError(t, err)
	assert.Equal(t, qemu.TCG, accel)
	assert.Contains(t, why, "no such file or directory")
	assert.Zero(t, starts(t, c.Binary))
	assert.NoFileExists(t, p.File)
}

// What is no answer is not kept.
func TestProbeUndecided(t *testing.T) {
	t.Parallel()
	p, c := newProbe(t), fakeGuest(t, "silent", "")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, _, err := p.Accel(ctx, c, []byte("{}"))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
	assert.NoFileExists(t, p.File)

	c.Binary = filepath.Join(t.TempDir(), "none")
	_, _, err = p.Accel(t.Context(), c, []byte("{}"))
	assert.ErrorIs(t, err, qemu.ErrNotFound)
	assert.NoFileExists(t, p.File)
}
