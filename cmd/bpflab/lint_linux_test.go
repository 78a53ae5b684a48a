// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/lint"
)

// What lint-lab finds out without a guest holds for every lab; the rest is tested by grades.
func TestLabsAreWhole(t *testing.T) {
	root := clone(t)
	for _, lab := range labs {
		assert.Empty(t, lint.Texts(root, lab), lab.Name)
		folders, err := lint.Wrong(root, lab)
		require.NoError(t, err)
		h := hostOn(sharedCache(t), os.Stderr) // most of it is compiled there already
		folders = append(folders, filepath.Join(root, "labs", lab.Name), filepath.Join(root, "solutions", lab.Name))
		unused, err := h.unused(t.Context(), root, lab, folders)
		require.NoError(t, err)
		assert.Empty(t, unused, lab.Name)
		for _, task := range lab.Tasks {
			for cell, hint := range task.Symptoms {
				assert.NotEmpty(t, hint, "%s, task %s, %s", lab.Name, task.ID, cell)
			}
		}
	}
}
