// SPDX-License-Identifier: Apache-2.0

package mutate

import (
	"strconv"
	"strings"
	"text/scanner"
)

// C returns the edits of a BPF program. Comments, strings and lines of the preprocessor stay.
func C(program string) []Edit {
	s := newSource(program, scanC(program))
	bodies := s.bodies()
	for _, body := range bodies {
		s.statements(body)
	}
	s.declarations(span{0, len(s.tokens)})
	inBody := func(i int) bool {
		for _, b := range bodies {
			if b.from <= i && i < b.to {
				return true
			}
		}
		return false
	}
	for i, t := range s.tokens {
		s.operator(i)
		switch {
		case t.kind == number:
			s.constantC(i)
		case t.kind == name:
			s.wordC(i)
		case s.is(i, "&", "*") && !s.binary(i) && inBody(i):
			s.token("pointer", i, "")
		}
		if t.kind == name && inBody(i) && s.is(i+1, "(") && s.match[i+1] > 0 && !s.is(i, "if", "while", "for", "sizeof", "switch") {
			s.arguments(i + 1)
			s.flags(i)
		}
		if t.kind == name && inBody(i) && !cWords[t.text] && !s.is(i-1, ".", "->", "struct") {
			s.token("pointer", i, "&"+t.text, "*"+t.text)
		}
		if t.kind == text && s.is(i-2, "SEC") {
			for _, by := range sections {
				s.token("section", i, strconv.Quote(by))
			}
		}
		if s.is(i, "(") && s.is(i+1, "max_entries") || s.is(i, "(") && s.is(i+1, "type") && s.is(i+2, ",") {
			s.definition(i)
		}
	}
	s.names(bodies, func(word string) bool {
		return cWords[word] || strings.HasPrefix(word, "BPF_") || strings.HasPrefix(word, "bpf_") || strings.HasPrefix(word, "__")
	})
	return s.edits
}

// scanC takes C apart. Its tokens are near enough Go's; the marks are put together here.
func scanC(program string) (tokens []token) {
	var sc scanner.Scanner
	sc.Init(strings.NewReader(program))
	sc.Mode = scanner.GoTokens
	sc.Error = func(*scanner.Scanner, string) {} // clang will say
	skipped := 0                                 // a line of the preprocessor
	for r := sc.Scan(); r != scanner.EOF; r = sc.Scan() {
		t := token{text: sc.TokenText(), start: sc.Position.Offset, end: sc.Position.Offset + len(sc.TokenText())}
		if sc.Position.Line == skipped {
			continue
		}
		if r == '#' {
			skipped = sc.Position.Line
			continue
		}
		switch r {
		case scanner.Ident:
			t.kind = name
		case scanner.Int, scanner.Float:
			t.kind = number
		case scanner.String, scanner.RawString, scanner.Char:
			t.kind = text
		default:
			t.kind = mark
		}
		if n := len(tokens) - 1; n >= 0 && tokens[n].end == t.start {
			last := &tokens[n]
			joined := last.text + t.text
			if last.kind == number && t.kind == name || last.kind == mark && t.kind == mark && cMarks[joined] {
				last.text, last.end = joined, t.end
				continue
			}
		}
		tokens = append(tokens, t)
	}
	return tokens
}

var cMarks = setOf("==", "!=", "<=", ">=", "&&", "||", "<<", ">>", "++", "--", "->", "+=", "-=", "*=", "/=", "|=", "&=", "^=", "<<=", ">>=")

var cWords = setOf("if", "else", "for", "while", "do", "return", "switch", "case", "default", "break", "continue", "goto", "sizeof",
	"struct", "union", "enum", "void", "char", "short", "int", "long", "unsigned", "signed", "bool", "const", "volatile", "static", "inline",
	"__u8", "__u16", "__u32", "__u64", "__s32", "__s64", "true", "false")

func setOf(words ...string) map[string]bool {
	set := map[string]bool{}
	for _, w := range words {
		set[w] = true
	}
	return set
}

