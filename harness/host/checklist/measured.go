// SPDX-License-Identifier: Apache-2.0

package checklist

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"al.essio.dev/pkg/shellescape"
	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"bpflab/harness/host/inspect"
	"bpflab/harness/host/linecost"
	"bpflab/harness/host/runcost"
	"bpflab/harness/host/survey"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// These points are judged by what kernels did.

func quoted(file string) string { return shellescape.Quote(file) }

func outcome(ok bool) Outcome {
	if ok {
		return Pass
	}
	return Fail
}

func (s *subject) bench() string { return "bpflab bench " + quoted(s.file) + " --by-frame" }

// profiled says which load a program has been under, what its runs cost, and which lines that is in.
func (s *subject) profiled() Finding {
	cost, kernel, ok := s.worst(mean)
	if f, missing := s.missing(); missing {
		return f
	}
	if !ok {
		return s.unmeasured()
	}
	f := Finding{Outcome: Pass, Kernel: kernel, Number: insns(cost) + " a run", Deeper: "bpflab profile " + quoted(s.file)}
	on := s.on[slices.Index(s.kernels, kernel)]
	c := runcost.OfProgram(on)
	if p, err := linecost.Of(on); err == nil {
		if l := slices.MaxFunc(p.Lines, func(a, b linecost.Line) int { return cmp.Compare(a.Cost(), b.Cost()) }); l.File != "" {
			f.Number += fmt.Sprintf(", %.0f of them at %s", l.Cost(), l.Position())
		}
	}
	if on.Events != nil {
		f.Number += ", " + several(c.Runs, "run") + " at system calls"
	} else {
		f.Number += ", " + several(c.Runs, "frame")
		f.Message = fmt.Sprintf("%s; the most expensive takes %s", s.packets, insns(float64(c.Most)))
	}
	return f
}

// missing is the finding on a program that some kernel has not run though it accepts it, or that none accepts.
func (s *subject) missing() (Finding, bool) {
	for _, l := range s.on {
		if survey.VerdictOf(l) != survey.NotJudged && runcost.OfProgram(l).Runs == 0 {
			return s.unmeasured(), true
		}
	}
	return Finding{}, false
}

func (s *subject) overhead() Finding {
	cost, kernel, ok := s.worst(mean)
	if !ok {
		return s.unmeasured()
	}
	limit := fmt.Sprintf("at most %s of a CPU", percent(maxOverhead))
	if s.limits.Rate == 0 {
		return Finding{
			Outcome: NeedsYou, Kernel: kernel, Limit: limit, Number: insns(cost) + " a run", Deeper: s.bench(), Yours: []string{s.statistics(), "bpflab check " + quoted(s.file) + " --rate RUNS_A_SECOND"},
			Message: fmt.Sprintf("depends on how often it runs: 5%% of a CPU is reached at %s on that CPU; bpftool counts them (run_cnt)", rate(maxOverhead*s.limits.IPS/max(cost, 1))),
		}
	}
	share := cost * s.limits.Rate / s.limits.IPS
	return Finding{
		Outcome: outcome(share <= maxOverhead), Kernel: kernel, Number: percent(share) + " of a CPU", Limit: limit, Deeper: s.bench(),
		Message: fmt.Sprintf("%s a run × %s, of %s instructions a second", insns(cost), rate(s.limits.Rate), si(s.limits.IPS)),
	}
}

// rate is a number of runs a second.
func rate(n float64) string {
	return si(n) + " runs/s"
}

// si is a number with a prefix: 14.88M.
func si(n float64) string { return strings.ReplaceAll(humanize.SIWithDigits(n, 2, ""), " ", "") }

func insns(n float64) string {
	if n >= 100 || n == float64(int(n)) {
		return humanize.Comma(int64(n+0.5)) + " instructions"
	}
	return fmt.Sprintf("%.1f instructions", n)
}

// several counts things.
func several(n int, what string) string {
	return humanize.Comma(int64(n)) + " " + english.PluralWord(n, what, "")
}

