// SPDX-License-Identifier: Apache-2.0

package attach

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
)

// Target says why the kernel has no such place as the section of a program names; nil: it has, or only attaching would
// tell. The verifier does not ask where a kprobe or a tracepoint is: a program for one that is not there is accepted, and
// never runs. tracefs is mounted where it belongs.
func Target(spec *ebpf.ProgramSpec) error {
	kind, to := section(spec)
	switch {
	case to == "" || strings.ContainsAny(to, "*?"):
		return nil // the loader names it, or a pattern
	case kind == "kprobe" || kind == "kretprobe":
		name, _, _ := strings.Cut(to, "+")
		return probed(name)
	case kind == "ksyscall" || kind == "kretsyscall":
		return probed(systemCall(to))
	case kind == "tracepoint" || kind == "tp":
		if _, err := os.Stat("/sys/kernel/tracing/events/" + to + "/id"); err != nil {
			return fmt.Errorf("this kernel has no tracepoint %s", to)
		}
	case strings.HasPrefix(kind, "raw_tracepoint") || strings.HasPrefix(kind, "raw_tp"):
		found, err := isSymbol("__traceiter_" + to)
		if err != nil || found {
			return err
		}
		return fmt.Errorf("this kernel has no raw tracepoint %s", to)
	}
	return nil
}

// probed says why there can be no kprobe at a function.
func probed(name string) error {
	found, err := isSymbol(name)
	if err == nil && !found {
		err = fmt.Errorf("this kernel has no function %s: it may be inlined, renamed, or in a module that is not loaded here", name)
	}
	return err
}

// isSymbol reports whether the kernel, or a module that is loaded, has a symbol.
func isSymbol(name string) (bool, error) {
	all, err := symbols()
	return all[name], err
}

// symbols are read once: a kernel has some 200,000, and makes each line of them anew.
var symbols = sync.OnceValues(func() (map[string]bool, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 2 {
			all[fields[2]] = true
		}
	}
	return all, lines.Err()
})
