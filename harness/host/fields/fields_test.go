// SPDX-License-Identifier: Apache-2.0

package fields

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kernel is a few types of a kernel of 6.12's time.
func kernel(t *testing.T) *btf.Spec {
	t.Helper()
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	u8 := &btf.Int{Name: "unsigned char", Size: 1}
	at := func(name string, typ btf.Type) btf.Member { return btf.Member{Name: name, Type: typ} }
	disk := &btf.Struct{Name: "gendisk", Members: []btf.Member{at("major", u32)}}
	queue := &btf.Struct{Name: "request_queue", Members: []btf.Member{at("disk", &btf.Pointer{Target: disk})}}
	vtime := &btf.Struct{Name: "vtime", Members: []btf.Member{at("state", u32), at("seqcount", u32)}}
	info := &btf.Struct{Name: "thread_info", Members: []btf.Member{at("flags", u32), at("cpu", &btf.Typedef{Name: "u32", Type: u32})}}
	task := &btf.Struct{Name: "task_struct", Members: []btf.Member{
		at("thread_info", info), at("__state", u32), at("exit_state", u32), at("", &btf.Union{Members: []btf.Member{at("on_cpu", u32)}}), at("vtime", vtime),
		at("signal", &btf.Pointer{Target: &btf.Struct{Name: "signal_struct", Members: []btf.Member{at("cpu", u32)}}}),
		at("comm", &btf.Array{Type: u8, Index: u32, Nelems: 16}), at("handler", &btf.Pointer{Target: &btf.FuncProto{Return: &btf.Void{}}}),
	}}
	inode := &btf.Struct{Name: "inode", Members: []btf.Member{at("i_ctime_sec", u32), at("i_ctime_nsec", u32), at("i_mtime_sec", u32)}}
	request := &btf.Struct{Name: "request", Members: []btf.Member{at("q", &btf.Pointer{Target: queue}), at("length", u32)}}
	ids := &btf.Enum{Name: "bpf_func_id", Size: 4, Values: []btf.EnumValue{{Name: "BPF_FUNC_get_current_task", Value: 1}, {Name: "BPF_FUNC_loop", Value: 2}}}
	b, err := btf.NewBuilder([]btf.Type{task, inode, request, ids, &btf.Typedef{Name: "pid_t", Type: u32}}, nil)
	require.NoError(t, err)
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	require.NoError(t, err)
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	require.NoError(t, err)
	return spec
}

func TestInstead(t *testing.T) {
	spec := kernel(t)
	for name, want := range map[string]string{
		// Renamed: what has the name in another place is not meant.
		"task_struct.state":        "struct task_struct of this kernel has no member state; it has __state (unsigned int)",
		"task_struct___old.state":  "struct task_struct of this kernel has no member state; it has __state (unsigned int)",
		"task_struct.exit_stat":    "struct task_struct of this kernel has no member exit_stat; it has exit_state (unsigned int)",
		"task_struct.cmm":          "struct task_struct of this kernel has no member cmm",
		"task_struct.com":          "struct task_struct of this kernel has no member com",
		"task_struct.handlers":     "struct task_struct of this kernel has no member handlers; it has handler (a pointer to a function)",
		"task_struct.vtime.stat":   "struct vtime of this kernel has no member stat; it has state (unsigned int)",
		"inode.i_ctime":            "struct inode of this kernel has no member i_ctime; it has i_ctime_sec (unsigned int) and i_ctime_nsec (unsigned int)",
		"bpf_func_id.BPF_FUNC_lop": "enum bpf_func_id of this kernel has no BPF_FUNC_lop; it has BPF_FUNC_loop",
		// Moved: into a struct that is held before one that is pointed to.
		"task_struct.cpu": "struct task_struct of this kernel has no member cpu; it has thread_info.cpu (u32, in struct thread_info) and on_cpu (unsigned int)",
		"request.disk":    "struct request of this kernel has no member disk; it has q->disk (struct gendisk *, in struct request_queue)",
		"request.rq_disk": "struct request of this kernel has no member rq_disk; it has q->disk (struct gendisk *, in struct request_queue)",
		"request.nothing": "struct request of this kernel has no member nothing",
		// Of another type.
		"task_struct.comm":   "struct task_struct of this kernel has a member comm, and it is of another type than in the program: unsigned char[16]",
		"task_struct.on_cpu": "struct task_struct of this kernel has a member on_cpu, and it is of another type than in the program: unsigned int",
		"task_struct":        "this kernel has struct task_struct, which is not as the program declares it",
		"pid_t":              "this kernel has unsigned int, which is not as the program declares it",
		// Types.
		"task_strukt.state": "this kernel has no type task_strukt; it has struct task_struct",
		"bpf_func_ids":      "this kernel has no type bpf_func_ids; it has enum bpf_func_id",
		"nowhere":           "this kernel has no type nowhere",
	} {
		assert.Equal(t, want, Instead(spec, name), name)
	}
	for _, name := range []string{"", ".", "task_struct.", "task_struct..x", "task_struct.comm.x.y", "___"} {
		assert.NotEmpty(t, Instead(spec, name), name)
	}
}
