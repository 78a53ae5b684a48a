// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// download fetches all packages of the pins in one go and checks their sums.
// It returns their files by sum.
func (a *apt) download(ctx context.Context, pins []Pin) (map[string]string, error) {
	dir := filepath.Join(a.dir, "debs")
	args := []string{"download"}
	var total int64
	for _, p := range pins {
		for _, d := range p.Debs {
			args = append(args, d.Name+"="+d.Version)
			total += d.Size
		}
	}

	a.say("downloading %d MB", total/1e6)
	stop := a.watch(dir, total)
	_, err := a.get(ctx, dir, args...)
	stop()
	if err != nil {
		return nil, fmt.Errorf("download kernel packages: %w", err)
	}
	bySum := make(map[string]string)
	for _, p := range pins {
		for _, d := range p.Debs {
			files, err := filepath.Glob(filepath.Join(dir, d.Name+"_*.deb"))
			if err != nil || len(files) != 1 {
				return nil, fmt.Errorf("download %s: expected one file, found %d: try again", d.Name, len(files))
			}
			sum, _, err := sumFile(files[0])
			if err != nil {
				return nil, err
			}
			if sum != d.SHA256 {
				return nil, sumError(d, sum, "what was downloaded")
			}
			bySum[sum] = files[0]
		}
	}
	return bySum, nil
}

// watch says every few seconds how much has arrived, until stop is called.
func (a *apt) watch(dir string, total int64) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(3 * time.Second):
				a.say("downloaded %d of %d MB", size(dir)/1e6, total/1e6)
			}
		}
	}()
	return func() { close(quit); <-done }
}

// sumFile returns the sha256 of a file, in hexadecimal, and its size in bytes.
func sumFile(name string) (string, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return "", 0, err
	}
	return hex.EncodeToString(h.Sum(nil)), n, nil
}
