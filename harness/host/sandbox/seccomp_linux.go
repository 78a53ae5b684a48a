// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// refused are the system calls that no compiler needs, by what they are for.
var refused = []string{
	// the network, other processes' memory, and descriptors from elsewhere
	"socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal",
	"name_to_handle_at", "open_by_handle_at",
	// mounts, roots and namespaces
	"mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "move_mount", "open_tree", "open_tree_attr", "fsopen", "fsmount", "fsconfig", "fspick", "mount_setattr",
	// parts of the kernel with a long record of holes
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key", "request_key",
	"fanotify_init", "fanotify_mark", "memfd_create", "memfd_secret", "vmsplice",
	"shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl", "semget", "semop", "semctl", "semtimedop", "mq_open", "mq_unlink",
	// the machine itself
	"kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd",
	"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname", "syslog", "iopl", "ioperm", "lookup_dcookie", "nfsservctl",
	"personality", "mknod", "mknodat", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid", "capset",
}

const newNamespace = unix.CLONE_NEWCGROUP | unix.CLONE_NEWIPC | unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
	unix.CLONE_NEWUSER | unix.CLONE_NEWUTS

// filterCalls has the calls above fail with EPERM on this thread, and those of
// another architecture, which have other numbers. If it is to stay alone, so
// does starting a process that is no thread.
func filterCalls(alone bool) error {
	here, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	known := func(names ...string) (list []string) { // this architecture's
		for _, name := range names {
			if _, ok := here.SyscallNames[name]; ok {
				list = append(list, name)
			}
		}
		return list
	}
	deny := seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: known(refused...)}
	flags := seccomp.Condition{Argument: 0, Operation: seccomp.BitsSet, Value: newNamespace}
	if alone {
		deny.Names = append(deny.Names, known("fork", "vfork")...)
		flags = seccomp.Condition{Argument: 0, Operation: seccomp.BitsNotSet, Value: unix.CLONE_THREAD}
	}
	deny.NamesWithCondtions = []seccomp.NameWithConditions{{Name: "clone", Conditions: seccomp.ArgumentConditions{flags}}}
	policy := seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{
			deny,
			// Its flags lie in memory, where no filter sees them. C libraries use clone instead.
			{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known("clone3")},
		},
	}
	rest, err := policy.Assemble()
	if err != nil {
		return err
	}
	// The library lets calls of other architectures pass.
	program := append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 4}, // seccomp_data.arch
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(here.ID), SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
	}, rest...)
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog))); errno != 0 {
		return fmt.Errorf("load the filter: %w", errno)
	}
	return nil
}
