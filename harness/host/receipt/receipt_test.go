// SPDX-License-Identifier: Apache-2.0

package receipt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
)

// One task that the exact guest decides, one that the smp guest does.
var tasks = []judge.Task{
	{ID: "cost", Points: 60, Judge: func(o job.Observations) (judge.Verdict, error) {
		cost, err := job.Get[float64](o, "cost")
		f := judge.Between(cost, 200, 100)
		return judge.Verdict{Status: judge.Graded(f), Fraction: f}, err
	}},
	{ID: "race", Points: 40, Judge: func(o job.Observations) (judge.Verdict, error) {
		lost, err := job.Get[int](o, "lost")
		if lost > 0 {
			return judge.Verdict{Status: judge.Fail}, err
		}
		return judge.Verdict{Status: judge.Pass, Fraction: 1}, err
	}},
}

func observations(name, value string) job.Observations {
	return job.Observations{name: json.RawMessage(value)}
}

// sum256 is a SHA-256 by its form.
func sum256(byte string) string { return strings.Repeat(byte, 32) }

func sample(t testing.TB, cost, lost, key string) *Receipt {
	t.Helper()
	r := &Receipt{
		Lab:        "lab",
		Submission: Submission{File: "f.bpf.c", SHA256: sum256("ab"), Seed: 1<<63 + 1},
		Tools:      map[string]string{"qemu": "7.2"},
		Kernels: []Kernel{{Name: "6.12", Release: "6.12.1", SHA256: sum256("cd"), Guest: map[job.Guest]job.Observations{
			job.Exact: observations("cost", cost), job.SMP: observations("lost", lost),
		}}},
	}
	_, err := r.Close(tasks, key)
	require.NoError(t, err)
	return r
}

// again writes a receipt, lets change change the text, and reads it.
func again(t *testing.T, r *Receipt, old, new string) *Receipt {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, r.Write(&b))
	text := b.String()
	if old != "" {
		require.Contains(t, text, old)
		text = strings.Replace(text, old, new, 1)
	}
	r, err := Read(strings.NewReader(text))
	require.NoError(t, err)
	return r
}

func TestReadAndJudgeAgain(t *testing.T) {
	for _, key := range []string{"", "secret"} {
		r := sample(t, "150", "0", key)
		result, err := again(t, r, "", "").Check(tasks, key)
		require.NoError(t, err)
		assert.Equal(t, 70.0, result.Score)
		assert.Equal(t, r.Submission.Seed, again(t, r, "", "").Submission.Seed, "all 64 bits")
	}
}

func TestChangesAreFound(t *testing.T) {
	for _, tt := range []struct{ name, old, new string }{
		{"observation", `"cost": 150`, `"cost": 100`},
		{"observation that changes no verdict", `"lost": 7`, `"lost": 8`},
		{"score", `"score": 30`, `"score": 100`},
		{"points", `"points": 30`, `"points": 60`},
		{"tool", `"qemu": "7.2"`, `"qemu": "10"`},
		{"submission", sum256("ab"), sum256("ef")},
		{"keyed", `"keyed": false`, `"keyed": true`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := again(t, sample(t, "150", "7", ""), tt.old, tt.new).Check(tasks, "")
			require.Error(t, err)
		})
	}
}

// Who changes an observation and makes digest and seal anew is found out by a key.
func TestForgery(t *testing.T) {
	forged := sample(t, "100", "0", "") // invented, and sealed like any other
	_, err := forged.Check(tasks, "")
	require.NoError(t, err, "without a key this cannot be told")
	_, err = forged.Check(tasks, "secret")
	require.ErrorIs(t, err, ErrSeal)
	assert.ErrorContains(t, err, "made without the key")

	forged.Keyed = true
	_, err = forged.Check(tasks, "secret")
	require.ErrorIs(t, err, ErrSeal)
	_, err = sample(t, "100", "0", "other").Check(tasks, "secret")
	require.ErrorIs(t, err, ErrSeal)
	_, err = sample(t, "100", "0", "secret").Check(tasks, "")
	require.ErrorIs(t, err, ErrKey)
}

