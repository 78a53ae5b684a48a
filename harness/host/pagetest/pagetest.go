// SPDX-License-Identifier: Apache-2.0

// Package pagetest looks at pages and figures as readers do: in Chromium, on a phone, on a laptop and on paper.
package pagetest

import (
	"context"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// look lists what is wrong with a page as it is laid out.
//
//go:embed look.js
var look string

// Browser is a Chromium without a window.
type Browser struct{ ctx context.Context }

// Open starts a Chromium for the duration of a test, which is skipped where there is none.
func Open(t *testing.T) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("it needs Chromium, as chromium on PATH: on Debian, make test-tools installs it")
	}
	// Root needs NoSandbox. What is opened is ours, and may neither run scripts nor load anything.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(path))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	return &Browser{ctx}
}

// media are what pages are read on.
var media = []struct {
	name   string
	width  int64
	media  string
	scheme string
}{
	{"phone", 360, "screen", "light"},
	{"laptop", 1280, "screen", "light"},
	{"laptop in the dark", 1280, "screen", "dark"},
	{"A4", 673, "print", "light"}, // 210 mm without the margins
}

// Want is what must be seen of a page.
type Want struct {
	Texts   []string // on each medium, words one blank apart
	Printed []string // on paper, where folded sections are open
	Figures int
	Scrolls bool // a part of it is wider than a laptop and scrolls within itself. On paper it is not looked at
}

// Read opens a page on each medium. It fails the test for what cannot be read there: a page that scrolls sideways,
// text that is outside of it or lacks contrast, and in figures what is outside of them or over something else.
func (b *Browser) Read(t *testing.T, page []byte, want Want) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	require.NoError(t, os.WriteFile(file, page, 0o644))
	for _, m := range media {
		if want.Scrolls && m.media == "print" {
			continue
		}
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: m.media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: m.scheme}},
		})
		require.NoError(t, err)
		require.NoError(t, chromedp.Do(b.ctx, chromedp.EmulateViewport(m.width, 800), chromedp.Navigate("file://"+file)))
		seen, err := chromedp.Run(b.ctx, chromedp.Evaluate[struct {
			Text      string   `json:"text"`
			Figures   int      `json:"figures"`
			Scrolling int      `json:"scrolling"`
			Wrong     []string `json:"wrong"`
		}](look))
		require.NoError(t, err)
		assert.Empty(t, seen.Wrong, "%s, %d px wide", m.name, m.width)
		assert.Equal(t, want.Figures, seen.Figures, "figures: %s", m.name)
		assert.Equal(t, want.Scrolls && m.name != "phone", seen.Scrolling > 0, "%s, %d px wide: whether a part of the page scrolls", m.name, m.width)
		texts := want.Texts
		if m.media == "print" {
			texts = append(slices.Clone(texts), want.Printed...)
		}
		for _, text := range texts {
			assert.Contains(t, seen.Text, text, m.name)
		}
	}
}
