// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// maxModule bounds what a damaged file can make us allocate, in bytes. The
// largest modules of distributions are some 10 MB.
const maxModule = 64 << 20

// decompressors by what follows ".ko" in the name of a module's file. None takes much more memory
// than a module may have, whatever a file says that it needs.
var decompressors = map[string]func([]byte) (io.Reader, error){
	"":    func(b []byte) (io.Reader, error) { return bytes.NewReader(b), nil },
	".gz": func(b []byte) (io.Reader, error) { return gzip.NewReader(bytes.NewReader(b)) },
	".xz": func(b []byte) (io.Reader, error) {
		if err := checkXZ(b); err != nil {
			return nil, fmt.Errorf("xz: %w", err)
		}
		return xz.ReaderConfig{SingleStream: true}.NewReader(bytes.NewReader(b))
	},
	".zst": func(b []byte) (io.Reader, error) {
		// Without concurrency there are no goroutines to close.
		return zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderMaxMemory(maxModule), zstd.WithDecoderMaxWindow(maxModule))
	},
}

func readModule(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	packed, err := limited(f)
	if err != nil {
		return nil, err
	}
	_, suffix, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ".ko")
	r, err := decompressors[suffix](packed)
	if err != nil {
		return nil, err
	}
	return limited(r)
}

// limited reads at most as much as a module may have.
func limited(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxModule {
		return nil, fmt.Errorf("more than %d MiB", maxModule>>20)
	}
	return b, nil
}
