// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/verifier"
)

// said is a row of testdata/messages.txt or cases.txt: what some kernels said of a program. The guests'
// tests in cmd/bpflab, with -update, write them.
type said struct{ kind, kernels, instruction, message string }

func (s said) report() verifier.Report {
	return verifier.Report{Message: s.message, Log: []string{"; a line of source", s.instruction, s.message}}
}

func messages(t testing.TB) []said {
	t.Helper()
	var all []said
	for _, name := range []string{"messages.txt", "cases.txt"} {
		raw, err := os.ReadFile("testdata/" + name)
		require.NoError(t, err)
		for line := range strings.SplitSeq(string(raw), "\n") {
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			f := strings.Split(line, "\t")
			require.Len(t, f, 4, line)
			all = append(all, said{f[0], f[1], f[2], f[3]})
		}
	}
	return all
}

// common returns the rows of testdata/common.txt: a message that a verifier, kernel or library says, and its kind.
func common(t testing.TB) (messages, kinds []string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/common.txt")
	require.NoError(t, err)
	for line := range strings.SplitSeq(string(raw), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kind, message, ok := strings.Cut(line, "\t")
		require.True(t, ok, line)
		messages, kinds = append(messages, message), append(kinds, kind)
	}
	return messages, kinds
}

// Most of what people meet is of a known kind.
func TestCommonMessages(t *testing.T) {
	messages, want := common(t)
	assert.GreaterOrEqual(t, len(messages), 115)
	known := 0
	for i, message := range messages {
		assert.Equal(t, i, slices.Index(messages, message), "twice: %s", message)
		r := verifier.Report{Message: message, Log: []string{message}}
		e, ok := Rejection(r)
		require.True(t, ok, message)
		assert.Equal(t, want[i], e.Kind, message)
		if e.Kind != Unknown {
			known++
		}
		assert.NotContains(t, e.Meaning+e.Try, "%!", message)
	}
	t.Logf("%d of %d", known, len(messages))
	assert.GreaterOrEqual(t, 100*known, 85*len(messages))
}

func TestExplain(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range messages(t) {
		seen[s.kind] = true
		if s.kind == "null-branch" {
			continue // which more of the log tells: TestNullBranch
		}
		e, ok := Rejection(s.report())
		assert.True(t, ok, "%s: %s", s.kernels, s.message)
		assert.Equal(t, s.kind, e.Kind, "%s: %s", s.kernels, s.message)
	}
	_, kinds := common(t)
	for _, k := range Kinds() {
		assert.True(t, seen[k.Kind] || slices.Contains(kinds, k.Kind), "no message of the kind %s in messages.txt, cases.txt or common.txt: BPFLAB_KERNELS=all go test ./cmd/bpflab -run 'TestExplainRejected|TestExplainCases' -update", k.Kind)
	}
}

// A pointer that was tested is NULL in one branch, a number to the verifier like any other.
func TestNullBranch(t *testing.T) {
	for name, tt := range map[string]struct {
		log  string
		want string
	}{
		"5.10": {`29: (bf) r7 = r0
30: (55) if r7 != 0x0 goto pc+4
 R0_w=inv0 R6=inv1 R7_w=inv0 R10=fp0 fp-8=mmmmmmmm
31: (b7) r1 = 1
 R0_w=inv0 R1_w=inv1 R7_w=inv0 R10=fp0
35: (63) *(u32 *)(r7 +0) = r6
R7 invalid mem access 'inv'`, "null-branch"},
		"6.12": {`29: (bf) r7 = r0                      ; R0_w=ringbuf_mem_or_null(id=3) R7_w=ringbuf_mem_or_null(id=3)
30: (55) if r7 != 0x0 goto pc+4       ; R7_w=0
31: (b7) r1 = 1                       ; R1_w=1
35: (63) *(u32 *)(r7 +0) = r6
R7 invalid mem access 'scalar'`, "null-branch"},
		"the other comparison": {`30: (15) if r7 == 0x0 goto pc+4       ; R7_w=0
35: (63) *(u32 *)(r7 +0) = r6
R7 invalid mem access 'scalar'`, "null-branch"},
		"a zero that was never tested": {`30: (b7) r7 = 0       ; R7_w=0
35: (63) *(u32 *)(r7 +0) = r6
R7 invalid mem access 'scalar'`, "scalar-deref"},
		"another value since": {`30: (55) if r7 != 0x0 goto pc+4       ; R7_w=0
31: (79) r7 = *(u64 *)(r1 +0)       ; R7_w=scalar()
35: (63) *(u32 *)(r7 +0) = r6
R7 invalid mem access 'scalar'`, "scalar-deref"},
		"another register": {`30: (55) if r8 != 0x0 goto pc+4       ; R8_w=0
35: (63) *(u32 *)(r7 +0) = r6
R7 invalid mem access 'scalar'`, "scalar-deref"},
	} {
		log := strings.Split(tt.log, "\n")
		e, ok := Rejection(verifier.Report{Message: log[len(log)-1], Log: log})
		assert.True(t, ok, name)
		assert.Equal(t, tt.want, e.Kind, name)
	}
}