// The judge has changed since: the receipt's verdicts no longer follow.
func TestVerdictsMustFollow(t *testing.T) {
	r := sample(t, "150", "0", "")
	strict := []judge.Task{tasks[0], tasks[1]}
	strict[0].Judge = func(job.Observations) (judge.Verdict, error) { return judge.Verdict{Status: judge.Fail}, nil }
	_, err := r.Check(strict, "")
	require.ErrorIs(t, err, ErrVerdict)
}

// A seal that fits does not make a verdict follow, nor a digest right.
func TestSealedButWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		want   error
		change func(r *Receipt)
	}{
		"nothing changed":      {nil, func(*Receipt) {}},
		"a verdict is missing": {ErrVerdict, func(r *Receipt) { r.Verdicts = r.Verdicts[:1] }},
		"a verdict too many":   {ErrVerdict, func(r *Receipt) { r.Verdicts = append(r.Verdicts, r.Verdicts[0]) }},
		"another status":       {ErrVerdict, func(r *Receipt) { r.Verdicts[1].Status = judge.Skip }},
		"other points":         {ErrVerdict, func(r *Receipt) { r.Verdicts[1].Points = 40 }},
		"another task":         {ErrVerdict, func(r *Receipt) { r.Verdicts[1].Task = "other" }},
		"another score":        {ErrVerdict, func(r *Receipt) { r.Score = 31 }},
	} {
		r := sample(t, "150", "7", "")
		tt.change(r)
		var err error
		r.Digest, err = r.digest()
		require.NoError(t, err)
		r.Seal, err = r.seal("")
		require.NoError(t, err)
		_, err = r.Check(tasks, "")
		assert.ErrorIs(t, err, tt.want, name)
	}

	r := sample(t, "150", "7", "")
	r.Digest = sample(t, "150", "9", "").Digest
	var err error
	r.Seal, err = r.seal("")
	require.NoError(t, err)
	_, err = r.Check(tasks, "")
	assert.ErrorIs(t, err, ErrDigest)
}

// The digest is of what determines the score: not of a seal, nor of a tool that made no
// difference.
func TestDigest(t *testing.T) {
	base := sample(t, "150", "7", "").Digest
	assert.Equal(t, base, sample(t, "150", "7", "").Digest)
	assert.Equal(t, base, sample(t, "150", "7", "secret").Digest, "another seal")
	assert.NotEqual(t, base, sample(t, "150", "9", "").Digest, "another count of lost updates")
	assert.NotEqual(t, base, sample(t, "150", "0", "").Digest, "another verdict")
	assert.NotEqual(t, base, sample(t, "150.015625", "7", "").Digest, "another cost")

	r := sample(t, "150", "7", "")
	r.Kernels[0].Guests = map[string]string{"exact": "cold boot: -accel tcg"}
	_, err := r.Close(tasks, "")
	require.NoError(t, err)
	assert.Equal(t, base, r.Digest, "booted, where another went on from a snapshot")
}

// That a submission ended its guest is in it, and at which stage a host was then is not.
func TestDigestOfFate(t *testing.T) {
	digest := func(f *job.Fate) string {
		r := sample(t, "150", "7", "")
		r.Kernels[0].Fate = f
		_, err := r.Close(tasks, "")
		require.NoError(t, err)
		require.Equal(t, f, r.Kernels[0].Fate)
		return r.Digest
	}
	assert.Equal(t, digest(&job.Fate{Stage: "cost", Trouble: "silent for 10 s"}), digest(&job.Fate{Stage: "sample", Trouble: "silent for 11 s"}))
	assert.NotEqual(t, digest(nil), digest(&job.Fate{Stage: "cost", Trouble: "silent for 10 s"}))
}

// A byte that is no UTF-8 is read as another character, and the receipt is sealed as it will be read.
func TestSealedAsRead(t *testing.T) {
	r := sample(t, "150", "7", "")
	r.Refused = &Refusal{Reason: "Ad\xe8le does not compile", Details: []string{"\xff"}}
	r.Kernels[0].Error = "\xfe"
	_, err := r.Close(tasks, "")
	require.NoError(t, err)
	assert.Equal(t, "Ad\ufffdle does not compile", r.Refused.Reason)
	require.NoError(t, again(t, r, "", "").Intact(""))
}

