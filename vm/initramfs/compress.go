// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
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

// decompressors by what follows ".ko" in the name of a module's file.
var decompressors = map[string]func(io.Reader) (io.Reader, error){
	"":    func(r io.Reader) (io.Reader, error) { return r, nil },
	".gz": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	".xz": func(r io.Reader) (io.Reader, error) { return xz.NewReader(r) },
	".zst": func(r io.Reader) (io.Reader, error) {
		// Without concurrency there are no goroutines to close.
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	},
}

func readModule(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	_, suffix, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ".ko")
	r, err := decompressors[suffix](f)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, maxModule+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxModule {
		return nil, fmt.Errorf("more than %d MiB", maxModule>>20)
	}
	return b, nil
}
