// SPDX-License-Identifier: Apache-2.0

package checklist

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"

	"bpflab/harness/host/inspect"
	"bpflab/harness/host/policy"
)

// These points are read from the object.

// contended is how often a run meets all other CPUs'.
func contended(c inspect.Count) string {
	if c.Bound != "" {
		return "at " + several(c.Sites, "place") + ", in a loop or behind one"
	}
	return "up to " + several(c.Most, "time") + " a run"
}

// lockCommand shows who waits for which lock. It takes Linux 5.19.
const lockCommand = "perf lock contention -a -b -- sleep 10"

func (s *subject) contention() Finding {
	p := s.program
	if p.Contended.Sites > 0 {
		return Finding{
			Outcome: Fail, Number: contended(p.Contended), Limit: "none that every run meets", Places: p.Contended.Places, Deeper: lockCommand,
			Message: "all CPUs write to the same memory or take the same lock (" + s.whats(p.Contended.Places) + "): give each CPU its own, such as a PERCPU_ARRAY",
		}
	}
	f := Finding{Outcome: NeedsYou, Limit: "none that every run meets", Deeper: "bpflab profile " + quoted(s.file), Yours: []string{lockCommand}}
	switch {
	case p.Rings.Sites > 0:
		f.Number, f.Places = contended(p.Rings), p.Rings.Places
		f.Message = "it takes the lock of a ring buffer, one for all CPUs: how long they wait depends on how many events there are"
	case p.Keyed.Sites > 0:
		f.Number, f.Places = contended(p.Keyed), p.Keyed.Places
		f.Message = "it writes to entries that other CPUs may write too (" + s.whats(p.Keyed.Places) + "): whether they wait for each other depends on the keys"
	default:
		return Finding{Outcome: Pass, Number: "no write or lock that CPUs share"}
	}
	return f
}

// whats lists what happens at places, each once.
func (s *subject) whats(places []inspect.Place) string {
	var names []string
	for _, p := range places {
		if what := described(p.What); what != "" && !slices.Contains(names, what) {
			names = append(names, what)
		}
	}
	if len(names) == 0 {
		return "a spin lock"
	}
	return strings.Join(names, ", ")
}

// described says what a map holds that nobody has named.
func described(name string) string {
	if strings.HasPrefix(name, ".") {
		return "global variables in " + name
	}
	return name
}

func size(n uint64) string { return humanize.IBytes(n) }

// held are the maps that a program uses, what they take on one CPU and on many, and those of which no size is known.
func (s *subject) held() (maps []inspect.Map, one, many uint64, unsized []string) {
	for _, m := range s.object.Maps {
		if !slices.Contains(s.program.Maps, m.Name) {
			continue
		}
		maps = append(maps, m)
		one, many = policy.Sum(one, m.OneCPU), policy.Sum(many, m.ManyCPUs)
		if m.Unsized {
			unsized = append(unsized, m.Name)
		}
	}
	return maps, one, many, unsized
}

func (s *subject) scaling() Finding {
	_, one, many, _ := s.held()
	p := s.program
	shared := p.Contended
	for _, c := range []inspect.Count{p.Keyed, p.Rings} {
		if shared.Sites == 0 {
			shared = c
		}
	}
	f := Finding{Limit: "no shared write, " + size(s.limits.Memory), Number: "no shared write, " + size(many) + " of maps on 32 CPUs", Places: shared.Places}
	if shared.Sites > 0 {
		f.Number = fmt.Sprintf("shared writes %s, %s of maps on 32 CPUs", contended(shared), size(many))
	}
	switch {
	case p.Contended.Sites > 0:
		f.Outcome, f.Message = Fail, "each CPU more makes the others wait longer for "+s.whats(p.Contended.Places)
	case many > s.limits.Memory && many > one:
		f.Outcome, f.Message = Fail, "the maps have values for each CPU, and take "+size(one)+" on one: make them smaller"
	case shared.Sites > 0:
		f.Outcome, f.Message = NeedsYou, "whether CPUs wait for each other depends on keys and on how many events there are: put the same load on 1, 8 and 32 CPUs, and compare the time of a run"
		f.Yours = []string{s.statistics(), lockCommand}
	default:
		f.Outcome = Pass
	}
	return f
}

