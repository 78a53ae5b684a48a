// SPDX-License-Identifier: Apache-2.0

//go:build linux && !amd64

package process

import "errors"

// confine is for guests, which are amd64.
func confine(int) error { return errors.New("programs are confined on amd64 only") }
