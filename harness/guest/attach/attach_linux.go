// SPDX-License-Identifier: Apache-2.0

// Package attach starts programs where their sections say: SEC("kprobe/vfs_unlink") at that function,
// SEC("tc/ingress") at an interface.
package attach

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// All attaches the programs of a collection, in the order of their names. at is the index of the interface that
// programs at XDP and tc run at, in the network namespace of the calling thread; 0 for none. What it returns
// detaches them.
func All(c *ebpf.Collection, spec *ebpf.CollectionSpec, at int) (io.Closer, error) {
	var all closers
	for _, name := range slices.Sorted(maps.Keys(c.Programs)) {
		one, err := Program(c.Programs[name], spec.Programs[name], at)
		if err != nil {
			return nil, errors.Join(err, all.Close())
		}
		all = append(all, one)
	}
	return all, nil
}

type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, one := range slices.Backward(c) {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// Program attaches one program where the section of its spec says; SEC("tc") is ingress. Several programs at one tc
// hook run in the order in which they were attached, until one returns a verdict other than TC_ACT_UNSPEC.
//
// Requires Linux 5.9 for XDP and 5.7 for LSM (5.11 for "lsm.s", and for tracing functions of modules); for tc the
// modules sch_ingress and cls_bpf; for LSM "bpf" in the kernel's parameter lsm. Programs of control groups run for all of
// them, for which version 2 must be mounted at /sys/fs/cgroup; those at perf events run every millisecond of a CPU's clock.
func Program(prog *ebpf.Program, spec *ebpf.ProgramSpec, at int) (l io.Closer, err error) {
	kind, _ := section(spec)
	to := spec.AttachTo
	group, event, _ := strings.Cut(to, "/")
	switch {
	case spec.Type == ebpf.RawTracepoint:
		l, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: to, Program: prog})
	case spec.Type == ebpf.TracePoint:
		l, err = link.Tracepoint(group, event, prog, nil)
	case spec.Type == ebpf.Kprobe && kind == "kprobe":
		l, err = link.Kprobe(to, prog, nil)
	case spec.Type == ebpf.Kprobe && kind == "kretprobe":
		l, err = link.Kretprobe(to, prog, nil)
	case spec.Type == ebpf.Kprobe && kind == "ksyscall":
		l, err = link.Kprobe(systemCall(to), prog, nil)
	case spec.Type == ebpf.Kprobe && kind == "kretsyscall":
		l, err = link.Kretprobe(systemCall(to), prog, nil)
	case spec.AttachType == ebpf.AttachTraceIter:
		l, err = link.AttachIter(link.IterOptions{Program: prog})
	case spec.Type == ebpf.Tracing:
		l, err = link.AttachTracing(link.TracingOptions{Program: prog})
	case spec.Type == ebpf.LSM:
		l, err = link.AttachLSM(link.LSMOptions{Program: prog})
	case spec.Type == ebpf.PerfEvent:
		l, err = sampled(prog)
	case InGroups(spec.Type):
		l, err = link.AttachCgroup(link.CgroupOptions{Path: Groups, Attach: spec.AttachType, Program: prog})
	case spec.Type == ebpf.XDP && at != 0:
		// In native mode: a veth whose peer has none, or only a generic one, loses redirected frames
		// and counts none of them.
		l, err = link.AttachXDP(link.XDPOptions{Program: prog, Interface: at, Flags: link.XDPDriverMode})
	case spec.Type == ebpf.SchedCLS && at != 0:
		l, err = classify(prog, spec, at)
	case spec.Type == ebpf.XDP || spec.Type == ebpf.SchedCLS:
		err = errors.New("expected an interface to attach it to, found none")
	default:
		err = fmt.Errorf("expected a kprobe, kretprobe, ksyscall, tracepoint, raw_tp, fentry, fexit, LSM, iter, perf_event, cgroup, XDP or tc program, found another of type %v", spec.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("attach program %s, SEC(%q): %w", spec.Name, spec.SectionName, err)
	}
	return l, nil
}

// Groups is where control groups are.
const Groups = "/sys/fs/cgroup"

// InGroups reports whether programs of a type are attached to control groups.
func InGroups(kind ebpf.ProgramType) bool {
	switch kind {
	case ebpf.CGroupSock, ebpf.CGroupSockAddr, ebpf.CGroupSockopt, ebpf.CGroupSysctl, ebpf.CGroupDevice, ebpf.CGroupSKB, ebpf.SockOps:
		return true
	}
	return false
}

// period is how often a perf event occurs, ns of a CPU's clock.
const period = 1_000_000

// sampled runs a program at each sample of a CPU's clock.
func sampled(prog *ebpf.Program) (io.Closer, error) {
	fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_CPU_CLOCK, Sample: period}, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open a perf event: %w", err)
	}
	f := os.NewFile(uintptr(fd), "perf event")
	for _, do := range []struct{ request, arg uint }{{unix.PERF_EVENT_IOC_SET_BPF, uint(prog.FD())}, {unix.PERF_EVENT_IOC_ENABLE, 0}} {
		if err := unix.IoctlSetInt(fd, do.request, int(do.arg)); err != nil {
			return nil, errors.Join(fmt.Errorf("run a program at a perf event: %w", err), f.Close())
		}
	}
	return f, nil
}

// section splits the name of a program's section at the first slash; a question mark before it only says that loaders
// leave the program out unless told otherwise.
func section(spec *ebpf.ProgramSpec) (kind, to string) {
	kind, to, _ = strings.Cut(strings.TrimPrefix(spec.SectionName, "?"), "/")
	return kind, to
}

// systemCall is the kernel's function of a system call, on x86-64.
func systemCall(name string) string { return "__x64_sys_" + name }

// filter is a program at an interface's tc hook.
type filter struct {
	*netlink.Handle // in the interface's network namespace
	filter          *netlink.BpfFilter
}

// maxFilters is how many programs one tc hook may have.
const maxFilters = 64

// classify attaches a program to tc, as a filter of the qdisc clsact: every kernel of the matrix has that; TCX
// came with Linux 6.6.
func classify(prog *ebpf.Program, spec *ebpf.ProgramSpec, at int) (io.Closer, error) {
	parent := uint32(netlink.HANDLE_MIN_INGRESS)
	if strings.HasSuffix(spec.SectionName, "egress") {
		parent = netlink.HANDLE_MIN_EGRESS
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	clsact := &netlink.GenericQdisc{QdiscType: "clsact", QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: at, Parent: netlink.HANDLE_CLSACT, Handle: netlink.MakeHandle(0xffff, 0),
	}}
	if err := h.QdiscAdd(clsact); err != nil && !errors.Is(err, unix.EEXIST) {
		h.Close()
		return nil, fmt.Errorf("add the qdisc clsact: %w", err)
	}
	f := &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{LinkIndex: at, Parent: parent, Handle: 1, Priority: 1, Protocol: unix.ETH_P_ALL},
		Fd:          prog.FD(), Name: spec.Name, DirectAction: true,
	}
	err = h.FilterAdd(f)
	for errors.Is(err, unix.EEXIST) && f.Priority < maxFilters { // another program is there
		f.Priority++
		err = h.FilterAdd(f)
	}
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("add the filter: %w", err)
	}
	return &filter{h, f}, nil
}

func (f *filter) Close() error {
	defer f.Handle.Close()
	return f.FilterDel(f.filter)
}
