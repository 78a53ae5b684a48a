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

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// The functions of this file add to an explanation what holds for one rejection.

// plain adds nothing: the kind says it all, or its message does.
func plain(*facts, *Explanation) {}

func (e *Explanation) add(format string, args ...any) {
	e.Meaning += " " + fmt.Sprintf(format, args...)
}

func nullCheck(f *facts, e *Explanation) {
	register := f.register()
	if state := f.state(register); strings.HasPrefix(state, "mem_or_null") && f.log.origin(register, f.at) < 0 {
		e.Meaning = "The pointer may be NULL here: it is a parameter of a function that is not `static`, and the verifier assumes that anything may be passed."
		e.Try = "Test the pointer in the function, `if (!p) return …;`, or make the function `static`."
	}
	f.here(e)
}

var packetAccess = regexp.MustCompile(`invalid access to packet, off=(-?\d+) size=(\d+), R(\d+)\(id=(\d+),off=(-?\d+),r=(\d+)\)`)

// maxPacketOffset is up to which variable offset a comparison with data_end counts.
const maxPacketOffset = 65535

func packetBounds(f *facts, e *Explanation) {
	m := packetAccess.FindStringSubmatch(f.said)
	if m == nil {
		f.here(e)
		return
	}
	off, _ := strconv.Atoi(m[1])
	size, _ := strconv.Atoi(m[2])
	covered, _ := strconv.Atoi(m[6])
	register := "R" + m[3]
	state := f.state(register)
	variable := m[4] != "0"
	switch b := parseBounds(state); {
	case covered > 0:
		e.add("The comparison covers %s from where the pointer began; this access needs %d, %d more.", plural(covered, "byte"), off+size, off+size-covered)
		return
	case variable && b.umax > maxPacketOffset && b.umax != anyNumber.umax:
		e.add("The comparison does not count: the offset that was added to %s may be %s, and beyond %d the verifier keeps no record of what data_end was compared with.", register, b, maxPacketOffset)
		e.Try = fmt.Sprintf("Bound the offset to less before it is added: `if (off > 1500) return …;`, or `off &= 0x7ff`; with what is added to it, it must stay below %d. Then compare the sum with data_end and use the same pointer.", maxPacketOffset)
		return
	}
	if i, other := f.comparedWithNumber(register); i >= 0 {
		e.add("The comparison in %s does not count: there R%s is not data_end to the verifier but %s.", f.log[i].line(), other, stateWords(f.log.value("R"+other, i)))
		e.Try = "Compare with data_end as it was loaded from the context, as a 64-bit pointer: `void *data_end = (void *)(long)ctx->data_end;`, never kept in a 32-bit variable, moved or computed with. If the compiler copied it in 32 bits, load it again right before the comparison."
		return
	}
	if i, own := f.comparedWithEnd(register); i >= 0 && own {
		e.add("The comparison in %s does not count: that a pointer is before data_end, with nothing added to it, tells the verifier nothing.", f.log[i].line())
		e.Try = fmt.Sprintf("Compare the end of the access: `if (p + %d > data_end) break;` before it, with the same pointer. In a loop also bound the number of rounds by a constant.", off+size)
		return
	} else if i >= 0 {
		e.add("The comparison in %s is of another pointer than %s, or leads here where it failed.", f.log[i].line(), register)
	}
	e.add("No comparison with data_end covers %s, which is %s; this access needs %s.", register, stateWords(state), plural(off+size, "byte"))
	if variable {
		e.add("A variable offset was added to it: the comparison must be with the sum, and the access through that same sum.")
	}
}

// comparedWithNumber finds where a packet pointer, or a copy with another offset, was compared with what is a
// number to the verifier, and the number's register.
func (f *facts) comparedWithNumber(register string) (at int, other string) {
	at = f.log.back(f.at, "R10", func(i int) bool {
		m := tests.FindStringSubmatch(f.log[i].text)
		if m == nil || !moves.MatchString(m[4]) {
			return false
		}
		for _, pair := range [][2]string{{m[2], m[4][1:]}, {m[4][1:], m[2]}} {
			one, two := f.log.value("R"+pair[0], i), f.log.value("R"+pair[1], i)
			if strings.HasPrefix(one, "pkt") && !strings.HasPrefix(one, "pkt_end") && isNumber.MatchString(two) {
				other = pair[1]
				return true
			}
		}
		return false
	})
	return at, other
}

