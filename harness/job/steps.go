// SPDX-License-Identifier: Apache-2.0

package job

// StepsSeed is what jobs of Steps draw from. It is public, and no submission's.
const StepsSeed = 1

// MaxSteps is the most frames or calls that a job of Steps shows.
const MaxSteps = 256

// Printed is what a program printed in one step.
type Printed struct {
	Lines []string `json:"lines,omitempty"`
	More  int      `json:"more,omitempty"` // lines that were not kept
}

// Called is what a program that runs at system calls made of one: of a ring that was empty.
type Called struct {
	Began   int64   `json:"began"` // ns
	Ended   int64   `json:"ended"`
	Sent    int     `json:"sent"`             // records that were put into the ring
	Size    int     `json:"size"`             // of the first, bytes
	Record  []byte  `json:"record,omitempty"` // its beginning
	Printed Printed `json:"printed"`
	// Missed is for how many calls, of whatever interest, the kernel did not run the program meanwhile.
	Missed uint64 `json:"missed,omitempty"`
}

// Map is what one of a program's maps holds, or one of its sections of global variables.
type Map struct {
	Name    string  `json:"name"`
	Entries []Entry `json:"entries"`        // by key; of an array only those that are not all zero
	More    bool    `json:"more,omitempty"` // it may hold others
}

// Entry is an entry of a map.
type Entry struct {
	Key    []byte   `json:"key"`
	Values [][]byte `json:"values"` // one, or one for each CPU
}

const steps, held = "steps", "held"

// GetSteps returns what a job of Steps saw, one T a step, in the lab's own terms.
func GetSteps[T any](o Observations) ([]T, error) { return Get[[]T](o, steps) }

// GetHeld returns what the submission's maps held after the steps.
func GetHeld(o Observations) ([]Map, error) { return Get[[]Map](o, held) }

// SetSteps adds what GetSteps and GetHeld read; all is a slice.
func (o Observations) SetSteps(all any, maps []Map) error {
	if err := o.Set(steps, all); err != nil {
		return err
	}
	return o.Set(held, maps)
}
