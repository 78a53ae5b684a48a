// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"bpflab/harness/host/linecost"
	"bpflab/harness/host/runcost"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

func profileCommand(h *host) *cobra.Command {
	var (
		in              inputs
		packets, format string
		all             bool
		pprofTo, lcovTo string
	)
	cmd := &cobra.Command{
		Use:   "profile FILE...",
		Short: "Say which source lines the cost of BPF programs is in",
		Long: `Run BPF programs as "bpflab bench" does, and say for each line of their source how often it runs, what its machine
code costs and what the helpers cost that it calls. A FILE is what "bpflab explain" takes.

How often a line runs, and what calls take, is found with a copy of the program that counts; the cost of a run is that
of the program itself. What the lines do not add up to is shown as the remainder.

Exit status: 0 all profiled, 1 some not, 2 usage error, 3 some could not be judged.`,
		Example: "  bpflab profile xdp.bpf.c\n  bpflab profile xdp.bpf.c --kernels 5.10,7.3 --packets capture.pcap\n" +
			"  bpflab profile xdp.bpf.o --pprof xdp.pb.gz; go tool pprof -http : xdp.pb.gz",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "text" && format != "json" {
				return &exit{exitUsage, fmt.Errorf("--format %s: expected text or json", format)}
			}
			if len(in.names) == 0 {
				all := kernels.Names()
				in.names = all[len(all)-1:]
			}
			names, err := in.choose(h, args)
			if err != nil {
				return err
			}
			c, frames, err := inputOf(packets)
			if err != nil {
				return err
			}
			if c.Survey, err = h.explain(cmd.Context(), cmd.InOrStdin(), args, in.include, names, runner.Runs{Frames: frames, Profile: true}); err != nil {
				return err
			}
			h.progress.clear()
			for name, write := range map[string]func(io.Writer, runcost.Costs) error{pprofTo: linecost.Pprof, lcovTo: linecost.Lcov} {
				if name != "" {
					if err := writeFile(name, func(w io.Writer) error { return write(w, c) }); err != nil {
						return err
					}
				}
			}
			out := cmd.OutOrStdout()
			if format == "json" {
				err = linecost.JSON(out, c)
			} else {
				err = linecost.Text(out, c, linecost.Options{Columns: width(out), All: all})
			}
			if err != nil {
				return fmt.Errorf("write the profile: %w", err)
			}
			return ended(linecost.Profiled(c))
		},
	}
	in.flags(cmd, h)
	cmd.Flags().Lookup("kernels").Usage = "kernels to run on; several are shown side by side (default: the newest of the matrix)"
	cmd.Flags().StringVar(&packets, "packets", "", packetsUsage)
	cmd.Flags().BoolVar(&all, "all", false, "show lines that cost less than 1% as well, of programs of more than 40 lines")
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().StringVar(&pprofTo, "pprof", "", "write the profile to this FILE as well, for go tool pprof")
	cmd.Flags().StringVar(&lcovTo, "lcov", "", "write how often lines ran to this FILE as well, for genhtml and editors")
	return cmd
}
