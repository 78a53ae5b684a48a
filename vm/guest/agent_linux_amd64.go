// SPDX-License-Identifier: Apache-2.0

package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"bpflab/vm/abi"

	"golang.org/x/sys/unix"
)

// Work carries a job out. It calls stage before each of its steps, at least every few
// seconds of wall time, and returns what it observed. later fetches Job.Later from the host, once.
// The payload is Work's to wipe.
type Work func(ctx context.Context, payload []byte, later func() []byte, stage func(name string)) (any, error)

// jobPath is where the qemu_fw_cfg module shows the job.
const jobPath = "/sys/firmware/qemu_fw_cfg/by_name/" + abi.JobFile

// jobReader reads the job from the device itself. The module's own file is no good for one of
// megabytes: for each page of it the module starts anew and reads all that comes before, a byte
// at a time (fw_cfg_read_blob). With a program of 1.8 MB that took half a minute of CPU. The device
// remembers how far it was read, so what comes later can be fetched later.
type jobReader struct {
	data port
	left int // bytes
}

func openJob() (*jobReader, error) {
	const selector, data = port(0x510), port(0x511) // as docs/specs/fw_cfg.rst of QEMU has them
	var numbers [2]int
	for i, name := range []string{"key", "size"} {
		text, err := os.ReadFile(filepath.Join(jobPath, name))
		if err == nil {
			numbers[i], err = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		if err != nil {
			return nil, err
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := errors.Join(selector.permit(), data.permit()); err != nil {
		return nil, err
	}
	outw(uint16(selector), uint16(numbers[0]))
	return &jobReader{data, numbers[1]}, nil
}

// next reads n bytes, or what is left if that is less.
func (r *jobReader) next(n int) ([]byte, error) {
	raw := make([]byte, min(n, r.left))
	r.left -= len(raw)
	if len(raw) == 0 {
		return raw, nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := r.data.permit(); err != nil {
		return nil, err
	}
	ins(uint16(r.data), &raw[0], uintptr(len(raw)))
	return raw, nil
}

// line reads the job's first line, of at most 80 bytes.
func (r *jobReader) line() ([]byte, error) {
	line := make([]byte, 0, 80)
	for len(line) < cap(line) && r.left > 0 {
		c, err := r.next(1)
		if err != nil {
			return nil, err
		}
		if c[0] == '\n' {
			return line, nil
		}
		line = append(line, c[0])
	}
	return nil, fmt.Errorf("expected a line with a nonce and a length, found %.80q", line)
}

// settle is how long a guest is left alone, at least, before it is measured. Deferred work of
// the boot made an empty program look three times as slow on Linux 7.3 until 3 s after it.
// Under icount this is virtual time and passes in a fraction of that, under KVM it is real.
const settle = 3 * time.Second

// rest lets the guest settle. It ends at a full second of the guest's clock: while a kernel
// boots it halts, and the clock of one boot may be some microseconds ahead of another's.
func rest() error {
	until := unix.NsecToTimespec(int64((time.Duration(monotonic()) + settle).Truncate(time.Second) + time.Second))
	for {
		err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &until, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Main is the life of PID 1: it mounts, loads modules, does the job, reports and ends the
// guest. It does not return.
func Main(work Work) {
	r := reporter{out: port(abi.ResultPort)}
	if err := r.run(work); err != nil {
		r.send(Failed, err.Error())
	}
	r.send(Done, nil)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) // QEMU runs with -no-reboot
	select {}
}

type reporter struct{ out port }

// greet sends the greeting, with the nonce, and leaves no copy of it.
func (r *reporter) greet(nonce []byte, g Greeting) {
	body, _ := json.Marshal(g)
	line := make([]byte, 0, 4<<10) // package fmt would keep a copy in a buffer of its own
	line = append(append(line, `{"nonce":"`...), nonce...)
	line = append(append(line, `","kind":"`+string(Hello)+`","body":`...), body...)
	line = append(line, "}\n"...)
	_, _ = r.out.Write(line)
	clear(line)
}

func (r *reporter) send(kind MessageType, body any) {
	m := Message{Type: kind}
	if body != nil {
		m.Body, _ = json.Marshal(body) // a value that cannot be encoded leaves no body, which the host refuses
	}
	line, _ := json.Marshal(m)
	_, _ = r.out.Write(append(line, '\n')) // without a channel the guest is silent, which the host reports
}

func (r *reporter) run(work Work) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if err := mount(); err != nil {
		return err
	}
	if err := loadModules(func(name string) bool { return !jobModule(name) }); err != nil {
		return err
	}
	// Before Linux 5.11, BPF maps count as locked memory.
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}); err != nil {
		return fmt.Errorf("lift the limit on locked memory: %w", err)
	}
	if err := quietConsole(); err != nil {
		return err
	}
	if err := rest(); err != nil {
		return fmt.Errorf("let the guest settle: %w", err)
	}
	// A snapshot is taken here, at this very instruction. What comes after it is done anew in
	// each run, the reading of the job included: its module sees the job of this run.
	paused, err := pause()
	if err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	if err := loadModules(jobModule); err != nil {
		return err
	}

	job, err := openJob()
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	line, err := job.line()
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	nonce, later, err := header(line)
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	payload, err := job.next(job.left - later)
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	if err := startCPUs(); err != nil {
		return err
	}
	r.greet(nonce, greeting(paused))
	clear(line) // the nonce is a part of it

	fetch := func() []byte {
		raw, _ := job.next(job.left) // permission was given before
		return raw
	}
	result, err := work(context.Background(), payload, fetch, func(name string) { r.send(Stage, name) })
	if err != nil {
		return err
	}
	r.send(Result, result)
	return nil
}

// quietConsole has the kernel print warnings and worse from here on: what the host scans the
// console for. A line takes thousands of instructions, which would be measured.
func quietConsole() error {
	const consoleLevel, warnings = 8, 5
	if _, _, errno := unix.Syscall(unix.SYS_SYSLOG, consoleLevel, 0, warnings); errno != 0 {
		return fmt.Errorf("quiet the console: %w", errno)
	}
	return nil
}

// mount makes the file systems that observing needs.
func mount() error {
	for _, m := range []struct{ source, target, fstype string }{
		{"proc", "/proc", "proc"},
		{"sysfs", "/sys", "sysfs"},
		{"devtmpfs", "/dev", "devtmpfs"},
		{"bpf", "/sys/fs/bpf", "bpf"},
		{"tracefs", "/sys/kernel/tracing", "tracefs"},
	} {
		err := unix.Mount(m.source, m.target, m.fstype, 0, "")
		if err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}

// jobModule reports whether a module is the one that shows the job.
func jobModule(name string) bool { return strings.HasSuffix(name, "qemu_fw_cfg.ko") }

// loadModules loads those that are wanted of /modules/*.ko, in the order that the initramfs
// names.
func loadModules(wanted func(name string) bool) error {
	order, err := os.ReadFile("/modules/order")
	if err != nil {
		return fmt.Errorf("read the modules' order: %w", err)
	}
	for _, name := range strings.Fields(string(order)) {
		if !wanted(name) {
			continue
		}
		f, err := os.Open(filepath.Join("/modules", name))
		if err != nil {
			return fmt.Errorf("open module: %w", err)
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	return nil
}

// pause has QEMU stop the guest, with nothing between two looks at the clock but that, so
// that it can be told whether the clock was moved. It returns how long the pause seems to
// have lasted, ns.
func pause() (int64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	button := port(abi.PausePort)
	if err := button.permit(); err != nil {
		return 0, err
	}
	timers, err := findTimers()
	if err != nil {
		return 0, err
	}
	defer timers.close()
	farFromTick()
	timers.stop()
	now := monotonic()
	button.outb(abi.PauseValue)
	now = monotonic() - now
	timers.start()
	return now, nil
}

// startCPUs starts every other CPU: see qemu.Config. It runs after the pause, as the timers of
// another CPU could not be stopped for it.
func startCPUs() error {
	const folder = "/sys/devices/system/cpu/"
	present, err := os.ReadFile(folder + "present") // "0", or "0-2"
	if err != nil {
		return fmt.Errorf("find the CPUs: %w", err)
	}
	_, number, several := strings.Cut(strings.TrimSpace(string(present)), "-")
	if !several {
		return nil
	}
	last, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("find the CPUs: expected 0-N, found %q: %w", present, err)
	}
	for n := 2; n <= last; n += 2 {
		if err := os.WriteFile(fmt.Sprintf(folder+"cpu%d/online", n), []byte("1"), 0); err != nil {
			return fmt.Errorf("start CPU %d: %w", n, err)
		}
	}
	runtime.GOMAXPROCS(cpus())
	return nil
}

// tick is the longest period of the kernel's timer: 250 Hz.
const tick = 4 * time.Millisecond

// farFromTick returns when the timer that is to be stopped will not go off soon.
func farFromTick() {
	now := monotonic()
	for now%int64(tick) < int64(tick)/4 || now%int64(tick) > int64(tick)/2 {
		now = monotonic()
	}
}

func monotonic() int64 {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // fails for a clock that does not exist
	return now.Nano()
}

func greeting(paused int64) Greeting {
	var uts unix.Utsname
	_ = unix.Uname(&uts)
	return Greeting{Release: unix.ByteSliceToString(uts.Release[:]), CPUs: cpus(), Paused: paused}
}

// cpus is how many run; runtime.NumCPU is how many did when the agent started.
func cpus() int {
	var set unix.CPUSet
	_ = unix.SchedGetaffinity(0, &set) // fails for a thread that does not exist
	return set.Count()
}
