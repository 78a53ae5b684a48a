// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/labs/lab12_3/observe"
)

// metRounds is in how many rounds of a race a program that is known to lose counts must have.
const metRounds = 4

// scriptOf is what was played: the truth, which guests do not tell.
func scriptOf(o job.Observations) (observe.Script, error) {
	seed, err := job.GetSeed(o)
	return observe.NewScript(seed.Part(job.PartScenes)), err
}

// maxNumber bounds what is counted in observations that make sense.
const maxNumber = 1 << 40

// checkTrial fails for what cannot have been observed.
func checkTrial(t observe.Trial) error {
	if len(t.Got) != observe.Classes || t.Missed > maxNumber || t.Records > maxNumber {
		return fmt.Errorf("expected a trial of %d classes, found %d, %d records and %d missed calls", observe.Classes, len(t.Got), t.Records, t.Missed)
	}
	for _, n := range t.Got {
		if n > t.Records {
			return fmt.Errorf("%d records of one class out of %d make no sense", n, t.Records)
		}
	}
	return nil
}

// getCounted returns what was observed of the trials, if it makes sense.
func getCounted(o job.Observations, t observe.Script) (observe.Counted, error) {
	c, err := job.Get[observe.Counted](o, "counted")
	if err == nil && len(c.Trials) != len(t.Trials) {
		err = fmt.Errorf("expected %d trials, found %d", len(t.Trials), len(c.Trials))
	}
	if err == nil && (c.Ring <= 0 || c.Ring > maxRing) {
		err = fmt.Errorf("a ring of %d bytes makes no sense", c.Ring)
	}
	for _, one := range append(slices.Clip(c.Trials), c.Full) {
		if err == nil {
			err = checkTrial(one)
		}
	}
	return c, err
}

// getTimed returns what was observed of the calls that were timed, if it makes sense.
func getTimed(o job.Observations) (c observe.Timed, cost judge.Cost, err error) {
	if c, err = job.Get[observe.Timed](o, "timed"); err != nil {
		return c, cost, err
	}
	if err = checkTrial(c.Trial); err != nil {
		return c, cost, err
	}
	if c.Skip.Yours.Mean == 0 { // every call was sampled
		return c, cost, nil
	}
	cost, err = judge.CostOf(c.Skip, 0)
	return c, cost, err
}

func judgeCounts(o job.Observations) (judge.Verdict, error) {
	t, err1 := scriptOf(o)
	c, err2 := getCounted(o, t)
	r, err3 := job.Get[observe.Race](o, "race")
	timed, cost, err4 := getTimed(o)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return judge.Verdict{}, err
	}
	unit := judge.Quantity{Unit: "events counted wrong"}
	v := judge.Verdict{Status: judge.Pass, Fraction: 1, Measured: unit, Target: unit}
	fail := func(cell string, off int64, format string, args ...any) (judge.Verdict, error) {
		v.Status, v.Fraction, v.Cell, v.Message = judge.Fail, 0, cell, fmt.Sprintf(format, args...)
		v.Measured.Value = math.Abs(float64(off))
		return v, nil
	}
	if c.Foreign > 0 {
		return fail("WRONG", int64(c.Foreign), "%d calls of another process or of another number were counted", c.Foreign)
	}
	list := []played{}
	for i, p := range t.Trials {
		list = append(list, played{"at a rate of " + percent(p.Part), len(p.Classes), c.Trials[i]})
	}
	list = append(list,
		played{"with a ring that nobody reads", observe.FullCalls(c.Ring), c.Full},
		played{fmt.Sprintf("when calls are timed, at a rate of %s", percent(t.Timed.Part)), len(t.Timed.Classes), timed.Trial})
	for _, p := range list {
		off, wrong := p.wrong()
		if wrong == "" {
			continue
		}
		v.Measured.Value = math.Abs(float64(off))
		found := []string{wrong}
		if l, err := job.Get[layout](o, "layout"); err == nil {
			if why := p.explain(l, list); why != "" {
				found = []string{why, wrong}
			}
		}
		return judge.Found(v, "WRONG", found), nil
	}
	made := uint64(0)
	for _, round := range t.Races {
		made += uint64(round[0] + round[1])
	}
	if r.Met > observe.RaceRounds || r.Missed > maxNumber {
		return v, fmt.Errorf("%d of %d rounds and %d missed calls make no sense", r.Met, observe.RaceRounds, r.Missed)
	}
	lost := unseen(made, r.Seen, r.Missed)
	switch {
	case lost != 0:
		return fail("LOST", lost, "two CPUs made %d calls, and %d were counted as seen: each needs an entry of its own", made, int64(r.Seen))
	case r.Sampled != r.Records:
		return fail("LOST", int64(r.Sampled-r.Records), "two CPUs at once: %d events counted as sampled, and %d in the ring", int64(r.Sampled), r.Records)
	case r.Met < metRounds && cost.TooSlow() != "":
		return fail("SLOW", 0, "%s", cost.TooSlow())
	}
	return v, judge.Unmet(r.Met, observe.RaceRounds, metRounds)
}