// Of two CPUs at once, how often they happened to collide is not in it.
func TestDigestOfRace(t *testing.T) {
	digest := func(cost, lost string) string {
		r := sample(t, cost, lost, "")
		r.Racing = true
		_, err := r.Close(tasks, "")
		require.NoError(t, err)
		return r.Digest
	}
	base := digest("150", "7")
	assert.Equal(t, base, digest("150", "9"), "another count of lost updates, the same verdict")
	assert.NotEqual(t, base, digest("150", "0"), "another verdict")
	assert.NotEqual(t, base, digest("151", "7"), "another cost")
	assert.NotEqual(t, base, sample(t, "150", "7", "").Digest, "taken in turns")
}

// What is left out of the digest stays in the receipt, and is left out where it was observed once more as well.
func TestDigestOfRaceObservedAgain(t *testing.T) {
	racing := func(lost string) *Receipt {
		r := sample(t, "150", "7", "")
		r.Racing = true
		r.Kernels[0].Again = map[job.Guest]job.Observations{job.Exact: observations("cost", "150"), job.SMP: observations("lost", lost)}
		_, err := r.Close(tasks, "")
		require.NoError(t, err)
		return r
	}
	r := racing("8")
	assert.Equal(t, r.Digest, racing("9").Digest, "the same verdict")
	for _, guests := range []map[job.Guest]job.Observations{r.Kernels[0].Guest, r.Kernels[0].Again} {
		assert.Contains(t, guests, job.SMP)
	}
}

// Judges get what each guest observed and what is known without one, and the seed and the fate from nobody but
// the host.
func TestCases(t *testing.T) {
	lies := observations("seed", "666")
	lies["path"] = json.RawMessage("1")
	require.NoError(t, lies.SetFate(job.Fate{Stage: "never", Trouble: "none"}))
	r := &Receipt{Submission: Submission{Seed: 7}, Kernels: []Kernel{
		{
			Name: "6.12", Release: "6.12.1", Static: observations("path", "50"),
			Guest: map[job.Guest]job.Observations{job.Exact: lies, job.SMP: observations("lost", "0")},
			Again: map[job.Guest]job.Observations{job.Exact: lies},
		},
		{Name: "6.6", Error: "no guest", Fate: &job.Fate{Stage: "start", Trouble: "guest fell silent"}},
	}}
	require.NotEqual(t, r.Submission.Seed, r.Submission.AgainSeed())
	cases := r.Cases()
	require.Len(t, cases, 2)

	first := cases[0]
	assert.NoError(t, first.Err)
	assert.Equal(t, "6.12", first.Kernel)
	assert.Equal(t, "6.12.1", first.Release)
	assert.Equal(t, job.Observations{"seed": json.RawMessage("7"), "path": json.RawMessage("50"), "lost": json.RawMessage("0")}, first.Observations)
	seed, err := job.GetSeed(first.Again)
	require.NoError(t, err)
	assert.Equal(t, r.Submission.AgainSeed(), seed)

	second := cases[1]
	assert.EqualError(t, second.Err, "no guest")
	assert.Nil(t, second.Again, "it was not observed once more")
	fate, err := second.Observations.GetFate()
	require.NoError(t, err)
	assert.Equal(t, *r.Kernels[1].Fate, fate)
}

func TestRefused(t *testing.T) {
	r := &Receipt{Lab: "lab", Submission: Submission{File: "f.bpf.c", SHA256: sum256("ab")}, Kernels: []Kernel{{Name: "6.12"}}, Refused: &Refusal{Reason: "does not compile", Details: []string{"x"}}}
	result, err := r.Close(tasks, "")
	require.NoError(t, err)
	assert.Zero(t, result.Score)
	assert.True(t, result.Complete, "the submission's fault, not the grader's")
	assert.Equal(t, "does not compile", result.Kernels[0].Tasks[0].Message)
	_, err = again(t, r, "", "").Check(tasks, "")
	require.NoError(t, err)
}

