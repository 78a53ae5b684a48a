// SPDX-License-Identifier: Apache-2.0

// Package screen shows on a terminal what becomes of a submission that somebody is working on. Messages tell it what
// goes on, and its [Asks] are called for what the keys want. It reads no file and starts nothing itself.
package screen

import (
	"maps"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/help"
	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/spinner"
	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/report"
)

// What a screen is told. Of each grade it is told Began, then Loading and Loaded, then Graded; or Graded at once where
// the submission is refused; or Failed. A new Began ends what there is.
type (
	// Watching names the files that are watched. All of them are there.
	Watching struct {
		Folder string
		Files  []string
	}
	// Gone names files that are missing. Until they are back, nothing is graded.
	Gone struct{ Files []string }
	// Began says that a grade begins: the submission is compiled and checked.
	Began struct {
		Kernels []string
		Time    time.Time
	}
	// Loading says that kernels' verifiers look at it now.
	Loading struct{}
	// Loaded is what these say: the result of the first tasks. The others are under way.
	Loaded struct{ Result judge.Result }
	// Graded is a grade, and the result of the one before on the same kernels; without kernels, there is none.
	Graded struct {
		Report report.Report
		Before judge.Result
		Time   time.Time
	}
	// Failed says why there is no grade, which is not the submission's fault.
	Failed struct {
		Err  error
		Time time.Time
	}
	// Doing says what somebody, such as a guest, is doing; empty: nothing any more.
	Doing struct{ Who, What string }
	// Notice is what people should read.
	Notice struct{ Text string }
	// Page is shown in place of what was found, until a key or a save brings that back.
	Page struct {
		Title, Text string
		Diff        bool // the text is a unified diff
	}
)

// Lab is what is graded.
type Lab struct {
	Name, Title string
	Tasks       []judge.Task
}

// Asks are called for keys, each beside the screen. What they return is told to the screen.
type Asks struct {
	Again tea.Cmd // grade again
	All   tea.Cmd // grade on all kernels
	List  tea.Cmd // a Page: all labs
	Diff  tea.Cmd // a Page: what has changed since the submission passed
}

// stage is how far a grade has come.
type stage int

const (
	waiting stage = iota
	compiling
	loading
	grading
)

// Model is a screen.
type Model struct {
	lab           Lab
	asks          Asks
	colour        bool
	width, height int
	keys          keys

	watching   Watching
	gone       []string
	stage      stage
	kernels    []string
	began, now time.Time
	ended      time.Time // of the last grade; zero: none yet
	doing      map[string]string
	notice     string

	report report.Report // as far as it goes
	before judge.Result
	failed error

	current int  // task that is shown, from 0; -1: none
	chosen  bool // by a key
	hints   []hints
	page    *Page

	parts    report.Parts // of the report, as wide as the screen
	fixed    []string     // the table, if it does not scroll
	lastHint int          // line at which the last one begins, of those that scroll

	spinner spinner.Model
	view    viewport.Model
	help    help.Model
}

// hints are those of a task, and how many of them are shown.
type hints struct {
	all   []string
	shown int
}

// New returns the screen of a lab, in colour or not.
func New(lab Lab, asks Asks, colour bool) Model {
	m := Model{
		lab: lab, asks: asks, colour: colour, width: 80, height: 24, keys: newKeys(), current: -1,
		doing:   map[string]string{},
		spinner: spinner.New(spinner.WithSpinner(spinner.MiniDot)), view: viewport.New(), help: help.New(),
	}
	for _, task := range lab.Tasks {
		m.hints = append(m.hints, hints{all: task.HintsOn(judge.Verdict{})})
	}
	m.view.KeyMap = m.keys.scrolling()
	bold, faint := lipgloss.NewStyle().Bold(true), lipgloss.NewStyle().Faint(true)
	m.help.ShortSeparator = "  "
	m.help.Styles = help.Styles{ShortKey: bold, ShortDesc: faint, ShortSeparator: faint, Ellipsis: faint}
	m.layOut()
	return m
}

// Init starts nothing: the first message comes from outside.
func (m Model) Init() tea.Cmd { return nil }

// Update takes a message in.
func (m Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.update(msg)
	return m, cmd
}

func (m *Model) update(msg tea.Msg) (cmd tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m.press(msg)
	case spinner.TickMsg:
		m.now = msg.Time
		if m.stage == waiting {
			return nil
		}
		m.spinner, cmd = m.spinner.Update(msg)
	case Watching:
		m.watching, m.gone = msg, nil
	case Gone:
		m.gone = msg.Files
	case Began:
		if m.stage == waiting {
			cmd = m.spinner.Tick
		}
		m.stage, m.kernels, m.began, m.now = compiling, msg.Kernels, msg.Time, msg.Time
		m.doing, m.notice, m.failed, m.before = map[string]string{}, "", nil, judge.Result{}
		m.close()
		m.show(report.Report{Result: m.pending(judge.Result{})})
	case Loading:
		m.stage = loading
	case Loaded:
		m.stage = grading
		m.show(report.Report{Result: m.pending(msg.Result)})
	case Graded:
		m.stage, m.ended, m.before = waiting, msg.Time, msg.Before
		m.show(msg.Report)
	case Failed:
		m.stage, m.ended, m.failed = waiting, msg.Time, msg.Err
	case Doing:
		m.doing = maps.Clone(m.doing)
		if msg.What == "" {
			delete(m.doing, msg.Who)
		} else {
			m.doing[msg.Who] = msg.What
		}
	case Notice:
		m.notice = msg.Text
	case Page:
		m.page = &msg
		m.view.GotoTop()
		m.view.SetXOffset(0)
	}
	m.layOut()
	return cmd
}

