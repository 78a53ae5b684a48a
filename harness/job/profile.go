// SPDX-License-Identifier: Apache-2.0

package job

// Profile is how often each instruction of a program ran, in runs that are typical for its cost, what its calls took, and
// which machine code it became.
type Profile struct {
	Runs     uint64   `json:"runs"`               // that Count and Time are of
	Executed []uint64 `json:"executed,omitempty"` // instructions of the program, by frame; 0: the frame was refused
	Differs  int      `json:"differs,omitempty"`  // frames on which the copy that counts has returned something else

	Files     []string      `json:"files"`
	Lines     []SourceLine  `json:"lines"`
	Functions []string      `json:"functions"`
	Insns     []Instruction `json:"insns"`

	Code  []byte `json:"code"`  // machine code of the program and its functions
	Empty []byte `json:"empty"` // and of a program of the same type that only returns

	// Error is not empty for a program that could not be profiled: it says why.
	Error string `json:"error,omitempty"`
}

// SourceLine is a line of which there are instructions.
type SourceLine struct {
	File   int    `json:"file"` // in Files
	Number int    `json:"number"`
	Text   string `json:"text"`
}

// Instruction is one of BPF.
type Instruction struct {
	Text     string `json:"text"`
	Line     int    `json:"line"`     // in Lines, or -1
	Function int    `json:"function"` // in Functions
	Count    uint64 `json:"count"`    // how often it ran

	Helper uint32 `json:"helper,omitempty"` // that it calls, by number
	Kfunc  string `json:"kfunc,omitempty"`  // function of the kernel that it calls
	Calls  int    `json:"calls,omitempty"`  // function of the program that it calls, 1 more than in Functions

	// Timed: Time is what all its calls took, ns, from the call to the next instruction.
	Timed bool    `json:"timed,omitempty"`
	Time  float64 `json:"time,omitempty"`

	// From and To are where in Code its machine code is; To is 0 if the verifier has removed it. Entry is From, or before
	// it, where the prologue begins of a function whose first instruction is a call; R0 = 0 stands between them.
	Entry int `json:"entry"`
	From  int `json:"from"`
	To    int `json:"to"`
}

const profile = "profile"

// GetProfile returns the profile of a lab's submission, of a job whose Profile is set.
func GetProfile(o Observations) (*Profile, error) { return Get[*Profile](o, profile) }

// SetProfile adds what GetProfile reads.
func (o Observations) SetProfile(p *Profile) error { return o.Set(profile, p) }
