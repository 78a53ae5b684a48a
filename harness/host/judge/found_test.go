// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFound(t *testing.T) {
	v := Verdict{Status: Pass, Fraction: 1, Message: "well", Measured: Quantity{Value: 3}}
	assert.Equal(t, v, Found(v, "WRONG", nil), "nothing was found")

	failed := Verdict{Status: Fail, Cell: "WRONG", Message: "a", Measured: v.Measured}
	assert.Equal(t, failed, Found(v, "WRONG", []string{"a"}), "one finding is the message")
	failed.Details = []string{"b"}
	assert.Equal(t, failed, Found(v, "WRONG", []string{"a", "b"}))

	var many []string
	for i := range 22 {
		many = append(many, fmt.Sprint(i))
	}
	assert.Equal(t, many[1:21], Found(v, "", many[:21]).Details)
	assert.Equal(t, append(many[1:21:21], "… and 1 more"), Found(v, "", many).Details)
	assert.Equal(t, "21", many[21], "the caller's list stays as it is")
}

func TestEnded(t *testing.T) {
	v := Ended(Verdict{Status: Pass, Fraction: 1}, "consumer", "it ended", "")
	assert.Equal(t, Verdict{Status: Fail, Cell: "ENDED", Message: "the consumer: it ended"}, v)
	v = Ended(v, "controller", "it ended", "a\nb")
	assert.Equal(t, []string{"the controller printed:", "a", "b"}, v.Details)
}

func TestUnmet(t *testing.T) {
	assert.NoError(t, Unmet(4, 16, 4))
	assert.EqualError(t, Unmet(3, 16, 4), "no update was lost, but the racy control program lost none either: the two CPUs met in 3 of 16 rounds, and 4 are needed to tell")
}
