// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Stats are the verifier's own figures, named in JSON as veristat names them.
// What a kernel does not print is 0.
type Stats struct {
	Processed        int `json:"total_insns"` // instructions, over all paths
	Limit            int `json:"limit"`       // of Processed
	MaxStatesPerInsn int `json:"max_states_per_insn"`
	TotalStates      int `json:"total_states"`
	PeakStates       int `json:"peak_states"`
	MarkRead         int `json:"max_mark_read_len"`
	StackDepth       int `json:"stack_depth"` // bytes, summed over functions as veristat does
}

// parseStats reads the figures that LogLevelStats puts at a log's end:
//
//	verification time 519 usec
//	stack depth 8+8
//	processed 31 insns (limit 1000000) max_states_per_insn 0 total_states 3 peak_states 3 mark_read 0
//
// Linux 7.3 has a line for each function in place of the depths of all:
//
//	stack depth max 16
//	subprog 0 (count_packets) main insns_self 20 insns_total 31 stack 8
//	subprog 1 (helper) static insns_self 11 insns_total 11 stack 8
func parseStats(log []string) Stats {
	var s Stats
	for _, line := range log {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "processed ") && len(words) > 1:
			s.Processed = number(words[1])
			for i, word := range words[:len(words)-1] {
				value := number(strings.TrimSuffix(words[i+1], ")"))
				switch word {
				case "(limit":
					s.Limit = value
				case "max_states_per_insn":
					s.MaxStatesPerInsn = value
				case "total_states":
					s.TotalStates = value
				case "peak_states":
					s.PeakStates = value
				case "mark_read":
					s.MarkRead = value
				}
			}
		case strings.HasPrefix(line, "stack depth ") && len(words) > 2:
			s.StackDepth = 0
			for depth := range strings.SplitSeq(words[2], "+") {
				s.StackDepth += number(depth)
			}
		case statsOfFunction.MatchString(line):
			s.StackDepth += number(words[len(words)-1])
		}
	}
	return s
}

// number returns 0 for what is not a count.
func number(s string) int {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return int(n)
}

var (
	// "16: (71) r0 = …", "from 9 to 16: R0=…", and 5.10's "16: R0=…"
	insnLine = regexp.MustCompile(`^(?:from \d+ to )?(\d+):`)
	// In messages about control flow: "back-edge from insn 5 to 3"
	insnNamed = regexp.MustCompile(`\binsn (\d+)\b`)
	// "; if (data + 14 > end)", since 6.9 with " @ counter.bpf.c:31"
	sourceLine = regexp.MustCompile(`^; (.*?)(?: @ (\S+):(\d+))?$`)
	// What stands between instructions and is not the verifier's verdict:
	// register states, callers, and its search for precise values.
	stateLine = regexp.MustCompile(`^\s*(?:(?:frame\d+: ?)?(?:R\d+(?:_\w+)?|fp-?\d+)=|frame\d+:|caller:|callee:|returning from callee:|to caller at|(?:last_idx|regs=|parent |mark_precise|propagating|func#\d+ @|safe$|Validating |func '[^']*' arg\d+ has btf_id ))`)
	// Addresses of maps, which differ with each load.
	address = regexp.MustCompile(`\b(r\d+ = )0xff[0-9a-f]{14}\b`)
	// A figure that differs with each load. Linux 7.3 also puts it behind some messages, on their line.
	verificationTime = regexp.MustCompile(`\s*verification time \d+ usec\b.*`)
	// In a log's figures, since Linux 7.3.
	statsOfFunction = regexp.MustCompile(`^subprog \d+ \(.*\) \w+ insns_self \d+ insns_total \d+ stack \d+$`)
	saidOfBranch    = regexp.MustCompile(`^(\d+: \([0-9a-f]{2}\) if [^;]* goto pc[+-]\d+) ([A-Za-z][^:;=]*)$`)
	// The two states that "infinite loop detected" compares.
	comparedState = regexp.MustCompile(`^(?:cur|old) state:`)
	// What a verifier notes of a program's own parameter, and goes on. Of a function's it is the verdict, or the first
	// of ofFunctions.
	programNote = regexp.MustCompile(`^(?:Unrecognized arg#\d+ type \S+|arg#\d+ reference type\('UNKNOWN '\) size cannot be determined: -?\d+|reg type unsupported for arg#\d+ function \S+)$`)
	ofFunctions = regexp.MustCompile(`(?i)caller passes|global function|func#|arg#`)
	// "Reason:" and the like in a report, see withoutReport.
	reportHeading = regexp.MustCompile(`^[A-Z][a-z]+(?: [a-z]+)?:$`)
)

