// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/spf13/cobra"

	"bpflab/harness/build"
	"bpflab/harness/sandbox"
)

// sandboxFlag lets a command be told how compilers are confined.
func (m *machine) sandboxFlag(cmd *cobra.Command) {
	cmd.Flags().Var(&m.sandbox, "sandbox", "confine the compilers: auto (as far as the kernel can), require (or refuse to build) or off")
}

func (m *machine) builder(cache string) build.Builder {
	return build.Builder{Cache: cache, Sandbox: m.sandbox}
}

// enforced says what confines compilers. If that is less than it could be and nobody asked for
// that, it is told.
func (m *machine) enforced() ([]string, error) {
	list, err := sandbox.Enforced(m.sandbox)
	if err != nil {
		return nil, err
	}
	if why := sandbox.Missing(); why != "" && m.sandbox != sandbox.Off {
		m.progress().notice("%s: compilers are confined by %s only", why, strings.Join(list, " and "))
	}
	return list, nil
}
