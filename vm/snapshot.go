// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"bpflab/vm/guest"
	"bpflab/vm/qemu"
)

// Snapshots are guests that were booted once and saved when they paused themselves, ready
// for any number of jobs. Each is two files in a folder: the guest, and a record that says
// it is whole, which is written last.
//
//	6.12-exact-3f2a….vm     75 to 95 MB
//	6.12-exact-3f2a….json   its size, sum and what it was made of
type Snapshots struct {
	Dir string
	// Max is how many bytes to keep; the least recently used go. Zero: 3 GiB.
	Max int64
}

// record says what a snapshot file must be.
type record struct {
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	CRC32C  uint32    `json:"crc32c"` // finds damage, not forgery: who can write here can write anything
	Parts   []string  `json:"parts"`  // all that the guest depends on
	Created time.Time `json:"created"`
}

const (
	snapshotExt = ".vm"
	recordExt   = ".json"
	tempPrefix  = ".tmp-"
)

// Ensure returns the snapshot of a guest, which it makes if there is none that is whole.
// parts are what the guest depends on beside c: the contents of the kernel and the
// initramfs. building, if not nil, is called before a guest is booted.
func (s Snapshots) Ensure(ctx context.Context, name string, c Config, parts []string, building func()) (string, error) {
	version, err := qemu.Version(ctx, c.Binary)
	if err != nil {
		return "", err
	}
	// Paths say nothing of a guest: the contents of its files, which parts hold, do.
	machine := c.Config
	machine.Kernel, machine.Initrd = "kernel", "initrd"
	parts = append(append([]string{version}, machine.Machine()...), parts...)
	key := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	path := filepath.Join(s.Dir, fmt.Sprintf("%s-%x%s", name, key[:8], snapshotExt))

	if whole(path) {
		touch(path)
		return path, nil
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for snapshots: %w", err)
	}
	// The lock's file stays: another bpflab may have it open.
	lock := flock.New(filepath.Join(s.Dir, "."+name+".lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Path(), err)
	}
	defer lock.Close()
	if whole(path) { // another bpflab made it meanwhile
		return path, nil
	}
	if building != nil {
		building()
	}
	// Until it is verified, nobody else finds it.
	draft := filepath.Join(s.Dir, tempPrefix+filepath.Base(path))
	for try := 1; ; try++ {
		err := s.build(ctx, draft, c, record{Name: name, Parts: parts})
		if err == nil && c.Exact {
			err = s.verify(ctx, draft, c)
		}
		if err == nil {
			err = s.publish(draft, path)
		}
		if errors.Is(err, ErrClock) && try < 3 {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("make the snapshot %s: %w", name, err)
		}
		break
	}
	_, err = s.Prune(s.max())
	return path, err
}

// verify goes on from a snapshot once, and drops one from which that cannot be done.
func (s Snapshots) verify(ctx context.Context, path string, c Config) error {
	c.Snapshot = path
	if _, err := Run(ctx, c, []byte("{}")); err != nil {
		return errors.Join(err, s.Drop(path))
	}
	return nil
}

// publish puts a snapshot in its place.
func (s Snapshots) publish(draft, path string) error {
	err := os.Rename(draft, path)
	if err == nil {
		err = os.Rename(recordOf(draft), recordOf(path))
	}
	if err != nil {
		return errors.Join(err, s.Drop(draft), s.Drop(path))
	}
	return nil
}

// recordOf is the file of a snapshot's record.
func recordOf(path string) string { return strings.TrimSuffix(path, snapshotExt) + recordExt }

// whole reports whether a snapshot has a record and the record's size. Its sum is checked
// where it is read anyway, by openSnapshot.
func whole(path string) bool {
	r, err := readRecord(path)
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Size() == r.Size
}

// touch marks a snapshot as used.
func touch(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now) // only the order of removal depends on it
}

func readRecord(path string) (r record, err error) {
	data, err := os.ReadFile(recordOf(path))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	return r, err
}

