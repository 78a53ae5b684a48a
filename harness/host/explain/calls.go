// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/cilium/ebpf/asm"
)

// What the explanations of kinds_calls.go add for one rejection.

func ctxAccess(f *facts, e *Explanation) {
	if len(f.m) > 2 && f.m[1] != "" {
		e.add("Here it is of %s at offset %s of the context.", plural(f.m[2], "byte"), f.m[1])
	}
}

func ctxVariable(f *facts, e *Explanation) {
	for _, r := range f.insn.used() {
		if state := f.state(r); strings.HasPrefix(state, "ctx(") {
			if b := parseBounds(state); b.umax != anyNumber.umax {
				e.add("Here the offset is %s.", b)
			}
		}
	}
}

var (
	oldRange = regexp.MustCompile(`has value \((\S+); (\S+)\) should have been in \((\S+); (\S+)\)`)
	newRange = regexp.MustCompile(`has ((?:smin=-?\d+ ?)?(?:smax=-?\d+ ?)?|unknown scalar value ?)should have been in (\[[^\]]*\]|\(\S+; \S+\))`)
)

func returnValue(f *facts, e *Explanation) {
	found, wanted := "", ""
	if m := oldRange.FindStringSubmatch(f.said); m != nil {
		// Tristate numbers: a value, and a mask of the bits that are not known.
		found, wanted = tristate(m[1], m[2]), tristate(m[3], m[4])
	} else if m := newRange.FindStringSubmatch(f.said); m != nil {
		found = strings.TrimSpace(m[1])
		if n := regexp.MustCompile(`smin=(-?\d+) smax=(-?\d+)`).FindStringSubmatch(found); n != nil {
			found = n[1] + " to " + n[2]
			if n[1] == n[2] {
				found = n[1]
			}
		}
		wanted = strings.Trim(m[2], "[]")
		if low, high, ok := strings.Cut(wanted, ", "); ok {
			wanted = low + " to " + high
			if low == high {
				wanted = low
			}
		}
	}
	if strings.Contains(found, "unknown") || found == "" {
		found = "any number"
		if state := f.state("R0"); state != "" {
			found = strings.TrimSuffix(strings.TrimPrefix(stateWords(state), "a number ("), ")")
		}
	}
	found = strings.TrimPrefix(found, "the number ")
	if wanted == "" {
		e.add("Here R0 is %s.", cmp.Or(f.from("R0"), found))
		return
	}
	e.add("Here it returns %s; only %s is allowed.", found, wanted)
	e.Try = "Return " + wanted + " on every path, early returns included. If the value is computed, bound it first: `if (v > MAX) v = MAX;`."
	if wanted == "0" {
		e.Try = "`return 0;` on every path: what programs of this type return has no other meaning."
	}
}

// tristate is a verifier's number of known and unknown bits as a range.
func tristate(value, mask string) string {
	v, err := strconv.ParseUint(value, 0, 64)
	m, err2 := strconv.ParseUint(mask, 0, 64)
	switch {
	case err != nil || err2 != nil:
		return ""
	case m == 0:
		return strconv.FormatInt(int64(v), 10)
	case m > 1<<32:
		return "any number"
	default:
		return fmt.Sprintf("%d to %d", v, v+m)
	}
}

func license(f *facts, e *Explanation) {
	if f.call != "" {
		e.add("Here the call is of %s.", f.call)
	}
}

// helperName returns the name of a helper by its number, or "".
func helperName(number int) string {
	name, ok := strings.CutPrefix(asm.BuiltinFunc(number).String(), "Fn")
	if !ok || number < 1 {
		return ""
	}
	var out strings.Builder
	for _, c := range name {
		if unicode.IsUpper(c) {
			out.WriteByte('_')
		}
		out.WriteRune(unicode.ToLower(c))
	}
	return "bpf" + out.String()
}

