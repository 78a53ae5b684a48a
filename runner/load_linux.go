// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sync/errgroup"

	"bpflab/harness"
	"bpflab/harness/host/fields"
	"bpflab/harness/job"
	"bpflab/vm"
	"bpflab/vm/kernels"
	"bpflab/vm/qemu"
)

// maxLoad is how many bytes of objects one guest is given: it holds them several times over.
const maxLoad = 8 << 20

// roomy is a guest for any programs: their maps may have millions of entries, and the kernel's types alone take 60 MB.
var roomy = harness.Needs{MemoryMiB: 1024, Parameters: []string{"lsm=bpf"}}

// Runs says what is to be found of programs beside whether they load.
type Runs struct {
	Frames  [][]byte               // to run them on, or at events; none: they are only loaded
	Context []byte                 // to run those on that take one; nil: zeros
	Maps    map[string][]job.Entry // to fill maps with, by name
	Profile bool                   // find where the cost of runs lies
	Whole   bool                   // report the whole logs of rejections
}

// Load has the programs of objects of no lab loaded on each kernel, each program by itself, and run. It returns what became
// of them, by kernel and object. Where a guest fails, its objects are loaded one by one, and that of which a guest fails
// again has that failure for an error.
func (h *Host) Load(ctx context.Context, list []kernels.Kernel, objects [][]byte, runs Runs) ([][]job.Object, error) {
	loaded := make([][]job.Object, len(list))
	group, loading := errgroup.WithContext(ctx) // which ends with the group
	group.SetLimit(runtime.NumCPU())
	for i, k := range list {
		loaded[i] = make([]job.Object, len(objects))
		config, err := configOf(k)
		if err != nil {
			return nil, err
		}
		for from := 0; from < len(objects); {
			to, size := from, 0
			// What is measured must not depend on what ran before: an object whose programs run has a guest to itself.
			for ; to < len(objects) && (to == from || runs.Frames == nil && size+len(objects[to]) <= maxLoad); to++ {
				size += len(objects[to])
			}
			part, into := objects[from:to], loaded[i][from:to]
			from = to
			group.Go(func() error {
				return h.load(loading, k, job.Job{Guest: job.Objects, Objects: part, Config: config, Frames: runs.Frames, Context: runs.Context, Maps: runs.Maps, Profile: runs.Profile, Whole: runs.Whole}, into)
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, k := range list {
		h.explainMissing(ctx, k, loaded[i])
	}
	return loaded, nil
}

// explainMissing says of each program that wants what a kernel's types lack what they have instead. Without these types
// the rejection stands as it is.
func (h *Host) explainMissing(ctx context.Context, k kernels.Kernel, objects []job.Object) {
	var types *btf.Spec
	for _, o := range objects {
		for i := range o.Programs {
			p := &o.Programs[i]
			if p.Relocation == "" {
				continue
			}
			if types == nil {
				file, err := h.Types(ctx, k)
				if err == nil {
					types, err = btf.LoadSpec(file)
				}
				if err != nil {
					h.Progress.Notice("kernel %s: its types cannot be looked at for what it has in place of missing fields: %v", k.Name, err)
					return
				}
			}
			p.Missing = fields.Instead(types, p.Relocation)
		}
	}
}

func configOf(k kernels.Kernel) ([]byte, error) {
	if k.Config == "" {
		return nil, nil
	}
	config, err := os.ReadFile(k.Config)
	if err != nil {
		return nil, fmt.Errorf("read the configuration of kernel %s: %w", k.Name, err)
	}
	return config, nil
}

// load has the objects of a job loaded in one guest, or, if that fails, in one each.
func (h *Host) load(ctx context.Context, k kernels.Kernel, j job.Job, into []job.Object) error {
	s, err := h.observe(ctx, k, qemu.TCG, roomy, j, nil, nil)
	if err == nil {
		all, err := job.GetObjects(s.observations, len(j.Objects))
		copy(into, all)
		return err
	}
	var failure *vm.Failure
	if !errors.As(err, &failure) {
		return err
	}
	if len(j.Objects) == 1 {
		h.Progress.Notice("kernel %s: %s", k.Name, failure.Report(h.Verbose))
		into[0].Error = failure.Error()
		return nil
	}
	objects := j.Objects
	for i := range objects {
		j.Objects = objects[i : i+1]
		if err := h.load(ctx, k, j, into[i:i+1]); err != nil {
			return err
		}
	}
	return nil
}
