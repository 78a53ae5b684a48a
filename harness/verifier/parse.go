// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ParseLog reads the text of a verifier's log, from wherever it was copied: as libbpf, bpftool, cilium/ebpf, aya or
// bcc print it, with what they say before and after it, or with a system log's prefixes. Of several logs the
// last one counts. If the text has no log, but says why a library did not load the program, the report's speaker is
// the loader. A report without a message on a program that was not accepted means that the text says nothing.
//
// It works on any system.
func ParseLog(text string) Report {
	lines := withoutPrefixes(text)
	report := Report{Program: programOf(lines), Errno: errnoOf(lines)}
	log, summary := logOf(lines)
	r := parseRejection(log)
	report.Stats = parseStats(log)
	if r.message == "" && len(log) > 0 && report.Errno == "" && report.Stats.Processed > 0 {
		report.Accepted = true
		return report
	}
	report.Message, report.Source, report.Log, report.Trace = r.message, r.source, r.tail, r.trace
	if slices.ContainsFunc(log, IsTrace) {
		report.Whole = &Log{Lines: whole(log)}
	}
	if m := failedRelocation.FindStringSubmatch(strings.Join(log, "\n")); m != nil {
		report.Relocation = m[1]
	}
	switch {
	case r.message != "" && !byLoader.MatchString(r.message):
	case summary != "":
		report.Message = summary
	default:
		for _, line := range lines {
			if byLoader.MatchString(line) {
				report.By, report.Message = Loader, scrub(strings.TrimSpace(line))
				break
			}
		}
	}
	return report
}

var (
	// "[ 12.345678] ", "Nov 28 04:09:42 host loader[12]: ", "2026/11/28 04:09:42 ", "2026-11-28T04:09:42.123Z INFO ",
	// "libbpf: ".
	prefix = regexp.MustCompile(`^(?:\[\s*\d+\.\d+\] ?|[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \S+ [^\s:]+: ?|\d{4}[-/]\d\d[-/]\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)? ?(?:(?:DEBUG|INFO|WARN|ERROR) )?|libbpf: |\t+)`)
	escape = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")

	logBegins = regexp.MustCompile(`-- BEGIN (?:PROG LOAD|DUMP) LOG --`)
	logEnds   = regexp.MustCompile(`-- END (?:PROG LOAD|DUMP) LOG --`)
	// aya puts the log's first line behind its own words: "the BPF_PROG_LOAD syscall failed. Verifier output: 0: …".
	ayaBegins = regexp.MustCompile(`^.*[Vv]erifier output:\s*`)
	// What loaders say after a log.
	afterLog = regexp.MustCompile(`^(?:Caused by:|Error: |Traceback |Exception: |HINT: |prog '|failed to load |bpf: Failed |error: |Location:$|Stack backtrace:|Permission denied|Invalid argument|.*\(os error \d+\)|\(\d+ line\(s\) omitted\)|.*\bfailed to load (?:object|BPF|program)|.*\bload program: [a-z ]+:$)`)
	// cilium/ebpf's summary in one line: "field P: program p: load program: permission denied: 3: (95) exit: R0 !read_ok (5 line(s) omitted)".
	summarised = regexp.MustCompile(`\bload program: [a-z ]+: (?:\d+: \([0-9a-f]{2}\) [^:]*: )?(.+?)(?: \(\d+ line\(s\) omitted\))?$`)

	programNamed = regexp.MustCompile(`(?:\bprog '|\bprogram (?:b')?)(\w+)(?:'|:)`)
	errnoNumber  = regexp.MustCompile(`(?:failed to load: -|os error |err(?:or|no)?[ =:]+-?|: -)(\d+)\)?$`)
	errnoText    = regexp.MustCompile(`(?i)\b(permission denied|invalid argument|argument list too long|operation not permitted|bad address|no such file or directory|no space left on device)\b`)

	// libbpf's note at the end of a log, under the instruction that it made invalid.
	failedRelocation = regexp.MustCompile(`failed to resolve CO-RE relocation <\w+> \[\d+\] (?:struct |union |enum )?(\S+)`)
	// What libraries say when they give up before the kernel is asked.
	byLoader = regexp.MustCompile(`not found in kernel or module BTFs|failed to find (?:valid )?kernel BTF|kfunc '\S+' is referenced but wasn't resolved|failed to resolve CO-RE|fixing up kfuncs: |resolve \.kconfig: |attach \w+/\w+: .* not supported|extern \(\w+\) '|incompatible in kernel|apply CO-RE relocations: |is not found in vmlinux BTF`)
)

