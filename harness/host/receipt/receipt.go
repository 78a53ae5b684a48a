// SPDX-License-Identifier: Apache-2.0

// Package receipt keeps what a grade was made of, so that anyone can judge it again without
// a guest, and see whether two grades agree and where they part.
package receipt

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
)

// Schema is the version of the format.
const Schema = 3

// Receipt is one grade: what was graded, with what, what was observed and what it was worth.
type Receipt struct {
	Schema     int               `json:"schema"`
	Lab        string            `json:"lab"`
	Submission Submission        `json:"submission"`
	Tools      map[string]string `json:"tools"`             // name → version or hash
	Refused    *Refusal          `json:"refused,omitempty"` // set: it never came to run
	Racing     bool              `json:"racing,omitempty"`  // two CPUs ran at once (under KVM), not in turns: no two such runs are equal
	Kernels    []Kernel          `json:"kernels"`
	Verdicts   []Verdict         `json:"verdicts"`
	Score      float64           `json:"score"`

	// Digest is a SHA-256 over what determines the score. Two grades of one file have the
	// same, wherever they were made.
	Digest string `json:"digest"`
	// Seal is a SHA-256 over all of the receipt, or an HMAC if there was a key.
	Seal string `json:"seal"`
	// Keyed says that Seal is an HMAC.
	Keyed bool `json:"keyed"`
}

// Submission is what was graded.
type Submission struct {
	File         string `json:"file"`
	SHA256       string `json:"sha256"` // of the source
	ObjectSHA256 string `json:"object_sha256,omitempty"`

	// The Go program, in labs that have one.
	Program       string `json:"program,omitempty"`
	ProgramSHA256 string `json:"program_sha256,omitempty"` // of the source
	BinarySHA256  string `json:"binary_sha256,omitempty"`

	// What the submission met was drawn from Seed, which follows from ContentSHA256, that of all that
	// was compiled, and from a course's key, if there was one.
	ContentSHA256 string   `json:"content_sha256,omitempty"`
	Seed          job.Seed `json:"seed,string"` // a JSON number would lose bits in some readers
	SeedKeyed     bool     `json:"seed_keyed,omitempty"`
}

// AgainSeed is the seed of what the submission meets where a verdict is in doubt.
func (s Submission) AgainSeed() job.Seed { return job.Seed(s.Seed.Part("again")) }

// Refusal is why a submission never came to run.
type Refusal struct {
	Reason  string   `json:"reason"`
	Details []string `json:"details"`
}

// Kernel is what was observed on one kernel.
type Kernel struct {
	Name    string            `json:"name"`
	Release string            `json:"release,omitempty"`
	SHA256  string            `json:"sha256,omitempty"` // of its image
	Guests  map[string]string `json:"guests,omitempty"` // how each kind was run

	Static job.Observations               `json:"static,omitempty"` // of the object, without running it
	Guest  map[job.Guest]job.Observations `json:"guest,omitempty"`
	Again  map[job.Guest]job.Observations `json:"again,omitempty"` // with AgainSeed, where a verdict was in doubt
	Fate   *job.Fate                      `json:"fate,omitempty"`  // how the submission ended a guest
	Error  string                         `json:"error,omitempty"` // the grader's trouble
}

// Verdict is what one task was worth on one kernel.
type Verdict struct {
	Kernel string       `json:"kernel"`
	Task   string       `json:"task"`
	Status judge.Status `json:"status"`
	Points float64      `json:"points"`
}

// Judge judges the receipt's observations.
func (r *Receipt) Judge(tasks []judge.Task) judge.Result {
	if r.Refused != nil {
		var names []string
		for _, k := range r.Kernels {
			names = append(names, k.Name)
		}
		return judge.Refused(tasks, names, r.Refused.Reason, r.Refused.Details)
	}
	return judge.Judge(tasks, r.Cases())
}

// Cases are what was observed on each kernel, with what no guest may say: the seed and the fate.
func (r *Receipt) Cases() (cases []judge.Case) {
	for _, k := range r.Kernels {
		c := judge.Case{Kernel: k.Name, Release: k.Release}
		if k.Error != "" {
			c.Err = errors.New(k.Error)
		}
		var err1, err2 error
		c.Observations, err1 = k.observations(k.Guest, r.Submission.Seed)
		if k.Again != nil {
			c.Again, err2 = k.observations(k.Again, r.Submission.AgainSeed())
		}
		c.Err = errors.Join(c.Err, err1, err2)
		cases = append(cases, c)
	}
	return cases
}

func (k Kernel) observations(seen map[job.Guest]job.Observations, seed job.Seed) (job.Observations, error) {
	o := job.Observations{}
	for _, kind := range slices.Sorted(maps.Keys(seen)) {
		maps.Copy(o, seen[kind])
	}
	maps.Copy(o, k.Static)
	err := o.SetSeed(seed)
	if k.Fate != nil {
		err = errors.Join(err, o.SetFate(*k.Fate))
	} else {
		o.ForgetFate()
	}
	return o, err
}

// verdicts lists a result's.
func verdicts(result judge.Result) []Verdict {
	list := []Verdict{}
	for _, k := range result.Kernels {
		for _, t := range k.Tasks {
			list = append(list, Verdict{Kernel: k.Name, Task: t.ID, Status: t.Status, Points: t.Points})
		}
	}
	return list
}