// verifier looks at verdicts, and at how near to its limits a program comes.
func (s *subject) verifier() Finding {
	f := Finding{Outcome: Pass, Deeper: "bpflab explain " + quoted(s.file)}
	worst, unseen := 0.0, Finding{}
	for i, l := range s.on {
		switch survey.VerdictOf(l) {
		case survey.NotJudged:
		case survey.Lacks:
			return Finding{Outcome: NeedsYou, Kernel: s.kernels[i], Message: l.Lacks, Yours: s.loaded()}
		case survey.Rejected:
			if l.By == verifier.Loader { // no verifier has seen it
				unseen = Finding{Outcome: NeedsYou, Kernel: s.kernels[i], Message: "not loaded: " + l.Message, Deeper: f.Deeper}
				continue
			}
			f = Finding{Outcome: Fail, Kernel: s.kernels[i], Number: "rejected", Message: l.Message, Deeper: f.Deeper}
			if l.Source != "" {
				f.Places = []inspect.Place{placeOf(l.Source)}
			}
			return f
		default:
			steps, stack := float64(l.Stats.Processed)/maxSteps, float64(l.Stats.StackDepth)/maxStack
			if share := max(steps, stack); f.Number == "" || share > worst {
				worst, f.Kernel = share, s.kernels[i]
				f.Number = fmt.Sprintf("%s steps, %d bytes of stack", humanize.Comma(int64(l.Stats.Processed)), l.Stats.StackDepth)
			}
		}
	}
	if f.Number == "" {
		return unseen
	}
	f.Limit = fmt.Sprintf("at most %s and %d", humanize.Comma(maxSteps), maxStack)
	if worst > 1 {
		f.Outcome = Fail
		f.Message = "the kernel's limits are near: another compiler or kernel may need more and reject the program; split it, or make loops shorter"
	}
	return f
}

// placeOf reads a line as reports have it, "counter.bpf.c:31: return *v;".
func placeOf(source string) (p inspect.Place) {
	file, rest, ok := strings.Cut(source, ":")
	number, text, ok2 := strings.Cut(rest, ": ")
	if _, err := fmt.Sscan(number, &p.Line); err != nil || !ok || !ok2 {
		return inspect.Place{Text: source}
	}
	p.File, p.Text = file, text
	return p
}

// loaded are the commands that load an object where all that it needs is.
func (s *subject) loaded() []string {
	return []string{"bpftool -d prog loadall " + quoted(s.file) + " /sys/fs/bpf/check"}
}

func (s *subject) versions() Finding {
	f := Finding{Outcome: Pass, Limit: "all of " + strings.Join(s.kernels, ", "), Deeper: "bpflab explain " + quoted(s.file)}
	sound, judged := 0, 0
	for i, l := range s.on {
		note := ""
		switch survey.VerdictOf(l) {
		case survey.NotJudged:
			continue
		case survey.Lacks:
			return Finding{Outcome: NeedsYou, Kernel: s.kernels[i], Message: l.Lacks, Yours: s.loaded()}
		case survey.Rejected:
			note = "rejected on " + s.kernels[i] + ": " + l.Message
		case survey.NoTarget:
			note = "Linux " + s.kernels[i] + ": " + l.NoTarget
		default:
			sound++
		}
		judged++
		if note != "" {
			f.Outcome = Fail
			if f.Message == "" {
				f.Message = note
			}
		}
	}
	f.Number = fmt.Sprintf("%d of %s", sound, several(judged, "kernel"))
	if f.Outcome == Pass && judged < 2 {
		f.Outcome, f.Message, f.Yours = NeedsYou, "one kernel is not several; without --kernels, it is the whole matrix", []string{"bpflab check " + quoted(s.file)}
	}
	return f
}