// bodies are the functions'.
func (s *source) bodies() (list []span) {
	for i := 1; i < len(s.tokens); i++ {
		if s.is(i, "{") && s.match[i] > i {
			if s.is(i-1, ")") {
				list = append(list, span{i + 1, s.match[i]})
			}
			i = s.match[i]
		}
	}
	return list
}

// declarations leaves out those that end with a semicolon, and their fields, one at a time.
func (s *source) declarations(at span) {
	from := at.from
	for i := at.from; i < at.to; i++ {
		switch {
		case s.is(i, "{") && s.match[i] > i:
			if s.is(i-1, ")") { // a function's
				i = s.match[i]
				from = i + 1
				continue
			}
			s.declarations(span{i + 1, s.match[i]})
			i = s.match[i]
		case s.is(i, ";"):
			s.replace("declaration left out", span{from, i + 1}, "")
			from = i + 1
		}
	}
}

// statements edits those of a block.
func (s *source) statements(block span) {
	for i := block.from; i < block.to; {
		i = s.statement(i, block.to)
	}
}

// statement edits the one that begins at token i, and those within it. It returns where it ends.
func (s *source) statement(i, limit int) int {
	switch {
	case s.is(i, "{") && s.match[i] > i:
		s.statements(span{i + 1, s.match[i]})
		return s.match[i] + 1
	case s.is(i, "if", "while", "for", "switch") && s.is(i+1, "("):
		closing, ok := s.match[i+1]
		if !ok {
			return limit
		}
		condition := span{i + 2, closing}
		if s.is(i, "for") {
			if parts := s.split(condition, ";"); len(parts) == 3 {
				condition = parts[1]
			}
		}
		s.condition(condition)
		s.replace("condition", condition, "1")
		s.replace("condition", condition, "0")
		body := span{closing + 1, s.statement(closing+1, limit)}
		end := body.to
		s.replace("condition left out", span{i, end}, s.of(body))
		if s.is(end, "else") {
			other := end + 1
			end = s.statement(other, limit)
			s.replace("statement left out", span{other - 1, end}, "")
		}
		s.replace("statement left out", span{i, end}, ";")
		return end
	}
	end := i
	for end < limit && !s.is(end, ";") {
		if m, ok := s.match[end]; ok && m > end {
			end = m
		}
		end++
	}
	all, value := span{i, min(end+1, limit)}, span{i + 1, end}
	s.replace("statement left out", all, ";")
	if !s.is(i, "return") {
		s.replace("statement twice", all, s.of(all)+" "+s.of(all))
		return all.to
	}
	for _, by := range []string{"0", "1", "-1", "42", "XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"} {
		if strings.HasPrefix(by, "XDP") && !strings.Contains(s.text, "XDP_") {
			continue
		}
		s.replace("returned value", value, by)
	}
	if len(s.split(value, "&&", "||")) > 1 {
		s.condition(value)
	}
	return all.to
}

func (s *source) constantC(i int) {
	t := s.tokens[i]
	digits := strings.TrimRight(t.text, "uUlL")
	n, err := strconv.ParseInt(digits, 0, 64)
	if err != nil {
		return
	}
	suffix := t.text[len(digits):]
	for _, other := range []int64{0, 1, -1, n - 1, n + 1, 2 * n, n / 2, 1 << 20, 1<<31 - 1, 1 << 62} {
		if other != n {
			s.token("constant", i, strconv.FormatInt(other, 10)+suffix)
		}
	}
}

