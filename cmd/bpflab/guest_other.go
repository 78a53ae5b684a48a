// SPDX-License-Identifier: Apache-2.0

//go:build !linux || !amd64

package main

// guestMain does nothing: guests are linux/amd64, whatever the host is.
func guestMain() {}
