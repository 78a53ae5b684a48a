// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// The parts of a migration stream that Thin reads, from QEMU's migration/savevm.c and migration/ram.c.
const (
	streamMagic   = 0x5145564d // "QEVM"
	streamVersion = 3

	sectionStart         = 0x01
	sectionPart          = 0x02
	sectionEnd           = 0x03
	sectionConfiguration = 0x07
	sectionFooter        = 0x7e

	pageSize     = 4096
	pageZero     = 0x02
	pageSizes    = 0x04
	pageData     = 0x08
	pageEnd      = 0x10 // of a section's pages
	pageContinue = 0x20 // of the same block as the one before
	pageFlags    = pageSize - 1
)

// mainMemory is the block of a guest's memory. QEMU puts nothing else there before a guest is restored:
// it is fresh, and zero.
const mainMemory = "pc.ram"

// Thin copies a saved guest without the pages of its memory that are zero. When QEMU restores such a page it
// reads it, to find out whether it must be cleared, and the host's kernel has to provide it: some 180 MB for
// nothing. It fails for a stream of a form that it does not know.
func Thin(w io.Writer, r io.Reader) error {
	t := &thinner{r: bufio.NewReaderSize(r, 1<<20), w: bufio.NewWriterSize(w, 1<<20), full: map[uint64]bool{}}
	if err := t.run(); err != nil {
		return fmt.Errorf("thin a saved guest: %w", err)
	}
	if _, err := io.Copy(t.w, t.r); err != nil { // the devices
		return err
	}
	return t.w.Flush()
}

type thinner struct {
	r     *bufio.Reader
	w     *bufio.Writer
	block string          // that pages are read of
	wrote string          // that the page before was written of; empty: of none in this section
	full  map[uint64]bool // pages of the main memory that are not zero
	err   error           // the first, of reading
}

func (t *thinner) run() error {
	if magic, version := t.uint32(), t.uint32(); t.err == nil && (magic != streamMagic || version != streamVersion) {
		return fmt.Errorf("expected the magic %#x and version %d, found %#x and %d", streamMagic, streamVersion, magic, version)
	}
	t.expect(sectionConfiguration)
	t.copy(int64(t.uint32()))
	t.expect(sectionStart)
	id := t.uint32()
	if name := t.name(); t.err == nil && name != "ram" {
		return fmt.Errorf("expected the section ram first, found %q", name)
	}
	t.copy(8) // instance and version
	for last := byte(sectionStart); t.err == nil; {
		t.pages()
		t.expect(sectionFooter)
		t.same(id)
		if last == sectionEnd {
			break
		}
		if last = t.byte(); last != sectionPart && last != sectionEnd {
			return fmt.Errorf("expected more of the section ram, found a section of the type %#x", last)
		}
		t.same(id)
	}
	return t.err
}

// pages copies the pages of a section, and what the first section says of the blocks.
func (t *thinner) pages() {
	t.wrote = ""
	for t.err == nil {
		var raw [8]byte
		t.read(raw[:])
		head := binary.BigEndian.Uint64(raw[:])
		address, flags := head&^pageFlags, head&pageFlags
		switch kind := flags &^ pageContinue; {
		case t.err != nil:
		case flags == pageEnd:
			t.write(raw[:])
			return
		case flags == pageSizes:
			t.write(raw[:])
			t.sizes(address)
		case kind == pageZero || kind == pageData:
			t.page(address, flags)
		default:
			t.err = fmt.Errorf("unknown flags %#x of a page", flags)
		}
	}
}

// sizes copies the names and the sizes of all blocks, which add up to total.
func (t *thinner) sizes(total uint64) {
	for sum := uint64(0); sum < total && t.err == nil; {
		t.name()
		size := t.uint64()
		if size == 0 || size > total-sum {
			t.fail(fmt.Errorf("a block of %d bytes, of %d in all", size, total))
		}
		sum += size
	}
}

// page copies a page, unless it is one of the main memory and zero.
func (t *thinner) page(address, flags uint64) {
	if flags&pageContinue == 0 {
		var n [1]byte
		t.read(n[:])
		name := make([]byte, n[0])
		t.read(name)
		t.block = string(name)
	}
	data := make([]byte, 1, pageSize)
	if flags&pageData != 0 {
		data = data[:pageSize]
	}
	t.read(data)
	switch {
	case t.err != nil, t.block != mainMemory:
	case flags&pageData != 0:
		t.full[address] = true
	case data[0] == 0 && !t.full[address]:
		return
	}
	flags &^= pageContinue
	if t.block == t.wrote {
		flags |= pageContinue
	}
	t.write(binary.BigEndian.AppendUint64(nil, address|flags))
	if t.block != t.wrote {
		t.write([]byte{byte(len(t.block))})
		t.write([]byte(t.block))
		t.wrote = t.block
	}
	t.write(data)
}

func (t *thinner) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

func (t *thinner) read(p []byte) {
	if t.err == nil {
		_, t.err = io.ReadFull(t.r, p)
	}
}

func (t *thinner) write(p []byte) {
	if t.err == nil {
		_, t.err = t.w.Write(p)
	}
}

// copy copies bytes as they are.
func (t *thinner) copy(n int64) {
	if t.err == nil {
		_, t.err = io.CopyN(t.w, t.r, n)
	}
}

// The methods below copy what they return.

func (t *thinner) byte() byte {
	var raw [1]byte
	t.read(raw[:])
	t.write(raw[:])
	return raw[0]
}

func (t *thinner) uint32() uint32 {
	var raw [4]byte
	t.read(raw[:])
	t.write(raw[:])
	return binary.BigEndian.Uint32(raw[:])
}

func (t *thinner) uint64() uint64 {
	var raw [8]byte
	t.read(raw[:])
	t.write(raw[:])
	return binary.BigEndian.Uint64(raw[:])
}

func (t *thinner) name() string {
	raw := make([]byte, t.byte())
	t.read(raw)
	t.write(raw)
	return string(raw)
}

// expect copies a byte that must be there.
func (t *thinner) expect(want byte) {
	if found := t.byte(); found != want {
		t.fail(fmt.Errorf("expected the byte %#x, found %#x", want, found))
	}
}

// same copies a section's number, which must be that of the section ram.
func (t *thinner) same(id uint32) {
	if found := t.uint32(); found != id {
		t.fail(fmt.Errorf("expected the section %d, found %d", id, found))
	}
}