// comparedWithEnd finds where a packet pointer was last compared with data_end, and tells whether that was the
// register's own value with nothing added to it.
func (f *facts) comparedWithEnd(register string) (at int, own bool) {
	at = f.log.back(f.at, "R10", func(i int) bool {
		m := tests.FindStringSubmatch(f.log[i].text)
		if m == nil || !moves.MatchString(m[4]) {
			return false
		}
		for _, pair := range [][2]string{{m[2], m[4][1:]}, {m[4][1:], m[2]}} {
			one, two := f.log.value("R"+pair[0], i), f.log.value("R"+pair[1], i)
			if strings.HasPrefix(one, "pkt(") && strings.HasPrefix(two, "pkt_end") {
				own = "R"+pair[0] == register && !movedPointer.MatchString(one)
				return true
			}
		}
		return false
	})
	return at, own
}

// movedPointer matches the state of a pointer that something was added to.
var movedPointer = regexp.MustCompile(`\b(?:off|imm)=-?[1-9]|var_off`)

// memoryOf returns the size of the memory that a register points to, from its offset on, or -1.
func memoryOf(state string) int {
	if m := stackPointer.FindStringSubmatch(state); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	var size int
	if strings.HasPrefix(state, "map_ptr") {
		return -1
	} else if m := valueSize.FindStringSubmatch(state); m != nil {
		size, _ = strconv.Atoi(m[1])
	} else if m := memorySize.FindStringSubmatch(state); m != nil {
		size, _ = strconv.Atoi(m[1])
	} else {
		return -1
	}
	for _, m := range fixedOff.FindAllStringSubmatch(state, -1) {
		if n, err := strconv.ParseInt(m[1], 0, 32); err == nil {
			size -= int(n)
		}
	}
	return size
}

var stackPointer = regexp.MustCompile(`^fp-(\d+)$`)

func length(f *facts, e *Explanation) {
	register := f.register()
	state := f.state(register)
	if register == "" && f.call != "" { // 5.10 and 6.1 do not say which
		for n := 5; n > 1 && register == ""; n-- {
			r := "R" + strconv.Itoa(n)
			if s := f.state(r); isNumber.MatchString(s) && parseBounds(s).umin == 0 && memoryOf(f.state("R"+strconv.Itoa(n-1))) >= 0 {
				register, state = r, s
			}
		}
	}
	if register == "" {
		return
	}
	if state == "" {
		f.here(e)
		return
	}
	e.add("Here %s is %s to the verifier", f.name(register), strings.TrimSuffix(strings.TrimPrefix(stateWords(state), "a number ("), ")"))
	n, _ := strconv.Atoi(register[1:])
	least := 0
	if e.Kind == "length-zero" {
		least = 1
	}
	if size := memoryOf(f.state("R" + strconv.Itoa(n-1))); size >= 0 {
		e.add("and has to be %d to %d, the size of %s.", least, size, strings.TrimPrefix(stateWords(f.state("R"+strconv.Itoa(n-1))), "a pointer to "))
		e.Meaning = strings.Replace(e.Meaning, "verifier and has", "verifier, and has", 1)
	} else {
		e.Meaning += "."
	}
	if e.Kind == "length-zero" {
		// Kernels until 6.1 learn nothing of a range from a comparison with == or !=.
		e.Try = "Keep the length minus one, which is then never zero: `n = len - 1; barrier_var(n); if (n >= sizeof(buf)) return …;`, and pass `n + 1`. Until 6.1 the verifier learns nothing from `len == 0`, which the compiler makes of `len < 1` too. On 5.10 the buffer must be initialized."
		return
	}
	if i := f.signedTest(register); i >= 0 {
		e.add("The comparison in %s is signed: a negative number passes it, and as a length it is a huge one.", f.log[i].comparison())
		e.Try = "Make the variable unsigned, such as `__u32`, so that its one comparison excludes negative numbers too, or write `if (n < 0 || n > MAX) return …;`. For a power of two `n &= MAX - 1` works on every kernel."
	} else if f.whole(register) && !f.tested(register) {
		e.add("Nothing on this path compares it.")
	}
}

// whole reports whether the log shows where a register's value comes from, and so all that was done with it since.
func (f *facts) whole(register string) bool { return f.log.origin(register, f.at) >= 0 }

// comparison quotes the line of a comparison, or its instruction where the compiler gave it another test's line.
func (s step) comparison() string {
	if strings.ContainsAny(strings.ReplaceAll(s.source, "->", ""), "<>?") {
		return s.line()
	}
	return fmt.Sprintf("instruction %d, %s,", s.number, code(s.text))
}