// played is calls that were made, and what became of them.
type played struct {
	at    string
	calls int
	observe.Trial
}

// wrong says what is wrong with how calls were counted, and by how much. It is empty where nothing is.
func (p played) wrong() (off int64, text string) {
	switch made := uint64(p.calls); {
	case unseen(made, p.Seen, p.Missed) != 0:
		return int64(p.Seen - made), fmt.Sprintf("%s: %d calls were made and %d counted as seen", p.at, made, int64(p.Seen)) // it may have gone below 0
	case p.Sampled != p.Records:
		return int64(p.Sampled - p.Records), fmt.Sprintf("%s: %d events counted as sampled, and %d in the ring", p.at, int64(p.Sampled), p.Records)
	case p.Strange > 0:
		return int64(p.Strange), fmt.Sprintf("%s: %d of %d events in the ring are not of a call that was made, or are out of order", p.at, p.Strange, p.Records)
	}
	return 0, ""
}

// explain says what mistake explains that, in all that was played. It is empty where none that is known does.
func (p played) explain(l layout, all []played) string {
	counted := unseen(uint64(p.calls), p.Seen, p.Missed) == 0 && p.Sampled == p.Records
	if counted {
		return l.Sample.explain()
	}
	return l.explainCounts(all)
}

// unseen is how many calls were not counted, or, below 0, how many too many. Of those that were
// not, the kernel has missed as many as it says, at most.
func unseen(calls, seen, missed uint64) int64 {
	if seen < calls {
		return max(int64(calls-seen)-int64(min(missed, calls)), 0)
	}
	return int64(calls) - int64(seen)
}

func percent(part int64) string { return percentage(float64(part) / observe.Whole) }

func percentage(of float64) string { return fmt.Sprintf("%.3g%%", 100*of) }

// How far a sample may be off. A fair sampler that draws at random is off by more in two of 10^9 comparisons;
// a grade makes 21 for each of 15 samples on each kernel.
const (
	sigmas   = 6.0
	rateSlip = 0.05 // of the rate: what rounding distances to whole calls may cost
)