func (s *subject) mapOperations() Finding {
	ops := s.program.MapOps
	if ops.Sites == 0 {
		return Finding{Outcome: NotApplicable, Message: "it calls no helper that works on a map"}
	}
	limit := fmt.Sprintf("at most %d a run", s.limits.MapOps)
	deeper := "bpflab profile " + quoted(s.file)
	if ops.Bound == "" && ops.Most > s.limits.MapOps {
		return Finding{
			Outcome: Fail, Number: fmt.Sprintf("up to %s a run", several(ops.Most, "map operation")), Limit: limit, Places: ops.Places, Deeper: deeper,
			Message: "keep the pointer that a lookup returns, and collect what belongs together in one entry",
		}
	}
	cost, kernel, ok := s.worst(mean)
	if !ok {
		return s.unmeasured()
	}
	p, err := linecost.Of(s.on[slices.Index(s.kernels, kernel)])
	if err != nil { // no copy of it can be counted with
		if ops.Bound != "" {
			return Finding{
				Outcome: NeedsYou, Kernel: kernel, Number: several(ops.Sites, "map operation") + " in its text", Limit: limit, Places: ops.Places, Deeper: deeper,
				Message: fmt.Sprintf("how many a run makes has no static bound (%s); a mean run takes %s", ops.Bound, insns(cost)), Yours: []string{deeper},
			}
		}
		return Finding{
			Outcome: Pass, Kernel: kernel, Number: fmt.Sprintf("up to %s a run", several(ops.Most, "map operation")), Limit: limit, Deeper: deeper,
			Message: fmt.Sprintf("a mean run takes %s with them", insns(cost)),
		}
	}
	made, spent := 0.0, 0.0
	for _, call := range append(p.Calls(), p.Untimed...) {
		if inspect.OnMap(call.Name) {
			made, spent = made+call.Runs, spent+call.Cost
		}
	}
	f := Finding{
		Outcome: outcome(made <= float64(s.limits.MapOps)), Kernel: kernel, Number: fmt.Sprintf("%.2f map operations a run", made), Limit: limit, Deeper: deeper,
		Message: fmt.Sprintf("they take %.0f of %s a run", spent, insns(cost)),
	}
	if f.Outcome == Fail {
		f.Places = ops.Places
	}
	return f
}

func (s *subject) peak() Finding {
	cost, kernel, ok := s.worst(most)
	if !ok {
		return s.unmeasured()
	}
	capacity := s.limits.IPS / max(cost, 1)
	if s.limits.Peak == 0 {
		return Finding{
			Outcome: NeedsYou, Kernel: kernel, Number: "one CPU can do " + rate(capacity), Deeper: s.bench(), Yours: []string{s.statistics(), "bpflab check " + quoted(s.file) + " --peak RUNS_A_SECOND"},
			Message: fmt.Sprintf("its most expensive run takes %s; count runs (run_cnt) at peak load, when its maps are full", insns(cost)),
		}
	}
	return Finding{
		Outcome: outcome(s.limits.Peak <= capacity), Kernel: kernel, Number: "one CPU can do " + rate(capacity), Limit: "at least " + rate(s.limits.Peak), Deeper: s.bench(),
		Message: fmt.Sprintf("its most expensive run takes %s, with nothing else on that CPU", insns(cost)),
	}
}

func (s *subject) instructions() Finding {
	path := "; its longest path has " + several(s.program.Path.Most, "BPF instruction")
	if s.program.Path.Bound != "" {
		path = "; its longest path has no static bound (" + s.program.Path.Bound + ")"
	}
	cost, kernel, ok := s.worst(mean)
	if !ok {
		return s.unmeasured()
	}
	return Finding{
		Outcome: outcome(cost <= s.limits.Instructions), Kernel: kernel, Number: insns(cost) + " a run", Limit: "at most " + insns(s.limits.Instructions), Deeper: "bpflab profile " + quoted(s.file),
		Message: "over a program that does nothing, with what helpers do" + path,
	}
}

// onPackets reports whether programs of a type take every packet of a link.
func onPackets(kind string) bool { return kind == "XDP" || kind == "SchedCLS" || kind == "SchedACT" }

func (s *subject) packetRate() Finding {
	if !onPackets(s.program.Type) {
		return Finding{Outcome: NotApplicable, Message: "it is no XDP or tc program"}
	}
	worst, kernel, kind := 0.0, "", ""
	for i, l := range s.on {
		for k, c := range s.byKind(l) {
			if kernel == "" || c.Mean > worst || c.Mean == worst && kernel == s.kernels[i] && k < kind {
				worst, kernel, kind = c.Mean, s.kernels[i], k
			}
		}
	}
	if kernel == "" {
		return s.unmeasured()
	}
	can := s.limits.IPS / max(worst, 1)
	return Finding{
		Outcome: outcome(can >= s.limits.PPS), Kernel: kernel, Number: packets(can), Limit: "at least " + packets(s.limits.PPS), Deeper: s.bench(),
		Message: fmt.Sprintf("%s for the most expensive kind of frame, %s; one core at %s instructions a second, without what the driver and the stack do", insns(worst), kind, si(s.limits.IPS)),
	}
}

func packets(rate float64) string {
	return si(rate) + " packets/s"
}