// What none of the programs in testdata/rejected makes a kernel say.
func TestExplainOtherWords(t *testing.T) {
	for message, kind := range map[string]string{
		"R2 type=map_value_or_null expected=fp":                                                     "null-check",
		"R1 pointer arithmetic on map_value_or_null prohibited, null-check it first":                "null-check",
		"R1 invalid mem access 'rdonly_mem_or_null'":                                                "null-check",
		"R2 invalid mem access 'inv'":                                                               "scalar-deref",
		"invalid stack off=-520 size=8":                                                             "stack-bounds",
		"invalid write to stack R10 off=0 size=8":                                                   "stack-bounds",
		"invalid read from stack R10 off=-520 size=8":                                               "stack-bounds",
		"invalid read from stack R10 off=-512 size=8":                                               "uninit-stack",
		"invalid read from stack off -8+0 size 8":                                                   "uninit-stack",
		"invalid indirect read from stack R2 off -16+4 size 16":                                     "uninit-stack",
		"variable stack access var_off=(0x0; 0xf) off=-16 size=1":                                   "stack-variable-offset",
		"R0 unbounded memory access, make sure to bounds check any array access into a map":         "unbounded-index",
		"R1 32-bit pointer arithmetic prohibited":                                                   "pointer-arithmetic",
		"R2 pointer arithmetic on pkt_end prohibited":                                               "pointer-arithmetic",
		"R1 pointer += pointer prohibited":                                                          "pointer-arithmetic",
		"value -2147483648 makes pkt pointer be out of bounds":                                      "pointer-offset",
		"cannot call GPL only function from proprietary program":                                    "license",
		"At program exit the register R0 has unknown scalar value should have been in (0x0; 0x1)":   "return-value",
		"bpf_spin_lock is not allowed: R1 doesn't have constant offset. bpf_spin_unlock is missing": "lock-held",
		"jump out of range from insn 3 to 9":                                                        "no-exit",
		"The sequence of 1025 jumps is too complex.: processed 9 insns":                             "too-many-jumps",
		"Caller passes invalid args into func#1 ('f')":                                              "global-function",
		"Unreleased reference id=4 alloc_insn=7: Unreleased reference id=2 alloc_insn=4":            "reference-leak",
		"release reference has not been acquired before R1":                                         "double-release",
		"misaligned access off (0x0; 0x0)+0+2 size 4":                                               "misaligned",
		"map rb refused: map create: invalid argument":                                              "map-refused",
		"back-edge from insn 7 to 2":                                                                "recursion",
	} {
		e, ok := Rejection(verifier.Report{Message: message})
		assert.True(t, ok, message)
		assert.Equal(t, kind, e.Kind, message)
	}
}

// Some words mean one thing or another, by the instruction that they are said of.
func TestExplainInstruction(t *testing.T) {
	const load, call, store = "3: (61) r0 = *(u32 *)(r1 +64)", "3: (85) call bpf_map_lookup_elem#1", "3: (63) *(u32 *)(r1 +0) = r2"
	for _, tt := range []struct{ message, instruction, kind string }{
		{"invalid bpf_context access off=0 size=4", store, "ctx-write"},
		{"invalid bpf_context access off=64 size=4", load, "ctx-access"},
		{"BPF_ST stores into R1 ctx is not allowed", "3: (62) *(u32 *)(r1 +0) = 0", "ctx-write"},
		{"BPF_ATOMIC stores into R1 ctx is not allowed", "3: (db) lock *(u64 *)(r1 +0) += r2", "ctx-write"},
		{"invalid read from stack R2 off=-4 size=8", call, "stack-argument"},
		{"invalid read from stack R2 off=-4 size=8", load, "uninit-stack"},
		{"invalid stack type R2 off=-4 access_size=8", call, "stack-argument"},
		{"invalid stack type R1 off=-16 access_size=0", call, "length-zero"},
	} {
		e, ok := Rejection(verifier.Report{Message: tt.message, Log: []string{"2: (bf) r2 = r10", tt.instruction + " ; R1=ctx()", tt.message}})
		assert.True(t, ok, tt.message)
		assert.Equal(t, tt.kind, e.Kind, "%s: %s", tt.instruction, tt.message)
	}
}

