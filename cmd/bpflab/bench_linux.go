// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"bpflab/harness/host/runcost"
	"bpflab/harness/job"
	"bpflab/runner"
)

func benchCommand(h *host) *cobra.Command {
	var (
		in              inputs
		feed            feed
		format, against string
		byFrame         bool
	)
	cmd := &cobra.Command{
		Use:   "bench FILE...",
		Short: "Say what a run of BPF programs costs on each kernel, to the instruction",
		Long: `Run BPF programs on every kernel, in a guest that counts instructions, and say what a run costs over a program
that does nothing at the same place. The same object gives the same figures on every machine. A FILE is what
"bpflab explain" takes.

XDP, tc, socket filter, cgroup_skb, LWT and flow dissector programs are run on frames, each frame six times; the
median of the last five counts. Programs of type syscall and sk_lookup are run on a context. Those at kprobes,
tracepoints, raw tracepoints, fentry, fexit, LSM hooks, control groups and perf events are attached, and some 120
system calls of many kinds are made, over and over; iterators are read. The kernel takes the time of each run. Maps
are empty at first but for what --map gives, so a tail call fails, and the program continues after it. Programs of other types, and
those that do not run then, say so.

Exit status: 0 all run, 1 some not, 2 usage error, 3 some could not be judged.`,
		Example: "  bpflab bench xdp.bpf.o\n  bpflab bench xdp.bpf.c --packets capture.pcap --by-frame\n  bpflab bench new.bpf.o --against old.bpf.o --kernels 6.12\n" +
			"  bpflab bench xdp.bpf.o --format go > new.txt; benchstat old.txt new.txt",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" && format != "go" {
				return &exit{exitUsage, fmt.Errorf("--format %s: expected text, json or go", format)}
			}
			if against != "" && (format != "text" || byFrame) {
				return &exit{exitUsage, errors.New("--against writes text, of all frames: leave --format and --by-frame out")}
			}
			files := args
			if against != "" {
				files = append(files, against)
			}
			names, err := in.choose(h, files)
			if err != nil {
				return err
			}
			c, runs, err := feed.read()
			if err != nil {
				return err
			}
			if c.Survey, err = h.explain(cmd.Context(), cmd.InOrStdin(), args, in.include, names, runs); err != nil {
				return err
			}
			show := func(w io.Writer) error { return c.Text(w, width(cmd.OutOrStdout()), byFrame) }
			ran, complete := c.Ran()
			switch {
			case against != "":
				other, err := h.explain(cmd.Context(), cmd.InOrStdin(), []string{against}, in.include, names, runs)
				if err != nil {
					return err
				}
				show = func(w io.Writer) error { return c.Against(w, width(cmd.OutOrStdout()), other) }
				otherRan, otherComplete := runcost.Costs{Survey: other}.Ran()
				ran, complete = ran && otherRan, complete && otherComplete
			case format == "json":
				show = c.JSON
			case format == "go":
				show = c.Go
			}
			h.progress.clear()
			var out strings.Builder
			if err := show(&out); err != nil {
				return err
			}
			if format == "go" { // which has no place for them
				for _, note := range c.Notes() {
					fmt.Fprintln(cmd.ErrOrStderr(), note)
				}
			}
			text := out.String()
			if format == "text" { // the others are for programs
				text = fit(cmd.OutOrStdout(), text)
			}
			if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
				return fmt.Errorf("write what was found: %w", err)
			}
			return ended(ran, complete)
		},
	}
	in.flags(cmd, h)
	feed.flags(cmd)
	cmd.Flags().BoolVar(&byFrame, "by-frame", false, "show the cost for each kind of frame too")
	cmd.Flags().StringVar(&format, "format", "text", "text, json, or go for benchstat")
	cmd.Flags().StringVar(&against, "against", "", "compare with the programs of the same names in this FILE")
	return cmd
}

// feed are the flags of commands that run any BPF programs: what they run them on.
type feed struct {
	packets, context string
	maps             []string
}

func (f *feed) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.packets, "packets", "", "run on the frames of this capture, pcap or pcapng (default: a mix of 256 frames, most of them UDP)")
	cmd.Flags().StringVar(&f.context, "ctx", "", "FILE whose bytes are the context of programs that take one: syscall, sk_lookup, raw tracepoint, or beside a frame")
	cmd.Flags().StringArrayVar(&f.maps, "map", nil, `NAME=FILE: fill a map with the entries of a JSON file, [{"key": 1, "value": "0x0a000001"}]; may be given several times`)
}

// read reads what programs are run on.
func (f *feed) read() (c runcost.Costs, runs runner.Runs, err error) {
	c.Input, c.Context = "bpflab's mix", f.context
	usage := func(err error) (runcost.Costs, runner.Runs, error) { return c, runs, &exit{exitUsage, err} }
	if f.packets == "" {
		runs.Frames, c.Frames = runcost.Mix()
	} else {
		c.Input = f.packets
		if err := reading(f.packets, func(r io.Reader) (err error) {
			runs.Frames, c.Frames, err = runcost.ReadPackets(r)
			return err
		}); err != nil {
			return usage(err)
		}
	}
	if f.context != "" {
		if err := reading(f.context, func(r io.Reader) (err error) {
			runs.Context, err = io.ReadAll(io.LimitReader(r, maxContext+1))
			if n := len(runs.Context); err == nil && (n == 0 || n > maxContext) {
				err = fmt.Errorf("expected a context of 1 to %d bytes", maxContext)
			}
			return err
		}); err != nil {
			return usage(err)
		}
	}
	for _, m := range f.maps {
		name, file, ok := strings.Cut(m, "=")
		if !ok || runs.Maps[name] != nil {
			return usage(fmt.Errorf("--map %s: expected NAME=FILE, each NAME once", m))
		}
		if runs.Maps == nil {
			runs.Maps = map[string][]job.Entry{}
		}
		if err := reading(file, func(r io.Reader) (err error) {
			runs.Maps[name], err = runcost.ReadEntries(r)
			return err
		}); err != nil {
			return usage(err)
		}
	}
	return c, runs, nil
}

// maxContext is the largest context that a kernel takes.
const maxContext = 1<<16 - 1

// reading has a file read.
func reading(name string, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// ended says how a command ends that looked at many programs: whether all is well, and whether each could be judged.
func ended(well, complete bool) error {
	switch {
	case !complete:
		return &exit{code: exitInfra}
	case !well:
		return &exit{code: exitFailed}
	}
	return nil
}
