// SPDX-License-Identifier: Apache-2.0

// Command bpflab grades BPF programs on several kernels. Here are its flags, files and output; package
// runner does the work.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"bpflab/harness"
	"bpflab/harness/host/receipt"
	"bpflab/harness/host/visible"
	counter "bpflab/labs/lab12_1"
	events "bpflab/labs/lab12_2"
	sampling "bpflab/labs/lab12_3"
)

// labs are all labs, in the chapter's order. A new lab is one line here, and one in cmd/agent.
var labs = []*harness.Lab{
	counter.Lab,
	events.Lab,
	sampling.Lab,
}

// labArgs are a lab's name, and up to more arguments behind it.
func labArgs(more int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			var names []string
			for _, lab := range labs {
				names = append(names, lab.Name)
			}
			return fmt.Errorf("%s which lab? There are %s", cmd.Name(), strings.Join(names, ", "))
		}
		return cobra.MaximumNArgs(1+more)(cmd, args)
	}
}

// How the command ends.
const (
	exitPassed = 0 // all is well; a graded submission passed
	exitFailed = 1 // the submission did not pass
	exitUsage  = 2 // usage error
	exitInfra  = 3 // the grader failed: nobody's score
)

// exit is an error that says how the command ends. One without a message has been told
// already.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// enough is a usage error that says what there is, so that help has nothing to add.
type enough struct{ error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Stdout, os.Stderr, os.Args[1:]))
}

// groups are the commands by who uses them, as help lists them.
var groups = []struct {
	title    string
	commands []string
}{
	{"Work on a lab:", []string{"grade", "watch", "run", "hint", "list", "reset"}},
	{"Any BPF program:", []string{"explain", "check", "bench", "profile", "exec"}},
	{"Instructors and lab authors:", []string{"judge", "compare", "lint-lab"}},
	{"This machine:", []string{"kernels", "cache", "doctor", "version"}},
}

// group sorts the commands into groups.
func group(root *cobra.Command) {
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		for _, c := range root.Commands() {
			if slices.Contains(g.commands, c.Name()) {
				c.GroupID = g.title
			}
		}
	}
}

func run(ctx context.Context, stdout, stderr io.Writer, args []string) int {
	// All that is shown goes this way, whoever wrote it.
	stdout, stderr = visible.NewWriter(stdout), visible.NewWriter(stderr)
	started := false
	root := &cobra.Command{
		Use:   "bpflab",
		Short: "Grade BPF programs on several kernels: the same file, the same score, anywhere",
		Long: `bpflab grades BPF programs on several kernels: the same file, the same score, anywhere.

Exit status: 0 passed, 1 not passed, 2 usage error, 3 the grader itself failed.`,
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			err := cmd.ValidateRequiredFlags() // which cobra would do later
			started = err == nil
			return err
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	root.AddCommand(judgeCommand(), compareCommand(), hintCommand(), listCommand(), resetCommand(), versionCommand())
	clear := addGrader(root, stderr)
	group(root)

	err := root.ExecuteContext(ctx)
	clear()
	if err == nil {
		return exitPassed
	}
	code := exitInfra
	var e *exit
	switch {
	case errors.As(err, &e):
		code = e.code
	case !started, wrongCall(err):
		code = exitUsage
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted: all guests are ended, nothing half-made is kept")
		code = exitInfra
	}
	if err.Error() != "" {
		fmt.Fprintln(stderr, "bpflab:", visible.Quote(err.Error()))
	}
	if code == exitUsage && err.Error() != "" && !errors.Is(err, receipt.ErrRead) && !errors.As(err, new(enough)) {
		fmt.Fprintln(stderr, "`bpflab --help` lists the commands; `bpflab COMMAND --help` what one takes")
	}
	return code
}
