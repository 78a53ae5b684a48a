// SPDX-License-Identifier: Apache-2.0

package screen

import (
	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/viewport"
)

// keys are what keys do. One that would do nothing now is disabled, and not shown.
type keys struct {
	hint, next, previous, list, all, diff, again, quit, back key.Binding
	up, down, pageUp, pageDown, left, right                  key.Binding
	scroll, sideways                                         key.Binding // how the help names these
}

func newKeys() keys {
	bind := func(help, what string, keys ...string) key.Binding {
		return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, what))
	}
	return keys{
		hint:     bind("h", "hint", "h"),
		next:     bind("n", "next task", "n"),
		previous: bind("p", "previous", "p"),
		list:     bind("l", "labs", "l"),
		all:      bind("a", "all kernels", "a"),
		diff:     bind("d", "diff", "d"),
		again:    bind("r", "again", "r"),
		quit:     bind("q", "quit", "q", "ctrl+c"),
		back:     bind("esc", "back", "esc"),
		up:       bind("", "", "up", "k"),
		down:     bind("", "", "down", "j"),
		pageUp:   bind("", "", "pgup", "b"),
		pageDown: bind("", "", "pgdown", "space"),
		left:     bind("", "", "left"),
		right:    bind("", "", "right"),
		scroll:   bind("↑↓", "scroll", "up"),
		sideways: bind("←→", "scroll", "left"),
	}
}

// scrolling are the keys of what scrolls. Its own would take h, l and d.
func (k keys) scrolling() viewport.KeyMap {
	return viewport.KeyMap{Up: k.up, Down: k.down, PageUp: k.pageUp, PageDown: k.pageDown, Left: k.left, Right: k.right}
}

// help are the keys that are named at the bottom.
func (k keys) help() (list []key.Binding) {
	for _, b := range []key.Binding{k.hint, k.next, k.previous, k.back, k.list, k.all, k.diff, k.again, k.quit, k.scroll, k.sideways} {
		if b.Enabled() {
			list = append(list, b)
		}
	}
	return list
}
