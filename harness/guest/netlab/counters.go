// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
)

// Counters say what became of the packets that an end has received, as its driver and its stack count them.
type Counters map[string]uint64

// Counters returns them as they are now: what the driver did by order of XDP programs, and what IPv4, TCP
// and UDP have received.
func (e *End) Counters() (Counters, error) {
	c := Counters{}
	stats, err := e.Stats()
	if err != nil {
		return nil, err
	}
	for name, n := range stats {
		_, name, _ = strings.Cut(strings.TrimPrefix(name, "rx_queue_"), "_")
		switch name {
		case "xdp_drops", "xdp_redirect", "xdp_tx":
			c[name] += n
		}
	}
	err = e.Do(func() error {
		for _, file := range []string{"snmp", "netstat"} {
			text, err := os.ReadFile("/proc/thread-self/net/" + file)
			if err != nil {
				return err
			}
			received, err := parseReceived(string(text))
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			maps.Copy(c, received)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what %s has received: %w", e.Name, err)
	}
	return c, nil
}

// parseReceived reads pairs of lines: names, and numbers below them.
//
//	Ip: Forwarding DefaultTTL InReceives …
//	Ip: 2 64 1024 …
func parseReceived(text string) (Counters, error) {
	c := Counters{}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for ; len(lines) >= 2; lines = lines[2:] {
		names, values := strings.Fields(lines[0]), strings.Fields(lines[1])
		if len(names) == 0 || len(names) != len(values) || names[0] != values[0] {
			return nil, fmt.Errorf("expected names and numbers, found %.80q and %.80q", lines[0], lines[1])
		}
		switch names[0] {
		case "Ip:", "IpExt:", "Tcp:", "Udp:":
		default:
			continue
		}
		for i, name := range names[1:] {
			if !strings.HasPrefix(name, "In") && name != "NoPorts" {
				continue
			}
			n, err := strconv.ParseUint(values[1+i], 10, 64)
			if err != nil {
				return nil, err
			}
			c[names[0]+" "+name] = n
		}
	}
	return c, nil
}

// Since returns what has come since an earlier look; what did not is left out.
func (c Counters) Since(before Counters) Counters {
	come := Counters{}
	for name, n := range c {
		if n != before[name] {
			come[name] = n - before[name]
		}
	}
	return come
}
