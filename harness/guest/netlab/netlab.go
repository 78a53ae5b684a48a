// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package netlab builds the network that packets are driven through: two namespaces
// joined by a veth pair.
//
//	namespace sender                    namespace receiver
//	┌──────────────────────┐            ┌──────────────────────┐
//	│  generator → lab0 ───┼────veth────┼─→ lab1 → XDP → stack │
//	│        198.18.0.1/24 │            │ 198.18.0.2/24        │
//	└──────────────────────┘            └──────────────────────┘
//
// 198.18.0.0/15 is set aside for benchmarks (RFC 2544). Needs CAP_NET_ADMIN and
// CAP_SYS_ADMIN.
package netlab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// End is one end of the pair, in a namespace of its own.
type End struct {
	Name  string // of the interface
	Index int
	MAC   net.HardwareAddr
	IP    net.IP

	ns netns.NsHandle
}

// Pair is a network of two ends.
type Pair struct {
	Sender, Receiver *End
}

// New builds a pair with the given number of queues in each direction. With one queue,
// all packets are received on one CPU at a time; with one per CPU, a packet is received
// on the CPU that sent it. IPv6 is off: neighbour discovery would add packets that nobody
// sent.
func New(queues int) (_ *Pair, err error) {
	p := &Pair{
		Sender:   &End{Name: "lab0", IP: net.IPv4(198, 18, 0, 1), MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, ns: netns.None()},
		Receiver: &End{Name: "lab1", IP: net.IPv4(198, 18, 0, 2), MAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, ns: netns.None()},
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("build the lab's network: %w", err), p.Close())
		}
	}()
	for _, e := range p.ends() {
		if e.ns, err = newNamespace(); err != nil {
			return nil, err
		}
	}
	err = p.Sender.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.HardwareAddr = p.Sender.Name, p.Sender.MAC
		attrs.NumTxQueues, attrs.NumRxQueues = queues, queues
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: attrs, PeerName: p.Receiver.Name, PeerHardwareAddr: p.Receiver.MAC,
			PeerNamespace:   netlink.NsFd(p.Receiver.ns),
			PeerNumTxQueues: uint32(queues), PeerNumRxQueues: uint32(queues),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("add a veth pair: %w", err)
	}
	for _, step := range []func(*End) error{(*End).configure, (*End).wait} {
		for _, e := range p.ends() {
			if err = e.Do(func() error { return step(e) }); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (p *Pair) ends() []*End { return []*End{p.Sender, p.Receiver} }

// Close removes the namespaces, and with them the interfaces.
func (p *Pair) Close() error {
	var errs []error
	for _, e := range p.ends() {
		if e.ns.IsOpen() {
			errs = append(errs, e.ns.Close())
		}
	}
	return errors.Join(errs...)
}

func (e *End) configure() error {
	for _, scope := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+scope+"/disable_ipv6", []byte("1"), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 is as good
			return fmt.Errorf("turn IPv6 off: %w", err)
		}
	}
	l, err := netlink.LinkByName(e.Name)
	if err != nil {
		return fmt.Errorf("find %s: %w", e.Name, err)
	}
	e.Index = l.Attrs().Index
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: e.IP, Mask: net.CIDRMask(24, 32)}}
	if err := netlink.AddrAdd(l, addr); err != nil {
		return fmt.Errorf("give %s its address: %w", e.Name, err)
	}
	if err := netlink.LinkSetUp(l); err != nil {
		return fmt.Errorf("set %s up: %w", e.Name, err)
	}
	return nil
}

// wait returns when the end is up, which a kernel worker sets once the other end is there; until then the kernel
// drops what is sent.
func (e *End) wait() error {
	state := netlink.LinkOperState(netlink.OperUnknown)
	for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(time.Millisecond) {
		l, err := netlink.LinkByName(e.Name)
		if err != nil {
			return fmt.Errorf("find %s: %w", e.Name, err)
		}
		if state = l.Attrs().OperState; state == netlink.OperUp {
			return nil
		}
	}
	return fmt.Errorf("expected %s to be up within 5 s, found it %v", e.Name, state)
}