// judgeSample asks whether as many were sampled as should be, and of each class its part.
func judgeSample(o job.Observations) (judge.Verdict, error) {
	t, err1 := scriptOf(o)
	c, err2 := getCounted(o, t)
	timed, _, err3 := getTimed(o)
	if err := errors.Join(err1, err2, err3); err != nil {
		return judge.Verdict{}, err
	}
	const unit = "standard deviations off"
	v := judge.Verdict{
		Status: judge.Pass, Fraction: 1,
		Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Value: sigmas, Unit: unit},
	}
	var found []string
	for i, p := range append(slices.Clip(t.Trials), t.Timed) {
		order, got := "classes at random", timed.Trial
		if p.Periodic {
			order = fmt.Sprintf("%d classes in turn", observe.Classes)
		}
		if i < len(c.Trials) {
			if got = c.Trials[i]; len(got.Steps) != observe.Classes {
				return v, fmt.Errorf("expected the steps of %d classes, found %d", observe.Classes, len(got.Steps))
			}
		} else {
			order += ", timed"
		}
		if off(len(p.Classes), int(got.Records), p.Part) {
			found = append(found, fmt.Sprintf("at a rate of %s, %s: %d of %d calls were sampled, %s",
				percent(p.Part), order, got.Records, len(p.Classes), percentage(float64(got.Records)/float64(len(p.Classes)))))
			continue
		}
		if step, n := commonest(got); p.Periodic && p.Part == observe.MinPart && float64(n) > inStep*float64(got.Records) {
			found = append(found, fmt.Sprintf("at a rate of %s, %s: %d of %d samples are followed by one of %s: the sampler keeps step with calls that come in turn",
				percent(p.Part), order, n, got.Records, further(step)))
			continue
		}
		made := p.Made()
		class, worst := 0, 0.0
		for i, n := range got.Got {
			if z := deviations(int(n), int(got.Records), float64(made[i])/float64(len(p.Classes))); z > worst {
				class, worst = i, z
			}
		}
		v.Measured.Value = max(v.Measured.Value, math.Round(10*worst)/10)
		if worst > sigmas {
			found = append(found, fmt.Sprintf("at a rate of %s, %s: class %d has %d of %d samples; about %.0f expected",
				percent(p.Part), order, class, got.Got[class], got.Records, float64(got.Records)*float64(made[class])/float64(len(p.Classes))))
		}
	}
	return judge.Found(v, "BIASED", found), nil
}

// At the lowest rate some five rounds of classes lie between two samples, and any class may be next. A
// sampler after whose samples the same step follows in more than this part of the cases draws nothing.
const inStep = 0.5

// further says which class is so many further on.
func further(step int) string {
	switch step {
	case 0:
		return "the same class"
	case 1:
		return "the next class"
	}
	return fmt.Sprintf("the class %d further on", step)
}

// commonest is the step that came most often, and how often.
func commonest(t observe.Trial) (step int, n uint64) {
	for i, times := range t.Steps {
		if times > n {
			step, n = i, times
		}
	}
	return step, n
}

// off reports whether of some calls more or fewer were sampled than a fair sample at a rate may have.
func off(calls, sampled int, part int64) bool {
	rate := float64(part) / observe.Whole
	switch slip, got := rateSlip*rate, float64(sampled)/float64(calls); {
	case got > rate+slip:
		rate = min(rate+slip, 1)
	case got < rate-slip:
		rate -= slip
	default:
		return false
	}
	return deviations(sampled, calls, rate) > sigmas
}

// deviations says how unlikely n of all is, where each is a hit with probability p: it is the number of
// standard deviations by which a normal distribution is off as rarely as this binomial one. For small
// counts the two differ much: 10 hits in 46 with p = 0.05 are 5.2 of the binomial's own standard
// deviations, which a normal distribution exceeds once in 10 million times; they come once in 13,000.
func deviations(n, all int, p float64) float64 {
	mean := float64(all) * p
	if float64(n) == mean {
		return 0
	}
	if p <= 0 || p >= 1 || n > all {
		return impossible
	}
	lgamma := func(n int) float64 { g, _ := math.Lgamma(float64(n + 1)); return g }
	term := math.Exp(lgamma(all) - lgamma(n) - lgamma(all-n) + float64(n)*math.Log(p) + float64(all-n)*math.Log1p(-p))
	tail := 0.0
	if float64(n) > mean {
		for k := n; k <= all && term > tail/1e12; k++ {
			tail += term
			term *= float64(all-k) / float64(k+1) * p / (1 - p)
		}
	} else {
		for k := n; k >= 0 && term > tail/1e12; k-- {
			tail += term
			term *= float64(k) / float64(all-k+1) * (1 - p) / p
		}
	}
	return max(0, min(math.Sqrt2*math.Erfcinv(2*tail), impossible))
}

// impossible stands for infinitely many standard deviations, which JSON cannot hold.
const impossible = 100

func judgeCost(o job.Observations) (judge.Verdict, error) {
	_, c, err := getTimed(o)
	if err != nil {
		return judge.Verdict{}, err
	}
	const unit = "instructions a call"
	if c.Yours == 0 {
		return judge.Verdict{
			Status: judge.Fail, Cell: "ALL", Message: "every call was sampled, so the cost of an unsampled call could not be measured",
			Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Unit: unit},
		}, nil
	}
	return judge.Scored(c, slack, unit), nil
}