func TestExplainNeedsARejection(t *testing.T) {
	for name, r := range map[string]verifier.Report{
		"accepted":         {Accepted: true, Message: "R0 !read_ok"},
		"nothing was said": {},
	} {
		e, ok := Rejection(r)
		assert.False(t, ok, name)
		assert.Zero(t, e, name)
	}
}

// What is of no known kind is explained by what its log shows. Texts of the program's are not the verifier's words.
func TestExplainUnknown(t *testing.T) {
	for name, tt := range map[string]struct {
		log  string
		want []string
	}{
		"no log":               {"the moon is full", []string{"no instruction", "the program as a whole"}},
		"the source says so":   {"; return 0; // R0 !read_ok\n3: (95) exit\nthe moon is full", []string{"instruction 3, `exit`, which returns R0, for `return 0; // R0 !read_ok`"}},
		"a map's name says so": {"0: (18) r1 = 0x0 ; R1=map_ptr(map=div by zero)\nthe moon is full", []string{"instruction 0, `r1 = 0x0`, which sets R1"}},
		"Linux 6.12": {`; struct val *v = bpf_map_lookup_elem(&m, &k); @ x.bpf.c:13
6: (85) call bpf_map_lookup_elem#1    ; R0_w=map_value(id=1,map=m,ks=4,vs=16)
; n = v->n; @ x.bpf.c:14
7: (79) r7 = *(u64 *)(r0 +8)          ; R0_w=map_value(map=m,ks=4,vs=16) R7_w=scalar(smin=0,smax=umax=255,var_off=(0x0; 0xff))
8: (bf) r2 = r7                       ; R2_w=scalar(id=2,smin=0,smax=umax=255,var_off=(0x0; 0xff)) R7_w=scalar(id=2,smin=0,smax=umax=255,var_off=(0x0; 0xff))
; *(__u32 *)(v + 1) = n; @ x.bpf.c:15
9: (63) *(u32 *)(r0 +4) = r2
R2 is the wrong sort of number`, []string{
			"instruction 9, `*(u32 *)(r0 +4) = r2`, which writes 4 bytes at R0 + 4, the value of R2, for `*(__u32 *)(v + 1) = n;` (line 15).",
			"R0 is a pointer to a value of the map m, what bpf_map_lookup_elem returned in `struct val *v = bpf_map_lookup_elem(&m, &k);` (line 13)",
			"R2 is a number (0 to 255), read from a value of the map m in `n = v->n;` (line 14) (the message names it)",
		}},
		"Linux 5.10": {`6: (85) call bpf_map_lookup_elem#1
7: R0_w=map_value(id=0,off=0,ks=4,vs=16,imm=0) R10=fp0
; n = v->n;
7: (79) r7 = *(u64 *)(r0 +8)
8: R0_w=map_value(id=0,off=0,ks=4,vs=16,imm=0) R7_w=inv(id=0,umax_value=255,var_off=(0x0; 0xff)) R10=fp0
8: (0f) r0 += r7
R7 is the wrong sort of number`, []string{"which computes with R0", "R7 is a number (0 to 255), read from a map's value in `n = v->n;`"}},
	} {
		log := strings.Split(tt.log, "\n")
		e, ok := Rejection(verifier.Report{Message: log[len(log)-1], Log: log})
		assert.True(t, ok, name)
		assert.Equal(t, Unknown, e.Kind, name)
		for _, want := range tt.want {
			assert.Contains(t, e.Meaning, want, name)
		}
		assert.NotEmpty(t, e.Try, name)
	}

	// Each speaker has its own.
	for by, want := range map[verifier.Speaker]string{verifier.Loader: "library", verifier.Kernel: "before its verifier"} {
		e, ok := Rejection(verifier.Report{By: by, Message: "the moon is full"})
		assert.True(t, ok)
		assert.Equal(t, Unknown, e.Kind)
		assert.Contains(t, e.Meaning, want)
	}
}

