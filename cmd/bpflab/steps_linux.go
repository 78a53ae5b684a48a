// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/trace"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
	"bpflab/runner"
)

func runCommand(h *host) *cobra.Command {
	var (
		from, kernel, format string
		count                int
	)
	cmd := &cobra.Command{
		Use:   "run LAB",
		Short: "Run a submission on a few frames or system calls, and show what it makes of each",
		Long: `Run a submission's BPF program in a guest on a few frames (lab 12.1) or system calls (12.2, 12.3), and
show what it makes of each, beside what it should: what it returns, counts or sends. Then come the
contents of its maps and variables. The frames and calls are the same each time, and are none that
a grade uses. The Go program of a lab does not run.

The program may use bpf_printk here: what it prints during a frame or call is shown below that. A
program that prints at every system call of the machine prints more than is shown. Remove
bpf_printk before grading.

Exit status: 0 all is as it should be, 1 something is not, or the program was refused or rejected,
2 usage error, 3 the guest failed.`,
		Example: "  bpflab run lab12_1\n  bpflab run lab12_2 --from ~/submissions/ada --kernel 5.10 --count 20",
		Args:    labArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err == nil {
				err = wrongRun(lab, count, cmd.Flags().Changed("count"), format)
			}
			if err != nil {
				return &exit{exitUsage, err}
			}
			only := *lab
			only.Program = "" // may be missing
			source, err := runner.FindSubmission(&only, from)
			if err != nil {
				return &exit{exitUsage, err}
			}
			if _, err := h.Choose([]string{kernel}, lab.Needs.Oldest); err != nil {
				return err
			}
			r, err := h.steps(cmd.Context(), lab, source.BPF, kernel, count)
			if err != nil {
				return err
			}
			h.progress.clear()
			write := r.JSON
			if format == "text" {
				write = func(w io.Writer) error { return writeRun(w, r, width(w)) }
			}
			if err := write(cmd.OutOrStdout()); err != nil {
				return err
			}
			if !r.Right() {
				return &exit{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "folder of the submission (default: labs/LAB of the clone)")
	cmd.Flags().StringVar(&kernel, "kernel", "6.12", "kernel to run on; also: host, or one that \"kernels add\" added")
	cmd.Flags().IntVar(&count, "count", 0, fmt.Sprintf("frames or calls, up to %d (default: some of each kind)", job.MaxSteps))
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.Flags().Bool("trace", false, "")
	_ = cmd.Flags().MarkHidden("trace") // what this command does without it, too
	h.sandboxFlag(cmd)
	return cmd
}

// writeRun writes a run for people, in so many columns; 0: w is no terminal.
func writeRun(w io.Writer, r trace.Run, columns int) error {
	var text strings.Builder
	if err := r.Text(&text, columns); err != nil {
		return err
	}
	if _, err := io.WriteString(visible.Trusted(w), fitted(text.String(), columns)); err != nil {
		return fmt.Errorf("write what was seen: %w", err)
	}
	return nil
}

// wrongRun says what is wrong with how a run is asked for.
func wrongRun(lab *harness.Lab, count int, counted bool, format string) error {
	switch {
	case lab.Steps == nil:
		return fmt.Errorf("%s has no frames or calls to run on", lab.Name)
	case counted && (count < 1 || count > job.MaxSteps):
		return fmt.Errorf("--count: expected 1 to %d, found %d", job.MaxSteps, count)
	case format != "text" && format != "json":
		return fmt.Errorf("--format is text or json, not %q", format)
	}
	return nil
}

// steps runs a submission's BPF file step by step.
func (h *host) steps(ctx context.Context, lab *harness.Lab, bpf, kernel string, count int) (trace.Run, error) {
	g, err := h.PrepareSteps(ctx, lab, bpf, kernel)
	if err != nil {
		return trace.Run{}, err
	}
	r := trace.Run{Lab: lab.Name, Title: lab.Title, File: lab.File, SHA256: g.Receipt.Submission.SHA256, Kernel: kernel}
	if refused := g.Receipt.Refused; refused != nil {
		r.Problem = &trace.Problem{Message: "nothing was run: " + refused.Reason, Details: refused.Details}
		return r, nil
	}
	o, err := g.Steps(ctx, count)
	if err != nil {
		return r, err
	}
	err = show(&r, lab, g.Job.ELF, o)
	return r, err
}

// show fills a run with what a guest saw of a submission's object.
func show(r *trace.Run, lab *harness.Lab, elf []byte, o job.Observations) (err error) {
	if r.Trace, err = lab.Steps(o); err != nil {
		// As a grade's first task says it: the program was rejected, is too long to be run, or ended the guest.
		first := judge.Judge(lab.Tasks[:1], []judge.Case{{Kernel: r.Kernel, Observations: o}}).Kernels[0].Tasks[0]
		if first.Status != judge.Fail {
			return err
		}
		r.Problem = &trace.Problem{Message: first.Message, Details: first.Details}
		return nil
	}
	spec, err1 := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(elf))
	maps, err2 := job.GetHeld(o)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	r.Held = trace.Read(spec, maps)
	return nil
}
