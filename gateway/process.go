package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// Names of sockets that a service manager or a predecessor hands over.
const (
	SocketGateway = "spliceway" // for listen
	SocketMetrics = "metrics"   // for metrics.listen
)

// Process is what a gateway has of the process that it runs in. The zero value
// is a process that nobody watches and that has inherited nothing.
type Process struct {
	// Sockets are open already, by name. Each must be one that the
	// configuration names; what it names beyond them is opened. They belong to
	// the gateway.
	Sockets map[string][]net.Listener

	// Confine, if not nil, is called once, when everything is open and before
	// anybody is let in, to give up what is not needed any more. Its error ends
	// Run.
	Confine func() error

	// Tell, if not nil, tells the service manager, with assignments as
	// sd_notify(3) has them. It must not wait.
	Tell func(assignments ...string)

	// Watchdog is how often the service manager wants to hear of a gateway that
	// works; zero: not at all.
	Watchdog time.Duration
}

func (p *Process) tell(assignments ...string) {
	if p.Tell != nil {
		p.Tell(assignments...)
	}
}

// take returns the inherited socket for an address, or nil if there is none.
func (p *Process) take(name, address string) net.Listener {
	for i, l := range p.Sockets[name] {
		if sameAddress(address, l.Addr()) {
			rest := p.Sockets[name]
			p.Sockets[name] = append(rest[:i:i], rest[i+1:]...)
			return l
		}
	}
	return nil
}

// sameAddress reports whether a socket is what an address of the configuration
// means.
func sameAddress(address string, socket net.Addr) bool {
	want, err := net.ResolveTCPAddr("tcp", address)
	has, ok := socket.(*net.TCPAddr)
	if err != nil || !ok || want.Port != 0 && want.Port != has.Port {
		return false
	}
	return want.IP.Equal(has.IP) || (len(want.IP) == 0 || want.IP.IsUnspecified()) && has.IP.IsUnspecified()
}

// unclaimed is the error for sockets that the configuration does not name: nobody
// would ever accept what comes there.
func (p *Process) unclaimed() error {
	for name, sockets := range p.Sockets {
		if len(sockets) == 0 {
			continue
		}
		address := sockets[0].Addr()
		key := map[string]string{SocketGateway: "listen", SocketMetrics: "metrics.listen"}[name]
		if key == "" {
			return fmt.Errorf("inherited a socket named %q for %s; its FileDescriptorName= must be %s or %s",
				name, address, SocketGateway, SocketMetrics)
		}
		return fmt.Errorf("inherited the socket %s for %s, which %s does not name; change one of the two", name, address, key)
	}
	return nil
}

func (p *Process) closeSockets() {
	for _, sockets := range p.Sockets {
		for _, l := range sockets {
			l.Close()
		}
	}
}

// open opens all sockets or none. After that the process needs no more rights than
// to serve.
func (g *Gateway) open(p *Process) (listeners []net.Listener, admin net.Listener, local *localSocket, err error) {
	if listeners, admin, err = g.listen(p); err != nil {
		return nil, nil, nil, err
	}
	if local, err = g.listenLocal(); err == nil && p.Confine != nil {
		err = p.Confine()
	}
	if err == nil {
		return listeners, admin, local, nil
	}
	for _, l := range listeners {
		l.Close()
	}
	if admin != nil {
		admin.Close()
	}
	if local != nil {
		local.Close()
	}
	return nil, nil, nil, err
}

// listen opens all ports or none.
func (g *Gateway) listen(p *Process) (listeners []net.Listener, admin net.Listener, err error) {
	defer func() {
		if err != nil {
			p.closeSockets()
			for _, l := range listeners {
				l.Close()
			}
			if admin != nil {
				admin.Close()
			}
		}
	}()
	cfg := g.config()
	open := func(name, address string) (net.Listener, error) {
		if l := p.take(name, address); l != nil {
			return l, nil
		}
		return net.Listen("tcp", address)
	}
	for _, address := range cfg.Listen {
		l, err := open(SocketGateway, address)
		if err != nil {
			return listeners, nil, fmt.Errorf("listening: %w", err)
		}
		listeners = append(listeners, l)
	}
	if cfg.Metrics.Listen != "" {
		l, err := open(SocketMetrics, cfg.Metrics.Listen)
		if err != nil {
			return listeners, nil, fmt.Errorf("listening for metrics: %w", err)
		}
		admin = l
	}
	if err := p.unclaimed(); err != nil {
		return listeners, admin, fmt.Errorf("listening: %w", err)
	}
	return listeners, admin, nil
}

// listenLocal opens the local socket, nil if there is to be none.
func (g *Gateway) listenLocal() (*localSocket, error) {
	name := g.config().Admin.Socket
	if name == "" {
		return nil, nil
	}
	l, err := listenLocal(name)
	if err != nil {
		return nil, fmt.Errorf("listening on admin.socket: %w; its folder must be writable", err)
	}
	return l, nil
}

// extension is how much longer a service manager is asked to wait, again and
// again, while connections are drained.
const extension = 30 * time.Second

// report tells the service manager how it is going, until ctx is done. A gateway
// of which one listener takes no connections any more is silent, so that it is
// started anew.
func (g *Gateway) report(ctx context.Context, p *Process) {
	every := g.every
	if p.Watchdog > 0 {
		every = min(every, p.Watchdog/3)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		lines := []string{"STATUS=" + g.status()}
		if p.Watchdog > 0 {
			if stuck := g.mux.Stuck(p.Watchdog / 2); stuck == nil {
				lines = append(lines, "WATCHDOG=1")
			} else {
				g.log.Error().Stringer("local_addr", stuck).Msg("a listener does not accept; the watchdog is left to act")
			}
		}
		if g.draining.Load() {
			lines = append(lines, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extension.Microseconds()))
		}
		p.tell(lines...)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// status is the gateway in one line.
func (g *Gateway) status() string {
	word := "serving"
	if g.draining.Load() {
		word = "draining"
	}
	text := fmt.Sprintf("%s: %d tunnels, %d sessions", word, g.tunnels.count(), g.sessions.count())
	if refused := g.refused.Load(); refused != nil {
		text += "; the changed configuration was refused: " + *refused
	}
	return text
}

// noteRefused keeps the first line of why a configuration was refused, for status.
func (g *Gateway) noteRefused(err error) {
	if err == nil {
		g.refused.Store(nil)
		return
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	text = strings.ToValidUTF8(text[:min(len(text), 300)], "")
	g.refused.Store(&text)
}

// Socket is an open socket for a successor.
type Socket struct {
	Name string // SocketGateway or SocketMetrics
	File *os.File
}

// HandOver has start start a successor with the sockets of this gateway. start
// returns when the successor serves; then this gateway stops accepting and drains,
// so that Run returns when its last connection has ended. On an error everything
// goes on as it was. The files are closed when HandOver returns.
func (g *Gateway) HandOver(start func(sockets []Socket) error) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	if g.background == nil {
		return errNotServing
	}
	var sockets []Socket
	defer func() {
		for _, s := range sockets {
			s.File.Close()
		}
	}()
	for _, l := range g.sockets {
		file, err := duplicate(l.Listener.(*net.TCPListener))
		if err != nil {
			return fmt.Errorf("gateway: handing over %s: %w", l.Addr(), err)
		}
		sockets = append(sockets, Socket{l.name, file})
	}
	if err := start(sockets); err != nil {
		g.log.Error().Err(err).Msg("upgrade failed; this process goes on")
		return err
	}
	g.handOver()
	return nil
}

// socket is a listener with its name.
type socket struct {
	net.Listener
	name string
}