// The last word decides, and where it tells nothing what was said before it.
func TestExplainLooksBack(t *testing.T) {
	log := []string{"3: (95) exit", "R0 !read_ok", "so there", "and there", "and there"}
	e, ok := Rejection(verifier.Report{Message: "so there: and there: and there", Log: log})
	require.True(t, ok)
	assert.Equal(t, "uninit-register", e.Kind)
	e, ok = Rejection(verifier.Report{Message: "div by zero", Log: log})
	require.True(t, ok)
	assert.Equal(t, "div-by-zero", e.Kind)
}

func TestKinds(t *testing.T) {
	all := Kinds()
	assert.GreaterOrEqual(t, len(all), 25)
	ids, texts := map[string]bool{}, map[string]bool{}
	for _, k := range all {
		assert.Regexp(t, `^[a-z][a-z-]+$`, k.Kind)
		assert.LessOrEqual(t, len(k.Kind), 21, "%s: a list has 21 columns for it", k.Kind)
		assert.False(t, ids[k.Kind], "%s twice", k.Kind)
		ids[k.Kind] = true
		for _, text := range []string{k.Meaning, k.Try} {
			assert.Regexp(t, regexp.MustCompile("^[A-Z`].*[.]$"), text, "%s: sentences", k.Kind)
			assert.NotContains(t, text, "\n", k.Kind)
			assert.False(t, texts[text], "%s: said of another kind too: %s", k.Kind, text)
			texts[text] = true
		}
		assert.Equal(t, []string{"what it means: " + k.Meaning, "try: " + k.Try}, k.Lines())
	}
	assert.True(t, slices.IsSortedFunc(all, func(a, b Explanation) int { return strings.Compare(a.Kind, b.Kind) }))

	// Each program is of a kind.
	files, err := filepath.Glob("testdata/rejected/*")
	require.NoError(t, err)
	for _, file := range files {
		kind, isC := strings.CutSuffix(filepath.Base(file), ".bpf.c")
		assert.True(t, isC && ids[kind], "%s is of no kind", file)
	}
}

func FuzzExplain(f *testing.F) {
	for _, s := range messages(f) {
		f.Add(s.message, s.instruction)
	}
	f.Add("R1 type=\xff expected=", "0: (85) call \x00")
	f.Fuzz(func(t *testing.T, message, log string) {
		r := verifier.Report{Message: message, Log: strings.Split(log, "\n")}
		e, ok := Rejection(r)
		known := e.Kind == Unknown || slices.ContainsFunc(Kinds(), func(k Explanation) bool { return k.Kind == e.Kind })
		if ok != (e.Kind != "") || ok != known || ok && (e.Meaning == "" || e.Try == "") {
			t.Fatalf("%v, %+v", ok, e)
		}
		if again, _ := Rejection(r); again != e {
			t.Fatalf("%+v, then %+v", e, again)
		}
		r.Accepted = true
		if e, ok := Rejection(r); ok {
			t.Fatalf("accepted, and yet %+v", e)
		}
	})
}

// Where the configuration is missing as a whole, no declaration helps.
func TestNoKconfigFile(t *testing.T) {
	r := verifier.Report{By: verifier.Loader, Message: "program p: resolve .kconfig: cannot find a kconfig file: neither /boot/config-1.2.3 nor /proc/config.gz provide a kconfig"}
	e, ok := Rejection(r)
	require.True(t, ok)
	assert.Equal(t, "kconfig", e.Kind)
	assert.Contains(t, e.Meaning, "there is no file with it")
	assert.NotContains(t, e.Try, "Declare")
}

// lasts are the last helper, program type and attach type of kernels, which only grow.
func lasts(t *testing.T) (list []struct {
	kernel                  string
	helper, program, attach int
}) {
	t.Helper()
	raw, err := os.ReadFile("testdata/enums.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		list = append(list, struct {
			kernel                  string
			helper, program, attach int
		}{})
		one := &list[len(list)-1]
		_, err := fmt.Sscan(line, &one.kernel, &one.helper, &one.program, &one.attach)
		require.NoError(t, err, line)
	}
	require.Len(t, list, 5)
	return list
}