// alternatives are what words may be exchanged for.
var alternatives = map[string][]string{
	"__u32": {"__u64", "__u16", "__u8", "__s32"}, "__u64": {"__u32", "__u8", "__s64"}, "char": {"__u64"}, "bool": {"__u64"},
	"volatile": {""}, "const": {""},
	"ETH_P_IP": {"ETH_P_IPV6", "ETH_P_ARP"}, "IPPROTO_TCP": {"IPPROTO_UDP"}, "IPPROTO_UDP": {"IPPROTO_ICMP"},
	"BPF_ANY": {"BPF_NOEXIST", "BPF_EXIST", "BPF_F_LOCK", "42"}, "XDP_PASS": {"XDP_DROP", "XDP_TX", "42"},
	"BPF_RB_FORCE_WAKEUP": {"BPF_RB_NO_WAKEUP", "0", "42"},
	"bpf_htons":           {"bpf_ntohs", "bpf_htonl", ""}, "bpf_ntohl": {"bpf_ntohs", ""},
	"bpf_map_lookup_elem": {"bpf_map_delete_elem"}, "bpf_map_update_elem": {"bpf_map_delete_elem"},
	"bpf_ktime_get_ns": {"bpf_get_prandom_u32", "bpf_ktime_get_boot_ns", "bpf_jiffies64"}, "bpf_get_prandom_u32": {"bpf_ktime_get_ns", "bpf_get_smp_processor_id"},
	"bpf_ringbuf_submit": {"bpf_ringbuf_discard"}, "bpf_probe_read_kernel": {"bpf_probe_read", "bpf_probe_read_user"},
	"bpf_get_current_pid_tgid": {"bpf_get_current_uid_gid"}, "bpf_get_current_uid_gid": {"bpf_get_current_pid_tgid"},
	"PT_REGS_PARM1_SYSCALL": {"PT_REGS_PARM2_SYSCALL", "PT_REGS_PARM1", "PT_REGS_RC"},
	"__sync_fetch_and_add":  {"__sync_fetch_and_sub"},
}

func (s *source) wordC(i int) {
	kind := "word"
	if strings.HasPrefix(s.tokens[i].text, "__u") || s.is(i, "char", "bool", "volatile", "const") {
		kind = "type"
	}
	s.token(kind, i, alternatives[s.tokens[i].text]...)
}

// flags exchanges the last argument of a call of a helper, if it has flags.
func (s *source) flags(i int) {
	if !strings.HasPrefix(s.tokens[i].text, "bpf_ringbuf_") {
		return
	}
	parts := s.split(span{i + 2, s.match[i+1]}, ",")
	for _, by := range []string{"0", "1", "BPF_RB_NO_WAKEUP", "BPF_RB_FORCE_WAKEUP", "BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP", "42"} {
		s.replace("flags", parts[len(parts)-1], by)
	}
}

var sections = []string{"", "xdp", "xdp.frags", "xdp/cpumap", "raw_tp/sys_enter", "raw_tp/sys_exit", "raw_tp", "tp/syscalls/sys_enter_getpid", "socket", "iter/task", ".maps", "maps", "license", ".rodata", ".data", ".ksyms", ".text"}

var (
	mapTypes = []string{"HASH", "ARRAY", "PERCPU_HASH", "PERCPU_ARRAY", "LRU_HASH", "LRU_PERCPU_HASH", "RINGBUF", "LPM_TRIE", "QUEUE", "BLOOM_FILTER", "HASH_OF_MAPS", "PERF_EVENT_ARRAY", "TASK_STORAGE"}
	mapFlags = []string{"BPF_F_NO_PREALLOC", "BPF_F_NO_COMMON_LRU", "BPF_F_NUMA_NODE", "BPF_F_RDONLY", "BPF_F_WRONLY", "BPF_F_RDONLY_PROG",
		"BPF_F_WRONLY_PROG", "BPF_F_ZERO_SEED", "BPF_F_MMAPABLE", "BPF_F_INNER_MAP", "BPF_F_PRESERVE_ELEMS", "1 << 30"}
)

// definition edits a line of a map's: its type, or how many entries it has.
func (s *source) definition(i int) {
	end, ok := s.match[i]
	if !ok || !s.is(i+2, ",") {
		return
	}
	value := span{i + 3, end}
	if s.is(i+1, "type") {
		for _, t := range mapTypes {
			s.replace("map type", value, "BPF_MAP_TYPE_"+t)
		}
		for _, f := range mapFlags {
			s.replace("map flags", span{end, end + 1}, "); __uint(map_flags, "+f+")")
		}
		return
	}
	for _, n := range []string{"0", "1", "2", "255", "256", "257", "4096", "65536", "131072", "260000", "262144", "1 << 20", "1 << 30"} {
		s.replace("map size", value, n)
	}
}