func (s *subject) memory() Finding {
	maps, one, many, unsized := s.held()
	if len(maps) == 0 {
		return Finding{Outcome: NotApplicable, Message: "it uses no map"}
	}
	at := 0
	for i, m := range maps {
		if m.ManyCPUs > maps[at].ManyCPUs {
			at = i
		}
	}
	grows := []string{}
	for _, m := range maps {
		if !m.Preallocated && !m.Global && !m.Unsized && m.Entries > 1 {
			grows = append(grows, m.Name)
		}
	}
	f := Finding{
		Outcome: outcome(many <= s.limits.Memory), Number: fmt.Sprintf("%s on 1 CPU, %s on 32", size(one), size(many)), Limit: "at most " + size(s.limits.Memory) + " on 32",
		Message: fmt.Sprintf("most of it for %s (%s, %s)", maps[at].Name, maps[at].Type, entries(maps[at])), Deeper: "bpftool map show",
	}
	if len(grows) > 0 {
		f.Message += "; not preallocated, so that an insertion may fail for want of memory: " + strings.Join(grows, ", ")
	}
	if f.Outcome == Pass && len(unsized) > 0 {
		f.Outcome, f.Yours = NeedsYou, []string{"bpftool map show"}
		f.Message = "a loader sets the size of some, and bpftool shows it (bytes_memlock): " + strings.Join(unsized, ", ")
	}
	return f
}

// entries says how much a map holds.
func entries(m inspect.Map) string {
	switch m.Type {
	case "RingBuf", "UserRingbuf":
		return size(uint64(m.Entries))
	case "Arena":
		return several(int(m.Entries), "page")
	}
	return several(int(m.Entries), "entry")
}

func (s *subject) tails() Finding {
	t := s.program.Tails
	if t.Sites == 0 {
		return Finding{Outcome: NotApplicable, Message: "it makes no tail call"}
	}
	f := Finding{Limit: fmt.Sprintf("at most %d in a row", maxTails), Places: t.Places, Deeper: "bpftool map dump name ARRAY_OF_PROGRAMS"}
	switch {
	case t.Depth == inspect.Endless:
		f.Outcome, f.Number = NeedsYou, "programs in a circle"
		f.Message = fmt.Sprintf("unless they stop by themselves, the kernel does after %d tail calls: the next one fails, and the program goes on behind it", maxTails)
		f.Yours = []string{s.statistics()}
	case t.Depth > 0:
		f.Outcome, f.Number = outcome(t.Depth <= maxTails), "up to "+several(t.Depth, "tail call")
		if f.Outcome == Fail {
			f.Message = fmt.Sprintf("the %dth tail call fails, and the program goes on behind it", maxTails+1)
		}
	default:
		f.Outcome, f.Number = NeedsYou, several(t.Sites, "tail call")+" in its text"
		f.Message = "what is in the array of programs is known where it is loaded"
		f.Yours = []string{f.Deeper}
	}
	if t.InFunction {
		stack := 0
		for _, l := range s.on {
			stack = max(stack, l.Stats.StackDepth)
		}
		if f.Message != "" {
			f.Message += "; "
		}
		f.Message += fmt.Sprintf("a function makes tail calls, so that what calls it may have less than %d bytes of stack; all together have %d", maxTailsStack, stack)
	}
	return f
}

func (s *subject) btf() Finding {
	p := s.program
	f := Finding{Outcome: Fail, Limit: "types, functions, lines; no fixed offset", Deeper: "bpftool btf dump file OBJECT"}
	var untyped []string
	for _, m := range s.object.Maps {
		if m.Untyped && slices.Contains(p.Maps, m.Name) {
			untyped = append(untyped, m.Name)
		}
	}
	switch {
	case !s.object.BTF:
		f.Number, f.Message = "no types", "the object has no .BTF: compile with clang -g, and do not strip it with anything but llvm-strip -g"
	case !p.Function || !p.Lines:
		f.Number, f.Message = "no functions or lines", "the object has no .BTF.ext: compile with clang -g; nothing can be traced to its source without"
	case len(p.Fixed) > 0:
		f.Number, f.Places = several(len(p.Fixed), "read")+" at fixed offsets", p.Fixed
		f.Message = "a kernel with other fields gives it wrong values: take the structure from vmlinux.h and use BPF_CORE_READ"
	default:
		f.Outcome, f.Number = Pass, several(p.Relocations, "CO-RE relocation")
		if len(untyped) > 0 {
			f.Message = "bpftool shows the entries of these maps as bytes, since they have no __type(): " + strings.Join(untyped, ", ")
		}
	}
	return f
}