func helperTooNew(f *facts, e *Explanation) {
	n := f.number(1)
	name := helperName(n)
	if name == "" {
		e.add("No kernel has a helper %d: a loader or assembly made the call wrong.", n)
		return
	}
	e.add("Here it is %s, number %d.", name, n)
	if kernel := since(n); kernel != "" {
		e.add("Linux %s has it.", kernel)
		e.Try = "Do without " + name + ", or declare that the program needs Linux " + kernel + ". One program can hold both ways: test `bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_" + strings.TrimPrefix(name, "bpf_") + ")` before the call."
	}
}

// helpersFor say what a family of helpers works on, by the beginning of their names.
var helpersFor = []struct{ prefix, what string }{
	{"bpf_skb_", "It works on a socket buffer: call it from tc, socket filter, cgroup_skb or lwt programs. An XDP program reads the packet directly between data and data_end, or with bpf_xdp_load_bytes from 5.18 on."},
	{"bpf_xdp_", "It works on XDP's context: call it from SEC(\"xdp\") programs. A tc program has bpf_skb_… helpers."},
	{"bpf_l3_csum", "It works on a socket buffer: call it from tc programs. In XDP compute the checksum with bpf_csum_diff."},
	{"bpf_l4_csum", "It works on a socket buffer: call it from tc programs. In XDP compute the checksum with bpf_csum_diff."},
	{"bpf_msg_", "It works on a sockmap's messages: call it from SEC(\"sk_msg\") programs."},
	{"bpf_probe_write_user", "Only tracing programs of kprobes and tracepoints may call it."},
	{"bpf_override_return", "Only kprobe programs may call it, on functions that the kernel marks for error injection."},
	{"bpf_get_current_", "It asks for the current task, which networking programs do not have on older kernels: there, tracing and cgroup programs may call it."},
	{"bpf_perf_event_output", ""},
	{"bpf_sk_storage_get", "Only programs that are given a socket by the kernel may call it."},
}

func tailCallMap(f *facts, e *Explanation) {
	e.Meaning = "A tail call goes through an array of programs, and is passed another map here."
	e.Try = "Pass a map of type BPF_MAP_TYPE_PROG_ARRAY as the second argument of bpf_tail_call."
}

func kfuncNotAllowed(f *facts, e *Explanation) {
	if strings.HasPrefix(f.said, "metadata kfuncs") {
		e.add("Here it is one that says what a network card knows of a frame.")
		e.Try = "Load the XDP program for one device: with its ifindex and BPF_F_XDP_DEV_BOUND_ONLY."
	}
}

func helperNotAllowed(f *facts, e *Explanation) {
	name := cmp.Or(f.m[1], f.m[2], f.call)
	if name == "" {
		return
	}
	e.add("Here the helper is %s.", name)
	if f.m[3] != "" {
		e.add("It works only in %s programs.", f.m[3])
		e.Try = "Attach the program as one of these, such as SEC(\"fentry/FUNCTION\"), or take the value from the hook's own arguments."
		return
	}
	for _, h := range helpersFor {
		if strings.HasPrefix(name, h.prefix) && h.what != "" {
			e.Try = h.what
			return
		}
	}
}

func helperNotHere(f *facts, e *Explanation) {
	if f.call == "" {
		return
	}
	e.add("Here it is %s.", f.call)
	if f.call == "bpf_d_path" {
		e.add("The kernel lets it be called from sleepable LSM programs and from the functions on its list only, since it takes locks that another function may hold.")
		e.Try = "Attach to a function on the list: fentry or fexit of security_file_permission, security_inode_getattr, security_file_open, vfs_truncate, vfs_fallocate, dentry_open, vfs_getattr or filp_close. Pass the struct path of an object there: `&file->f_path`."
	}
}

func callInLock(f *facts, e *Explanation) {
	if f.call != "" {
		e.add("Here it is %s.", f.call)
	} else if f.at >= 0 && f.insn.source != "" {
		e.add("Here it is in %s.", f.insn.line())
	}
}

