// SPDX-License-Identifier: Apache-2.0

// Package kernels knows which kernels the matrix has, fetches them as Debian
// packages and keeps them in a cache.
//
// catalogue.json names the kernels and where each series lives; lock.json pins
// the packages by version and sha256. Fetching runs the host's own apt-get on
// a private state, as any user: apt checks the archive's signature, this
// package the pinned sums.
//
// A cached kernel is a directory, and it is complete or it is not there:
//
//	<cache>/kernels/
//	  .lock           held by whoever writes
//	  .tmp-*          being written; left over if nobody holds the lock
//	  6.12/
//	    vmlinuz
//	    modules/      the package's lib/modules/<release>
//	    kernel.json   what it is, and the sum of vmlinuz
package kernels
