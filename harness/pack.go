// SPDX-License-Identifier: Apache-2.0

package harness

import "github.com/klauspost/compress/zstd"

// maxProgram bounds a program, in bytes.
const maxProgram = 64 << 20

// Pack makes a program smaller, for its way into a guest.
func Pack(program []byte) ([]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return w.EncodeAll(program, nil), w.Close()
}

func unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxProgram))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(packed, nil)
}