// tested reports whether what a register holds was compared with anything on the way.
func (f *facts) tested(register string) bool {
	return f.testOf(register, func(string) bool { return true }) >= 0
}

// signedTest returns the step that compared what a register holds as a signed number, or -1.
func (f *facts) signedTest(register string) int {
	return f.testOf(register, func(operator string) bool { return strings.HasPrefix(operator, "s") })
}

func (f *facts) testOf(register string, accept func(operator string) bool) int {
	from := f.log.origin(register, f.at)
	if from < 0 {
		return -1
	}
	found := -1
	f.log.back(f.at, "R10", func(i int) bool {
		m := tests.FindStringSubmatch(f.log[i].text)
		if m == nil || !accept(m[3]) {
			return false
		}
		if f.log.origin("R"+m[2], i) == from {
			found = i
		}
		return found >= 0
	})
	return found
}

func index(f *facts, e *Explanation) {
	f.here(e)
	register := f.register()
	i := f.log.back(f.at, "R10", func(i int) bool {
		m := assigns.FindStringSubmatch(f.log[i].text)
		return m != nil && "R"+m[1] == register && m[2] == "+=" && moves.MatchString(m[3])
	})
	if i < 0 {
		return
	}
	added := "R" + assigns.FindStringSubmatch(f.log[i].text)[3][1:]
	if state := f.log.value(added, i); isNumber.MatchString(state) {
		e.add("Added to it was %s, %s, in %s.", added, strings.TrimPrefix(stateWords(state), "a "), f.log[i].line())
	}
}

func pointerOffset(f *facts, e *Explanation) {
	m := assigns.FindStringSubmatch(f.insn.text)
	if m == nil || !moves.MatchString(m[3]) {
		f.here(e)
		return
	}
	number := "R" + m[3][1:]
	if !isNumber.MatchString(f.state(number)) {
		number = "R" + m[1]
	}
	state := f.state(number)
	if !isNumber.MatchString(state) {
		return
	}
	e.add("Here %s, which is added, is %s to the verifier.", number, stateWords(state))
	if from := f.from(number); from != "" {
		if !strings.HasPrefix(from, "what ") {
			from = "what was " + from
		}
		e.add("It is computed from %s.", from)
	}
	if b := parseBounds(state); b.smin == b.smax {
		e.add("A pointer cannot be moved by that much: 2²⁹ is the limit, and a mask or a negative number of 32 bits is beyond it.")
		e.Try = "Do not mask pointers. Compute offsets as numbers, in 64 bits where they may be negative, and add the result to the pointer last."
	} else if i := f.signedTest(number); i >= 0 && b.smin < 0 {
		e.add("The comparison in %s is signed: negative numbers pass it.", f.log[i].comparison())
		e.Try = "Make the index unsigned, such as `__u32`, so that its one comparison excludes negative numbers too, or write `if (i < 0 || i >= N) return …;`. For a power of two `i &= N - 1` works on every kernel."
	} else if i := f.readTwice(number); i >= 0 {
		e.add("The comparison in %s was of another copy: the program read the value from memory again after it, where it may have changed.", f.log[i].line())
		e.Try = "Read the value once into a local variable, and compare, compute and index with that variable only; bound the result of the computation itself: `__u64 i = s->top - 1; if (i >= N) return …;`."
	} else if f.whole(number) && !f.tested(number) {
		e.add("Nothing on this path compares it.")
	} else {
		e.Try = "Bound the very result that is added, right before: `i = top - 1; if (i >= N) return …;` with an unsigned `i`, or mask it with `i &= N - 1`. A comparison of what it was computed from does not carry over on every kernel."
	}
}

// readTwice returns the comparison of a value that the program then read from the same address again to get what a
// register holds, or -1.
func (f *facts) readTwice(register string) int {
	i := f.log.origin(register, f.at)
	if i < 0 {
		return -1
	}
	second := loads.FindStringSubmatch(f.log[i].text)
	if second == nil {
		return -1
	}
	found := -1
	f.log.back(i, "R10", func(at int) bool {
		m := tests.FindStringSubmatch(f.log[at].text)
		if m == nil {
			return false
		}
		j := f.log.origin("R"+m[2], at)
		if j < 0 || j == i {
			return false
		}
		first := loads.FindStringSubmatch(f.log[j].text)
		if first != nil && first[4] == second[4] && f.log.origin("R"+first[3], j) == f.log.origin("R"+second[3], i) {
			found = at
		}
		return found >= 0
	})
	return found
}

