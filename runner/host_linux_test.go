// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/vm/kernels"
)

func TestChoose(t *testing.T) {
	h := &Host{Cache: t.TempDir(), Progress: notices{t}}
	all, err := h.Choose(nil, "")
	require.NoError(t, err)
	assert.Equal(t, kernels.Names(), all)
	since, err := h.Choose(nil, "5.11")
	require.NoError(t, err)
	assert.Equal(t, kernels.Names()[1:], since, "all but 5.10")
	named, err := h.Choose([]string{"6.12", "5.10"}, "5.10")
	require.NoError(t, err)
	assert.Equal(t, []string{"6.12", "5.10"}, named, "in the caller's order")

	var usage *UsageError
	for _, tt := range []struct {
		names  []string
		oldest string
		want   string
	}{
		{[]string{}, "", "--kernels names no kernel"},
		{[]string{"6.12", "6.1", "6.12"}, "", "--kernels names 6.12 twice"},
		{[]string{"6.12", "6.1"}, "6.6", "--kernels names 6.1, which is Linux 6.1; this lab needs 6.6 or later"},
	} {
		_, err := h.Choose(tt.names, tt.oldest)
		require.ErrorAs(t, err, &usage, "%q", tt.names)
		assert.EqualError(t, err, tt.want)
	}
	// An added kernel is as old as its release.
	image := make([]byte, 1024+64) // the least that passes for one
	image[0x1f1], image[0x1f4], image[0x20f] = 1, 4, 1
	copy(image[0x202:], "HdrS")
	copy(image[0x300:], "5.4.0-mine (builder@host)")
	vmlinuz := filepath.Join(t.TempDir(), "vmlinuz")
	require.NoError(t, os.WriteFile(vmlinuz, image, 0o644))
	store, err := h.Store()
	require.NoError(t, err)
	_, err = store.Add(t.Context(), "mine", vmlinuz, "")
	require.NoError(t, err)
	_, err = h.Choose([]string{"mine"}, "5.4")
	require.NoError(t, err)
	_, err = h.Choose([]string{"mine"}, "5.10")
	assert.EqualError(t, err, "--kernels names mine, which is Linux 5.4.0-mine; this lab needs 5.10 or later")

	_, err = h.Choose([]string{"4.2"}, "")
	assert.ErrorIs(t, err, kernels.ErrUnknown)
}