//go:embed helpers.txt
var helperList string

// since is the Linux that each helper came with.
var since = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(helperList) {
		if name, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "bpf_") {
			all[name] = version
		}
	}
	return all
})

// audited says what is against helpers in what ships.
var audited = map[string]string{
	"bpf_trace_printk":       "is for debugging: all programs share one buffer, and a call takes some 800 to 2,000 instructions",
	"bpf_trace_vprintk":      "is for debugging: all programs share one buffer, and a call takes some 800 to 2,000 instructions",
	"bpf_probe_write_user":   "writes to the memory of processes; the kernel logs a warning",
	"bpf_override_return":    "makes functions of the kernel fail, and is for injecting errors",
	"bpf_send_signal":        "sends signals to whatever process is running",
	"bpf_send_signal_thread": "sends signals to whatever thread is running",
	"bpf_sys_bpf":            "calls bpf(2) from the kernel, and is for loaders",
}

// costly are helpers whose work grows with what they are given.
var costly = []string{
	"bpf_get_stack", "bpf_get_stackid", "bpf_get_task_stack", "bpf_d_path", "bpf_perf_event_output", "bpf_skb_output", "bpf_xdp_output", "bpf_ringbuf_output",
	"bpf_csum_diff", "bpf_fib_lookup", "bpf_for_each_map_elem", "bpf_loop", "bpf_find_vma", "bpf_snprintf", "bpf_snprintf_btf", "bpf_seq_printf", "bpf_seq_printf_btf",
	"bpf_copy_from_user", "bpf_copy_from_user_task", "bpf_probe_read_str", "bpf_probe_read_kernel_str", "bpf_probe_read_user_str",
}

func (s *subject) helpers() Finding {
	p := s.program
	if len(p.Helpers)+len(p.Kfuncs) == 0 {
		return Finding{Outcome: NotApplicable, Message: "it calls no helper"}
	}
	f := Finding{Outcome: Pass, Number: several(len(p.Helpers), "helper"), Limit: "none for debugging or dangerous"}
	newest, by := "", ""
	var against, notes, expensive []string
	for _, h := range p.Helpers {
		if why := audited[h.Name]; why != "" && !slices.Contains(s.limits.Allow, h.Name) {
			against = append(against, h.Name+" "+why)
			f.Places = append(f.Places, h.Places...)
		}
		if v := since()[h.Name]; v == "" {
			notes = append(notes, h.Name+" is newer than the helpers that are known here")
		} else if newest == "" || older(newest, v) {
			newest, by = v, h.Name
		}
		if slices.Contains(costly, h.Name) {
			expensive = append(expensive, h.Name)
		}
		if h.Name == "bpf_probe_read" || h.Name == "bpf_probe_read_str" {
			notes = append(notes, h.Name+" cannot tell the memory of processes from the kernel's: use the forms with _user or _kernel")
		}
	}
	var unstable []string
	for _, k := range p.Kfuncs {
		unstable = append(unstable, k.Name)
	}
	if newest != "" {
		notes = append([]string{fmt.Sprintf("the newest, %s, came with Linux %s", by, newest)}, notes...)
	}
	if len(expensive) > 0 {
		notes = append(notes, "what these take grows with their input: "+strings.Join(expensive, ", "))
	}
	if len(unstable) > 0 {
		f.Number += ", " + several(len(unstable), "kernel function")
		notes = append(notes, "kernel functions, which may change from one kernel to the next: "+strings.Join(unstable, ", "))
	}
	f.Message = strings.Join(append(against, notes...), "; ")
	f.Deeper = "bpflab profile " + quoted(s.file)
	if len(against) > 0 {
		f.Outcome, f.Number = Fail, several(len(against), "helper")+" that should not ship"
	}
	return f
}

// older reports whether a kernel's version is before another, such as 5.8 and 5.10.
func older(a, b string) bool { return slices.Compare(numbers(a), numbers(b)) < 0 }

func numbers(version string) (all []int) {
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part)
		all = append(all, n)
	}
	return all
}
