// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bpflab/harness/host/build"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

func doctorCommand(h *host) *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can do, what is missing and how to fix it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if forget {
				probe, err := h.Probe()
				if err != nil {
					return err
				}
				if err := probe.Forget(); err != nil {
					return err
				}
			}
			sick := false
			for _, c := range []struct {
				name  string
				check func(context.Context) (string, error)
			}{
				{"go", checkGo},
				{"cache", func(context.Context) (string, error) { return h.CacheDir() }},
				{"qemu", func(ctx context.Context) (string, error) { return qemu.Version(ctx, "") }},
				{"clang", h.checkClang},
				{"apt", checkApt},
				{"kernels", h.checkKernels},
				{"guests", h.checkGuest},
			} {
				found, err := c.check(cmd.Context())
				h.progress.clear()
				mark := "ok     "
				if err != nil {
					mark, found, sick = "MISSING", strings.ReplaceAll(err.Error(), "\n", "\n                 "), true
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%-8s %s %s\n", c.name, mark, found)
			}
			if sick {
				return &exit{code: exitInfra}
			}
			return cmd.Context().Err()
		},
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "forget whether KVM works, and boot a guest again to find out")
	return cmd
}

// goVersion is go.mod's.
const goVersion = "go1.26"

// checkGo asks Go for its version. A grade of a lab with a Go program builds it.
func checkGo(ctx context.Context) (string, error) {
	const advice = "install Go 1.26 or later, from go.dev/dl or your system's backports, and put it on PATH"
	path, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("go not found: %s", advice)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w: %s", path, errors.Join(ctx.Err(), err), advice)
	}
	words := strings.Fields(string(out))
	if len(words) < 3 {
		return "", fmt.Errorf("ask %s for its version: expected \"go version go…\", found %.80q: %s", path, out, advice)
	}
	if v := words[2]; version.IsValid(v) && version.Compare(v, goVersion) < 0 {
		return "", fmt.Errorf("%s is %s, which is too old: %s", path, v, advice)
	}
	return words[2], nil
}

// checkClang compiles the least BPF program that includes what the labs include.
func (h *host) checkClang(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "bpflab-doctor-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "doctor.bpf.c")
	text := "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nSEC(\"xdp\") int doctor(void *ctx) { return !ctx; }\n"
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		return "", err
	}
	object, err := build.Compile(ctx, dir, source)
	if err != nil {
		return "", err
	}
	return object.Clang, nil
}

func checkApt(context.Context) (string, error) {
	path, err := exec.LookPath("apt-get")
	if err != nil {
		return "", fmt.Errorf("no apt-get: kernels cannot be fetched here; add them with `bpflab kernels add NAME --vmlinuz FILE --modules DIR`")
	}
	return path, nil
}

func (h *host) checkKernels(context.Context) (string, error) {
	store, err := h.Store()
	if err != nil {
		return "", err
	}
	list, err := store.List()
	if err != nil {
		return "", err
	}
	var have, lack []string
	for _, k := range list {
		if k.State == kernels.Cached {
			have = append(have, k.Name)
		} else {
			lack = append(lack, k.Name+" ("+string(k.State)+")")
		}
	}
	if len(lack) > 0 {
		return "", fmt.Errorf("%s; `bpflab kernels fetch` gets them", strings.Join(lack, ", "))
	}
	return strings.Join(have, ", "), nil
}

// checkGuest boots one, if there is a kernel for it.
func (h *host) checkGuest(ctx context.Context) (string, error) {
	if _, err := qemu.Version(ctx, ""); err != nil {
		return "", errors.New("no QEMU to boot one with; see above")
	}
	store, err := h.Store()
	if err != nil {
		return "", err
	}
	for _, name := range kernels.Names() {
		k, err := store.Get(name)
		if err != nil {
			continue
		}
		h.progress.Set("guests", "boot "+name)
		accel, why, err := h.ProbeKVM(ctx, k)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("tcg; with --kvm, guests of two CPUs: %s (%s)", accel, why), nil
	}
	return "", fmt.Errorf("no kernel to boot one with; `bpflab kernels fetch` gets them")
}
