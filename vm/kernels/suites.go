// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// update reads what the suites of the wanted kernels hold. What could not be
// read is remembered by suite, for a kernel that is not found elsewhere.
func (a *apt) update(ctx context.Context, want []series) (index, error) {
	mirrors, err := hostMirrors(ctx)
	if err != nil {
		return nil, err
	}
	var suites []string
	for _, w := range want {
		suites = append(suites, w.Suites...)
	}
	slices.Sort(suites)
	suites = slices.Compact(suites)

	var list strings.Builder
	a.unread = make(map[string]error)
	for _, suite := range suites {
		uri, err := mirrors.of(suite)
		if err != nil {
			a.unread[suite] = err
			continue
		}
		fmt.Fprintf(&list, "deb [arch=amd64 target=Packages signed-by=%s] %s %s main\n", keyring, uri, suite)
	}
	if err := os.WriteFile(filepath.Join(a.dir, "sources.list"), []byte(list.String()), 0o644); err != nil {
		return nil, err
	}
	a.say("reading the package lists of %s", strings.Join(suites, ", "))
	_, updateErr := a.get(ctx, a.dir, "update", "-oAPT::Update::Error-Mode=any")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}

	var ix index
	for _, suite := range suites {
		if a.unread[suite] != nil {
			continue
		}
		if err := ix.readSuite(filepath.Join(a.dir, "lists"), suite); err != nil {
			a.unread[suite] = cmp.Or(updateErr, err)
		}
	}
	return ix, nil
}

// allRead is an error if a suite that may hold the kernel could not be read.
func (a *apt) allRead(want series) error {
	for _, suite := range want.Suites {
		if err := a.unread[suite]; err != nil {
			return fmt.Errorf("package list of %s, for kernel %s: %w", suite, want.Name, err)
		}
	}
	return nil
}

func (ix *index) readSuite(lists, suite string) error {
	files, err := filepath.Glob(filepath.Join(lists, "*_dists_"+suite+"_main_binary-amd64_Packages"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("package list of %s: %w", suite, fs.ErrNotExist)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = ix.read(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("package list of %s: %w", suite, err)
		}
	}
	return nil
}