// A rejection is what a log says about the instruction it ends with.
type rejection struct {
	message string
	insn    int    // in units of 8 bytes, -1 if unknown
	source  string // the last source line in the log
	tail    []string
	trace   []string
}

// parseRejection reads a log that ends in a rejection.
func parseRejection(log []string) rejection {
	const (
		maxTail    = 20
		maxMessage = 3 // lines; the last ones of a chain of reasons
	)
	log, reason := withoutReport(withoutStats(log))
	r := rejection{insn: -1}

	var message []string
	for _, line := range slices.Backward(log) {
		if len(message) == maxMessage || IsTrace(line) {
			break
		}
		aside := len(message) > 0 && programNote.MatchString(line) && !ofFunctions.MatchString(message[len(message)-1])
		if !comparedState.MatchString(line) && !aside {
			message = append(message, strings.TrimSpace(line))
		}
	}
	slices.Reverse(message)
	r.message = scrub(strings.Join(message, ": "))
	if r.message == "" {
		r.message, reason = scrub(reason), "" // said once
	}

	for i := len(log) - 1; i >= 0 && (r.insn < 0 || r.source == ""); i-- {
		if m := insnLine.FindStringSubmatch(log[i]); m != nil && r.insn < 0 {
			r.insn = number(m[1])
		}
		if m := sourceLine.FindStringSubmatch(log[i]); m != nil && r.source == "" {
			r.source = scrub(strings.TrimSpace(m[1]))
			// Line 0 is clang's for what belongs to no statement.
			if m[2] != "" && m[3] != "0" {
				r.source = scrub(m[2]) + ":" + m[3] + ": " + r.source
			}
		}
	}
	if m := insnNamed.FindStringSubmatch(r.message); m != nil {
		r.insn = number(m[1])
	}

	r.trace = traceOf(log)
	if reason != "" {
		log = append(log, reason)
	}
	for _, line := range log[max(0, len(log)-maxTail):] {
		r.tail = append(r.tail, scrub(line))
	}
	return r
}

// A Log is what a verifier said of a program until it rejected it, from the beginning: of the path that led there,
// or of all paths where a kernel shows registers only with these (until 5.15). What differs with each load is not in
// it: addresses and times.
type Log struct {
	Lines []string `json:"lines"`
	// Cut is how many lines are left out; they would stand before Lines[At].
	Cut int `json:"cut,omitempty"`
	At  int `json:"at,omitempty"`
}

// Text returns the lines, with one in place of those that are left out.
func (l *Log) Text() []string {
	if l.Cut == 0 {
		return l.Lines
	}
	return slices.Insert(slices.Clone(l.Lines), l.At, fmt.Sprintf("… %d lines are left out here …", l.Cut))
}

// Equal reports whether two logs are the same.
func (l *Log) Equal(other *Log) bool {
	return l == other || l != nil && other != nil && l.Cut == other.Cut && l.At == other.At && slices.Equal(l.Lines, other.Lines)
}

// Path returns a log's lines on instructions and what the verifier said in its own words, without its figures and the
// report that Linux 7.3 puts at the end.
func (l *Log) Path() []string {
	lines, _ := withoutReport(withoutStats(l.Lines))
	return lines
}

