// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"regexp"

	"bpflab/harness/verifier"
)

// Of what happens before a verifier looks at the program: what the library that loads says of it, or the kernel
// without a log.
var loadKinds = []kind{
	{coreFieldMissing, regexp.MustCompile(`invalid func \w+#195896080|relo #\d+: (?:no matching targets|substituting insn)|failed to resolve CO-RE|invalid CO-RE relocation|apply CO-RE relocations`), nil, nil, coreField},
	// Loads of 64-bit constants become one into r10.
	{coreFieldMissing, regexp.MustCompile(`frame pointer is read only|R10 is invalid`), nil, relocated, coreField},
	{Explanation{"kfunc-missing",
		"This kernel has no function of that name for programs to call: not in itself, nor in a module that is loaded.",
		"Load the module that brings it, or check the name and the kernel that it came with. To do without, declare it `__ksym __weak` and test `if (bpf_ksym_exists(f))`."},
		regexp.MustCompile(`kfunc "([^"]+)": not supported|extern \(func ksym\) '([^']+)': not found|kfunc '([^']+)' is referenced but wasn't resolved|invalid func \w+#200200\d+|kernel function '([^']+)' not found`), nil, nil, kfuncMissing},
	{Explanation{"kfunc-prototype",
		"The kernel has the function, but with other types than the program declares.",
		"Declare it as the kernel does, best by including a vmlinux.h of this kernel. A struct that is only declared (`struct x;`) does not count as the kernel's: define it, with `__attribute__((preserve_access_index))`."},
		regexp.MustCompile(`kfunc "([^"]+)": (?:type mismatch between (.+?) and |function (?:param|return) mismatch)|extern \(func ksym\) '([^']+)': func_proto .* incompatible`), nil, nil, kfuncPrototype},
	{Explanation{"kconfig",
		"An `extern … __kconfig` variable cannot be filled in: the kernel's configuration does not have it, or the library does not take the type that it is declared with.",
		"Declare it with a plain type that the library knows: `extern unsigned int LINUX_KERNEL_VERSION __kconfig;`, `extern _Bool CONFIG_X __kconfig;`. Options that may be missing are declared `__weak`."},
		regexp.MustCompile(`resolve \.kconfig: (.*)|extern \(kcfg\) '([^']+)'`), nil, nil, kconfig},
	{Explanation{"attach-target",
		"The kernel has nothing of the name that the program is to be attached to, or nothing that it may be attached to.",
		"Check the name against this kernel: `bpftool btf dump file /sys/kernel/btf/vmlinux` for functions and BTF tracepoints, /sys/kernel/tracing/events for others. Static functions may be inlined away, and a module must be loaded."},
		regexp.MustCompile(`attach \w+/\w+: (?:(\S+) (LSM hook|iterator)|(\S+) (\S+)) not supported|failed to find kernel BTF type ID of '([^']+)'|attach_btf_id|\S+\(\) is not modifiable|points to disabled hook|is not (?:a supported struct|modifiable)|attach to (?:invalid|unsupported) member|The address of function \S+ cannot be found|Attaching \S+ programs to|Only FENTRY|Cannot (?:extend|replace|recursively attach|nest)|Tracing programs? (?:must|can)|is not found in vmlinux BTF|Subprog \S+ doesn't exist|[Ee]xtension programs? (?:requires|changes|may)|FENTRY/FEXIT program|freplace programs|programs cannot attach to|Cannot attach to|modify return codes|cannot find function \S+ in BTF|lookup struct_ops|member "\w+" not found`), nil, nil, attachTarget},
	{Explanation{"ksym-missing",
		"The kernel has no symbol of the name that the program declares `__ksym`.",
		"Check the name in /proc/kallsyms of this kernel, and declare it `__weak` if the program can do without."},
		regexp.MustCompile(`extern \((?:var ksym|\w+)\) '([^']+)': not found|resolve \.ksyms: `), nil, nil, plain},
	{Explanation{"map-refused",
		"The kernel does not create this map.",
		"Check `max_entries` (a ring buffer's is a power of two and whole pages), key and value sizes (an array's key has 4 bytes), and whether the kernel is new enough for the type and flags."},
		regexp.MustCompile(`^map (\S+) refused:`), nil, nil, mapRefused},
	{tooManyMaps, regexp.MustCompile(`^E2BIG without a log .* (?:6[5-9]|[7-9]\d|\d{3,}) maps\)`), nil, nil, plain},
	{Explanation{"too-many-instructions",
		"The program has more instructions than the kernel takes, or the load carries attributes that this kernel does not know: it said so without a log.",
		"Up to 1,000,000 instructions are taken from privileged users, 4096 from others. Split a larger program with tail calls. Below that, load with a library that leaves out what an older kernel does not know."},
		regexp.MustCompile(`^E2BIG without a log|[Aa]rgument list too long$`), nil, nil, tooManyInstructions},
	{Explanation{"program-type",
		"The kernel refused the program before its verifier looked at it. Most often it does not know the program type, the attach type or a flag: they came with a later kernel.",
		"Attach the program to a hook that this kernel has, or declare the kernels that it needs."},
		regexp.MustCompile(`^(EINVAL|ENOTSUPP|EOPNOTSUPP|ENOENT|EBADF) without a log(?: \(program type (\w+), attach type (\w+))?`), nil, nil, programType},
}

var tooManyMaps = Explanation{"too-many-maps",
	"A program can use at most 64 maps, global variables' among them.",
	"Put several values into one map, or split the program."}

var coreFieldMissing = Explanation{"core-field",
	"The program accesses a field, type or value that this kernel does not have. The loading library found that out, and put a call to an impossible helper, 195896080, in place of the access.",
	"Test `bpf_core_field_exists(p->field)` or `bpf_core_type_exists(struct s)` first, and use what other kernels have in the other branch: a struct with the suffix `___old` declares another version of it."}

func relocated(r verifier.Report) bool { return r.Relocation != "" }
