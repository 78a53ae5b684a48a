// SPDX-License-Identifier: Apache-2.0

// Package traffic makes frames from a seed and sends them through a veth pair.
package traffic

import (
	"encoding/binary"
	"math/rand/v2"
)

// None is the protocol of a frame that counts nowhere.
const None = -1

// MaxFrame is the longest frame, in bytes: a 1500-byte packet and its Ethernet header.
const MaxFrame = 1514

const (
	ethernet = 14 // length of an Ethernet header
	minIP    = 20 // length of an IPv4 header without options

	typeIPv4, typeARP, typeIPv6, typeVLAN = 0x0800, 0x0806, 0x86dd, 0x8100
)

// Frame is one Ethernet frame and what it is.
type Frame struct {
	Kind     string // what is special about it
	Protocol int    // the IP protocol under which it counts, or None
	Data     []byte
}

// Mix returns n frames, the same for the same seed: sound ones, and every kind that a
// hasty parser takes for one.
func Mix(seed uint64, n int) []Frame {
	r := rand.New(rand.NewPCG(seed, 0))
	kinds := []func(*rand.Rand) Frame{
		sound, sound, sound, sound, withOptions, bareHeader, lyingLength,
		notIP(typeARP, "ARP"), notIP(typeIPv6, "IPv6"), notIP(typeVLAN, "VLAN tag before IPv4"), swappedType,
		runt, cutHeader, cutOptions, shortIHL,
	}
	frames := make([]Frame, n)
	for i := range frames {
		// Each kind in turn, so that none is missing; then shuffled.
		frames[i] = kinds[i%len(kinds)](r)
	}
	r.Shuffle(n, func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
	return frames
}

// UDP returns a frame of the given length, 42 bytes at least, that the receiver's stack
// delivers to a socket.
func UDP(length int, srcMAC, dstMAC, srcIP, dstIP []byte, port uint16) []byte {
	f := ipv4(17, 5, length)
	copy(f, dstMAC)
	copy(f[6:], srcMAC)
	ip := f[ethernet:]
	copy(ip[12:], srcIP)
	copy(ip[16:], dstIP)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip[:minIP]))
	binary.BigEndian.PutUint16(ip[20:], port)
	binary.BigEndian.PutUint16(ip[22:], port)
	binary.BigEndian.PutUint16(ip[24:], uint16(length-ethernet-minIP))
	return f
}

// ipv4 returns a frame of the given length with as much of an IPv4 header as fits.
func ipv4(protocol, ihl, length int) []byte {
	f := make([]byte, max(length, ethernet+60))
	copy(f, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1})
	binary.BigEndian.PutUint16(f[12:], typeIPv4)
	ip := f[ethernet:]
	ip[0] = byte(4<<4 | ihl)
	binary.BigEndian.PutUint16(ip[2:], uint16(max(length-ethernet, 0)))
	ip[8] = 64
	ip[9] = byte(protocol)
	copy(ip[12:], []byte{198, 18, 0, 1, 198, 18, 0, 2})
	return f[:length]
}

// protocol is one of the common three half of the time, else any of the 256.
func protocol(r *rand.Rand) int {
	if r.IntN(2) == 0 {
		return [...]int{1, 6, 17}[r.IntN(3)]
	}
	return r.IntN(256)
}

func sound(r *rand.Rand) Frame {
	p := protocol(r)
	length := ethernet + minIP + r.IntN(MaxFrame-ethernet-minIP+1)
	if r.IntN(2) == 0 {
		length = 60 + r.IntN(8)
	}
	return Frame{"IPv4", p, ipv4(p, 5, length)}
}

func withOptions(r *rand.Rand) Frame {
	p, ihl := protocol(r), 6+r.IntN(10)
	return Frame{"IPv4 with options", p, ipv4(p, ihl, ethernet+4*ihl+r.IntN(200))}
}

func bareHeader(r *rand.Rand) Frame {
	p, ihl := protocol(r), 5+r.IntN(11)
	return Frame{"header that ends with the frame", p, ipv4(p, ihl, ethernet+4*ihl)}
}

func lyingLength(r *rand.Rand) Frame {
	p := protocol(r)
	f := ipv4(p, 5, 64+r.IntN(200))
	binary.BigEndian.PutUint16(f[ethernet+2:], uint16(r.IntN(1<<16)))
	return Frame{"length field that is not the frame's", p, f}
}

func notIP(etherType uint16, kind string) func(*rand.Rand) Frame {
	return func(r *rand.Rand) Frame {
		f := ipv4(protocol(r), 5, 60+r.IntN(100))
		binary.BigEndian.PutUint16(f[12:], etherType)
		return Frame{kind, None, f}
	}
}

func swappedType(r *rand.Rand) Frame {
	f := notIP(typeIPv4>>8|typeIPv4&0xff<<8, "0x0008, IPv4's type in the wrong byte order")(r)
	return f
}

func runt(r *rand.Rand) Frame {
	return Frame{"runt: an Ethernet header and nothing", None, ipv4(protocol(r), 5, ethernet)}
}

func cutHeader(r *rand.Rand) Frame {
	return Frame{"header cut short", None, ipv4(protocol(r), 5, ethernet+1+r.IntN(minIP-1))}
}

func cutOptions(r *rand.Rand) Frame {
	ihl := 6 + r.IntN(10)
	return Frame{"options cut short", None, ipv4(protocol(r), ihl, ethernet+minIP+r.IntN(4*ihl-minIP))}
}

func shortIHL(r *rand.Rand) Frame {
	return Frame{"IHL below 5", None, ipv4(protocol(r), r.IntN(5), 60+r.IntN(100))}
}

func checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