// digest covers what determines the score: the submission, the kernels, what the guests
// observed and the verdicts. Of two CPUs that ran at once it covers the verdict only.
func (r *Receipt) digest() (string, error) {
	determines := *r
	determines.Tools, determines.Digest, determines.Seal, determines.Keyed = nil, "", "", false
	determines.Kernels = nil
	for _, k := range r.Kernels {
		k.Guests = nil
		if k.Fate != nil { // what was seen of it may depend on the speed of the host
			k.Fate = &job.Fate{}
		}
		if r.Racing {
			k.Guest = maps.Clone(k.Guest)
			delete(k.Guest, job.SMP)
			k.Again = maps.Clone(k.Again)
			delete(k.Again, job.SMP)
		}
		determines.Kernels = append(determines.Kernels, k)
	}
	return sum(sha256.New(), determines)
}

// seal covers everything but itself.
func (r *Receipt) seal(key string) (string, error) {
	all := *r
	all.Seal = ""
	if key == "" {
		return sum(sha256.New(), all)
	}
	return sum(hmac.New(sha256.New, []byte(key)), all)
}

// sum hashes a value's JSON. Go writes the keys of maps in order, and reads back numbers as
// it wrote them.
func sum(h hash.Hash, v any) (string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode a receipt: %w", err)
	}
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Close judges the observations, writes the verdicts down and seals the receipt, with a key
// if there is one. It returns the result.
func (r *Receipt) Close(tasks []judge.Task, key string) (judge.Result, error) {
	if err := r.reread(); err != nil {
		return judge.Result{}, err
	}
	result := r.Judge(tasks)
	r.Schema = Schema
	r.Verdicts, r.Score = verdicts(result), result.Score
	var err error
	if r.Digest, err = r.digest(); err != nil {
		return result, err
	}
	r.Keyed = key != ""
	r.Seal, err = r.seal(key)
	return result, err
}

// reread makes the receipt equal to what a reader will find. In JSON a byte that is not UTF-8, such as one
// of a folder's name, becomes another character.
func (r *Receipt) reread() error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a receipt: %w", err)
	}
	*r = Receipt{}
	return json.Unmarshal(data, r)
}

// What a receipt may be found out by.
var (
	ErrSeal    = errors.New("receipt was changed: its seal does not fit")
	ErrDigest  = errors.New("receipt was changed: its digest does not fit")
	ErrVerdict = errors.New("receipt's verdicts do not follow from its observations")
	ErrKey     = errors.New("receipt's seal needs a key")
)

// Intact says whether seal and digest fit what the receipt says. Nothing is judged.
func (r *Receipt) Intact(key string) error {
	if r.Keyed && key == "" {
		return fmt.Errorf("%w: set BPFLAB_RECEIPT_KEY to the one it was made with", ErrKey)
	}
	if !r.Keyed && key != "" {
		return fmt.Errorf("%w: it was made without the key that BPFLAB_RECEIPT_KEY holds", ErrSeal)
	}
	if want, err := r.seal(key); err != nil || !hmac.Equal([]byte(want), []byte(r.Seal)) {
		return errors.Join(ErrSeal, err)
	}
	return r.digestFits()
}

func (r *Receipt) digestFits() error {
	if want, err := r.digest(); err != nil || want != r.Digest {
		return errors.Join(ErrDigest, err)
	}
	return nil
}

// Consistent is Intact as far as it can be told with the key at hand, if any. It reports
// whether the seal was checked: that of a receipt with a key needs the key.
func (r *Receipt) Consistent(key string) (sealed bool, err error) {
	if r.Keyed && key == "" {
		return false, r.digestFits()
	}
	if !r.Keyed {
		key = ""
	}
	return true, r.Intact(key)
}

// Check says whether the receipt holds together: whether seal and digest fit what it says, which
// comes first, and then, judged again, its verdicts what it observed. A receipt without a key
// can be made anew by anyone, its observations invented; with a key only by who has it.
func (r *Receipt) Check(tasks []judge.Task, key string) (judge.Result, error) {
	if err := r.Intact(key); err != nil {
		return judge.Result{}, err
	}
	result := r.Judge(tasks)
	again := verdicts(result)
	if len(again) != len(r.Verdicts) || result.Score != r.Score {
		return result, fmt.Errorf("%w: its score is %v, and judged again %v", ErrVerdict, r.Score, result.Score)
	}
	for i, v := range again {
		if v != r.Verdicts[i] {
			return result, fmt.Errorf("%w: task %s on %s was %s with %v points, and judged again is %s with %v",
				ErrVerdict, v.Task, v.Kernel, r.Verdicts[i].Status, r.Verdicts[i].Points, v.Status, v.Points)
		}
	}
	return result, nil
}

// maxSize bounds what is read as a receipt: that of a grade on five kernels has 0.5 MB.
const maxSize = 32 << 20

// ErrRead is returned for what is not a receipt.
var ErrRead = errors.New("read a receipt")

// Read reads a receipt, and refuses one whose names and numbers are not of their form.
func Read(in io.Reader) (*Receipt, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRead, err)
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("%w: expected at most %d MiB, found more", ErrRead, maxSize>>20)
	}
	if err := shallow(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRead, err)
	}
	var r Receipt
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%w: expected JSON that `bpflab grade --receipt` wrote: %w", ErrRead, err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("%w: expected schema %d, found %d: use the bpflab that wrote it", ErrRead, Schema, r.Schema)
	}
	if err := r.valid(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRead, err)
	}
	return &r, nil
}

// ReadFile reads a receipt from a file.
func ReadFile(name string) (*Receipt, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRead, err)
	}
	defer f.Close()
	return Read(f)
}

// Write writes the receipt.
func (r *Receipt) Write(out io.Writer) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}
