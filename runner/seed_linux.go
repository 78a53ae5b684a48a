// SPDX-License-Identifier: Apache-2.0

package runner

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/crypto/argon2"
	"golang.org/x/sys/unix"

	"bpflab/harness/job"
)

// seedKey is the environment variable that holds a course's key for seeds, and seedKeyFile the one that
// names a file with it.
const seedKey, seedKeyFile = "BPFLAB_SEED_KEY", "BPFLAB_SEED_KEY_FILE"

// Making a seed takes four times the memory that a student's program has in its guest, and some 100 ms
// here: a program that knows its own text, as a quine does, cannot make the seed from it. Twice the memory
// would not do: who keeps 7 of 16 blocks and computes the others anew does 3.2 times the work, a second and
// a half of a guest's time. Who has room for a quarter of them does thousands of times the work.
const (
	seedMemory = 128 << 10 // KiB
	seedPasses = 1
)

// seedOf makes a submission's seed from the SHA-256 of all that was compiled: the same files meet the
// same traffic everywhere, and files with the answers written into them are other files, which meet
// another. With a course's key nobody without it can tell beforehand what a submission will meet.
func seedOf(content string) (seed job.Seed, keyed bool, err error) {
	sum, err := hex.DecodeString(content)
	if err != nil || len(sum) != sha256.Size {
		return 0, false, fmt.Errorf("expected a SHA-256 in hex, found %q", content)
	}
	key, err := courseKey()
	if err != nil {
		return 0, false, err
	}
	if len(key) > 0 {
		mac := hmac.New(sha256.New, key)
		mac.Write(sum)
		sum = mac.Sum(nil)
	}
	hugeRoom(seedMemory << 10)
	raw := argon2.IDKey(sum, []byte("bpflab seed"), seedPasses, seedMemory, 1, 8)
	return job.Seed(binary.BigEndian.Uint64(raw)), len(key) > 0, nil
}

func courseKey() ([]byte, error) {
	if key := os.Getenv(seedKey); key != "" {
		return []byte(key), nil
	}
	name := os.Getenv(seedKeyFile)
	if name == "" {
		return nil, nil
	}
	key, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &UsageError{fmt.Errorf("%s names a file that does not exist: %w", seedKeyFile, err)}
	}
	if err == nil && len(key) < 16 {
		err = &UsageError{fmt.Errorf("%s: expected a key of at least 16 bytes, found %d", name, len(key))}
	}
	return key, err
}

// hugeRoom gives the heap's next allocation of this many bytes huge pages, which Go does not ask for. On a
// virtual machine the 32,768 page faults of small pages can take four times as long as making the seed.
// It is a hint: where the kernel or the heap ignores it, the seed is only made more slowly.
func hugeRoom(bytes int) {
	room := make([]byte, bytes)
	_ = unix.Madvise(room, unix.MADV_HUGEPAGE)
	runtime.GC() // gives the range back to the heap, which uses it again
}
