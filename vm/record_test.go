// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"bpflab/vm/qemu"
)

// What is kept between two runs may be damaged: it is then made anew, and nothing is taken from it.
func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"name":"6.12-exact","size":4,"crc32c":0,"parts":["a"],"created":"2026-01-01T00:00:00Z"}`), []byte("vm\x00\x00"))
	f.Add([]byte(`{"size":-1}`), []byte{})
	f.Add([]byte(`{"Key":"x","Accel":"kvm","Why":""}`), []byte("x"))
	f.Fuzz(func(t *testing.T, record, saved []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "a"+snapshotExt)
		require.NoError(t, os.WriteFile(path, saved, 0o644))
		require.NoError(t, os.WriteFile(recordOf(path), record, 0o644))
		file, err := openSnapshot(path)
		if err == nil {
			file.Close()
			if !whole(path) {
				t.Error("opened, but not whole")
			}
		}
		p := Probe{File: recordOf(path), KVM: filepath.Join(dir, "none")}
		accel, _, err := p.Accel(t.Context(), Config{}, nil)
		require.NoError(t, err)
		require.Equal(t, qemu.TCG, accel, "there is no device")
		if _, err := (Snapshots{Dir: dir}).Prune(1 << 20); err != nil {
			t.Error(err)
		}
	})
}