// older compares two kernels.
func older(t *testing.T, a, b string) bool {
	t.Helper()
	var one, two [2]int
	_, err1 := fmt.Sscanf(a, "%d.%d", &one[0], &one[1])
	_, err2 := fmt.Sscanf(b, "%d.%d", &two[0], &two[1])
	require.NoError(t, errors.Join(err1, err2))
	return slices.Compare(one[:], two[:]) < 0
}

// What came with a kernel is in no older one of the matrix, and in each that is not older.
func TestSinceWhen(t *testing.T) {
	for _, k := range lasts(t) {
		for n := 1; n <= 211; n++ {
			kernel := cmp.Or(since(n), "5.10")
			assert.Equal(t, n <= k.helper, !older(t, k.kernel, kernel), "helper %d, %s, came with %s; Linux %s has %d", n, helperName(n), kernel, k.kernel, k.helper)
		}
		for name, kernel := range programsSince {
			n := 1
			for ; ebpf.ProgramType(n).String() != name; n++ {
				require.Less(t, n, 100, name)
			}
			assert.Equal(t, n <= k.program, !older(t, k.kernel, kernel), "%s on Linux %s", name, k.kernel)
		}
		for name, kernel := range attachesSince {
			n := 1
			for ; ebpf.AttachType(n).String() != name; n++ {
				require.Less(t, n, 100, name)
			}
			assert.Equal(t, n <= k.attach, !older(t, k.kernel, kernel), "%s on Linux %s", name, k.kernel)
		}
	}
}

// A program type and an attach type may have one name.
func TestTypeOfTheSameName(t *testing.T) {
	e, ok := Rejection(verifier.Report{By: verifier.Kernel, Errno: "EINVAL", Message: "EINVAL without a log (program type PerfEvent, attach type None, 7 instructions)"})
	require.True(t, ok)
	assert.NotContains(t, e.Meaning, "PerfEvent came with")
	e, _ = Rejection(verifier.Report{By: verifier.Kernel, Errno: "EINVAL", Message: "EINVAL without a log (program type Netfilter, attach type Netfilter, 7 instructions)"})
	assert.Contains(t, e.Meaning, "Netfilter came with Linux 6.4.")
}

// Where a message alone misleads, the instruction, or the rest of what is said, tells the kind or what to try.
func TestMisleadingMessages(t *testing.T) {
	for _, tt := range []struct{ message, insn, kind, want string }{
		{"kernel subsystem misconfigured verifier", "4: (85) call bpf_tail_call#12", "tail-call", "BPF_MAP_TYPE_PROG_ARRAY"},
		{"kernel subsystem misconfigured verifier", "4: (85) call bpf_other#1200", "verifier-bug", "an error of its own"},
		{"expected prog array map for tail call", "4: (85) call bpf_tail_call#12", "tail-call", "is passed another map"},
		{"invalid zero-sized read", "4: (85) call bpf_map_lookup_elem#1", "map-type", "bpf_map_push_elem"},
		{"invalid zero-sized read", "4: (85) call bpf_probe_read_user#112", "length-zero", "may be zero"},
		{"arena's user address must be set via map_extra or mmap()", "", "arena", "map_extra"},
		{"Use of more than one arena", "", "arena", "one arena for each program"},
		{"load BTF: invalid argument: [3] PTR (anon) type_id=0: [1] FUNC f type_id=4 Invalid arg#1", "", "btf", "parameter 1 of `f` has no name"},
		{"metadata kfuncs require device-bound program", "4: (85) call bpf_xdp_metadata_rx_hash#1", "kfunc-not-allowed", "BPF_F_XDP_DEV_BOUND_ONLY"},
		{"program p: attach LSM/LSMMac: no_such_hook LSM hook not supported", "", "attach-target", "Here the LSM hook is `no_such_hook`"},
		{"program p: attach Tracing/TraceFExit: fexit do_x not supported", "", "attach-target", "Here the function is `do_x`"},
	} {
		e, ok := Rejection(verifier.Report{Message: tt.message, Log: []string{tt.insn, tt.message}})
		require.True(t, ok)
		assert.Equal(t, tt.kind, e.Kind, tt.message)
		assert.Contains(t, e.Meaning+e.Try, tt.want)
	}
}
