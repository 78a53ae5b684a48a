// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bpflab/harness/host/explain"
	"bpflab/harness/host/objects"
	"bpflab/harness/host/survey"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
	"bpflab/runner"
	"bpflab/vm/kernels"
)

func explainCommand(h *host) *cobra.Command {
	var (
		in                 inputs
		list, full, states bool
		format, compareTo  string
		log                string
	)
	cmd := &cobra.Command{
		Use:   "explain FILE...",
		Short: "Say what each kernel's verifier makes of BPF programs, and what that means",
		Long: `Load BPF programs on every kernel, each by itself, in a guest; say which are accepted, and of each
rejection what the verifier said, of which line, what that means and what to try. Any program will do,
a lab's or not.

A FILE is C source (*.c), which is compiled for a little-endian machine; a BPF object; a folder or an
archive (.tar, .tar.gz, .tgz, .zip), of which each BPF source and each BPF object is taken; or - for
standard input. Headers are looked for beside a source, in each -I, and in the system's folders. A
vmlinux.h that is not there is made by bpftool, of the newest of the kernels with which the source
compiles.

--states follows the verifier to a rejection: each source line on its path, the line's instructions, and
beside each the registers and stack slots that it changed. A * marks what goes into the register that the
message names. Where several kernels reject for the same kind of reason, the newest one's path is shown.
Of a path of more than 60 instructions it shows what is marked and the end, and with --full all of it.

Exit status: 0 all accepted, 1 some not, 2 usage error, 3 some could not be judged.`,
		Example: "  bpflab explain counter.bpf.c\n  bpflab explain build/ --kernels 5.10,6.12\n" +
			"  bpflab explain x.bpf.o --kernels 6.12 --format csv > old.csv\n  bpflab explain x.bpf.o --kernels 6.12 --compare old.csv\n  bpflab explain counter.bpf.c --kernels 6.12 --states\n  bpflab explain --log error.txt --states\n  bpflab explain --list",
		Args: func(cmd *cobra.Command, args []string) error {
			if list || log != "" {
				return cobra.NoArgs(cmd, args)
			}
			return cobra.MinimumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listKinds(cmd.OutOrStdout())
			}
			if log != "" {
				if cmd.Flags().Changed("format") || compareTo != "" {
					return &exit{exitUsage, errors.New("--log writes text: leave --format and --compare out")}
				}
				return explainLog(cmd.OutOrStdout(), cmd.InOrStdin(), log, survey.Detail{Full: full, States: states})
			}
			show, err := surveyFormat(format, compareTo)
			if err != nil {
				return &exit{exitUsage, err}
			}
			if (full || states) && (format == "csv" || compareTo != "") {
				return &exit{exitUsage, errors.New("--full and --states have no place in a table of figures: leave them out, or --format csv and --compare")}
			}
			names, err := in.choose(h, args)
			if err != nil {
				return err
			}
			s, err := h.explain(cmd.Context(), cmd.InOrStdin(), args, in.include, names, runner.Runs{Whole: full || states})
			if err != nil {
				return err
			}
			s.Detail = survey.Detail{Full: full, States: states}
			h.progress.clear()
			if err := show(cmd.OutOrStdout(), s); err != nil {
				return fmt.Errorf("write what was found: %w", err)
			}
			return ended(s.Sound())
		},
	}
	in.flags(cmd, h)
	cmd.Flags().StringVar(&format, "format", "text", "text, csv with veristat's column names, or json")
	cmd.Flags().StringVar(&compareTo, "compare", "", "show what differs from this file, which --format csv or veristat -o csv wrote")
	cmd.Flags().StringVar(&log, "log", "", "explain the verifier's log in this file, or - for standard input, without a guest: as libbpf, cilium/ebpf, bpftool, aya or bcc print it")
	cmd.Flags().BoolVar(&full, "full", false, "show the verifier's whole log of each rejected program, up to 1 MiB")
	cmd.Flags().BoolVar(&states, "states", false, "follow the verifier to the rejection: each source line, its instructions, and what they changed")
	cmd.Flags().BoolVar(&list, "list", false, "list the kinds of rejection that are known")
	return cmd
}

// inputs are the flags of commands that take any BPF programs.
type inputs struct{ names, include []string }

func (in *inputs) flags(cmd *cobra.Command, h *host) {
	cmd.Flags().StringSliceVar(&in.names, "kernels", nil, "kernels to load on; also: host, or one that \"kernels add\" added (default: the matrix, "+strings.Join(kernels.Names(), ",")+")")
	cmd.Flags().StringArrayVarP(&in.include, "include", "I", nil, "folder with headers; may be given several times")
	h.sandboxFlag(cmd)
}

// choose checks the flags and the names of files, and returns the kernels.
func (in *inputs) choose(h *host, files []string) ([]string, error) {
	names, err := h.Choose(in.names, "")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		if _, err := os.Stat(name); err != nil && name != "-" {
			return nil, &exit{exitUsage, err}
		}
	}
	for _, dir := range in.include {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, &exit{exitUsage, fmt.Errorf("-I %s: expected a folder", dir)}
		}
	}
	_, err = h.Enforced()
	return names, err
}

