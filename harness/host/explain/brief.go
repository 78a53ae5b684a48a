// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	packetRange = regexp.MustCompile(`\br=(\d+)`)
	immOff      = regexp.MustCompile(`\bimm=(-?\d+|0x[0-9a-f]+)`)
	plainOff    = regexp.MustCompile(`\boff=(-?\d+|0x[0-9a-f]+)`)
	slotBytes   = regexp.MustCompile(`^[rmi0?d]{8}$`)
)

// brief says in a few words what a register or stack slot holds.
func brief(name, state string) string {
	if strings.HasPrefix(name, "fp") {
		return briefSlot(state)
	}
	if state == lost {
		return "without a value: a call before has taken it"
	}
	if isNumber.MatchString(state) {
		b := parseBounds(state)
		switch low := bounds32(state); {
		case b != anyNumber:
			return b.String()
		case low != "":
			return "any number, its low 32 bits " + low
		default:
			return "any number"
		}
	}
	kind, _, _ := strings.Cut(state, "(")
	base, nullable := strings.CutSuffix(kind, "_or_null")
	if rest, ok := strings.CutPrefix(base, "ptr_or_null_"); ok {
		base, nullable = "ptr_"+rest, true
	}
	words, checked := "", ""
	switch {
	case strings.HasPrefix(base, "fp"):
		if base == "fp0" || base == "fp" {
			return "frame pointer"
		}
		return "address of " + base
	case base == "ctx":
		words = "context"
	case base == "pkt" || base == "pkt_meta":
		words = map[string]string{"pkt": "packet", "pkt_meta": "packet's metadata"}[base]
		checked = "nothing checked"
		if m := packetRange.FindStringSubmatch(state); m != nil && m[1] != "0" {
			checked = plural(m[1], "byte") + " checked"
		}
	case base == "pkt_end":
		words = "packet's end"
	case base == "map_value":
		words = "map value"
		if m := mapNamed.FindStringSubmatch(state); m != nil {
			words = "value of " + m[1]
		}
		if m := valueSize.FindStringSubmatch(state); m != nil {
			checked = plural(m[1], "byte")
		}
	case base == "map_ptr":
		words = "map"
		if m := mapNamed.FindStringSubmatch(state); m != nil {
			words = "map " + m[1]
		}
		return words
	case kernelType.MatchString(kind):
		m := kernelType.FindStringSubmatch(kind)
		words = strings.ReplaceAll(m[1], "_", " ") + "struct " + strings.TrimSuffix(m[2], "_or_null") + " *"
	case strings.HasSuffix(base, "mem"):
		words = strings.ReplaceAll(strings.TrimSuffix(strings.TrimSuffix(base, "mem"), "_"), "_", " ")
		words = strings.TrimSpace(words + " memory")
		if m := memorySize.FindStringSubmatch(state); m != nil {
			checked = plural(m[1], "byte")
		}
	default:
		words = strings.ReplaceAll(base, "_", " ")
	}
	if b := parseBounds(state); strings.Contains(state, "max") && !strings.HasPrefix(base, "fp") && b.umin != b.umax {
		words += " + (" + b.String() + ")"
	}
	if off := offsetIn(state); off > 0 {
		words += fmt.Sprintf(" + %d", off)
	} else if off < 0 {
		words += fmt.Sprintf(" - %d", -off)
	}
	if checked != "" {
		words += ", " + checked
	}
	if nullable {
		words += ", or NULL"
	}
	return words
}

// offsetIn returns the constant part of a pointer's offset: "off", or since 7.3 "imm".
func offsetIn(state string) int64 {
	sum := int64(0)
	for _, pattern := range []*regexp.Regexp{plainOff, immOff} {
		if m := pattern.FindStringSubmatch(state); m != nil {
			n, _ := strconv.ParseInt(m[1], 0, 64)
			sum += n
		}
	}
	return sum
}

// bounds32 says what is known of a number's lower half: "0 to 9". It is "" for nothing.
func bounds32(state string) string {
	_, list, ok := strings.Cut(state, "(")
	if !ok {
		return ""
	}
	low, high := map[string]string{}, map[string]string{}
	for item := range strings.SplitSeq(strings.TrimSuffix(list, ")"), ",") {
		names := strings.Split(item, "=")
		for _, name := range names[:len(names)-1] {
			switch strings.TrimSuffix(name, "_value") {
			case "smin32", "s32_min":
				low["s"] = names[len(names)-1]
			case "smax32", "s32_max":
				high["s"] = names[len(names)-1]
			case "umin32", "u32_min":
				low["u"] = names[len(names)-1]
			case "umax32", "u32_max":
				high["u"] = names[len(names)-1]
			}
		}
	}
	decimal := func(text, or string) string {
		if text == "" {
			return or
		}
		if n, err := strconv.ParseInt(text, 0, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
		return or
	}
	switch {
	case high["u"] != "":
		return decimal(low["u"], "0") + " to " + decimal(high["u"], "2³²-1")
	case high["s"] != "" && low["s"] != "":
		return decimal(low["s"], "") + " to " + decimal(high["s"], "")
	case high["s"] != "":
		return "at most " + decimal(high["s"], "") + " (signed)"
	case low["s"] != "":
		return "at least " + decimal(low["s"], "") + " (signed)"
	case low["u"] != "":
		return "at least " + decimal(low["u"], "")
	}
	return ""
}

// inPart returns a slot's value without the bytes beside it: "5" of "????5".
func inPart(state string) string {
	for before := ""; before != state; {
		before = state
		state = strings.Trim(state, "?")
		if strings.HasPrefix(state, "mm") {
			state = strings.TrimLeft(state, "m")
		}
		if strings.HasSuffix(state, "mm") {
			state = strings.TrimRight(state, "m")
		}
	}
	return state
}

// briefSlot says what eight bytes of the stack hold: "mmmm????", from the highest byte on, or a register's value that
// was saved there, below which there may be bytes of another write ("????5").
func briefSlot(state string) string {
	if !slotBytes.MatchString(state) {
		if value := inPart(state); value != state {
			return brief("", value) + ", in " + plural(8-len(state)+len(value), "byte")
		}
		return brief("", state)
	}
	never := strings.Count(state, "?")
	what := "written"
	switch zeros := strings.Count(state, "0"); {
	case never == 8:
		return "not written"
	case zeros+never == 8:
		what = "zero"
	case strings.Contains(state, "d"):
		return "dynptr"
	case strings.Contains(state, "i"):
		return "iterator"
	}
	if never > 0 {
		return fmt.Sprintf("%d of 8 bytes %s", 8-never, what)
	}
	return "8 bytes " + what
}
