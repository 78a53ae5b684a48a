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
	"bpflab/runner"
)

func benchCommand(h *host) *cobra.Command {
	var (
		in                       inputs
		format, packets, against string
		byFrame                  bool
	)
	cmd := &cobra.Command{
		Use:   "bench FILE...",
		Short: "Say what a run of BPF programs costs on each kernel, to the instruction",
		Long: `Run BPF programs on every kernel, in a guest that counts instructions, and say what a run costs over a program
that does nothing at the same place. The same object gives the same figures on every machine. A FILE is what
"bpflab explain" takes.

XDP, tc, socket filter, cgroup_skb, LWT and flow dissector programs are run on frames, each frame six times; the
median of the last five counts. Maps are empty at first. Kprobe, kretprobe, tracepoint, raw tracepoint, fentry and
fexit programs are attached, and some 75 system calls of many kinds are made, over and over; the kernel takes the
time of each run. Programs of other types, and those that do not run then, say so.

Exit status: 0 all run, 1 some not, 2 usage error, 3 some could not be judged.`,
		Example: "  bpflab bench xdp.bpf.o\n  bpflab bench xdp.bpf.c --packets capture.pcap --by-frame\n  bpflab bench new.bpf.o --against old.bpf.o --kernels 6.12\n" +
			"  bpflab bench xdp.bpf.o --format go > new.txt; benchstat old.txt new.txt",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" && format != "go" {
				return &exit{exitUsage, fmt.Errorf("--format %s: expected text, json or go", format)}
			}
			if against != "" && format != "text" {
				return &exit{exitUsage, errors.New("--against writes text: leave --format out")}
			}
			files := args
			if against != "" {
				files = append(files, against)
			}
			names, err := in.choose(h, files)
			if err != nil {
				return err
			}
			c, frames, err := inputOf(packets)
			if err != nil {
				return err
			}
			if c.Survey, err = h.explain(cmd.Context(), cmd.InOrStdin(), args, in.include, names, runner.Runs{Frames: frames}); err != nil {
				return err
			}
			show := func(w io.Writer) error { return c.Text(w, width(cmd.OutOrStdout()), byFrame) }
			switch {
			case against != "":
				other, err := h.explain(cmd.Context(), cmd.InOrStdin(), []string{against}, in.include, names, runner.Runs{Frames: frames})
				if err != nil {
					return err
				}
				show = func(w io.Writer) error { return c.Against(w, width(cmd.OutOrStdout()), other) }
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
			text := out.String()
			if format == "text" { // the others are for programs
				text = fit(cmd.OutOrStdout(), text)
			}
			if _, err := io.WriteString(cmd.OutOrStdout(), text); err != nil {
				return fmt.Errorf("write what was found: %w", err)
			}
			return ended(c.Ran())
		},
	}
	in.flags(cmd, h)
	cmd.Flags().StringVar(&packets, "packets", "", packetsUsage)
	cmd.Flags().BoolVar(&byFrame, "by-frame", false, "show the cost for each kind of frame too")
	cmd.Flags().StringVar(&format, "format", "text", "text, json, or go for benchstat")
	cmd.Flags().StringVar(&against, "against", "", "compare with the programs of the same names in this FILE")
	return cmd
}

const packetsUsage = "run on the frames of this capture, pcap or pcapng (default: a mix of 256 frames, most of them UDP)"

// inputOf reads the frames that programs are run on.
func inputOf(packets string) (c runcost.Costs, frames [][]byte, err error) {
	if packets == "" {
		c.Input = "bpflab's mix"
		frames, c.Frames = runcost.Mix()
		return c, frames, nil
	}
	f, err := os.Open(packets)
	if err != nil {
		return c, nil, &exit{exitUsage, err}
	}
	defer f.Close()
	c.Input = packets
	if frames, c.Frames, err = runcost.ReadPackets(f); err != nil {
		return c, nil, &exit{exitUsage, fmt.Errorf("read %s: %w", packets, err)}
	}
	return c, frames, nil
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