// errnos are the names of the numbers that a load fails with.
var errnos = map[string]string{
	"1": "EPERM", "2": "ENOENT", "3": "ESRCH", "7": "E2BIG", "12": "ENOMEM", "13": "EACCES", "14": "EFAULT", "22": "EINVAL", "28": "ENOSPC", "95": "EOPNOTSUPP", "524": "ENOTSUPP",
	"operation not permitted": "EPERM", "no such file or directory": "ENOENT", "argument list too long": "E2BIG", "permission denied": "EACCES",
	"bad address": "EFAULT", "invalid argument": "EINVAL", "no space left on device": "ENOSPC",
}

// withoutPrefixes returns a text's lines without what programs and system logs put before each.
func withoutPrefixes(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line = escape.ReplaceAllString(strings.TrimRight(line, "\r\n"), "")
		for range 4 { // one in the other
			rest := prefix.ReplaceAllString(line, "")
			if rest == line {
				break
			}
			line = rest
		}
		lines = append(lines, line)
	}
	return lines
}

// logOf cuts a log out of what was printed with it. A summary is the message of a log that was not printed.
func logOf(lines []string) (log []string, summary string) {
	begin, end := -1, len(lines)
	for i, line := range lines {
		if logBegins.MatchString(line) {
			begin, end = i+1, len(lines)
		} else if logEnds.MatchString(line) && begin >= 0 && end == len(lines) {
			end = i
		}
	}
	if begin >= 0 {
		return lines[begin:end], ""
	}

	lines = slices.Clone(lines)
	for i, line := range lines {
		if m := ayaBegins.FindString(line); m != "" {
			lines = lines[i:]
			lines[0] = strings.TrimPrefix(line, m)
			begin = 0
			break
		}
	}
	if begin < 0 {
		begin = slices.IndexFunc(lines, func(line string) bool { return IsTrace(line) || strings.HasPrefix(line, "processed ") })
	}
	if begin < 0 {
		for _, line := range lines {
			if m := summarised.FindStringSubmatch(line); m != nil {
				summary = scrub(strings.TrimSpace(m[1]))
			}
		}
		if summary != "" {
			return nil, summary
		}
		// The message alone.
		lines = slices.DeleteFunc(lines, func(line string) bool { return afterLog.MatchString(line) || byLoader.MatchString(line) })
		return lines, ""
	}
	log = lines[begin:]
	for i, line := range log {
		switch {
		case strings.HasPrefix(line, "processed "):
			// A program that is loaded twice for its log has two.
			if !slices.ContainsFunc(log[i+1:], IsTrace) {
				return log[:i+1], ""
			}
		case afterLog.MatchString(line) && !slices.ContainsFunc(log[i:], IsTrace):
			return log[:i], ""
		}
	}
	return log, ""
}

// programOf returns the name of the program that a loader's last words are about.
func programOf(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if m := programNamed.FindStringSubmatch(line); m != nil && !IsTrace(line) {
			return m[1]
		}
	}
	return ""
}

// errnoOf returns the name of the error that a loader names last.
func errnoOf(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if IsTrace(line) {
			continue
		}
		if m := errnoNumber.FindStringSubmatch(line); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil && errnos[strconv.Itoa(n)] != "" {
				return errnos[strconv.Itoa(n)]
			}
		}
		if m := errnoText.FindStringSubmatch(line); m != nil {
			return cmp.Or(errnos[strings.ToLower(m[1])], "")
		}
	}
	return ""
}
