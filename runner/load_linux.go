// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"runtime"

	"golang.org/x/sync/errgroup"

	"bpflab/harness"
	"bpflab/harness/job"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// Load has objects of no lab loaded on each kernel, all of them in one guest. Where a guest failed, each
// object's report on that kernel is its error.
func (h *Host) Load(ctx context.Context, list []kernels.Kernel, objects [][]byte) ([][]job.Loaded, error) {
	j := job.Job{Guest: job.Objects, Objects: objects}
	loaded := make([][]job.Loaded, len(list))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for i, k := range list {
		group.Go(func() error {
			s, err := h.observe(ctx, k, qemu.TCG, harness.Needs{}, j, nil, nil)
			var failure *vm.Failure
			switch {
			case errors.As(err, &failure):
				h.Progress.Notice("kernel %s: %s", k.Name, failure.Report(h.Verbose))
				loaded[i] = make([]job.Loaded, len(objects))
				for n := range loaded[i] {
					loaded[i][n].Error = failure.Error()
				}
				return nil
			case err != nil:
				return err
			}
			loaded[i], err = job.GetLoaded(s.observations, len(objects))
			return err
		})
	}
	return loaded, group.Wait()
}
