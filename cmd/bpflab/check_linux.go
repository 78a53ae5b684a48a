// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"bpflab/harness/host/checklist"
	"bpflab/harness/host/inspect"
	"bpflab/harness/host/objects"
	"bpflab/harness/host/survey"
)

func checkCommand(h *host) *cobra.Command {
	var (
		in             inputs
		feed           feed
		format, memory string
		list           bool
	)
	limits := checklist.Default
	cmd := &cobra.Command{
		Use:   "check FILE...",
		Short: "Hold BPF programs to a checklist of fifteen points before they ship",
		Long: `Hold BPF programs to a checklist for those who ship them, of fifteen points. Each is measured on every kernel, in a
guest that counts instructions, or read from the object, or only a machine of yours can tell: then the commands to run
there are printed. Of several kernels the worst counts. A FILE is what "bpflab explain" takes; programs are run as "bpflab
bench" runs them. --list shows how each point is judged, and where its limit comes from.

Some points depend on what you know: how often the program runs (--rate, --peak), and on how fast a CPU
(--ips; the default is one instruction a cycle at 3 GHz).

Exit status: 0 no point fails, 1 some point fails or a file cannot be read, 2 usage error, 3 some point could not be
judged. Points that need you fail nothing.`,
		Example: "  bpflab check xdp.bpf.o\n  bpflab check trace.bpf.c --rate 100k --peak 1M --kernels 6.1,6.12\n" +
			"  bpflab check build/ --format sarif > check.sarif\n  bpflab check --list",
		Args: func(cmd *cobra.Command, args []string) error {
			if list {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if list {
				return listPoints(cmd.OutOrStdout())
			}
			if format != "text" && format != "json" && format != "sarif" {
				return &exit{exitUsage, fmt.Errorf("--format %s: expected text, json or sarif", format)}
			}
			if limits.Memory, err = humanize.ParseBytes(memory); err != nil {
				return &exit{exitUsage, fmt.Errorf("--memory %s: expected a size such as 64MiB", memory)}
			}
			names, err := in.choose(h, args)
			if err != nil {
				return err
			}
			load, runs, err := feed.read()
			if err != nil {
				return err
			}
			runs.Profile = true
			all, err := h.read(cmd.Context(), cmd.InOrStdin(), args, in.include, names)
			if err != nil {
				return err
			}
			s, err := h.survey(cmd.Context(), all, names, runs)
			if err != nil {
				return err
			}
			inputs, err := h.inspect(cmd.Context(), all, s)
			if err != nil {
				return err
			}
			h.progress.clear()
			r := checklist.Judge(inputs, names, load.Frames, load.Input, limits)
			if err := showCheck(cmd.OutOrStdout(), r, format); err != nil {
				return fmt.Errorf("write what was found: %w", err)
			}
			return ended(r.Sound())
		},
	}
	in.flags(cmd, h)
	feed.flags(cmd)
	cmd.Flags().Var((*siNumber)(&limits.Rate), "rate", "how often each program runs, a second on one CPU, such as 100k (default: not known)")
	cmd.Flags().Var((*siNumber)(&limits.Peak), "peak", "the same at peak load (default: not known)")
	cmd.Flags().Var((*siNumber)(&limits.IPS), "ips", "instructions a second of one CPU")
	cmd.Flags().Var((*siNumber)(&limits.PPS), "pps", "packets a second that one CPU must be able to take")
	cmd.Flags().Float64Var(&limits.Instructions, "instructions", limits.Instructions, "instructions that a mean run may take")
	cmd.Flags().IntVar(&limits.MapOps, "map-ops", limits.MapOps, "map operations that a run may make")
	cmd.Flags().StringVar(&memory, "memory", "64MiB", "memory that a program's maps may take on 32 CPUs")
	cmd.Flags().StringSliceVar(&limits.Allow, "allow", nil, "helpers for debugging, or dangerous ones, that are meant to be there")
	cmd.Flags().StringVar(&format, "format", "text", "text, json, or sarif for code scanning")
	cmd.Flags().BoolVar(&list, "list", false, "list the points, how each is judged and where its limit comes from")
	return cmd
}

// siNumber is a flag's number, which may have an SI prefix: 14.88M.
type siNumber float64

func (q *siNumber) String() string {
	if *q == 0 {
		return ""
	}
	return strings.ReplaceAll(humanize.SIWithDigits(float64(*q), 2, ""), " ", "")
}

func (q *siNumber) Set(s string) error {
	n, unit, err := humanize.ParseSI(s)
	if err != nil || unit != "" || n < 1 {
		return fmt.Errorf("expected a number of at least 1, such as 250000, 250k or 14.88M")
	}
	*q = siNumber(n)
	return nil
}

func (q *siNumber) Type() string { return "number" }

// inspect reads the objects that the guests have read.
func (h *host) inspect(ctx context.Context, all []objects.Object, s survey.Survey) ([]checklist.Input, error) {
	inputs := make([]checklist.Input, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i, o := range all {
		inputs[i].File, inputs[i].Warnings = s.Files[i], o.Warnings
		if inputs[i].Broken != "" {
			continue
		}
		group.Go(func() (err error) {
			inputs[i].Object, err = inspect.Read(ctx, h.Sandbox, o.ELF)
			return err
		})
	}
	return inputs, group.Wait()
}

func showCheck(w io.Writer, r checklist.Report, format string) error {
	switch format {
	case "json":
		return r.JSON(w)
	case "sarif":
		return r.SARIF(w, thisBuild())
	}
	var out strings.Builder
	if err := r.Text(&out, width(w)); err != nil {
		return err
	}
	_, err := io.WriteString(w, fit(w, out.String()))
	return err
}

// listPoints writes how each point is judged.
func listPoints(w io.Writer) error {
	for i, p := range checklist.Points {
		text := fmt.Sprintf("%2d. %s\n    %s\n    %s\n", i+1, p.Title, p.Rule, p.Source)
		if _, err := io.WriteString(w, fit(w, text)); err != nil {
			return err
		}
	}
	return nil
}
