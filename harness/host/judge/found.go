// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"slices"
	"strings"
)

// MaxFound is how many lines of details a report spends on what one task has found.
const MaxFound = 20

// Found fails a verdict for what was found wrong, one line each; where that is nothing, the verdict stays as it
// is. The first is its message, the others are its details, 20 at most.
func Found(v Verdict, cell string, found []string) Verdict {
	if len(found) == 0 {
		return v
	}
	v.Status, v.Fraction, v.Cell, v.Message, found = Fail, 0, cell, found[0], found[1:]
	if rest := len(found) - MaxFound; rest > 0 {
		found = append(slices.Clone(found[:MaxFound]), fmt.Sprintf("… and %d more", rest))
	}
	if len(found) > 0 {
		v.Details = found
	}
	return v
}

// Ended fails a verdict for a submission's program, "consumer" say, that is no longer there: for what trouble,
// and what it had printed.
func Ended(v Verdict, program, trouble, printed string) Verdict {
	v.Status, v.Fraction, v.Cell, v.Message = Fail, 0, "ENDED", "the "+program+": "+trouble
	if printed != "" {
		v.Details = append([]string{"the " + program + " printed:"}, strings.Split(printed, "\n")...)
	}
	return v
}

// Unmet is the error of a race that proves nothing: the submission lost no update, and neither did a control that
// is known to lose some, for its two CPUs met in too few rounds. nil if they met in at least needed of them.
func Unmet(met, rounds, needed int) error {
	if met >= needed {
		return nil
	}
	return fmt.Errorf("no update was lost, but the racy control program lost none either: the two CPUs met in %d of %d rounds, and %d are needed to tell", met, rounds, needed)
}
