// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	mapNamed   = regexp.MustCompile(`\bmap=([^,)]+)`)
	valueSize  = regexp.MustCompile(`\bvs=(\d+)`)
	kernelType = regexp.MustCompile(`^((?:rcu_|trusted_|untrusted_|percpu_|user_|safe_)*)ptr_(?:or_null_)?(\w*)`)
	memorySize = regexp.MustCompile(`\b(?:mem_size|sz)=(\d+)`)
	fixedOff   = regexp.MustCompile(`\b(?:off|imm)=(-?\d+|0x[0-9a-f]+)`)
)

// stateWords says in words what a register's state means.
func stateWords(state string) string {
	if state == "" {
		return "something that the log does not show"
	}
	if isNumber.MatchString(state) {
		b := parseBounds(state)
		if b.smin == b.smax {
			return "the number " + b.String()
		}
		return "a number (" + b.String() + ")"
	}
	name, _, _ := strings.Cut(state, "(")
	base, nullable := strings.CutSuffix(name, "_or_null")
	if strings.Contains(name, "ptr_or_null_") {
		nullable = true
	}
	words := ""
	switch {
	case strings.HasPrefix(base, "fp"):
		words = "a pointer to the stack (" + base + ")"
	case base == "ctx":
		words = "the context"
	case base == "pkt":
		words = "a pointer into the packet"
	case base == "pkt_end":
		words = "the packet's end, data_end"
	case base == "pkt_meta":
		words = "a pointer to the packet's metadata"
	case base == "map_value":
		words = "a pointer to a map's value"
		if m := mapNamed.FindStringSubmatch(state); m != nil {
			words = "a pointer to a value of the map " + m[1]
		}
	case base == "map_ptr":
		words = "a map"
		if m := mapNamed.FindStringSubmatch(state); m != nil {
			words = "the map " + m[1]
		}
	case strings.HasSuffix(base, "mem"):
		words = "a pointer to memory (" + base + ")"
		if strings.Contains(base, "untrusted") {
			words = "a pointer to kernel memory of no known type"
		} else if m := memorySize.FindStringSubmatch(state); m != nil {
			words = "a pointer to " + plural(m[1], "byte") + " of memory"
		}
	case strings.HasPrefix(base, "sock"), base == "tcp_sock", base == "xdp_sock":
		words = "a pointer to a socket (" + base + ")"
	case kernelType.MatchString(name):
		m := kernelType.FindStringSubmatch(name)
		words = "a pointer to a kernel object"
		if m[2] != "" {
			words = "a pointer to the kernel's struct " + strings.TrimSuffix(m[2], "_or_null")
		}
		if m[1] != "" {
			words += " (" + strings.TrimSuffix(strings.ReplaceAll(m[1], "_", " "), " ") + ")"
		}
	default:
		words = "a value of the verifier's type " + base
	}
	if nullable {
		words += ", or NULL"
	}
	return words
}

// insnWords says in words what an instruction does.
func insnWords(text string) string {
	if m := helper.FindStringSubmatch(text); m != nil {
		return "calls " + m[1]
	}
	if m := loads.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("reads %s at R%s%s into R%s", bytesOf(m[2]), m[3], offset(m[4]), m[1])
	}
	if m := writes.FindStringSubmatch(text); m != nil {
		what := m[6]
		if moves.MatchString(what) {
			what = "R" + what[1:]
		}
		if m[1] != "" || m[5] != "=" {
			return fmt.Sprintf("changes %s at R%s%s atomically, with %s", bytesOf(m[2]), m[3], offset(m[4]), what)
		}
		return fmt.Sprintf("writes %s at R%s%s, the value of %s", bytesOf(m[2]), m[3], offset(m[4]), what)
	}
	if m := tests.FindStringSubmatch(text); m != nil {
		return "compares R" + m[2] + " and branches"
	}
	switch {
	case text == "exit":
		return "returns R0"
	case strings.HasPrefix(text, "call pc"):
		return "calls a function of the program"
	case strings.HasPrefix(text, "goto"):
		return "jumps"
	}
	if m := assigns.FindStringSubmatch(text); m != nil {
		if m[2] == "=" {
			return "sets R" + m[1]
		}
		return "computes with R" + m[1]
	}
	return ""
}

func bytesOf(bits string) string {
	n, _ := strconv.Atoi(bits)
	return plural(strconv.Itoa(n/8), "byte")
}

// offset is " + 8" for "+8", and "" for "+0".
func offset(text string) string {
	if n, err := strconv.Atoi(text); err != nil || n == 0 {
		return ""
	}
	return " " + text[:1] + " " + text[1:]
}

// plural is "1 byte" or "2 bytes".
func plural[T int | int64 | uint64 | string](n T, thing string) string {
	text := fmt.Sprint(n)
	if text == "1" || text == "-1" {
		return text + " " + thing
	}
	return text + " " + thing + "s"
}

// argument returns the text of an argument in a line of C that calls a function, counted from 1, or "".
func argument(source, function string, n int) string {
	at := regexp.MustCompile(`\b` + regexp.QuoteMeta(function) + `\s*\(`).FindStringIndex(source)
	if at == nil {
		return ""
	}
	var args []string
	depth, start := 0, at[1]
	for i := at[1]; i < len(source); i++ {
		switch source[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			if depth == 0 {
				args = append(args, strings.TrimSpace(source[start:i]))
				if n <= len(args) {
					return args[n-1]
				}
				return ""
			}
			depth--
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(source[start:i]))
				start = i + 1
			}
		case '"', '\'':
			// A quoted comma separates nothing.
			if end := strings.IndexByte(source[i+1:], source[i]); end >= 0 {
				i += end + 1
			}
		}
	}
	return ""
}

// helpersSince are the highest number of a helper that a kernel has.
var helpersSince = []struct {
	last   int
	kernel string
}{
	{155, "5.10"}, {162, "5.11"}, {163, "5.12"}, {165, "5.13"}, {168, "5.14"}, {175, "5.15"}, {179, "5.16"},
	{185, "5.17"}, {193, "5.18"}, {203, "5.19"}, {207, "6.0"}, {209, "6.1"}, {211, "6.2"},
}

// since returns the first kernel that has a helper, "" for one that all kernels of the last years have or none.
func since(number int) string {
	if number <= helpersSince[0].last {
		return ""
	}
	i := slices.IndexFunc(helpersSince, func(h struct {
		last   int
		kernel string
	}) bool {
		return number <= h.last
	})
	if i < 0 {
		return ""
	}
	return helpersSince[i].kernel
}

// code quotes a piece of the program.
func code(text string) string { return "`" + strings.ReplaceAll(text, "`", "'") + "`" }
