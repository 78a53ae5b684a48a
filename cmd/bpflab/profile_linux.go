// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/inspect"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/linecost"
	"bpflab/harness/host/runcost"
	"bpflab/harness/host/survey"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

func profileCommand(h *host) *cobra.Command {
	var (
		in              inputs
		feed            feed
		from, format    string
		all             bool
		pprofTo, lcovTo string
	)
	cmd := &cobra.Command{
		Use:   "profile LAB|FILE...",
		Short: "Say which source lines the cost of BPF programs is in",
		Long: `Run BPF programs as "bpflab bench" does, and say for each line of their source how often it runs, what its machine
code costs and what the helpers cost that it calls. A FILE is what "bpflab explain" takes. Of a LAB it is your BPF file
that is run, on the packets or system calls of the tasks that grade its cost.

How often a line runs, and what calls take, is found with a copy of the program that counts; the cost of a run is that
of the program itself. What the lines do not add up to is shown as the remainder.

Exit status: 0 all profiled, 1 some not, 2 usage error, 3 some could not be judged.`,
		Example: "  bpflab profile lab12_1\n  bpflab profile xdp.bpf.c\n  bpflab profile xdp.bpf.c --kernels 5.10,7.3 --packets capture.pcap\n" +
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
			lab, _ := harness.Find(labs, args[0])
			if lab != nil && len(args) > 1 {
				lab = nil // files, one of which has a lab's name
			}
			if err := noUse(cmd, lab != nil, []string{"packets", "ctx", "map", "include"}, []string{"from"}); err != nil {
				return err
			}
			var (
				c    runcost.Costs
				path func(file, program string) inspect.Count
				err  error
			)
			if lab != nil {
				c, err = h.profileLab(cmd.Context(), lab, from, in.names)
			} else {
				c, path, err = h.profileFiles(cmd.Context(), cmd.InOrStdin(), args, in, feed)
			}
			if err != nil {
				return err
			}
			h.progress.clear()
			for _, to := range []struct {
				name  string
				write func(io.Writer, runcost.Costs) error
			}{{pprofTo, linecost.Pprof}, {lcovTo, linecost.Lcov}} {
				if to.name == "" {
					continue
				}
				if err := writeFile(to.name, func(w io.Writer) error { return to.write(w, c) }); err != nil {
					return err
				}
			}
			out := cmd.OutOrStdout()
			if format == "json" {
				err = linecost.JSON(out, c)
			} else {
				var text strings.Builder
				if err = linecost.Text(&text, c, linecost.Options{Columns: width(out), All: all, Path: path}); err == nil {
					_, err = io.WriteString(out, fit(out, text.String()))
				}
			}
			if err != nil {
				return fmt.Errorf("write the profile: %w", err)
			}
			return ended(linecost.Profiled(c))
		},
	}
	in.flags(cmd, h)
	cmd.Flags().Lookup("kernels").Usage = "kernels to run on; several are shown side by side (default: the newest of the matrix)"
	cmd.Flags().StringVar(&from, "from", "", "of a LAB: folder of the submission (default: labs/LAB of the clone)")
	feed.flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "show lines that cost less than 1% as well, of programs of more than 40 lines")
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().StringVar(&pprofTo, "pprof", "", "write the profile to this FILE as well, for go tool pprof")
	cmd.Flags().StringVar(&lcovTo, "lcov", "", "write how often lines ran to this FILE as well, for genhtml and editors")
	return cmd
}

// noUse fails if a flag is given that has no use for a lab, or for files.
func noUse(cmd *cobra.Command, lab bool, ofFiles, ofLab []string) error {
	flags, what := ofLab, "FILE"
	if lab {
		flags, what = ofFiles, "LAB"
	}
	for _, name := range flags {
		if cmd.Flags().Changed(name) {
			return &exit{exitUsage, fmt.Errorf("--%s has no use for a %s", name, what)}
		}
	}
	return nil
}