// openSnapshot opens a snapshot whose sum is right.
func openSnapshot(path string) (*os.File, error) {
	r, err := readRecord(path)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	size, err := io.Copy(sum, f)
	if err == nil && (size != r.Size || sum.Sum32() != r.CRC32C) {
		err = fmt.Errorf("%s is damaged: expected %d bytes with the sum %08x, found %d with %08x", path, r.Size, r.CRC32C, size, sum.Sum32())
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// build boots a guest until it pauses, and saves it.
func (s Snapshots) build(ctx context.Context, path string, c Config, r record) (err error) {
	s.sweep()
	tmp, err := os.CreateTemp(s.Dir, tempPrefix+r.Name+"-*")
	if err != nil {
		return err
	}
	defer func() {
		tmp.Close()
		os.Remove(tmp.Name()) // unless renamed
	}()
	saved := make(chan struct{})
	session := session{Config: c.withDefaults(), until: saved}
	cmd := &qemu.Command{Config: c.Config, Job: guest.Job{}.Encode()}
	err = session.run(ctx, cmd, func(ctx context.Context, m *qemu.Monitor) error {
		if err := m.Boot(ctx); err != nil {
			return err
		}
		if err := m.Save(ctx, tmp); errors.Is(err, qemu.ErrGone) {
			return err
		} else if err != nil {
			return &Failure{Kind: ErrSnapshot, Cause: err}
		}
		close(saved)
		return nil
	})
	if err != nil {
		return err
	}
	if tmp, err = s.thin(tmp, r.Name); err != nil {
		return err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if r.Size, err = io.Copy(sum, tmp); err != nil {
		return err
	}
	r.CRC32C, r.Created = sum.Sum32(), time.Now().UTC().Truncate(time.Second)
	if err := errors.Join(tmp.Close(), os.Rename(tmp.Name(), path)); err != nil {
		return err
	}
	if err := writeRecord(path, r); err != nil {
		return errors.Join(err, s.Drop(path))
	}
	return nil
}

// thin returns a file with the snapshot without its zero pages, and closes and removes the other one. One
// that cannot be thinned stays as it is: it is only slower to restore.
func (s Snapshots) thin(saved *os.File, name string) (*os.File, error) {
	if _, err := saved.Seek(0, io.SeekStart); err != nil {
		return saved, err
	}
	thin, err := os.CreateTemp(s.Dir, tempPrefix+name+"-*")
	if err != nil {
		return saved, err
	}
	kept, unused := thin, saved
	if qemu.Thin(thin, saved) != nil {
		kept, unused = saved, thin
	}
	return kept, errors.Join(unused.Close(), os.Remove(unused.Name()))
}

func writeRecord(path string, r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	name := recordOf(path)
	return renameio.WriteFile(name, append(data, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(name)))
}

// Drop removes a snapshot that turned out to be of no use.
func (s Snapshots) Drop(path string) error {
	return errors.Join(removed(recordOf(path)), removed(path))
}

func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s Snapshots) max() int64 {
	if s.Max == 0 {
		return 3 << 30
	}
	return s.Max
}

// Snapshot is one that is kept.
type Snapshot struct {
	Name string
	Path string
	Size int64 // bytes
	Used time.Time
}

// List returns the snapshots, the most recently used first.
func (s Snapshots) List() ([]Snapshot, error) {
	paths, err := filepath.Glob(filepath.Join(s.Dir, "*"+snapshotExt))
	if err != nil {
		return nil, err
	}
	var list []Snapshot
	for _, path := range paths {
		if strings.HasPrefix(filepath.Base(path), tempPrefix) {
			continue // one that is being made
		}
		info, err := os.Stat(path)
		if err != nil {
			continue // removed meanwhile
		}
		one := Snapshot{Name: "(damaged)", Path: path, Size: info.Size(), Used: info.ModTime()}
		if r, err := readRecord(path); err == nil {
			one.Name = r.Name
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Snapshot) int { return b.Used.Compare(a.Used) })
	return list, nil
}

// Prune removes the least recently used snapshots until no more than limit bytes are left,
// and returns how many bytes that freed. A guest that is being restored from one has it
// open, and is not disturbed.
func (s Snapshots) Prune(limit int64) (freed int64, err error) {
	list, err := s.List()
	if err != nil {
		return 0, err
	}
	var kept int64
	for _, one := range list {
		if kept+one.Size <= limit {
			kept += one.Size
			continue
		}
		if err := s.Drop(one.Path); err != nil {
			return freed, fmt.Errorf("prune snapshots: %w", err)
		}
		freed += one.Size
	}
	return freed, nil
}

// sweep removes what runs that died have left. One that makes a snapshot now has touched
// its file within the deadline of a boot.
func (s Snapshots) sweep() {
	drafts, _ := filepath.Glob(filepath.Join(s.Dir, tempPrefix+"*"))
	records, _ := filepath.Glob(filepath.Join(s.Dir, ".*.json?*")) // as renameio names what it writes; locks stay
	for _, path := range append(drafts, records...) {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.Remove(path)
		}
	}
}
