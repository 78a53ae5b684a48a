// SPDX-License-Identifier: Apache-2.0

package process

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allowed are the system calls that a program may make, those first that it makes often. All
// others fail with EPERM: what a Go program needs that reads, computes, waits and prints is here;
// what takes memory that no control group counts (sockets, namespaces), renames the process or
// makes new code is not.
var allowed = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_EPOLL_PWAIT, unix.SYS_NANOSLEEP, unix.SYS_FUTEX, unix.SYS_CLOCK_NANOSLEEP,
	unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_CREATE1, unix.SYS_POLL, unix.SYS_PPOLL, unix.SYS_SELECT, unix.SYS_PSELECT6,
	unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_LSEEK, unix.SYS_IOCTL, unix.SYS_FCNTL,
	unix.SYS_OPENAT, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_NEWFSTATAT, unix.SYS_READLINKAT, unix.SYS_DUP, unix.SYS_DUP3,
	unix.SYS_PIPE2, unix.SYS_EVENTFD2, unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_SETTIME, unix.SYS_TIMERFD_GETTIME,
	unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_SETITIMER,
	unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_MLOCK, unix.SYS_MUNLOCK, unix.SYS_BRK,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL, unix.SYS_KILL,
	unix.SYS_RESTART_SYSCALL, unix.SYS_PAUSE, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY, unix.SYS_TIME, unix.SYS_GETRUSAGE, unix.SYS_TIMES,
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_SETAFFINITY, unix.SYS_GETCPU, unix.SYS_SETPRIORITY,
	unix.SYS_ARCH_PRCTL, unix.SYS_SET_TID_ADDRESS, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_MEMBARRIER,
	unix.SYS_PRLIMIT64, unix.SYS_GETRLIMIT, unix.SYS_SETRLIMIT, unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_GETRANDOM,
}

// Where struct seccomp_data has what the filter looks at; of an argument, the low half.
const (
	numberOffset  = 0
	archOffset    = 4
	flagsArgument = 16 // clone's first argument
	protArgument  = 32 // mmap's and mprotect's third
)

const x32 = 0x40000000 // the numbers of another interface begin here

// filter is the seccomp program. A program that starts another process is killed: nobody would
// count that one's time. Requires at least Linux 4.14.
func filter() []unix.SockFilter {
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atMin = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		has   = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret   = unix.BPF_RET | unix.BPF_K

		allow  = unix.SECCOMP_RET_ALLOW
		refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
		kill   = unix.SECCOMP_RET_KILL_PROCESS
	)
	f := []unix.SockFilter{
		{Code: load, K: archOffset},
		{Code: equal, Jt: 1, K: unix.AUDIT_ARCH_X86_64},
		{Code: ret, K: refuse}, // a 32-bit system call
		{Code: load, K: numberOffset},
		{Code: atMin, Jf: 1, K: x32},
		{Code: ret, K: refuse},
	}
	is := func(number, result uint32) {
		f = append(f, unix.SockFilter{Code: equal, Jf: 1, K: number}, unix.SockFilter{Code: ret, K: result})
	}
	ask := func(number, argument, bit, with, without uint32) {
		f = append(f, unix.SockFilter{Code: equal, Jf: 4, K: number}, unix.SockFilter{Code: load, K: argument},
			unix.SockFilter{Code: has, Jf: 1, K: bit}, unix.SockFilter{Code: ret, K: with}, unix.SockFilter{Code: ret, K: without})
	}
	for _, number := range allowed {
		is(number, allow)
	}
	ask(unix.SYS_MMAP, protArgument, unix.PROT_EXEC, refuse, allow)
	ask(unix.SYS_MPROTECT, protArgument, unix.PROT_EXEC, refuse, allow)
	ask(unix.SYS_CLONE, flagsArgument, unix.CLONE_THREAD, allow, kill)
	is(unix.SYS_CLONE3, unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)) // its flags cannot be seen
	is(unix.SYS_FORK, kill)
	is(unix.SYS_VFORK, kill)
	return append(f, unix.SockFilter{Code: ret, K: refuse})
}

// confine puts a process under the filter that is traced and has stopped before its first
// instruction. Only a process itself can do that, so it is made to: two system calls are written
// where it stands, and what stood there is written back.
func confine(pid int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &regs); err != nil {
		return fmt.Errorf("read its registers: %w", err)
	}
	regs.Orig_rax = ^uint64(0) // it is in no system call that could be made again
	code := make([]byte, 8)
	if _, err := unix.PtracePeekText(pid, uintptr(regs.Rip), code); err != nil {
		return fmt.Errorf("read its code: %w", err)
	}
	syscall := []byte{0x0f, 0x05}
	if _, err := unix.PtracePokeText(pid, uintptr(regs.Rip), append(syscall, code[2:]...)); err != nil {
		return fmt.Errorf("write its code: %w", err)
	}
	call := func(number uint64, a, b, c uint64) error {
		r := regs
		r.Rax, r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8 = number, a, b, c, 0, 0
		if err := unix.PtraceSetRegs(pid, &r); err != nil {
			return err
		}
		if err := unix.PtraceSingleStep(pid); err != nil {
			return err
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
			return err
		}
		if !status.Stopped() {
			return fmt.Errorf("expected it to stop after a system call, found status %#x", uint32(status))
		}
		if err := unix.PtraceGetRegs(pid, &r); err != nil {
			return err
		}
		if r.Rax != 0 {
			return unix.Errno(-r.Rax)
		}
		return nil
	}
	program := filter()
	data := make([]byte, 0, 16+len(program)*int(unsafe.Sizeof(program[0])))
	at := (regs.Rsp - 8192) &^ 15 // on its stack, under all that it has there
	data = binary.NativeEndian.AppendUint64(data, uint64(len(program)))
	data = binary.NativeEndian.AppendUint64(data, at+16)
	for _, i := range program {
		data = binary.NativeEndian.AppendUint16(data, i.Code)
		data = binary.NativeEndian.AppendUint32(append(data, i.Jt, i.Jf), i.K)
	}
	if _, err := unix.PtracePokeData(pid, uintptr(at), data); err != nil {
		return fmt.Errorf("write on its stack: %w: %w", errNoStack, err)
	}
	if err := call(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("have it give up new privileges: %w", err)
	}
	if err := call(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, at); err != nil {
		return fmt.Errorf("have it filter its system calls: %w", err)
	}
	if _, err := unix.PtracePokeText(pid, uintptr(regs.Rip), code); err != nil {
		return fmt.Errorf("write its code back: %w", err)
	}
	return unix.PtraceSetRegs(pid, &regs)
}
