// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parse is an IPv4 parser written from RFC 791 and not from mix.go: it says under which
// protocol a frame counts.
func parse(frame []byte) int {
	const destination, source, etherType = 6, 6, 2
	if len(frame) < destination+source+etherType {
		return None
	}
	if frame[12] != 8 || frame[13] != 0 {
		return None
	}
	packet := frame[destination+source+etherType:]
	if len(packet) < 20 {
		return None
	}
	words := int(packet[0] & 0xf)
	if words < 5 || words*4 > len(packet) {
		return None
	}
	return int(packet[9])
}

// checkFrame checks what holds for every frame.
func checkFrame(t testing.TB, f Frame) {
	t.Helper()
	assert.Equal(t, parse(f.Data), f.Protocol, "protocol of % x (%s)", f.Data, f.Kind)
	assert.GreaterOrEqual(t, len(f.Data), 14, "%s: the kernel takes no shorter frame", f.Kind)
	assert.LessOrEqual(t, len(f.Data), 1514, "%s: the network takes no longer frame", f.Kind)
	// The generator's program fills 128 bytes of a frame and leaves the others zero.
	for i := 128; i < len(f.Data); i++ {
		if f.Data[i] != 0 {
			assert.Failf(t, "lost on the way", "%s: byte %d is %#x, and live frames are zero from 128 on", f.Kind, i, f.Data[i])
			return
		}
	}
}

func digest(frames []Frame) string {
	h := sha256.New()
	for _, f := range frames {
		fmt.Fprintf(h, "%q %d %t %x\n", f.Kind, f.Protocol, f.Delivered, f.Data)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// A receipt is judged again by making the same frames from its seed: a change of these
// digests makes every older receipt worthless.
func TestMixIsTheSameForASeed(t *testing.T) {
	for _, tt := range []struct {
		seed uint64
		n    int
		want string
	}{
		{1, Listed, "0e10b14f36481213"},
		{1<<64 - 1, Listed, "e039997f71a8d53d"},
		{1, 15, "199ee02c837b1c97"},
	} {
		assert.Equal(t, tt.want, digest(Mix(tt.seed, tt.n)), "seed %d, %d frames", tt.seed, tt.n)
	}
	assert.NotEqual(t, digest(Mix(1, Listed)), digest(Mix(2, Listed)), "another seed, the same frames")
	assert.Empty(t, Mix(1, 0))
}

// Each kind is what its name says, and each batch has as many of it.
func TestMixHasEveryKind(t *testing.T) {
	typeOf := func(f []byte) int { return int(f[12])<<8 | int(f[13]) }
	words := func(f []byte) int { return int(f[14] & 0xf) }
	declared := func(f []byte) int { return int(f[16])<<8 | int(f[17]) }
	is := map[string]struct {
		n  int // of a batch
		ok func(f []byte) bool
	}{
		"UDP":                                  {42, func(f []byte) bool { return words(f) == 5 && declared(f) == len(f)-14 && f[23] == 17 }},
		"IPv4":                                 {4, func(f []byte) bool { return words(f) == 5 && declared(f) == len(f)-14 }},
		"IPv4 with options":                    {2, func(f []byte) bool { return words(f) > 5 && len(f) >= 14+4*words(f) }},
		"header that ends with the frame":      {2, func(f []byte) bool { return len(f) == 14+4*words(f) }},
		"length field that is not the frame's": {2, func(f []byte) bool { return declared(f) != len(f)-14 }},
		"ARP":                                  {1, func(f []byte) bool { return typeOf(f) == 0x0806 }},
		"IPv6":                                 {1, func(f []byte) bool { return typeOf(f) == 0x86dd }},
		"VLAN tag before IPv4":                 {1, func(f []byte) bool { return typeOf(f) == 0x8100 }},
		"0x0008, IPv4's type in the wrong byte order": {1, func(f []byte) bool { return typeOf(f) == 0x0008 }},
		"runt: an Ethernet header and nothing":        {2, func(f []byte) bool { return len(f) == 14 }},
		"header cut short":                            {2, func(f []byte) bool { return len(f) > 14 && len(f) < 34 }},
		"options cut short":                           {2, func(f []byte) bool { return len(f) >= 34 && len(f) < 14+4*words(f) }},
		"IHL below 5":                                 {2, func(f []byte) bool { return words(f) < 5 && len(f) >= 34 }},
	}
	for batch := range slices.Chunk(Mix(1, Listed), Batch) {
		found := map[string]int{}
		for _, f := range batch {
			kind, ok := is[f.Kind]
			if assert.True(t, ok, "a kind that this test does not know: %q", f.Kind) {
				assert.True(t, kind.ok(f.Data), "%q is none: % x", f.Kind, f.Data)
			}
			assert.Equal(t, f.Kind == "UDP", f.Delivered, f.Kind)
			if f.Delivered {
				assert.Equal(t, Port(1), binary.BigEndian.Uint16(f.Data[36:]), "where the receiver listens")
			}
			found[f.Kind]++
		}
		assert.True(t, slices.ContainsFunc(batch, func(f Frame) bool { return f.Kind == "IHL below 5" && words(f.Data) == 4 }), "an IHL of 4, which is off by one")
		for kind, want := range is {
			assert.Equal(t, want.n, found[kind], "frames of the kind %q in a batch", kind)
		}
	}
	assert.NotEqual(t, Port(1), Port(2))
}

func TestMixClaimsTheRightProtocol(t *testing.T) {
	protocols := map[int]bool{}
	for seed := range uint64(100) {
		for _, f := range Mix(seed, Listed) {
			checkFrame(t, f)
			protocols[f.Protocol] = true
		}
	}
	assert.Len(t, protocols, 257, "None and each of the 256 protocols")
}

// Frames must not share memory: a sender writes into them.
func TestMixFramesAreApart(t *testing.T) {
	frames := Mix(1, 30)
	before := digest(frames[1:])
	for i := range frames[0].Data {
		frames[0].Data[i] ^= 0xff
	}
	assert.Equal(t, before, digest(frames[1:]))
}

func FuzzMix(f *testing.F) {
	f.Add(uint64(0), uint8(15))
	f.Add(uint64(1)<<63, uint8(240))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		frames := Mix(seed, int(n))
		require.Len(t, frames, int(n))
		for _, frame := range frames {
			checkFrame(t, frame)
		}
	})
}