func TestCompare(t *testing.T) {
	a := sample(t, "150", "7", "")
	first, agree := Compare(a, sample(t, "150", "7", "secret"))
	assert.Nil(t, first)
	assert.True(t, agree)
	racing, again := sample(t, "150", "7", ""), sample(t, "150", "9", "")
	for _, r := range []*Receipt{racing, again} {
		r.Racing = true
		_, err := r.Close(tasks, "")
		require.NoError(t, err)
	}
	first, agree = Compare(racing, again)
	assert.Nil(t, first)
	assert.True(t, agree)
	for _, tt := range []struct {
		change     func(r *Receipt)
		what, name string
		agree      bool
	}{
		{func(r *Receipt) { r.Submission.SHA256 = sum256("ef") }, "submission", "source", false},
		{func(r *Receipt) { r.Submission.ProgramSHA256 = sum256("ef") }, "submission", "program", false},
		{func(r *Receipt) { r.Lab = "other" }, "submission", "lab", false},
		{func(r *Receipt) { r.Submission.Seed++ }, "submission", "seed", false},
		{func(r *Receipt) { r.Submission.ObjectSHA256 = sum256("ef") }, "submission", "object", false},
		{func(r *Receipt) { r.Submission.BinarySHA256 = sum256("ef") }, "submission", "binary", false},
		{func(r *Receipt) { r.Kernels[0].Name = "6.13" }, "kernel", "6.12", false},
		{func(r *Receipt) { r.Kernels = append(r.Kernels, Kernel{Name: "6.13"}) }, "kernel", "6.13", false},
		{func(r *Receipt) { r.Kernels[0].Static = observations("path", "50") }, "observation", "6.12 static path", false},
		{func(r *Receipt) { r.Kernels[0].Error = "no guest" }, "observation", "6.12 error", false},
		{func(r *Receipt) { r.Tools["clang"] = "14" }, "tool", "clang", true},
		{func(r *Receipt) { r.Kernels[0].SHA256 = sum256("ef") }, "kernel", "6.12", false},
		{func(r *Receipt) { r.Kernels = nil }, "kernel", "6.12", false},
		{func(r *Receipt) { r.Tools["qemu"] = "10" }, "tool", "qemu", true},
		{func(r *Receipt) { r.Kernels[0].Guest[job.Exact] = observations("cost", "151") }, "observation", "6.12 exact cost", false},
		{func(r *Receipt) { r.Kernels[0].Guest[job.SMP] = observations("lost", "8") }, "observation", "6.12 smp lost", false},
		{func(r *Receipt) { r.Refused = &Refusal{Reason: "does not compile"} }, "verdict", "refused", false},
		{func(r *Receipt) {
			r.Kernels[0].Again = map[job.Guest]job.Observations{job.Exact: observations("cost", "150")}
		}, "observation", "6.12 with another seed exact cost", false},
		{func(r *Receipt) { r.Kernels[0].Fate = &job.Fate{Stage: "start", Trouble: "guest fell silent"} }, "observation", "6.12 guest that ended", false},
		{func(r *Receipt) { r.Racing, r.Kernels[0].Guest[job.SMP] = true, observations("lost", "0") }, "verdict", "6.12 race", false},
	} {
		t.Run(tt.what+" "+tt.name, func(t *testing.T) {
			b := sample(t, "150", "7", "")
			tt.change(b)
			_, err := b.Close(tasks, "")
			require.NoError(t, err)
			first, agree := Compare(a, b)
			require.NotNil(t, first)
			assert.Equal(t, tt.what, first.What)
			assert.Equal(t, tt.name, first.Name)
			assert.Equal(t, tt.agree, agree)
		})
	}
}

// Of two CPUs that ran at once in either grade, how often they collided says nothing.
func TestCompareWithRacing(t *testing.T) {
	racing, turns := sample(t, "150", "7", ""), sample(t, "150", "9", "")
	racing.Racing = true
	for _, pair := range [][2]*Receipt{{racing, turns}, {turns, racing}} {
		first, agree := Compare(pair[0], pair[1])
		assert.Nil(t, first)
		assert.False(t, agree, "a digest is of how they ran")
	}
}

// Verdicts that only one of two receipts has are a difference, whichever it is.
func TestCompareCountsVerdicts(t *testing.T) {
	full, cut := sample(t, "150", "7", ""), sample(t, "150", "7", "")
	cut.Verdicts = cut.Verdicts[:1]
	for _, pair := range [][2]*Receipt{{full, cut}, {cut, full}} {
		first, agree := Compare(pair[0], pair[1])
		require.NotNil(t, first)
		assert.Equal(t, "verdict", first.What)
		assert.Equal(t, full.Verdicts[1].Kernel+" "+full.Verdicts[1].Task, first.Name, "whichever has it")
		assert.False(t, agree)
	}
}

