// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What the explanations of kinds_load.go add for one rejection.

func mapRefused(f *facts, e *Explanation) {
	switch f.Errno {
	case "ENOMEM":
		e.add("Here it has no memory for %s: the size is the number of entries times key and value, for each CPU in a per-CPU map, and counts in full when the map is created.", f.m[1])
		e.Try = "Lower `max_entries` or the value's size, or create a hash map with BPF_F_NO_PREALLOC, which takes memory as it is filled. bpflab's guests have 1 GiB for any program, and 256 MiB for a lab's."
	case "E2BIG":
		e.add("Here %s is too large: its sizes exceed what the kernel can address or allocate for one map or value.", f.m[1])
		e.Try = "Lower `max_entries` and the value's size; a value of a hash or per-CPU map may have at most 32 KiB or so on older kernels."
	case "EACCES", "EPERM":
		e.add("Here the kernel does not allow the combination that %s asks for; a map that programs may only read cannot hold a lock, timer or kernel pointer.", f.m[1])
		e.Try = "Remove BPF_F_RDONLY_PROG or `const`, or take the special field out of the value."
	case "EINVAL":
		e.add("Here type, sizes, flags or number of entries of %s are not possible on this kernel; an unknown type reads like this too.", f.m[1])
	case "ENOTSUPP", "EOPNOTSUPP":
		e.add("Here this kernel does not support a field of the value's struct or a flag of %s.", f.m[1])
	case "":
		e.add("Here the loading library says so of %s, before it asked the kernel.", f.m[1])
	}
}

func coreField(f *facts, e *Explanation) {
	if f.Relocation == "" {
		return
	}
	e.add("Here it is %s", code(f.Relocation))
	if line := cmp.Or(f.Source); line != "" {
		e.add("in %s", step{source: line}.line())
	}
	e.Meaning += "."
	if name, member, ok := strings.Cut(f.Relocation, "."); ok {
		e.Try = fmt.Sprintf("Test `bpf_core_field_exists(p->%s)` first, and in the other branch read what such a kernel has: `struct %s___old { … } __attribute__((preserve_access_index));` declares another version of struct %s, to which the pointer is cast.", member, name, name)
	}
}

func kfuncMissing(f *facts, e *Explanation) {
	if name := cmp.Or(f.m[1:]...); name != "" {
		e.add("Here it is %s.", code(name))
	}
}

func kfuncPrototype(f *facts, e *Explanation) {
	e.add("Here it is %s.", code(cmp.Or(f.m[1], f.m[3])))
	if m := regexp.MustCompile(`^Fwd:"(\w+)"`).FindStringSubmatch(f.m[2]); m != nil {
		e.add("Its struct %s is only declared in the program, not defined.", m[1])
		e.Try = fmt.Sprintf("Define struct %s, with `__attribute__((preserve_access_index))`, or include a vmlinux.h, and access a member of it somewhere: the compiler leaves out the definition of a struct that is only pointed to. Whether programs of this type may call the function is checked after that.", m[1])
	}
}

func kconfig(f *facts, e *Explanation) {
	if strings.Contains(f.said, "cannot find a kconfig file") {
		e.Meaning = "The program asks for values of the kernel's configuration, and there is no file with it: the library looks for /boot/config-RELEASE and /proc/config.gz."
		e.Try = "Install the kernel's configuration where the program is loaded. In bpflab a kernel has one if its packages do and it was fetched by this version: `bpflab cache prune --kernels`, then `bpflab kernels fetch`."
		return
	}
	if m := regexp.MustCompile(`variable (\w+) must be (.+), got (.+)$`).FindStringSubmatch(f.said); m != nil {
		e.add("Here %s must be %s, and is declared as %s.", code(m[1]), m[2], strings.NewReplacer(`Typedef:"`, "the typedef ", `Int:"`, "", `"`, "").Replace(m[3]))
		if m[1] == "LINUX_KERNEL_VERSION" {
			e.Try = "Declare it with C's own type, not with a typedef: `extern unsigned int LINUX_KERNEL_VERSION __kconfig;`."
		}
	}
}

func attachTarget(f *facts, e *Explanation) {
	switch {
	case f.m[1] != "":
		e.add("Here the %s is %s, which the kernel's types do not name.", f.m[2], code(f.m[1]))
	case f.m[3] != "":
		what := map[string]string{"raw_tp": "the tracepoint", "fentry": "the function", "fexit": "the function", "fmod_ret": "the function", "freplace": "the function"}[f.m[3]]
		e.add("Here %s is %s, which the kernel's types do not name.", cmp.Or(what, f.m[3]), code(f.m[4]))
		if f.m[3] == "raw_tp" {
			e.Try = "List what there is: /sys/kernel/tracing/events has the tracepoints, and `bpftool btf dump file /sys/kernel/btf/vmlinux | grep btf_trace_` those for tp_btf. System calls have none of their own: use tp_btf/sys_enter."
		}
	case f.m[5] != "":
		e.add("Here it is %s.", code(f.m[5]))
	}
}

func tooManyInstructions(f *facts, e *Explanation) {
	m := regexp.MustCompile(`(\d+) instructions\b`).FindStringSubmatch(f.said)
	if m == nil {
		return
	}
	if n, _ := strconv.Atoi(m[1]); n > 1_000_000 {
		e.add("Here it has %d instructions.", n)
	} else {
		e.add("Here it has %d instructions, so it is the attributes.", n)
	}
}

// The kernels that program types and attach types came with, of those that Linux 5.10 lacks.
var (
	programsSince = map[string]string{"Syscall": "5.14", "Netfilter": "6.4"}
	attachesSince = map[string]string{
		"SkReuseportSelectOrMigrate": "5.14", "PerfEvent": "5.15", "TraceKprobeMulti": "5.18", "LSMCgroup": "6.0", "TraceUprobeMulti": "6.6",
		"CgroupUnixConnect": "6.7", "TraceKprobeSession": "6.10",
	}
)

func programType(f *facts, e *Explanation) {
	if f.m[2] == "" {
		return
	}
	e.add("Here the program type is %s, the attach type %s.", f.m[2], f.m[3])
	if kernel := attachesSince[f.m[3]]; kernel != "" {
		e.add("%s came with Linux %s.", f.m[3], kernel)
	} else if kernel := programsSince[f.m[2]]; kernel != "" {
		e.add("%s came with Linux %s.", f.m[2], kernel)
	}
}