// Adding a carry can make another one.
func TestChecksum(t *testing.T) {
	for _, tt := range []struct {
		header []byte
		want   uint16
	}{
		{[]byte{0, 0}, 0xffff},
		{[]byte{0x12, 0x34, 0, 1}, 0xedca},
		{[]byte{0xff, 0xff}, 0},                        // nothing to carry
		{[]byte{0xff, 0xff, 0, 2}, 0xfffd},             // 0x10001: carried once
		{[]byte{0xff, 0xff, 0xff, 0xff, 0, 1}, 0xfffe}, // 0x1ffff, 0x10000: carried twice
	} {
		assert.Equal(t, tt.want, checksum(tt.header), "% x", tt.header)
	}
}

// A frame has the addresses that it was given, and not those of the frames of a mix.
func TestUDPAddresses(t *testing.T) {
	srcMAC, dstMAC := []byte{6, 1, 2, 3, 4, 5}, []byte{10, 1, 2, 3, 4, 5}
	src, dst := []byte{192, 0, 2, 1}, []byte{192, 0, 2, 2}
	f := UDP(60, srcMAC, dstMAC, src, dst, 9000)
	assert.Equal(t, dstMAC, f[:6])
	assert.Equal(t, srcMAC, f[6:12])
	assert.Equal(t, src, f[26:30])
	assert.Equal(t, dst, f[30:34])
	assert.EqualValues(t, 9000, binary.BigEndian.Uint16(f[34:]), "the source port is the destination's")
}

func TestUDP(t *testing.T) {
	srcMAC, dstMAC := []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}
	src, dst := []byte{198, 18, 0, 1}, []byte{198, 18, 0, 2}
	for _, length := range []int{42, 60, 64, 65, 1514} {
		f := UDP(length, srcMAC, dstMAC, src, dst, 9000)
		require.Len(t, f, length)
		assert.Equal(t, 17, parse(f))
		assert.Equal(t, dstMAC, f[:6], "a frame begins with where it goes")
		assert.Equal(t, srcMAC, f[6:12])

		ip := f[14:34]
		assert.Equal(t, byte(0x45), ip[0], "version and IHL")
		assert.Equal(t, length-14, int(ip[2])<<8|int(ip[3]), "total length")
		assert.NotZero(t, ip[8], "time to live")
		assert.Equal(t, src, ip[12:16])
		assert.Equal(t, dst, ip[16:20])
		// The ones' complement sum of 16-bit words is the remainder by 65535: of a header
		// with the right checksum, 0.
		sum := new(big.Int).SetBytes(ip)
		assert.Zero(t, sum.Mod(sum, big.NewInt(0xffff)).Sign(), "checksum of the IP header, %d bytes in all", length)

		udp := f[34:]
		assert.Equal(t, 9000, int(udp[2])<<8|int(udp[3]), "destination port")
		assert.Equal(t, length-34, int(udp[4])<<8|int(udp[5]), "length of the datagram")
		assert.Equal(t, []byte{0, 0}, udp[6:8], "no checksum: a receiver takes 0 for none, and any other number must be right")
	}
}
