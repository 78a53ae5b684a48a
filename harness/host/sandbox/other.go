//go:build !linux

// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"runtime"
)

// Run needs Linux.
func Run(context.Context, Command) (Result, error) {
	return Result{}, fmt.Errorf("%w: that needs Linux, and this is %s", ErrCannot, runtime.GOOS)
}

// Enforced needs Linux.
func Enforced(Mode) ([]string, error) {
	return nil, fmt.Errorf("%w: that needs Linux, and this is %s", ErrCannot, runtime.GOOS)
}

// Missing is what this system lacks.
func Missing() string { return "this is no Linux" }
