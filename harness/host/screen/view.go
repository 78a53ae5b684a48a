// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"bpflab/harness/host/report"
	"bpflab/harness/host/visible"
)

// leastFound is how many lines of what was found are seen below the table. Where there is less room, the table scrolls
// as well.
const leastFound = 5

// View draws the screen.
func (m Model) View() tea.View {
	all := append(m.head(), m.fixed...)
	if m.view.Height() > 0 {
		all = append(all, m.rule())
		all = append(all, strings.Split(m.view.View(), "\n")...)
	}
	all = append(all, m.keyHelp()...)
	all = all[:min(len(all), m.height)]
	for i, line := range all {
		all[i] = ansi.Truncate(strings.TrimRight(line, " "), m.width, "…")
	}
	v := tea.NewView(strings.Join(all, "\n"))
	v.AltScreen = true
	return v
}

// layOut fits what is shown to the screen, and keys to what is shown.
func (m *Model) layOut() {
	m.parts = m.report.Parts(m.style())
	left := m.left()
	m.keys.hint.SetEnabled(m.report.Refused == nil && m.failed == nil && m.current >= 0 && m.hints[m.current].shown < len(m.hints[m.current].all))
	another := len(left) > 1 || len(left) == 1 && left[0] != m.current
	m.keys.next.SetEnabled(another)
	m.keys.previous.SetEnabled(another)
	m.keys.back.SetEnabled(m.page != nil)

	// What scrolls has keys, which may take a line more.
	head, table := len(m.head()), m.table()
	room := func() int { return max(m.height-head-1-len(m.keyHelp()), 0) }
	m.keys.scroll.SetEnabled(true)
	m.keys.sideways.SetEnabled(false)
	m.fixed = table
	if room()-len(table) < leastFound {
		m.fixed = nil
	}
	body := m.found()
	if m.fixed == nil && len(table) > 0 {
		body = append(append(table[1:], ""), body...)
		m.lastHint += len(table)
	}
	m.keys.sideways.SetEnabled(m.page != nil && slices.ContainsFunc(body, func(line string) bool { return ansi.StringWidth(line) > m.width }))
	m.keys.scroll.SetEnabled(false)
	if len(body) > room()-len(m.fixed) {
		m.keys.scroll.SetEnabled(true)
	}
	m.view.SetWidth(m.width)
	m.view.SetHeight(max(room()-len(m.fixed), 0))
	m.view.SetContentLines(body)
}

// head says what is watched and what goes on.
func (m *Model) head() (all []string) {
	title := bold(m.lab.Name) + "  " + m.lab.Title
	on := "Linux " + m.on()
	if gap := m.width - ansi.StringWidth(title) - ansi.StringWidth(on); gap >= 2 && len(m.kernels) > 0 {
		title += strings.Repeat(" ", gap) + on
	}
	all = append(all, ansi.Truncate(title, m.width, "…"))
	if len(m.watching.Files) > 0 {
		all = append(all, m.wrap("watching "+visible.Line(m.watching.Folder)+": "+visible.Line(strings.Join(m.watching.Files, ", ")))...)
	}
	all = append(all, m.status()...)
	if m.notice != "" {
		note := m.wrap("note: " + visible.Lines(m.notice)[0])
		all = append(all, note[:min(len(note), 3)]...)
	}
	return all
}

// on names the kernels.
func (m *Model) on() string {
	if len(m.kernels) > 3 {
		return fmt.Sprintf("%s to %s", visible.Line(m.kernels[0]), visible.Line(m.kernels[len(m.kernels)-1]))
	}
	return visible.Line(strings.Join(m.kernels, ", "))
}

// status says what goes on.
func (m *Model) status() []string {
	if len(m.gone) > 0 {
		verb := " is"
		if len(m.gone) > 1 {
			verb = " are"
		}
		return m.wrap(m.paint("31", visible.Line(strings.Join(m.gone, ", "))+verb+" gone.") + " Grading goes on when all files are there.")
	}
	if m.stage == waiting {
		if m.ended.IsZero() {
			return []string{"waiting"}
		}
		what := "graded on " + m.on()
		switch {
		case m.failed != nil:
			what = m.paint("35", "not graded")
		case m.report.Refused != nil:
			what = m.paint("31", "refused")
		}
		return m.wrap(fmt.Sprintf("%s at %s, after %.1f s", what, m.ended.Format(time.TimeOnly), m.ended.Sub(m.began).Seconds()))
	}
	what := map[stage]string{compiling: "compiling", loading: "loading on " + m.on(), grading: "grading on " + m.on()}[m.stage]
	status := fmt.Sprintf("%s %s, %.1f s", m.spinner.View(), what, max(m.now.Sub(m.began), 0).Seconds())
	var doing []string
	for _, who := range slices.Sorted(maps.Keys(m.doing)) {
		what, _, _ := strings.Cut(m.doing[who], ":") // such as QEMU's command line
		if who == m.lab.Name || what == "start" {
			continue
		}
		if len(m.kernels) == 1 {
			who = strings.TrimPrefix(who, m.kernels[0]+" ")
		}
		doing = append(doing, visible.Line(who+" "+what))
	}
	if len(doing) > 0 {
		status += ": " + strings.Join(doing, " · ")
	}
	return []string{ansi.Truncate(status, m.width, "…")}
}