// whole returns a log's lines without what differs with each load.
func whole(log []string) []string {
	var lines []string
	for _, line := range log {
		line = scrub(verificationTime.ReplaceAllString(line, ""))
		if strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// cut keeps the first lines of a log, up to a quarter of some bytes, and the last ones. The end says most.
func cut(lines []string, bytes int) *Log {
	const perLine = 4 // in JSON: quotes, a comma, and an escaped character
	size := func(line string) int { return len(line) + perLine }
	total := 0
	for _, line := range lines {
		total += size(line)
	}
	if total <= bytes {
		return &Log{Lines: lines}
	}
	first, used := 0, 0
	for first < len(lines) && used+size(lines[first]) <= bytes/4 {
		used += size(lines[first])
		first++
	}
	last := len(lines)
	for last > first && used+size(lines[last-1]) <= bytes {
		last--
		used += size(lines[last])
	}
	return &Log{Lines: slices.Concat(lines[:first], lines[last:]), Cut: last - first, At: first}
}

// traceOf returns a log's last lines for Report.Trace.
func traceOf(log []string) []string {
	const maxLines, maxBytes = 200, 32 << 10
	var lines []string
	size := 0
	for _, line := range slices.Backward(log) {
		line = scrub(line)
		if size += len(line); len(lines) == maxLines || size > maxBytes {
			break
		}
		lines = append(lines, line)
	}
	slices.Reverse(lines)
	return lines
}

// hasStates reports whether a log shows registers after each instruction. Until 5.16 only one of
// LogLevelInstruction does.
func hasStates(log []string) bool {
	return slices.ContainsFunc(log, func(line string) bool {
		_, states, _ := strings.Cut(line, "; ")
		return insnLine.MatchString(line) && stateLine.MatchString(states)
	})
}

// withoutReport cuts out the report that Linux 7.3 puts after its own words, which remain as
// they always were, and returns the reason that it gives, on one line.
//
//	R0 invalid mem access 'map_value_or_null'
//	Verification failed: Register Type Safety: Invalid dereference
//	Reason:
//	  R0 may be NULL here (a nullable map value pointer). The program could dereference NULL on this
//	  path, so the verifier cannot prove this access is safe.
//	At:
//	  program @ null-check.bpf.c:22:11
//	  …
//	Causal path:
//	  …
//	Suggestion:
//	  Add a NULL check before the access and dereference the pointer only on the non-NULL path.
//
// More words may follow, and begin where lines are no longer indented.
func withoutReport(log []string) (words []string, reason string) {
	const title = "Verification failed: "
	start := slices.IndexFunc(log, func(line string) bool { return strings.HasPrefix(line, title) })
	if start < 0 {
		return log, ""
	}
	reason = strings.TrimPrefix(log[start], title) + ":"
	heading, end := "", start+1
	for ; end < len(log); end++ {
		line := log[end]
		switch {
		case reportHeading.MatchString(line):
			heading = line
		case !strings.HasPrefix(line, "  "):
			return slices.Concat(log[:start], log[end:]), reason
		case heading == "Reason:":
			reason += " " + strings.TrimSpace(line)
		}
	}
	return log[:start:start], reason
}

// IsTrace reports whether a line is one of those that follow the verifier's way from its verdict.
func IsTrace(line string) bool {
	return strings.HasPrefix(line, ";") || insnLine.MatchString(line) || stateLine.MatchString(line)
}

// withoutStats drops empty lines and the statistics, one of which is a time. What a verifier says of a branch may stand
// on the branch's line, from which it is taken: "9: (15) if r1 == 0x0 goto pc-1 infinite loop detected at insn 9".
func withoutStats(log []string) []string {
	var out []string
	for _, line := range log {
		line = verificationTime.ReplaceAllString(line, "")
		if m := saidOfBranch.FindStringSubmatch(line); m != nil {
			out, line = append(out, m[1]), m[2]
		}
		switch {
		case strings.TrimSpace(line) == "",
			strings.HasPrefix(line, "stack depth "),
			strings.HasPrefix(line, "processed "),
			statsOfFunction.MatchString(line):
		default:
			out = append(out, line)
		}
	}
	return out
}

func scrub(line string) string {
	return strings.ToValidUTF8(address.ReplaceAllString(line, "${1}<address>"), "?")
}