// bounded is of accesses beyond the end of memory of a known size, or before its start.
func bounded(f *facts, e *Explanation) {
	if len(f.m) < 5 || f.m[2] == "" {
		f.here(e)
		return
	}
	size, off, n := f.number(2), f.number(3), f.number(4)
	what := map[string]string{"value_size": "the map's value", "key_size": "the map's key", "mem_size": "the memory"}[f.m[1]]
	register := f.register()
	b := parseBounds(f.state(register))
	variable := b != anyNumber && b.umin != b.umax && strings.Contains(f.state(register), "(")
	switch {
	case off < 0:
		e.add("Here the access begins %s before the start of %s, which has %d.", plural(-off, "byte"), what, size)
	case off+n > size && off >= size:
		e.add("Here it is of %s at offset %d, but %s ends after %s.", plural(n, "byte"), off, what, plural(size, "byte"))
	case off+n > size:
		e.add("Here it is of %s at offset %d of %s, which has %d: %s past the end.", plural(n, "byte"), off, what, size, plural(off+n-size, "byte"))
	default:
		e.add("Here it is of %s at offset %d of %s, which has %d.", plural(n, "byte"), off, what, size)
	}
	if variable {
		e.add("The variable part of the offset is %s to the verifier.", b)
	}
	if from := f.from(register); strings.HasPrefix(from, "what ") && f.m[1] != "mem_size" {
		e.add("%s is %s.", register, from)
	}
}

func mapType(f *facts, e *Explanation) {
	e.add("Here %s is called on a map of type %v.", f.m[2], ebpf.MapType(f.number(1)))
}

