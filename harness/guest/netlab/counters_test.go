// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseReceived(t *testing.T) {
	got, err := parseReceived("Ip: Forwarding InReceives InHdrErrors\nIp: 2 7 3\nIcmp: InMsgs\nIcmp: 9\nUdp: InDatagrams NoPorts OutDatagrams\nUdp: 1 2 3\n")
	require.NoError(t, err)
	assert.Equal(t, Counters{"Ip: InReceives": 7, "Ip: InHdrErrors": 3, "Udp: InDatagrams": 1, "Udp: NoPorts": 2}, got)
	assert.Equal(t, Counters{"Udp: NoPorts": 1}, got.Since(Counters{"Ip: InReceives": 7, "Ip: InHdrErrors": 3, "Udp: InDatagrams": 1, "Udp: NoPorts": 1}))

	for _, text := range []string{"Ip: InReceives\nIp: x\n", "Ip: InReceives\nIp:\n", "Ip: InReceives\nUdp: 1\n"} {
		_, err := parseReceived(text)
		assert.Error(t, err, "%q", text)
	}
}