// What a receipt says of itself is not trusted: digests are computed.
func TestCompareComputes(t *testing.T) {
	a, b := sample(t, "150", "7", ""), sample(t, "151", "7", "")
	b.Digest = a.Digest
	_, agree := Compare(a, b)
	assert.False(t, agree)
	a.Digest = "0"
	_, agree = Compare(a, sample(t, "150", "7", ""))
	assert.True(t, agree)

	_, err := b.Consistent("")
	require.ErrorIs(t, err, ErrSeal)
	keyed := sample(t, "150", "7", "secret")
	sealed, err := keyed.Consistent("")
	require.NoError(t, err)
	assert.False(t, sealed)
	sealed, err = keyed.Consistent("secret")
	require.NoError(t, err)
	assert.True(t, sealed)
	keyed.Digest = sum256("00")
	_, err = keyed.Consistent("")
	require.ErrorIs(t, err, ErrDigest)
	sealed, err = sample(t, "150", "7", "").Consistent("secret")
	require.NoError(t, err)
	assert.True(t, sealed)
}

// Of a receipt that was changed nothing is judged.
func TestNothingIsJudgedBefore(t *testing.T) {
	mine := []judge.Task{{ID: "cost", Points: 1, Judge: func(job.Observations) (judge.Verdict, error) { panic("judged") }}}
	r := sample(t, "150", "7", "")
	r.Kernels[0].Guest[job.Exact] = observations("cost", "1e18")
	_, err := r.Check(mine, "")
	require.ErrorIs(t, err, ErrSeal)
}

func TestReadRefuses(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(r *Receipt)
	}{
		{"lab: ", func(r *Receipt) { r.Lab = "../../etc" }},
		{"file: ", func(r *Receipt) { r.Submission.File = "a/b" }},
		{"program: ", func(r *Receipt) { r.Submission.Program = "\x1b[2J" }},
		{"sha256 of the source: ", func(r *Receipt) { r.Submission.SHA256 = strings.ToUpper(sum256("ab")) }},
		{"sha256 of the object: ", func(r *Receipt) { r.Submission.ObjectSHA256 = "ab" }},
		{"digest: ", func(r *Receipt) { r.Digest = "" }},
		{"seal: ", func(r *Receipt) { r.Seal = r.Seal + "0" }},
		{"tools: ", func(r *Receipt) { r.Tools = map[string]string{"qe\nmu": ""} }},
		{"tools: qemu: expected at most", func(r *Receipt) { r.Tools = map[string]string{"qemu": strings.Repeat("7", 1e4)} }},
		{"expected at most 64 kernels, found 65", func(r *Receipt) { r.Kernels = make([]Kernel, 65) }},
		{"duplicate kernel 6.12", func(r *Receipt) { r.Kernels = append(r.Kernels, r.Kernels[0]) }},
		{"kernel: ", func(r *Receipt) { r.Kernels[0].Name = "\u202e6.12" }},
		{"kernel 6.12: sha256: ", func(r *Receipt) { r.Kernels[0].SHA256 = "x" }},
		{"kernel 6.12: release: ", func(r *Receipt) { r.Kernels[0].Release = strings.Repeat("6", 300) }},
		{"kernel 6.12: error: ", func(r *Receipt) { r.Kernels[0].Error = strings.Repeat("6", 2<<20) }},
		{`kernel 6.12: a guest of the kind "root"`, func(r *Receipt) { r.Kernels[0].Guest["root"] = nil }},
		{"kernel 6.12: exact: expected at most 1000 names, found 1001", func(r *Receipt) {
			for i := range 1000 {
				r.Kernels[0].Guest[job.Exact][fmt.Sprint("n", i)] = json.RawMessage("1")
			}
		}},
		{"expected at most 4096 verdicts", func(r *Receipt) { r.Verdicts = make([]Verdict, 5000) }},
		{`a verdict on the kernel "6.13"`, func(r *Receipt) { r.Verdicts[0].Kernel = "6.13" }},
		{"a verdict's status", func(r *Receipt) { r.Verdicts[0].Status = "great" }},
		{"a verdict's task", func(r *Receipt) { r.Verdicts[0].Task = "" }},
		{"a verdict of -1 points", func(r *Receipt) { r.Verdicts[0].Points = -1 }},
		{"a score of 1e+300 points", func(r *Receipt) { r.Score = 1e300 }},
		{fmt.Sprintf("expected schema %d, found %d", Schema, Schema-1), func(r *Receipt) { r.Schema = Schema - 1 }},
	} {
		t.Run(tt.want, func(t *testing.T) {
			r := sample(t, "150", "7", "")
			tt.change(r)
			var b bytes.Buffer
			require.NoError(t, r.Write(&b))
			_, err := Read(&b)
			require.ErrorContains(t, err, "read a receipt: "+tt.want)
			assert.Less(t, len(err.Error()), 500)
		})
	}
	for name, text := range map[string]string{
		"deep":    strings.Repeat("[", maxSize-1),
		"deeper":  `{"schema":2,"kernels":` + strings.Repeat(`[{"a":`, 1<<20),
		"large":   strings.Repeat(" ", maxSize+1),
		"quoted":  `{"schema":2,"lab":"` + strings.Repeat("[", 1000),
		"numbers": `{"schema":2,"score":1e999}`,
	} {
		began := time.Now()
		_, err := Read(strings.NewReader(text))
		require.Error(t, err, name)
		assert.Less(t, time.Since(began), time.Minute, name)
	}
}