// Attach runs an XDP program on every packet that the end receives, in native mode: a veth
// whose peer has none, or only a generic one, loses redirected frames and counts none of them.
// Requires at least Linux 5.9.
func (e *End) Attach(prog *ebpf.Program) (link.Link, error) {
	var l link.Link
	err := e.Do(func() (err error) {
		l, err = link.AttachXDP(link.XDPOptions{Program: prog, Interface: e.Index, Flags: link.XDPDriverMode})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", e.Name, err)
	}
	return l, nil
}

// Held is a program that stays attached to an interface that no packet reaches.
type Held struct {
	end  *End
	link link.Link
}

const held = "held0" // the interface; its other end is held1

// Hold attaches an XDP program where it never runs, one at a time. For a program that is attached
// a test run waits for no RCU grace period.
func (e *End) Hold(prog *ebpf.Program) (h *Held, err error) {
	h = &Held{end: e}
	made := false
	err = e.Do(func() error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name = held
		if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "held1"}); err != nil {
			return err
		}
		made = true
		l, err := netlink.LinkByName(held)
		if err == nil {
			h.link, err = link.AttachXDP(link.XDPOptions{Program: prog, Interface: l.Attrs().Index, Flags: link.XDPDriverMode})
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("attach to %s: %w", held, err)
		if made {
			err = errors.Join(err, h.Close())
		}
		return nil, err
	}
	return h, nil
}

// Close detaches the program.
func (h *Held) Close() error {
	var err error
	if h.link != nil {
		err = h.link.Close()
	}
	return errors.Join(err, h.end.Do(func() error {
		l, err := netlink.LinkByName(held)
		if errors.As(err, &netlink.LinkNotFoundError{}) {
			return nil
		}
		if err != nil {
			return err
		}
		return netlink.LinkDel(l)
	}))
}

// Stats returns the driver's counters, by ethtool's names.
func (e *End) Stats() (map[string]uint64, error) {
	var stats map[string]uint64
	err := e.Do(func() error {
		tool, err := ethtool.NewEthtool()
		if err != nil {
			return err
		}
		defer tool.Close()
		stats, err = tool.Stats(e.Name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the counters of %s: %w", e.Name, err)
	}
	return stats, nil
}

// Received returns how many packets the end's XDP program has seen, by the driver's count
// and not by the program's.
func (e *End) Received() (uint64, error) {
	stats, err := e.Stats()
	if err != nil {
		return 0, err
	}
	var n uint64
	for name, value := range stats {
		if strings.HasPrefix(name, "rx_queue_") && strings.HasSuffix(name, "_xdp_packets") {
			n += value
		}
	}
	return n, nil
}

// Do calls f on a thread that is in the end's namespace.
func (e *End) Do(f func() error) error { return inNamespace(e.ns, f) }

func newNamespace() (netns.NsHandle, error) {
	ns := netns.None()
	err := inNamespace(netns.None(), func() (err error) {
		ns, err = netns.New()
		return err
	})
	if err != nil {
		return ns, fmt.Errorf("make a network namespace (this needs root): %w", err)
	}
	return ns, nil
}

// inNamespace is the only place where a thread changes its namespace. A thread that cannot
// go back is never unlocked, so that it ends with its goroutine and serves no other.
func inNamespace(ns netns.NsHandle, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := netns.Get()
		if err != nil {
			done <- fmt.Errorf("find the current namespace: %w", err)
			return
		}
		defer home.Close()
		if ns.IsOpen() {
			err = netns.Set(ns)
		}
		if err == nil {
			err = f()
		}
		if back := netns.Set(home); back != nil {
			done <- errors.Join(err, fmt.Errorf("return to the first namespace: %w", back))
			return
		}
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}