// gone is the verdict on a controller that no longer answers.
func gone(v judge.Verdict, trouble, said string) judge.Verdict {
	return judge.Ended(v, "controller", trouble, said)
}

// judgeController lets the plants pass once more at the rates that the controller has chosen.
func judgeController(o job.Observations) (judge.Verdict, error) {
	s, err := job.Get[observe.Steered](o, "steered")
	if err != nil {
		return judge.Verdict{}, err
	}
	const unit = "plants held"
	v := judge.Verdict{
		Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Value: float64(s.Plants), Unit: unit},
	}
	if s.Trouble != "" {
		return gone(v, s.Trouble, s.Said), nil
	}
	all, err := steeredIn(o, s)
	if err != nil {
		return v, err
	}
	held := s.Plants - len(all.plants)
	v.Measured.Value = float64(held)
	// A third of the plants is what a guess holds: it earns nothing.
	v.Fraction = judge.Between(float64(s.Plants-held), float64(s.Plants)*2/3, 0)
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprintf("%d/%d", held, s.Plants)
	if held < s.Plants {
		v.Finding = all.finding()
		v.Message = fmt.Sprintf("%d of %d simulated samplers were held at 2%% ± 0.5; %s", held, s.Plants, all.example().text)
	}
	return v, nil
}

// ratesOf returns the rates: they are those of the nth plant.
func ratesOf(s observe.Steered, n int) []int64 {
	parts := make([]int64, observe.Intervals)
	for k := range parts {
		parts[k] = int64(binary.LittleEndian.Uint16(s.Rates[2*(n*observe.Intervals+k):])) + 1
	}
	return parts
}

// predicted is what an interval's overhead should be, of a million, by what calls cost.
func predicted(l observe.Live, i observe.Interval, part int64) int64 {
	busy := float64(i.Events) * (l.Skip + l.Sample*float64(part)/observe.Whole)
	return int64(busy / float64(max(i.Length, 1)) * observe.PPM)
}

// getLive returns what was observed of the sampler itself, if it makes sense.
func getLive(o job.Observations, t observe.Script) (observe.Live, error) {
	l, err := job.Get[observe.Live](o, "live")
	if err != nil || l.Trouble != "" {
		return l, err
	}
	if len(l.Intervals) != observe.Intervals {
		return l, fmt.Errorf("expected %d intervals, found %d", observe.Intervals, len(l.Intervals))
	}
	for n, i := range l.Intervals {
		if i.Load != t.Loads[n/observe.StepIntervals] || i.Length <= 0 || i.Length > maxNumber || i.Busy < 0 || i.Busy > maxNumber ||
			i.Made > maxNumber || i.Missed > maxNumber || i.Part < observe.MinPart || i.Part > observe.Whole {
			return l, fmt.Errorf("interval %d makes no sense: %+v", n, i)
		}
	}
	return l, nil
}

// wrongLive says what a sampler did not do while it was steered. It is empty where it counted each call and
// sampled as many as it was told.
func wrongLive(l observe.Live) string {
	var mean, variance, records float64
	for n, i := range l.Intervals {
		switch {
		case unseen(i.Made, i.Events, i.Missed) != 0:
			return fmt.Sprintf("live, interval %d: %d calls were made and %d counted as seen", n, i.Made, int64(i.Events))
		case i.Sampled != i.Records:
			return fmt.Sprintf("live, interval %d: %d events counted as sampled, and %d in the ring", n, int64(i.Sampled), i.Records)
		}
		rate := float64(i.Part) / observe.Whole
		mean += float64(i.Events) * rate
		variance += float64(i.Events) * rate * (1 - rate)
		records += float64(i.Records)
	}
	// A sampler may have fixed the next sample before it is told another rate.
	if math.Abs(records-mean) > 2*rateSlip*mean+sigmas*math.Sqrt(variance) {
		return fmt.Sprintf("live: %.0f events were sampled; at the rates that were set it should have been some %.0f", records, mean)
	}
	return ""
}