// table is the tasks, the score and what has changed: beside them, if there is room, or else below.
func (m *Model) table() (all []string) {
	if m.page != nil || m.parts.Table == "" || m.failed != nil {
		return nil
	}
	rows := lines(m.parts.Table)
	if m.stage != waiting {
		return append(append([]string{""}, rows...), "") // where the score will be
	}
	score, changes := lines(m.parts.Score), report.Changes(m.before, m.report.Result, m.style())
	if len(rows) == len(m.lab.Tasks)+1 {
		beside := slices.Clone(rows)
		for n, change := range changes {
			if change != "" {
				beside[n+1] += "   " + change
			}
		}
		beside = append(beside, strings.Join(score[:min(len(score), 2)], "   "))
		if !slices.ContainsFunc(beside, func(line string) bool { return ansi.StringWidth(line) > m.width }) {
			return slices.Concat([]string{""}, beside, score[min(len(score), 2):])
		}
	}
	rows = append(rows, score...)
	for n, change := range changes {
		if change != "" {
			number := fmt.Sprintf("%2d ", n+1)
			title := ansi.Truncate(m.lab.Tasks[n].Title, m.width-len(number)-ansi.StringWidth(change)-2, "…")
			rows = append(rows, number+title+"  "+change)
		}
	}
	return append([]string{""}, rows...)
}

// found is what was found of the task that is shown, or what is shown in place of that.
func (m *Model) found() (all []string) {
	if m.page != nil {
		for _, line := range visible.Lines(m.page.Text) {
			line = strings.ReplaceAll(line, "\t", "    ")
			if m.page.Diff {
				line = m.paintDiff(line)
			}
			all = append(all, line)
		}
		return all
	}
	part := func(text []string) {
		if len(all) > 0 && len(text) > 0 {
			all = append(all, "")
		}
		all = append(all, text...)
	}
	if m.failed != nil {
		for _, line := range visible.Lines(m.failed.Error()) {
			part(m.wrap(line))
		}
		return all
	}
	if m.report.Refused != nil {
		part(lines(m.parts.Refusal))
		part(lines(m.parts.Next))
		return all
	}
	if m.current >= 0 && m.current < len(m.parts.Findings) {
		part(lines(m.parts.Findings[m.current]))
	}
	if m.current >= 0 && m.hints[m.current].shown > 0 {
		list := m.hints[m.current]
		for i, hint := range list.all[:list.shown] {
			m.lastHint = len(all)
			part(m.wrap(bold(fmt.Sprintf("hint %d of %d:", i+1, len(list.all))) + " " + hint))
		}
		return all
	}
	// Between nothing and everything, what to do next is the task that is shown.
	if left := len(m.left()); left == 0 || left == len(m.lab.Tasks) || !m.report.Result.Complete {
		part(lines(m.parts.Next))
	}
	part(lines(m.parts.Figure))
	return all
}

// rule stands above what scrolls, and says what that is.
func (m *Model) rule() string {
	title := ""
	switch {
	case m.page != nil:
		title = visible.Line(m.page.Title)
	case m.failed != nil:
		title = "no grade"
	case m.report.Refused != nil:
		title = "fix this first"
	case m.current >= 0:
		title = fmt.Sprintf("%d %s", m.current+1, m.lab.Tasks[m.current].Title)
	}
	if title != "" {
		title = "── " + ansi.Truncate(title, max(m.width-20, 10), "…") + " "
	}
	where := ""
	if total := m.view.TotalLineCount(); total > m.view.Height() {
		where = fmt.Sprintf(" %d-%d of %d ──", m.view.YOffset()+1, min(m.view.YOffset()+m.view.Height(), total), total)
	}
	line := strings.Repeat("─", max(m.width-ansi.StringWidth(title)-ansi.StringWidth(where), 0))
	return lipgloss.NewStyle().Faint(true).Render(title + line + where)
}

// keyHelp names the keys, on as many lines as they take.
func (m *Model) keyHelp() (all []string) {
	var row []key.Binding
	wide := 0
	for _, b := range m.keys.help() {
		more := ansi.StringWidth(b.Help().Key + " " + b.Help().Desc)
		if wide+len(m.help.ShortSeparator)+more > m.width && len(row) > 0 {
			all = append(all, m.help.ShortHelpView(row))
			row, wide = nil, 0
		}
		if len(row) > 0 {
			wide += len(m.help.ShortSeparator)
		}
		row, wide = append(row, b), wide+more
	}
	return append(all, m.help.ShortHelpView(row))
}

func (m *Model) wrap(text string) []string {
	return strings.Split(report.Wrap(text, m.width), "\n")
}

func bold(text string) string { return lipgloss.NewStyle().Bold(true).Render(text) }

// paint colours a text, where colour is wanted.
func (m *Model) paint(code, text string) string {
	if !m.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (m *Model) paintDiff(line string) string {
	switch {
	case strings.HasPrefix(line, "+"):
		return m.paint("32", line)
	case strings.HasPrefix(line, "-"):
		return m.paint("31", line)
	case strings.HasPrefix(line, "@@"):
		return m.paint("36", line)
	}
	return line
}
