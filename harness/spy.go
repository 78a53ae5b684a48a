// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"

	"github.com/cilium/ebpf"

	"bpflab/harness/judge"
)

// spy collects what a program saw, for tests of whether a program can tell scenes apart.
type spy struct {
	on  bool
	all *[]Spied
}

// Spied is what a program saw in one scene: the records of its map "spied", an array of words, 0 for
// a record that was not written.
type Spied struct {
	Scene   string   `json:"scene"`
	Timed   bool     `json:"timed"` // what the program costs is measured in this scene
	Records [][]byte `json:"records"`
}

const spied = "spied"

// GetSpied returns what a job whose Spy is set has collected.
func GetSpied(o judge.Observations) ([]Spied, error) { return judge.Get[[]Spied](o, spied) }

// Saw is to be called by a lab with each collection of the submission's at the end of each scene.
// Outside of tests it does nothing.
func (s *Scene) Saw(scene string, timed bool, c *ebpf.Collection) error {
	if !s.spy.on {
		return nil
	}
	m := c.Maps[spied]
	if m == nil {
		return fmt.Errorf("the submission has no map %q", spied)
	}
	one := Spied{Scene: scene, Timed: timed}
	for i := range m.MaxEntries() {
		record, err := m.LookupBytes(i)
		if err != nil {
			return fmt.Errorf("read what the submission saw: %w", err)
		}
		one.Records = append(one.Records, record)
		if err := m.Put(i, make([]byte, len(record))); err != nil {
			return fmt.Errorf("forget what the submission saw: %w", err)
		}
	}
	*s.spy.all = append(*s.spy.all, one)
	return nil
}

func (s spy) seen() []Spied {
	if s.all == nil {
		return nil
	}
	return *s.all
}