// A receipt of any length would take as much memory. The longest one that is read is sound but for its length.
func TestReadLength(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample(t, "150", "7", "").Write(&b))
	b.WriteString(strings.Repeat(" ", maxSize-b.Len()))
	_, err := Read(bytes.NewReader(b.Bytes()))
	require.NoError(t, err)
	b.WriteByte(' ')
	_, err = Read(&b)
	require.ErrorIs(t, err, ErrRead)
	assert.ErrorContains(t, err, "expected at most 32 MiB, found more")
}

// Deep JSON is refused before it is parsed. Brackets in a text are none.
func TestReadDepth(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample(t, "150", "7", "").Write(&b))
	with := func(value string) error {
		_, err := Read(strings.NewReader(`{"x": ` + value + `,` + strings.TrimPrefix(b.String(), "{")))
		return err
	}
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	assert.NoError(t, with(nested(maxDepth-1)), "the receipt itself is the first level")
	assert.ErrorContains(t, with(nested(maxDepth)), "expected JSON of at most 64 levels, found more")
	assert.NoError(t, with(`"`+strings.Repeat("[", maxDepth)+`"`))
	assert.NoError(t, with(`"\\\"`+strings.Repeat("[", maxDepth)+`"`), "behind a quote that is part of the text")
}

// Who reads a receipt sees what was written, and not an escape of it.
func TestWriteNoEscapes(t *testing.T) {
	r := sample(t, "150", "7", "")
	r.Tools["clang"] = "clang <14> & more"
	var b bytes.Buffer
	require.NoError(t, r.Write(&b))
	assert.Contains(t, b.String(), "clang <14> & more")
}

// What is read is refused, or can be judged, written and read again to the same digest.
func FuzzRead(f *testing.F) {
	for _, cost := range []string{"150", "1e400", "[[]]", "null"} {
		var b bytes.Buffer
		r := sample(f, "150", "7", "")
		require.NoError(f, r.Write(&b))
		f.Add([]byte(strings.Replace(b.String(), `"cost": 150`, `"cost": `+cost, 1)))
	}
	f.Add([]byte(`{"schema":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		checked, err := r.Check(tasks, "")
		if err == nil && !slices.Equal(verdicts(checked), r.Verdicts) {
			t.Errorf("verdicts %v pass for %v", r.Verdicts, verdicts(checked))
		}
		before, err := r.digest()
		if err != nil {
			return
		}
		var b bytes.Buffer
		require.NoError(t, r.Write(&b))
		again, err := Read(&b)
		require.NoError(t, err)
		after, err := again.digest()
		require.NoError(t, err)
		assert.Equal(t, before, after)
		_, agree := Compare(r, again)
		assert.True(t, agree)
		result, err := again.Close(tasks, "")
		require.NoError(t, err)
		_, err = again.Check(tasks, "")
		require.NoError(t, err, "%v", result)
	})
}