// pending is a result with all tasks: those after the ones of r have no verdict yet.
func (m *Model) pending(r judge.Result) judge.Result {
	if len(r.Kernels) == 0 {
		for _, name := range m.kernels {
			r.Kernels = append(r.Kernels, judge.KernelResult{Name: name})
		}
	}
	r.Kernels = slices.Clone(r.Kernels)
	for i, k := range r.Kernels {
		tasks := slices.Clip(k.Tasks)
		for _, t := range m.lab.Tasks[len(tasks):] {
			tasks = append(tasks, judge.TaskResult{ID: t.ID, Title: t.Title, MaxPoints: t.Points})
		}
		r.Kernels[i].Tasks = tasks
	}
	return r
}

// show takes a report in, as far as it goes, and turns to the task to work on. From a task that a key has
// chosen it turns away only when that passes.
func (m *Model) show(r report.Report) {
	m.report = r
	if r.Refused != nil { // which is shown instead of a task
		return
	}
	m.hints = slices.Clone(m.hints)
	for n, task := range m.lab.Tasks {
		if all := task.HintsOn(m.resultOf(n).Verdict); didNotPass(m.resultOf(n)) && !slices.Equal(all, m.hints[n].all) {
			m.hints[n] = hints{all: all} // for what was found now
		}
	}
	left := m.left()
	undecided := m.current >= 0 && m.resultOf(m.current).Status == ""
	switch {
	case m.chosen && (undecided || slices.Contains(left, m.current)):
	case undecided && len(left) == 0 && m.hints[m.current].shown > 0: // they stay
	case len(left) == 0:
		m.turnTo(-1)
	default:
		m.turnTo(r.Result.Next())
	}
}

// turnTo shows what was found of a task.
func (m *Model) turnTo(task int) {
	if m.page == nil && task != m.current {
		m.view.GotoTop()
	}
	m.current, m.chosen = task, false
}

// resultOf is a task's result on the first kernel on which it did not pass or, if it passed, on the first.
func (m *Model) resultOf(task int) judge.TaskResult {
	kernels := m.report.Result.Kernels
	for _, k := range kernels {
		if didNotPass(k.Tasks[task]) {
			return k.Tasks[task]
		}
	}
	if len(kernels) == 0 {
		return judge.TaskResult{}
	}
	return kernels[0].Tasks[task]
}

// left are the tasks, from 0, that did not pass on some kernel.
func (m *Model) left() []int {
	if m.report.Refused != nil {
		return nil
	}
	return m.report.Result.Left()
}

func didNotPass(t judge.TaskResult) bool {
	return t.Status != "" && t.Status != judge.Pass && t.Status != judge.Skip
}

// press does what a key is for.
func (m *Model) press(msg tea.KeyPressMsg) (cmd tea.Cmd) {
	switch {
	case key.Matches(msg, m.keys.quit):
		return tea.Quit
	case key.Matches(msg, m.keys.hint):
		m.close()
		m.hints = slices.Clone(m.hints)
		m.hints[m.current].shown++
		m.layOut()
		m.view.SetYOffset(m.lastHint)
		return nil
	case key.Matches(msg, m.keys.next):
		m.step(+1)
	case key.Matches(msg, m.keys.previous):
		m.step(-1)
	case key.Matches(msg, m.keys.back):
		m.close()
	case key.Matches(msg, m.keys.list):
		cmd = m.asks.List
	case key.Matches(msg, m.keys.diff):
		cmd = m.asks.Diff
	case key.Matches(msg, m.keys.again):
		cmd = m.asks.Again
	case key.Matches(msg, m.keys.all):
		cmd = m.asks.All
	default:
		m.view, cmd = m.view.Update(msg)
	}
	m.layOut()
	return cmd
}

// step turns to the next task that did not pass, or to the one before; after the last comes the first.
func (m *Model) step(by int) {
	left := m.left()
	if len(left) == 0 {
		return
	}
	i := slices.Index(left, m.current)
	if i < 0 && by < 0 {
		i = 0
	}
	m.close()
	m.turnTo(left[(i+by+len(left))%len(left)])
	m.chosen = true
}

// close closes a page.
func (m *Model) close() {
	if m.page != nil {
		m.page = nil
		m.view.GotoTop()
		m.view.SetXOffset(0)
	}
}

func (m *Model) style() report.Style {
	marked := 0
	if m.current >= 0 && m.page == nil {
		marked = m.current + 1
	}
	return report.Style{Width: m.width, Colour: m.colour, Details: true, Marked: marked}
}

// lines are those of a text; none if it is empty.
func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}
