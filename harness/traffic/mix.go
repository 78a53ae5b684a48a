// SPDX-License-Identifier: Apache-2.0

// Package traffic makes frames from a seed.
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

// Batch is how many frames are sent before they are received. The ring of a veth holds
// 256; batches of 256 lose some, batches of 64 none.
const Batch = 64

// Frame is one Ethernet frame and what it is.
type Frame struct {
	Kind      string // what is special about it
	Protocol  int    // the IP protocol under which it counts, or None
	Delivered bool   // the receiver's stack delivers it to the socket at Port
	Data      []byte
}

// Listed is how many frames a list has, 4 batches: what fits into the generator's map.
const Listed = 4 * Batch

// composition is the kinds of frames in a batch, and how many there are of each. Each batch has the
// same, in another order, so that all batches take about the same work.
var composition = []struct {
	n    int
	make func(*rand.Rand, uint16) Frame
}{
	{42, delivered},
	{4, sound}, {2, withOptions}, {1, bareHeader}, {1, leastHeader}, {2, lyingLength},
	{1, notIP(typeARP, "ARP")}, {1, notIP(typeIPv6, "IPv6")}, {1, notIP(typeVLAN, "VLAN tag before IPv4")}, {1, swappedType},
	{2, runt}, {2, cutHeader}, {2, cutOptions}, {1, shortIHL}, {1, almostIHL},
}

// Mix returns n frames, the same for the same seed: sound ones, most of them for a socket, and every
// kind that a hasty parser takes for one.
func Mix(seed uint64, n int) []Frame {
	r, port := rand.New(rand.NewPCG(seed, 0)), Port(seed)
	frames := make([]Frame, 0, n+Batch)
	for len(frames) < n {
		at := len(frames)
		for _, kind := range composition {
			for range kind.n {
				frames = append(frames, kind.make(r, port))
			}
		}
		batch := frames[at:]
		r.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	}
	return frames[:n]
}

// Port is the UDP port that the frames of a seed are delivered to.
func Port(seed uint64) uint16 {
	return uint16(1024 + rand.New(rand.NewPCG(seed, 1)).IntN(60_000))
}

// delivered is a datagram for the receiver's socket.
func delivered(r *rand.Rand, port uint16) Frame {
	f := UDP(length(r, 42), senderMAC, receiverMAC, senderIP, receiverIP, port)
	binary.BigEndian.PutUint16(f[ethernet+minIP:], uint16(1024+r.IntN(60_000))) // from any port
	return Frame{"UDP", 17, true, f}
}

// length is short in half of the frames, else anything from least on.
func length(r *rand.Rand, least int) int {
	if r.IntN(2) == 0 {
		return 60 + r.IntN(8)
	}
	return least + r.IntN(MaxFrame-least+1)
}

// The network that frames are for is netlab's.
var (
	senderMAC, receiverMAC = []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}
	senderIP, receiverIP   = []byte{198, 18, 0, 1}, []byte{198, 18, 0, 2}
)

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

// IPv4 returns a sound frame of the given length, 34 bytes at least.
func IPv4(protocol, length int) []byte { return ipv4(protocol, 5, length) }

// ipv4 returns a frame of the given length with as much of an IPv4 header as fits.
func ipv4(protocol, ihl, length int) []byte {
	f := make([]byte, max(length, ethernet+60))
	copy(f, receiverMAC)
	copy(f[6:], senderMAC)
	binary.BigEndian.PutUint16(f[12:], typeIPv4)
	ip := f[ethernet:]
	ip[0] = byte(4<<4 | ihl)
	binary.BigEndian.PutUint16(ip[2:], uint16(max(length-ethernet, 0)))
	ip[8] = 64
	ip[9] = byte(protocol)
	copy(ip[12:], senderIP)
	copy(ip[16:], receiverIP)
	return f[:length]
}

// protocol is one of the common three half of the time, else any of the 256.
func protocol(r *rand.Rand) int {
	if r.IntN(2) == 0 {
		return [...]int{1, 6, 17}[r.IntN(3)]
	}
	return r.IntN(256)
}

func sound(r *rand.Rand, _ uint16) Frame {
	p := protocol(r)
	return Frame{"IPv4", p, false, ipv4(p, 5, length(r, ethernet+minIP))}
}

func withOptions(r *rand.Rand, _ uint16) Frame {
	p, ihl := protocol(r), 6+r.IntN(10)
	return Frame{"IPv4 with options", p, false, ipv4(p, ihl, ethernet+4*ihl+r.IntN(200))}
}

func bareHeader(r *rand.Rand, _ uint16) Frame {
	p, ihl := protocol(r), 5+r.IntN(11)
	return Frame{"header that ends with the frame", p, false, ipv4(p, ihl, ethernet+4*ihl)}
}

// leastHeader is the shortest frame that counts.
func leastHeader(r *rand.Rand, _ uint16) Frame {
	p := protocol(r)
	return Frame{"header that ends with the frame", p, false, ipv4(p, 5, ethernet+minIP)}
}

func lyingLength(r *rand.Rand, _ uint16) Frame {
	p := protocol(r)
	f := ipv4(p, 5, 64+r.IntN(200))
	binary.BigEndian.PutUint16(f[ethernet+2:], uint16(r.IntN(1<<16)))
	return Frame{"length field that is not the frame's", p, false, f}
}

func notIP(etherType uint16, kind string) func(*rand.Rand, uint16) Frame {
	return func(r *rand.Rand, _ uint16) Frame {
		f := ipv4(protocol(r), 5, 60+r.IntN(100))
		binary.BigEndian.PutUint16(f[12:], etherType)
		return Frame{kind, None, false, f}
	}
}

func swappedType(r *rand.Rand, port uint16) Frame {
	return notIP(typeIPv4>>8|typeIPv4&0xff<<8, "0x0008, IPv4's type in the wrong byte order")(r, port)
}

func runt(r *rand.Rand, _ uint16) Frame {
	return Frame{"runt: an Ethernet header and nothing", None, false, ipv4(protocol(r), 5, ethernet)}
}

func cutHeader(r *rand.Rand, _ uint16) Frame {
	return Frame{"header cut short", None, false, ipv4(protocol(r), 5, ethernet+1+r.IntN(minIP-1))}
}

func cutOptions(r *rand.Rand, _ uint16) Frame {
	ihl := 6 + r.IntN(10)
	return Frame{"options cut short", None, false, ipv4(protocol(r), ihl, ethernet+minIP+r.IntN(4*ihl-minIP))}
}

func shortIHL(r *rand.Rand, _ uint16) Frame {
	return Frame{"IHL below 5", None, false, ipv4(protocol(r), r.IntN(5), 60+r.IntN(100))}
}

// almostIHL is short by one: what a check that is off by one lets through.
func almostIHL(r *rand.Rand, port uint16) Frame {
	f := shortIHL(r, port)
	f.Data[ethernet] = 4<<4 | 4
	return f
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