// byKind are a program's costs on a kernel for each kind of frame.
func (s *subject) byKind(l job.Loaded) map[string]runcost.Cost {
	costs := map[string]runcost.Cost{}
	for _, kind := range s.kinds {
		if _, ok := costs[kind]; ok {
			continue
		}
		if c := runcost.Of(l.Runs, func(frame int, _ job.FrameRun) bool { return frame < len(s.kinds) && s.kinds[frame] == kind }); c.Runs > 0 {
			costs[kind] = c
		}
	}
	return costs
}

// malformed are the kinds of frames of the default mix that no sound sender sends.
var malformed = []string{
	"length field that is not the frame's", "0x0008, IPv4's type in the wrong byte order", "runt: an Ethernet header and nothing",
	"header cut short", "options cut short", "IHL below 5",
}

// failed reports whether a run on a frame has ended in an error, or was on a frame that is malformed.
func (s *subject) failed(frame int, r job.FrameRun) bool {
	return s.program.Type == "XDP" && r.Result == 0 || frame < len(s.kinds) && slices.Contains(malformed, s.kinds[frame])
}

func (s *subject) errors() Finding {
	worst, f := 0.0, Finding{}
	for i, l := range s.on {
		bad := runcost.Of(l.Runs, s.failed)
		good := runcost.Of(l.Runs, func(frame int, r job.FrameRun) bool { return !s.failed(frame, r) })
		if bad.Runs == 0 {
			continue
		}
		if good.Runs == 0 {
			return Finding{Outcome: Fail, Kernel: s.kernels[i], Number: "every run ends in an error", Message: several(bad.Runs, "frame") + " ended in XDP_ABORTED or are malformed, and none is ordinary", Deeper: s.bench()}
		}
		share := float64(bad.Most) / float64(max(good.Most, 1))
		if f.Kernel == "" || share > worst {
			worst = share
			f = Finding{
				Outcome: outcome(bad.Most <= max(good.Most, 1)), Kernel: s.kernels[i], Deeper: s.bench(),
				Number:  "up to " + insns(float64(bad.Most)),
				Limit:   "at most " + insns(float64(good.Most)),
				Message: fmt.Sprintf("malformed, or with an end in XDP_ABORTED: %s, %s on average; others: %d, %s", several(bad.Runs, "frame"), insns(bad.Mean), good.Runs, insns(good.Mean)),
			}
		}
	}
	if f.Kernel != "" {
		return f
	}
	if slices.ContainsFunc(s.on, func(l job.Loaded) bool { return survey.VerdictOf(l) == survey.Rejected }) {
		return s.unmeasured()
	}
	if onFrames := slices.ContainsFunc(s.on, func(l job.Loaded) bool { return len(l.Runs) > 0 }); onFrames {
		return Finding{
			Outcome: NeedsYou, Message: "no frame is malformed or has ended in XDP_ABORTED: add those that it should refuse", Deeper: s.bench(),
			Yours: []string{"bpflab check " + quoted(s.file) + " --packets BROKEN.pcap"},
		}
	}
	if len(s.fallible()) == 0 {
		return Finding{Outcome: NotApplicable, Message: "nothing that it calls can fail"}
	}
	return Finding{
		Outcome: NeedsYou, Number: several(len(s.fallible()), "helper") + " that can fail", Yours: []string{s.statistics()},
		Message: strings.Join(s.fallible(), ", ") + ": make them fail, by full maps or by memory that is not there, and compare what a run takes",
	}
}

// infallible are helpers that return no error.
var infallible = []string{
	"bpf_ktime_get_ns", "bpf_ktime_get_boot_ns", "bpf_ktime_get_coarse_ns", "bpf_ktime_get_tai_ns", "bpf_jiffies64", "bpf_get_smp_processor_id",
	"bpf_get_numa_node_id", "bpf_get_prandom_u32", "bpf_get_current_pid_tgid", "bpf_get_current_uid_gid", "bpf_get_current_task", "bpf_get_current_task_btf",
	"bpf_get_current_cgroup_id", "bpf_spin_lock", "bpf_spin_unlock", "bpf_ringbuf_submit", "bpf_ringbuf_discard", "bpf_trace_printk", "bpf_trace_vprintk", "bpf_get_attach_cookie", "bpf_get_func_ip",
}

// fallible are the helpers that a program calls and that may fail.
func (s *subject) fallible() (names []string) {
	for _, h := range s.program.Helpers {
		if !slices.Contains(infallible, h.Name) {
			names = append(names, h.Name)
		}
	}
	return names
}