// profileFiles profiles the programs of files, and finds the longest path through each.
func (h *host) profileFiles(ctx context.Context, stdin io.Reader, files []string, in inputs, f feed) (c runcost.Costs, path func(file, program string) inspect.Count, err error) {
	names, err := in.choose(h, files)
	if err != nil {
		return c, nil, err
	}
	c, runs, err := f.read()
	if err != nil {
		return c, nil, err
	}
	all, err := h.read(ctx, stdin, files, in.include, names)
	if err != nil {
		return c, nil, err
	}
	runs.Profile = true
	if c.Survey, err = h.survey(ctx, all, names, runs); err != nil {
		return c, nil, err
	}
	inputs, err := h.inspect(ctx, all, c.Survey)
	return c, func(file, program string) inspect.Count {
		for _, i := range inputs {
			for _, p := range i.Object.Programs {
				if i.Name == file && p.Name == program {
					return p.Path
				}
			}
		}
		return inspect.Count{Bound: "the object cannot be read"}
	}, err
}

// profileLab profiles a lab's submission.
func (h *host) profileLab(ctx context.Context, lab *harness.Lab, from string, names []string) (c runcost.Costs, err error) {
	only := *lab
	only.Program = "" // may be missing
	source, err := runner.FindSubmission(&only, from)
	if err != nil {
		return c, &exit{exitUsage, err}
	}
	if names, err = h.Choose(names, lab.Needs.Oldest); err != nil {
		return c, err
	}
	c.Input = "in the scenes of " + lab.Name + " whose cost is graded"
	c.Kernels = names
	g, err := h.PrepareSteps(ctx, lab, source.BPF, names...)
	if err != nil {
		return c, err
	}
	p := survey.Program{On: make([]job.Loaded, len(names))}
	for i, name := range names {
		if p.On[i], err = profileOn(ctx, g, name); err != nil {
			return c, err
		}
	}
	c.Files = []survey.File{{Name: source.BPF, Programs: []survey.Program{p}}}
	return c, nil
}

// profileOn profiles a lab's submission on one kernel.
func profileOn(ctx context.Context, g *runner.Grading, kernel string) (l job.Loaded, err error) {
	if refused := g.Receipt.Refused; refused != nil {
		l.Lacks = "not run: " + refused.Reason + "\n" + strings.Join(refused.Details, "\n")
		return l, nil
	}
	o, err := g.Profile(ctx, kernel)
	if err != nil {
		return l, err
	}
	if fate, err := o.GetFate(); err == nil {
		l.Lacks = fmt.Sprintf("not run to its end: it ended its guest, which was at %q: %s", fate.Stage, fate.Trouble)
		return l, nil
	}
	if l.Profile, err = job.GetProfile(o); err == nil && l.Profile.Error != "" {
		l.Lacks = "no profile: " + l.Profile.Error + "; bpflab explain says more"
	}
	l.Accepted = l.Lacks == ""
	return l, err
}

// mostLines is how many of a program's lines a grade names, and worth what share of the cost a line must be.
const (
	mostLines = 3
	worth     = 0.08
)

// expensive says, of a grade in which points were lost for what a run costs, which lines the cost is in: on the kernel
// of the score. It is empty where there is nothing to say.
func expensive(ctx context.Context, lab *harness.Lab, g *runner.Grading, result judge.Result, of string) (string, error) {
	k := result.Lowest()
	lost := func(n int) bool {
		t := k.Tasks[n]
		return lab.Tasks[n].Cost && t.Status == judge.Fail && !t.Waits
	}
	if !result.Complete || !slices.ContainsFunc(result.Left(), lost) {
		return "", nil
	}
	l, err := profileOn(ctx, g, k.Name)
	if err != nil {
		return "", err
	}
	p, err := linecost.Of(l)
	if err != nil { // the tasks have said what is wrong with it
		return "", nil
	}
	var lines []string
	for _, line := range p.Expensive(mostLines, worth) {
		lines = append(lines, visible.Line(line))
	}
	if lines == nil {
		return "", nil
	}
	return fmt.Sprintf("Where a run spends its instructions, some %.0f on %s:\n- %s\n./bpflab profile %s shows every line.", p.Total, k.Name, strings.Join(lines, "\n- "), of), nil
}
