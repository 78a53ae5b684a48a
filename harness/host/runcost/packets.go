// SPDX-License-Identifier: Apache-2.0

package runcost

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"bpflab/harness/traffic"
)

const (
	maxPackets = 4096
	mixed      = 256 // frames of the default mix
)

// Mix returns the frames that programs are run on where nobody gives others, and what each is: those of lab 12.1, sound
// datagrams most of them, and every kind that a hasty parser takes for one. They are the same each time.
func Mix() (frames [][]byte, kinds []string) {
	for _, f := range traffic.Mix(1, mixed) {
		frames, kinds = append(frames, f.Data), append(kinds, f.Kind)
	}
	return frames, kinds
}

// ReadPackets reads the Ethernet frames of a capture, pcap or pcapng, and says of each what it is, by its headers.
func ReadPackets(r io.Reader) (frames [][]byte, kinds []string, err error) {
	in := bufio.NewReader(r)
	var packets interface {
		gopacket.PacketDataSource
		LinkType() layers.LinkType
	}
	if magic, _ := in.Peek(4); bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		packets, err = pcapgo.NewNgReader(in, pcapgo.DefaultNgReaderOptions)
	} else {
		packets, err = pcapgo.NewReader(in)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("expected a capture, pcap or pcapng: %w", err)
	}
	if got := packets.LinkType(); got != layers.LinkTypeEthernet {
		return nil, nil, fmt.Errorf("expected a capture of Ethernet frames, found %v", got)
	}
	for len(frames) < maxPackets {
		data, info, err := packets.ReadPacketData()
		switch {
		case errors.Is(err, io.EOF) && len(frames) > 0:
			return frames, kinds, nil
		case errors.Is(err, io.EOF):
			return nil, nil, errors.New("the capture holds no packets")
		case err != nil:
			return nil, nil, fmt.Errorf("packet %d: %w", len(frames)+1, err)
		case info.CaptureLength < info.Length:
			return nil, nil, fmt.Errorf("packet %d is cut off: %d of %d bytes were captured; capture whole packets (tcpdump -s 0)", len(frames)+1, info.CaptureLength, info.Length)
		}
		frames, kinds = append(frames, data), append(kinds, kindOf(data))
	}
	return nil, nil, fmt.Errorf("the capture holds more than %d packets: choose some, as with tcpdump -c", maxPackets-1)
}

// kindOf names the headers of a frame behind Ethernet's.
func kindOf(frame []byte) string {
	var names []string
	for _, l := range gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.NoCopy).Layers() {
		switch l.LayerType() {
		case layers.LayerTypeEthernet, gopacket.LayerTypePayload, gopacket.LayerTypeDecodeFailure, gopacket.LayerTypeFragment:
		default:
			names = append(names, l.LayerType().String())
		}
	}
	if len(names) == 0 {
		return "other"
	}
	return strings.Join(names[:min(len(names), 3)], " ")
}