// surveyFormat returns what writes a survey in a format.
func surveyFormat(format, compareTo string) (func(io.Writer, survey.Survey) error, error) {
	if compareTo != "" {
		if format != "text" {
			return nil, errors.New("--compare writes text: leave --format out")
		}
		f, err := os.Open(compareTo)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		old, err := survey.ReadCSV(f)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", compareTo, err)
		}
		return func(w io.Writer, s survey.Survey) error { return s.Compare(w, old) }, nil
	}
	switch format {
	case "text":
		return func(w io.Writer, s survey.Survey) error {
			var out strings.Builder
			if err := s.Text(&out, width(w)); err != nil {
				return err
			}
			_, err := io.WriteString(w, fit(w, out.String()))
			return err
		}, nil
	case "csv":
		return func(w io.Writer, s survey.Survey) error { return s.CSV(w) }, nil
	case "json":
		return func(w io.Writer, s survey.Survey) error { return s.JSON(w) }, nil
	}
	return nil, fmt.Errorf("--format %s: expected text, csv or json", format)
}

// maxLog is how many bytes of a log are read: the verifier's buffer holds 16 MiB at most.
const maxLog = 32 << 20

// explainLog explains a verifier's log that was copied from somewhere.
func explainLog(w io.Writer, stdin io.Reader, name string, detail survey.Detail) error {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return &exit{exitUsage, err}
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxLog))
	if err != nil {
		return &exit{exitUsage, fmt.Errorf("read the log: %w", err)}
	}
	r := verifier.ParseLog(string(text))
	if !r.Accepted && r.Message == "" && len(r.Log) == 0 {
		return &exit{exitUsage, fmt.Errorf("%s holds no verifier's log: expected lines such as \"0: (b7) r0 = 0\" and what the verifier said after them", name)}
	}
	var out strings.Builder
	if err := survey.Log(&out, r, width(w), detail); err != nil {
		return err
	}
	if _, err := io.WriteString(w, fit(w, out.String())); err != nil {
		return fmt.Errorf("write what the log means: %w", err)
	}
	if !r.Accepted {
		return &exit{code: exitFailed}
	}
	return nil
}

// listKinds writes every kind of rejection and what it means.
func listKinds(w io.Writer) error {
	for _, k := range explain.Kinds() {
		if _, err := fmt.Fprintf(w, "%-21s  %s\n", k.Kind, k.Meaning); err != nil {
			return err
		}
	}
	return nil
}

// explain has the programs of all inputs loaded on kernels, and run.
func (h *host) explain(ctx context.Context, stdin io.Reader, inputs, include, names []string, runs runner.Runs) (survey.Survey, error) {
	all, err := h.read(ctx, stdin, inputs, include, names)
	if err != nil {
		return survey.Survey{}, err
	}
	return h.survey(ctx, all, names, runs)
}

// read makes objects of inputs. A source without vmlinux.h gets that of one of the kernels.
func (h *host) read(ctx context.Context, stdin io.Reader, inputs, include, names []string) ([]objects.Object, error) {
	builder, err := h.Builder()
	if err != nil {
		return nil, err
	}
	reader := objects.Reader{
		Builder: builder, Include: include, Stdin: stdin,
		Header: func(ctx context.Context, name string) (string, error) {
			h.progress.Set("vmlinux.h", "of Linux "+name)
			defer h.progress.Set("vmlinux.h", "")
			list, err := h.Kernels(ctx, []string{name})
			if err != nil {
				return "", err
			}
			return h.Header(ctx, list[0])
		},
		Began: func(name string) { h.progress.Set("build", name) },
	}
	for _, name := range slices.Backward(names) {
		reader.Headers = append(reader.Headers, name)
	}
	defer h.progress.Set("build", "")
	return reader.Read(ctx, inputs)
}

// survey has the programs of objects loaded on kernels, and run.
func (h *host) survey(ctx context.Context, all []objects.Object, names []string, runs runner.Runs) (survey.Survey, error) {
	var (
		files []survey.File
		elves [][]byte
	)
	for _, o := range all {
		files = append(files, survey.File{Name: o.Name, Broken: o.Broken, Note: o.Note})
		if o.Broken == "" {
			elves = append(elves, o.ELF)
		}
	}
	if len(elves) == 0 { // no kernel is needed, nor a guest
		return survey.New(names, files, nil), nil
	}
	list, err := h.Kernels(ctx, names)
	if err != nil {
		return survey.Survey{}, err
	}
	loaded, err := h.Load(ctx, list, elves, runs)
	if err == nil {
		err = filled(loaded, runs)
	}
	if err != nil {
		return survey.Survey{}, err
	}
	return survey.New(names, files, loaded), nil
}

// filled says what is wrong with the entries that maps were to be filled with: a usage error.
func filled(loaded [][]job.Object, runs runner.Runs) error {
	for name := range runs.Maps {
		found := false
		for _, objects := range loaded {
			for _, o := range objects {
				if o.NotFilled != "" {
					return &exit{exitUsage, fmt.Errorf("--map: %s", o.NotFilled)}
				}
				found = found || !slices.Contains(o.NoMaps, name)
			}
		}
		if !found {
			return &exit{exitUsage, fmt.Errorf("--map %s: no object has a map of this name", name)}
		}
	}
	return nil
}