// releases are what gives back what a function has acquired.
var releases = map[string]string{
	"bpf_sk_lookup_tcp": "bpf_sk_release", "bpf_sk_lookup_udp": "bpf_sk_release", "bpf_skc_lookup_tcp": "bpf_sk_release",
	"bpf_ringbuf_reserve": "bpf_ringbuf_submit or bpf_ringbuf_discard", "bpf_ringbuf_reserve_dynptr": "bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr",
	"bpf_task_from_pid": "bpf_task_release", "bpf_task_from_vpid": "bpf_task_release", "bpf_task_acquire": "bpf_task_release",
	"bpf_cgroup_from_id": "bpf_cgroup_release", "bpf_cgroup_acquire": "bpf_cgroup_release", "bpf_cgroup_ancestor": "bpf_cgroup_release",
	"bpf_cpumask_create": "bpf_cpumask_release", "bpf_cpumask_acquire": "bpf_cpumask_release",
	"bpf_kptr_xchg":    "the release function of the pointer's type, or bpf_kptr_xchg back into a map",
	"bpf_obj_new_impl": "bpf_obj_drop", "bpf_xdp_ct_lookup": "bpf_ct_release", "bpf_skb_ct_lookup": "bpf_ct_release", "bpf_get_task_exe_file": "bpf_put_file",
}

func referenceLeak(f *facts, e *Explanation) {
	if f.m[1] == "" {
		return
	}
	i := slices.IndexFunc(f.log, func(s step) bool { return s.number == f.number(1) })
	m := []string(nil)
	if i >= 0 {
		m = helper.FindStringSubmatch(f.log[i].text)
	}
	if m == nil {
		e.add("It was acquired by instruction %s.", f.m[1])
		return
	}
	e.add("Here it is what %s returned in %s, and the path that the log shows ends", m[1], f.log[i].line())
	if f.insn.source != "" && f.insn.source != f.log[i].source {
		e.add("in %s", f.insn.line())
	}
	e.add("without releasing it.")
	if release := releases[m[1]]; release != "" {
		e.Try = "Call " + release + " on every path on which the pointer is not NULL, early returns included."
	}
}

func dynptr(f *facts, e *Explanation) {
	if f.call != "" {
		e.add("Here the call is of %s.", f.call)
	}
	switch said := strings.ToLower(f.said); {
	case strings.Contains(said, "expected an initialized dynptr"):
		e.add("It wants a dynptr that has been initialized, and this variable is not on the path that leads here.")
		e.Try = "Initialize it first: bpf_dynptr_from_mem on a map's value, bpf_dynptr_from_skb or _xdp on a packet, or bpf_ringbuf_reserve_dynptr, which must be submitted or discarded on every path."
	case strings.Contains(said, "has to be an uninitialized"), strings.Contains(said, "already"):
		e.add("It wants a dynptr that is not in use yet.")
		e.Try = "Use another variable for each dynptr."
	case strings.Contains(said, "of type"):
		e.add("It wants a dynptr of another kind than this one.")
	case strings.Contains(said, "overwrit"), strings.Contains(said, "potential write"):
		e.add("The bytes of the dynptr on the stack are written over while it is in use.")
	}
}

func globalFunction(f *facts, e *Explanation) {
	if m := regexp.MustCompile(`reference type\('(\w+) (\S+)'\) size cannot be determined`).FindStringSubmatch(f.said); m != nil {
		e.add("Here a parameter points to struct %s, whose size is not known: it is only declared, not defined.", m[2])
		e.Try = "Define the struct before the function, or make the function `static`. From 5.13 on a pointer to a complete struct or a number may be passed; 5.10 takes numbers and the context only."
		return
	}
	if m := regexp.MustCompile(`(?i)arg#(\d+) type (\S+) in (\w+)\(\) is not supported`).FindStringSubmatch(f.said); m != nil {
		n, _ := strconv.Atoi(m[1])
		e.add("Here parameter %d of %s is a pointer (%s), which this kernel does not take for a function that is not `static`, unless it is the context.", n+1, code(m[3]), m[2])
		e.Try = "Make the function `static`, or pass numbers. From 5.13 on a pointer to a complete struct may be passed."
		return
	}
	if m := regexp.MustCompile(`Function (\S+) has (\d+) > (\d+) args`).FindStringSubmatch(f.said); m != nil {
		e.add("Here %s has %s parameters, and %s are possible.", m[1], m[2], m[3])
		e.Try = "Pass a pointer to a struct, or make the function `static __always_inline`."
		return
	}
	if m := regexp.MustCompile(`(?i)global function (\w+)`).FindStringSubmatch(f.said); m != nil {
		e.add("Here it is %s.", code(m[1]))
	} else if m := regexp.MustCompile(`invalid args into func#\d+ \('(\w+)'\)`).FindStringSubmatch(f.said); m != nil {
		e.add("Here it is the call of %s.", code(m[1]))
	}
}