// judgeLive asks the same of the sampler itself.
func judgeLive(o job.Observations) (judge.Verdict, error) {
	t, err1 := scriptOf(o)
	l, err2 := getLive(o, t)
	if err := errors.Join(err1, err2); err != nil {
		return judge.Verdict{}, err
	}
	const unit = "intervals off"
	v := judge.Verdict{Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Unit: unit}}
	if l.Trouble != "" {
		return gone(v, l.Trouble, l.Said), nil
	}
	if wrong := wrongLive(l); wrong != "" {
		v.Status, v.Cell, v.Message = judge.Fail, "WRONG", wrong
		return v, nil
	}
	v.Message = "overhead"
	misses, asked, apart := 0, 0, int64(0)
	var all steered
	for n, load := range t.Loads {
		var sum, foretold int64
		step := l.Intervals[n*observe.StepIntervals:][:observe.StepIntervals]
		for _, i := range step[observe.Settled:] {
			asked++
			sum += i.Overhead()
			foretold += predicted(l, i, i.Part)
			if !observe.Holds(i.Overhead(), i.Part) {
				misses++
				all.miss(i.Overhead())
			}
		}
		apart = max(apart, (sum-foretold)/(observe.StepIntervals-observe.Settled), (foretold-sum)/(observe.StepIntervals-observe.Settled))
		last := step[observe.StepIntervals-1]
		v.Message += fmt.Sprintf(" %.2f%% at %s/s and a rate of %s,", float64(sum)/float64(observe.StepIntervals-observe.Settled)/observe.PPM*100, count(load), percent(last.Part))
		if low := predicted(l, last, observe.MinPart); last.Part == observe.MinPart && l.Sample > 0 && low > observe.TargetPPM+observe.Band {
			v.Message += fmt.Sprintf(" the least that can be (%.1f%%),", float64(low)/observe.PPM*100)
		}
	}
	v.Message = strings.TrimSuffix(v.Message, ",")
	v.Measured.Value = float64(misses)
	v.Fraction = judge.Between(float64(misses), float64(asked)/4, 0)
	v.Status = judge.Graded(v.Fraction)
	if misses == 0 {
		v.Details = []string{fmt.Sprintf("a call costs %.0f ns and a sample %.0f more, by the kernel's clock; the overhead is within %.2f points of what a simulated sampler of these costs has",
			l.Skip, l.Sample, float64(apart)/observe.PPM*100)}
	} else {
		v.Cell, v.Finding = fmt.Sprintf("%d off", misses), all.finding()
		v.Message = fmt.Sprintf("%d of %d intervals off 2%% ± 0.5: %s", misses, asked, v.Message)
	}
	return v, nil
}

func count(load int64) string {
	if load >= 500_000 {
		return fmt.Sprintf("%.2f M", float64(load)/1e6)
	}
	return fmt.Sprintf("%d k", load/1000)
}

// lowLoad is the part of the events that must be sampled at the first, lowest load.
const lowLoad = 0.8

func judgeLowLoad(o job.Observations) (judge.Verdict, error) {
	t, err1 := scriptOf(o)
	l, err2 := getLive(o, t)
	if err := errors.Join(err1, err2); err != nil {
		return judge.Verdict{}, err
	}
	const unit = "% of the events sampled"
	v := judge.Verdict{Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Value: 100 * lowLoad, Unit: unit}}
	if l.Trouble != "" {
		return gone(v, l.Trouble, l.Said), nil
	}
	var events, sampled uint64
	for _, i := range l.Intervals[observe.Settled:observe.StepIntervals] {
		events += i.Made
		sampled += i.Records
	}
	if events == 0 {
		return v, errors.New("no event came at the lowest load")
	}
	part := float64(sampled) / float64(events)
	v.Measured.Value = math.Round(1000*part) / 10
	v.Fraction = judge.Between(-part, 0, -lowLoad)
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprintf("%.0f%%", 100*part)
	if v.Fraction < 1 {
		v.Message = fmt.Sprintf("%d of %d events were sampled, at a load that would allow all", sampled, events)
		switch last := l.Intervals[observe.StepIntervals-1]; {
		case float64(last.Part) >= lowLoad*observe.Whole:
			v.Finding = "late"
		case last.Overhead() >= observe.TargetPPM-observe.Band:
			v.Finding = "expensive"
		}
	}
	return v, nil
}
