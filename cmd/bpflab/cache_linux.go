// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// kept is something of the cache that goes as one.
type kept struct {
	path   string
	size   int64
	used   time.Time
	remove func() error
}

// folder is one of the cache.
type folder struct {
	name, what string
	made       bool // again when needed, without a download
}

// folders are those of the cache.
var folders = []folder{
	{"snapshots", "guests, ready to go on", true},
	{"initramfs", "what guests boot from", true},
	{"agents", "the guests' agents", true},
	{"types", "kernels' types: BTF, vmlinux.h", true},
	{"objects", "compiled BPF files", true},
	{"programs", "built Go programs", true},
	{"gopackages", "what Go programs import", true},
	{"kernels", "downloaded", false},
}

func cacheCommand(h *host) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "List what is kept, and what it takes",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := h.CacheDir()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "FOLDER\tENTRIES\tMiB\tUSED\tHOLDS")
			var total int64
			for _, f := range folders {
				list, err := h.kept(cache, f)
				if err != nil {
					return err
				}
				var size int64
				used := "-"
				for _, k := range list {
					size += k.size
				}
				if len(list) > 0 {
					used = slices.MaxFunc(list, func(a, b kept) int { return a.used.Compare(b.used) }).used.Format(time.DateTime)
				}
				total += size
				fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\n", f.name, len(list), size>>20, used, f.what)
			}
			fmt.Fprintf(w, "\t\t%d\t\t%s\n", total>>20, cache)
			return w.Flush()
		},
	}
	var (
		keep    int64
		kernels bool
	)
	prune := &cobra.Command{
		Use:   "prune",
		Short: "Remove all of it but the kernels, or the least recently used beyond --keep; it is made again when needed",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep < 0 {
				return &exit{exitUsage, fmt.Errorf("--keep is a number of MiB from 0, not %d", keep)}
			}
			cache, err := h.CacheDir()
			if err != nil {
				return err
			}
			var all []kept
			for _, f := range folders {
				if !f.made && !kernels {
					continue
				}
				list, err := h.kept(cache, f)
				if err != nil {
					return err
				}
				all = append(all, list...)
			}
			freed, err := prune(all, keep<<20)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "freed %d MiB\n", freed>>20)
			return nil
		},
	}
	prune.Flags().Int64Var(&keep, "keep", 0, "MiB to keep; 0 keeps nothing")
	prune.Flags().BoolVar(&kernels, "kernels", false, "remove kernels as well, which are downloaded again")
	cmd.AddCommand(prune)
	return cmd
}

// kept lists what a folder of the cache holds; leftovers of runs that were killed are part of it
// once they are an hour old. A lock, which others may hold, is not.
func (h *host) kept(cache string, f folder) (list []kept, err error) {
	dir := filepath.Join(cache, f.name)
	listed := map[string]bool{}
	if f.name == "snapshots" {
		snapshots, err := h.Snapshots()
		if err != nil {
			return nil, err
		}
		all, err := snapshots.List()
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			list = append(list, kept{s.Path, s.Size, s.Used, func() error { return snapshots.Drop(s.Path) }})
			base := strings.TrimSuffix(filepath.Base(s.Path), filepath.Ext(s.Path))
			listed[base+".vm"], listed[base+".json"] = true, true
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || listed[e.Name()] || strings.HasSuffix(e.Name(), ".lock") {
			continue
		}
		if strings.HasPrefix(e.Name(), ".") && time.Since(info.ModTime()) < time.Hour {
			continue // somebody works on it
		}
		path := filepath.Join(dir, e.Name())
		list = append(list, kept{path, sizeOf(path), info.ModTime(), func() error { return os.RemoveAll(path) }})
	}
	return list, nil
}

// prune removes the least recently used until the rest is at most keep bytes, and returns how
// many bytes went.
func prune(all []kept, keep int64) (freed int64, err error) {
	var total int64
	for _, k := range all {
		total += k.size
	}
	slices.SortFunc(all, func(a, b kept) int { return a.used.Compare(b.used) })
	for _, k := range all {
		if total-freed <= keep && keep > 0 {
			break
		}
		if err := k.remove(); err != nil {
			return freed, err
		}
		freed += k.size
	}
	return freed, nil
}

// sizeOf is what a file or a folder with all in it takes.
func sizeOf(path string) (n int64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it has gone
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}
