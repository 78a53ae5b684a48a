// SPDX-License-Identifier: Apache-2.0

package qemu

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stream builds migration streams.
type stream struct{ bytes.Buffer }

func (s *stream) raw(parts ...any) *stream {
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			s.WriteByte(byte(len(p)))
			s.WriteString(p)
		case []byte:
			s.Write(p)
		default:
			_ = binary.Write(s, binary.BigEndian, p)
		}
	}
	return s
}

func (s *stream) start() *stream {
	s.raw(uint32(streamMagic), uint32(streamVersion), byte(sectionConfiguration), uint32(2), []byte("pc"))
	s.raw(byte(sectionStart), uint32(7), "ram", uint32(0), uint32(4))
	s.raw(uint64(5*pageSize|pageSizes), mainMemory, uint64(4*pageSize), "pc.bios", uint64(pageSize))
	return s.end()
}

func (s *stream) section(kind byte) *stream { return s.raw(kind, uint32(7)) }
func (s *stream) end() *stream {
	return s.raw(uint64(pageEnd), byte(sectionFooter), uint32(7))
}

func full(b byte) []byte { return bytes.Repeat([]byte{b}, pageSize) }

// What goes is exactly the zero pages of the main memory; what follows one still says whose page it is.
func TestThin(t *testing.T) {
	fat := new(stream).start().section(sectionPart)
	fat.raw(uint64(0*pageSize|pageZero), mainMemory, byte(0))
	fat.raw(uint64(1*pageSize|pageData|pageContinue), full(1))
	fat.raw(uint64(2*pageSize|pageZero|pageContinue), byte(0)).end()
	fat.section(sectionEnd)
	fat.raw(uint64(3*pageSize|pageZero|pageContinue), byte(9))
	fat.raw(uint64(1*pageSize|pageZero|pageContinue), byte(0)) // it was sent before, with something in it
	fat.raw(uint64(0*pageSize|pageZero), "pc.bios", byte(0))   // of a block that may hold something else
	fat.raw(uint64(0*pageSize|pageZero), mainMemory, byte(0)).end()
	fat.raw([]byte("the devices"))

	want := new(stream).start().section(sectionPart)
	want.raw(uint64(1*pageSize|pageData), mainMemory, full(1)).end()
	want.section(sectionEnd)
	want.raw(uint64(3*pageSize|pageZero), mainMemory, byte(9))
	want.raw(uint64(1*pageSize|pageZero|pageContinue), byte(0))
	want.raw(uint64(0*pageSize|pageZero), "pc.bios", byte(0)).end()
	want.raw([]byte("the devices"))

	var thin bytes.Buffer
	require.NoError(t, Thin(&thin, bytes.NewReader(fat.Bytes())))
	assert.Equal(t, want.Bytes(), thin.Bytes())

	var again bytes.Buffer
	require.NoError(t, Thin(&again, bytes.NewReader(thin.Bytes())))
	assert.Equal(t, thin.Bytes(), again.Bytes(), "nothing is left to take")
}

// A stream of another form is recognized, so that it can be kept as it is.
func TestThinRefuses(t *testing.T) {
	whole := new(stream).start().section(sectionEnd).end().Bytes()
	require.NoError(t, Thin(new(bytes.Buffer), bytes.NewReader(whole)))
	for n := range whole {
		assert.Error(t, Thin(new(bytes.Buffer), bytes.NewReader(whole[:n])), "cut after %d bytes", n)
	}
	for what, s := range map[string]*stream{
		"another magic":       new(stream).raw(uint32(1), uint32(streamVersion)),
		"another version":     new(stream).raw(uint32(streamMagic), uint32(4)),
		"a first section":     new(stream).raw(uint32(streamMagic), uint32(streamVersion), byte(sectionConfiguration), uint32(0), byte(sectionStart), uint32(1), "block"),
		"a compressed page":   new(stream).start().section(sectionPart).raw(uint64(0x100), mainMemory),
		"a section in ours":   new(stream).start().raw(byte(sectionPart), uint32(8)),
		"a device before all": new(stream).start().raw(byte(4), uint32(8)),
		"blocks beyond all":   new(stream).raw(uint32(streamMagic), uint32(streamVersion), byte(sectionConfiguration), uint32(0), byte(sectionStart), uint32(7), "ram", uint64(0), uint64(pageSize|pageSizes), "a", uint64(2*pageSize)),
	} {
		assert.Error(t, Thin(new(bytes.Buffer), bytes.NewReader(s.Bytes())), what)
	}
}

func FuzzThin(f *testing.F) {
	f.Add(new(stream).start().section(sectionEnd).raw(uint64(pageZero), mainMemory, byte(0)).end().Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		var thin, again bytes.Buffer
		if Thin(&thin, bytes.NewReader(raw)) != nil {
			return
		}
		require.NoError(t, Thin(&again, bytes.NewReader(thin.Bytes())))
		assert.Equal(t, thin.Bytes(), again.Bytes())
	})
}
