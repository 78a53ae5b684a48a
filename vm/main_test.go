// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"bpflab/vm/initramfs"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// What the tests' real guests are made of, once one is asked for.
var (
	kernel   kernels.Kernel
	initrd   string
	realDir  string
	prepared = sync.OnceValue(prepare)
)

func TestMain(m *testing.M) {
	if behaviour := os.Getenv(fakeBehaviour); behaviour != "" {
		fakeMain(behaviour)
		return
	}
	code := m.Run()
	if realDir != "" {
		os.RemoveAll(realDir)
	}
	os.Exit(code)
}

// prepare fetches a kernel, if it is not there, and builds an initramfs for it.
func prepare() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	if realDir, err = os.MkdirTemp("", "bpflab-vm-"); err != nil {
		return err
	}
	store := kernels.Store{Dir: filepath.Join(cache, "bpflab")}
	if err := store.Fetch(context.Background(), "6.1"); err != nil {
		return err
	}
	if kernel, err = store.Get("6.1"); err != nil {
		return err
	}
	agent := filepath.Join(realDir, "agent")
	cmd := exec.Command("go", "build", "-trimpath", "-o", agent, "./testdata/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	initrd = filepath.Join(realDir, "initrd")
	f, err := os.Create(initrd)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = initramfs.Build(f, agent, kernel.Modules, []string{"qemu_fw_cfg"})
	return err
}

// realGuest is a guest that does what the agent of testdata does.
func realGuest(t testing.TB, does string) Config {
	t.Helper()
	if testing.Short() {
		t.Skip("it boots a guest, which -short leaves out")
	}
	require.NoError(t, prepared(), "prepare guests")
	c := Config{
		Config:   qemu.Config{Kernel: kernel.Vmlinuz, Initrd: initrd, Accel: qemu.TCG, Exact: true},
		Deadline: 2 * time.Minute, Silence: time.Minute,
	}
	if does != "" {
		c.Cmdline = []string{"does=" + does}
	}
	return c
}
