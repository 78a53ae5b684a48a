// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/lint"
	"bpflab/harness/host/visible"
	"bpflab/runner"
)

func lintCommand(h *host) *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "lint-lab LAB",
		Short: "Check that a lab is complete, for lab authors",
		Long: `Check that a lab is complete, for lab authors: its texts, hints and TODOs; that its starter
is open and its solution passes, that each wrong submission gets the verdict it names, on each
kernel; and that its policy allows no more than is used.

Exits with 1 if something is wrong. docs/writing-a-lab.md tells how to write a lab.`,
		Args: labArgs(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			lab, err := harness.Find(labs, args[0])
			if err != nil {
				return &exit{exitUsage, err}
			}
			root, err := runner.ModuleRoot()
			if err != nil {
				return &exit{exitUsage, err}
			}
			names, err := h.Choose(names, lab.Needs.Oldest)
			if err != nil {
				return err
			}
			found, err := h.lint(cmd.Context(), cmd.OutOrStdout(), root, lab, names)
			if err != nil {
				return err
			}
			if found > 0 {
				return &exit{code: exitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&names, "kernels", nil, "kernels to grade on (default: those of the matrix that the lab runs on)")
	h.sandboxFlag(cmd)
	return cmd
}

// lint prints what was checked and what is wrong, and returns how much that is.
func (h *host) lint(ctx context.Context, w io.Writer, root string, lab *harness.Lab, names []string) (wrong int, err error) {
	tell := func(what string, found []string) {
		h.progress.clear()
		wrong += len(found)
		if len(found) == 0 {
			fmt.Fprintln(w, "ok   ", what)
			return
		}
		fmt.Fprintln(w, "WRONG", what)
		for _, f := range found {
			fmt.Fprintln(w, "       ", visible.Quote(fmt.Sprint(f)))
		}
	}
	tell("texts, hints, TODOs", lint.Texts(root, lab))

	folders, err := lint.Wrong(root, lab)
	if err != nil {
		return wrong, err
	}
	starter, solution := filepath.Join(root, "labs", lab.Name), filepath.Join(root, "solutions", lab.Name)
	unused, err := h.unused(ctx, root, lab, append([]string{starter, solution}, folders...))
	if err != nil {
		return wrong, err
	}
	tell("a policy that allows what is used", unused)

	for _, part := range []struct {
		what, folder string
		check        func(judge.Result) []string
	}{{"a starter that is open", starter, lint.Starter}, {"a solution that passes", solution, lint.Solution}} {
		result, err := h.result(ctx, lab, part.folder, names)
		if err != nil {
			return wrong, err
		}
		tell(part.what, part.check(result))
	}
	for _, folder := range folders {
		want, err := lint.ReadWant(folder, lab)
		if err != nil {
			continue // told with the texts
		}
		result, err := h.result(ctx, lab, folder, names)
		if err != nil {
			return wrong, err
		}
		var found []string
		if err := want.Check(result); err != nil {
			found = []string{err.Error()}
		}
		tell("wrong/"+filepath.Base(folder), found)
	}
	return wrong, nil
}

// result grades the submission in a folder.
func (h *host) result(ctx context.Context, lab *harness.Lab, folder string, names []string) (judge.Result, error) {
	source, err := runner.FindSubmission(lab, folder)
	if err != nil {
		return judge.Result{}, err
	}
	g, err := h.Prepare(ctx, lab, source, names)
	if err != nil {
		return judge.Result{}, err
	}
	_, result, err := g.Finish(ctx, "") // not h.grade, which would make it the last grade that hints go by
	if err == nil && !result.Complete {
		err = fmt.Errorf("%s could not be graded on every kernel", folder)
	}
	return result, err
}

// unused says what the policy allows and no object of some folders uses.
func (h *host) unused(ctx context.Context, root string, lab *harness.Lab, folders []string) ([]string, error) {
	builder, err := h.Builder()
	if err != nil {
		return nil, err
	}
	var objects []*ebpf.CollectionSpec
	for _, folder := range folders {
		object, err := builder.Compile(ctx, filepath.Join(folder, lab.File))
		if err != nil {
			continue // a submission may be wrong in this, too: its verdict says so
		}
		if spec, err := lab.Policy.Check(object.ELF); err == nil {
			objects = append(objects, spec)
		}
	}
	readme, err := os.ReadFile(filepath.Join(root, "labs", lab.Name, "README.md"))
	if err != nil {
		readme = nil // told with the texts
	}
	return lint.Unused(lab, objects, string(readme)), nil
}