// typeWords are the verifier's names of types in words.
var typeWords = map[string]string{
	"inv": "a number", "scalar": "a number", "fp": "the stack", "pkt": "the packet", "pkt_meta": "the packet's metadata", "pkt_end": "data_end",
	"map_value": "a map's value", "map_key": "a map's key", "map_ptr": "a map", "const_ptr_to_map": "a map", "ctx": "the context",
	"mem": "memory", "alloc_mem": "a reserved record", "ringbuf_mem": "a ring-buffer record", "buf": "a buffer", "rdonly_mem": "read-only memory",
	"ptr_": "a kernel object", "trusted_ptr_": "a trusted kernel object", "rcu_ptr_": "a kernel object under RCU", "percpu_ptr_": "a per-CPU variable",
	"sock": "a socket", "sock_common": "a socket", "tcp_sock": "a TCP socket", "xdp_sock": "an XDP socket", "func": "a function", "dynptr_ptr": "a dynptr",
}

func inWords(types string) string {
	var out []string
	for t := range strings.SplitSeq(types, ",") {
		t = strings.TrimSpace(t)
		word := cmp.Or(typeWords[t], t)
		if base, nullable := strings.CutSuffix(t, "_or_null"); nullable {
			word = cmp.Or(typeWords[base], base) + " or NULL"
		}
		if word != "" && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " or " + out[len(out)-1]
}

func argumentType(f *facts, e *Explanation) {
	register, found, wanted := "R"+cmp.Or(f.m[1], f.m[4]), cmp.Or(f.m[2], f.m[5]), cmp.Or(f.m[3], f.m[6])
	e.add("Here %s is %s; expected: %s.", f.name(register), pointerTo(found), pointerTo(wanted))
	if from := f.from(register); from != "" {
		e.add("It is %s.", from)
	}
	number := found == "inv" || found == "scalar"
	switch {
	case number && strings.Contains(wanted, "fp"):
		e.Try = "Pass the address of a variable on the stack or in a map. If the number is an address in the kernel or in a process, copy from it first: `bpf_probe_read_kernel(&v, sizeof(v), p)` or bpf_probe_read_user, and pass `&v`."
	case strings.Contains(wanted, "sock") && !strings.Contains(wanted, "fp"):
		e.Try = "Only a socket will do. A sockmap is filled from user space, with file descriptors, or by a SEC(\"sockops\") program with `bpf_sock_map_update(ctx, &map, &key, flags)`. Elsewhere pass a socket that the kernel gave the program, such as what bpf_sk_lookup_tcp returned, tested for NULL."
	case wanted == "map_value":
		e.Try = "Pass the address of a field in a map's value, from what bpf_map_lookup_elem returned, tested for NULL: locks and timers live in maps only."
	case wanted == "ctx":
		e.Try = "Pass the program's own context, as it was received: `ctx`."
	case strings.Contains(wanted, "map_ptr"):
		e.Try = "Pass the map itself: `&map`."
	}
}

// pointerTo puts "a pointer to" before what is not a number itself.
func pointerTo(types string) string {
	words := inWords(types)
	switch {
	case words == "a number", words == "the context", words == "a map", words == "data_end", words == "a function":
		return words
	case strings.HasPrefix(words, "a number or"):
		return words
	}
	return "a pointer to " + words
}
