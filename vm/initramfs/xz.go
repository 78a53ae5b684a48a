// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"errors"
	"fmt"
)

// checkXZ goes through the blocks of an xz file without decoding them, and refuses one that asks for a
// dictionary larger than a module: the decoder would allocate whatever the file says, up to 4 GiB,
// for each block. Only the first stream is looked at, and only that is decoded.
//
//	header of 12 bytes · blocks: a header, chunks, padding, a check · 0: the index
func checkXZ(b []byte) error {
	short := errors.New("it is cut short")
	if len(b) < 12 || string(b[:6]) != "\xfd7zXZ\x00" {
		return errors.New("no xz header")
	}
	check, ok := map[byte]int{0: 0, 1: 4, 4: 8, 10: 32}[b[7]]
	if !ok {
		return fmt.Errorf("a check of the unknown kind %d", b[7])
	}
	for at := 12; ; {
		if at >= len(b) {
			return short
		}
		if b[at] == 0 {
			return nil // the index
		}
		size := 4 * (int(b[at]) + 1)
		if at+size > len(b) {
			return short
		}
		dictionary, err := blockDictionary(b[at : at+size])
		if err != nil {
			return err
		}
		if dictionary > maxModule {
			return fmt.Errorf("a dictionary of %d MiB; a module has at most %d", dictionary>>20, maxModule>>20)
		}
		at += size
		for { // chunks of LZMA2, each of which says how long it is
			if at >= len(b) {
				return short
			}
			control := b[at]
			if control == 0 {
				at++
				break
			}
			head := 3 // the control byte, and the length of what is not compressed
			switch {
			case control >= 0xc0:
				head = 6 // and the compressed length, and properties
			case control >= 0x80:
				head = 5
			case control > 2:
				return fmt.Errorf("a chunk of the unknown kind %#x", control)
			}
			if at+head > len(b) {
				return short
			}
			length := b[at+1 : at+3]
			if control >= 0x80 {
				length = b[at+3 : at+5]
			}
			at += head + int(length[0])<<8 + int(length[1]) + 1
		}
		at += (4-at%4)%4 + check
	}
}

// blockDictionary reads from a block's header how large a dictionary its one filter, LZMA2, needs.
func blockDictionary(header []byte) (int64, error) {
	const (
		filters    = 0x03 // less one
		compressed = 0x40 // the length is there
		plain      = 0x80 // likewise
		lzma2      = 0x21
	)
	flags, rest := header[1], header[2:]
	if flags&filters != 0 {
		return 0, errors.New("more than one filter")
	}
	for _, there := range []byte{compressed, plain} {
		if flags&there == 0 {
			continue
		}
		n := 0
		for n < len(rest) && rest[n]&0x80 != 0 {
			n++
		}
		rest = rest[min(n+1, len(rest)):]
	}
	if len(rest) < 3 || rest[0] != lzma2 || rest[1] != 1 {
		return 0, errors.New("a filter other than LZMA2")
	}
	bits := rest[2]
	if bits > 40 {
		return 0, fmt.Errorf("a dictionary of the unknown size %d", bits)
	}
	return int64(2|bits&1) << (bits/2 + 11), nil
}