func mapRefused(f *facts, e *Explanation) {
	switch f.Errno {
	case "ENOMEM":
		e.add("Here it has no memory for %s: the size is the number of entries times key and value, for each CPU in a per-CPU map, and counts in full when the map is created.", f.m[1])
		e.Try = "Lower `max_entries` or the value's size, or create a hash map with BPF_F_NO_PREALLOC, which takes memory as it is filled. A guest has some hundred MiB."
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

func mapWithoutBTF(f *facts, e *Explanation) {
	e.add("Here the map is %s, and the call is %s.", code(f.m[1]), f.m[2])
}

func stackArgument(f *facts, e *Explanation) {
	off, size := cmp.Or(f.m[1], f.m[3]), cmp.Or(f.m[2], f.m[4])
	o, err := strconv.Atoi(off)
	n, err2 := strconv.Atoi(size)
	if err != nil || err2 != nil {
		f.here(e)
		return
	}
	e.add("Here %s wants %s at %s, where only %d are left: %s too many.", cmp.Or(f.call, "the helper"), plural(n, "byte"), f.name(f.register()), max(0, -o), plural(max(0, n+o), "byte"))
}

func uninitStack(f *facts, e *Explanation) {
	if len(f.m) > 3 && f.m[3] != "" {
		if start, err := strconv.Atoi(f.m[1]); err == nil {
			e.add("Here byte %s of %s that begin %d below the frame pointer was never written: a member, or padding between members.", f.m[2], plural(f.m[3], "byte"), -start)
			e.Try = "Clear the whole variable, padding too, before its members are set: `struct event e; __builtin_memset(&e, 0, sizeof(e));`. `= {}` need not clear padding. Newer kernels accept this for privileged users, and the value is then whatever was there."
		}
	}
	if f.call != "" && f.register() != "" {
		e.add("It is passed as %s.", f.name(f.register()))
	}
}

func stackBounds(f *facts, e *Explanation) {
	o, err := strconv.Atoi(cmp.Or(f.m[1], f.m[3]))
	n, err2 := strconv.Atoi(cmp.Or(f.m[2], f.m[4]))
	switch {
	case err != nil || err2 != nil:
	case o < -512:
		e.add("Here it is of %s at %d bytes below the frame pointer: %s too far.", plural(n, "byte"), -o, plural(-o-512, "byte"))
	case o+n > 0:
		e.add("Here it is of %s at offset %d from the frame pointer, of which %s are above it: an index or size that is too large by that.", plural(n, "byte"), o, plural(o+n, "byte"))
	}
}

func stackTooDeep(f *facts, e *Explanation) {
	switch {
	case f.m[1] != "":
		e.add("Here %s functions in a row need %s bytes, %d too many.", f.m[1], f.m[2], f.number(2)-512)
	case f.m[3] != "":
		e.add("Here one function needs %s bytes, %d too many.", f.m[4], f.number(4)-512)
	case f.m[5] != "":
		e.add("Here the functions before the tail call need %s bytes; 256 are allowed.", regexp.MustCompile(`\d+`).FindString(f.said[strings.Index(f.said, "frames is"):]))
	}
}

func misaligned(f *facts, e *Explanation) {
	if len(f.m) < 5 || f.m[4] == "" {
		f.here(e)
		return
	}
	e.add("Here %s are accessed at offset %d.", plural(f.m[4], "byte"), f.number(2)+f.number(3))
}

func uninitRegister(f *facts, e *Explanation) {
	register := "R" + f.m[1]
	i := f.log.setter(register, f.at)
	switch {
	case f.at < 0:
		e.add("A function that ends without `return` reads like this too, and so does a pointer kept in a register that a helper call has spoilt.")
	case register == "R0" && f.insn.text == "exit":
		e.add("Here the program or function ends on a path that sets no result, R0: it lacks a `return`, or what stood there was undefined and the compiler left it out.")
		e.Try = "End every path with `return` and a value."
	case i >= 0 && strings.HasPrefix(f.log[i].text, "call "):
		e.add("Here it is %s, which %s has spoilt: a call leaves R1 to R5 without a value.", register, f.log[i].line())
		e.Try = "Keep what is needed after the call in a variable that the compiler saves, or in R6 to R9 in assembly."
	case i >= 0:
		e.add("Here it is %s, last set in %s.", register, f.log[i].line())
	default:
		e.add("Here it is %s, which nothing on this path sets.", register)
		if f.call != "" {
			e.add("It is %s.", strings.TrimPrefix(f.name(register), register+" "))
		}
	}
}

func scalarDeref(f *facts, e *Explanation) {
	register := f.m[1]
	i := f.log.origin(register, f.at)
	if i < 0 {
		e.add("It is an address read from kernel memory, a cast, or a pointer that a helper call or a release has made void.")
		f.here(e)
		return
	}
	s := f.log[i]
	load := loads.FindStringSubmatch(s.text)
	e.add("Here %s is %s.", register, f.from(register))
	if was, call := f.voided(register, i); call >= 0 {
		e.add("It was %s until %s, after which the verifier lets nobody use it.", stateWords(was), f.log[call].line())
		if strings.HasPrefix(was, "pkt") {
			e.Try = "The helper may move the packet: after it, load `data` and `data_end` from the context again, and compare again."
		} else {
			e.Try = "Do not use it after that call: use it before, or copy what is needed."
		}
		return
	}
	switch {
	case load != nil && load[2] == "64":
		base := f.log.value("R"+load[3], i)
		switch m := kernelType.FindStringSubmatch(base); {
		case m != nil && m[2] != "":
			e.add("The verifier follows pointers from struct to struct as the kernel's types say, but here the member at offset %s of struct %s is no pointer to a struct: a pointer to a pointer, `void *`, or a number.", strings.TrimPrefix(load[4], "+"), m[2])
		case strings.HasPrefix(base, "ctx"):
			e.add("The hook's arguments are plain numbers in such a context, whatever the program casts them to.")
		case isNumber.MatchString(base):
			e.add("It was itself read through a number.")
		default:
			e.add("What is read from there is a number to the verifier, even if it was a pointer when it was stored.")
		}
		e.Try = "Read through it with `bpf_probe_read_kernel(&v, sizeof(v), p)`, BPF_CORE_READ or BPF_PROBE_READ_USER for a user's address, step by step for each pointer on the way."
	case load != nil && strings.HasPrefix(f.log.value("R"+load[3], i), "ctx"):
		e.add("Programs of this type have no pointer in that field of the context.")
	case load != nil:
		e.add("A pointer has 64 bits; %s were loaded.", bytesOf(load[2]))
		e.Try = "Cast through `long`: `(void *)(long)ctx->data`, and keep it in a pointer or in 64 bits."
	case strings.HasPrefix(s.text, "call "):
		e.add("This helper returns a number, or an address that only bpf_probe_read_kernel may read.")
	case s.number >= 0 && assigns.MatchString(s.text) && arithmetic.MatchString(assigns.FindStringSubmatch(s.text)[2]):
		e.add("Arithmetic made it a number.")
	}
}

// voided returns what a register's value was when it came from a step, if that was a pointer, and the call after which
// it no longer is one, or -1.
func (f *facts) voided(register string, from int) (was string, call int) {
	set := "R0" // by a call
	if m := assigns.FindStringSubmatch(f.log[from].text); m != nil {
		set = "R" + m[1]
	}
	was = f.log[from].after[set]
	if was == "" || isNumber.MatchString(was) {
		return "", -1
	}
	voids := releasing
	if strings.HasPrefix(was, "pkt") {
		voids = movingPacket
	}
	call = -1
	f.log.back(f.at, register, func(i int) bool {
		if i != from && voids.MatchString(f.log[i].text) {
			call = i // the first one counts
		}
		return i == from
	})
	return was, call
}

// Calls after which pointers into the packet, and pointers that were given back, are void.
var (
	movingPacket = regexp.MustCompile(`^call (?:pc|bpf_(?:xdp_adjust_|skb_(?:vlan_|change_|pull_data|adjust_room|store_bytes)|l[34]_csum_replace|clone_redirect|msg_|lwt_))`)
	releasing    = regexp.MustCompile(`^call bpf_\w*(?:submit|discard|release|drop|put|unlock|xchg)`)
)

var arithmetic = regexp.MustCompile(`^[-+*/&|^<>%s]+=$`)

func kernelWrite(f *facts, e *Explanation) {
	m := writes.FindStringSubmatch(f.insn.text)
	if m == nil {
		f.here(e)
		return
	}
	e.add("Here R%s is %s, and %s at offset %s are written.", m[3], stateWords(f.state("R"+m[3])), bytesOf(m[2]), strings.TrimPrefix(m[4], "+"))
}

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

func infiniteLoop(f *facts, e *Explanation) {
	n := f.number(1)
	e.add("Instruction %d is reached again with registers and stack that the verifier takes for the same", n)
	if i := slices.IndexFunc(f.log, func(s step) bool { return s.number == n }); i >= 0 && f.log[i].source != "" {
		e.add("(%s)", f.log[i].line())
	}
	e.Meaning += "; values read from memory, and pointers of one type, are the same to it in each round."
	e.Try = "Loop up to a constant, over a counter that each round changes, and leave the loop early: `for (i = 0; i < 16 && p; i++)`."
}

func tooComplex(f *facts, e *Explanation) {
	if f.m[1] != "" {
		e.add("Here it was at %s instructions when it gave up; the limit is 1,000,000 over all paths, however short the program is.", f.m[1])
	}
	if loop := f.repeated(); loop != "" {
		e.add("It was going through %s.", loop)
	}
}

// repeated returns the source line that the log's end shows most often, if it is more than twice.
func (f *facts) repeated() string {
	count := map[string]int{}
	best := ""
	for _, s := range f.log {
		if s.source == "" || !strings.HasPrefix(s.text, "if ") {
			continue
		}
		line := s.line()
		if count[line]++; count[line] > count[best] || count[line] == count[best] && line < best {
			best = line
		}
	}
	if count[best] < 3 {
		return ""
	}
	return best
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
		what := map[string]string{"raw_tp": "the tracepoint", "fentry": "the function", "fexit": "the function", "fmod_ret": "the function", "lsm": "the LSM hook", "iter": "the iterator", "freplace": "the function"}[f.m[1]]
		e.add("Here %s is %s, which the kernel's types do not name.", cmp.Or(what, f.m[1]), code(f.m[2]))
		if f.m[1] == "raw_tp" {
			e.Try = "List what there is: /sys/kernel/tracing/events has the tracepoints, and `bpftool btf dump file /sys/kernel/btf/vmlinux | grep btf_trace_` those for tp_btf. System calls have none of their own: use tp_btf/sys_enter."
		}
	case f.m[3] != "":
		e.add("Here it is %s.", code(f.m[3]))
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

// typesSince are the kernels that program types and attach types came with, where one of five years ago lacks them.
var typesSince = map[string]string{
	"Netfilter": "6.4", "Syscall": "5.14",
	"TraceKprobeMulti": "5.18", "TraceUprobeMulti": "6.6", "TraceKprobeSession": "6.10", "TraceUprobeSession": "6.12",
	"LSMCgroup": "6.0", "SkReuseportSelectOrMigrate": "5.14", "PerfEvent": "5.15", "StructOps": "5.6", "CgroupUnixConnect": "6.7",
}

func programType(f *facts, e *Explanation) {
	if f.m[2] == "" {
		return
	}
	e.add("Here the program type is %s, the attach type %s.", f.m[2], f.m[3])
	for _, name := range []string{f.m[3], f.m[2]} {
		if kernel := typesSince[name]; kernel != "" {
			e.add("%s came with Linux %s.", name, kernel)
			return
		}
	}
}
