package story

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Gate stands before a server and lets nobody through while it is shut.
type Gate struct {
	Addr string

	t      testing.TB
	server string
	mu     sync.Mutex
	shut   bool
	open   map[net.Conn]bool
}

// NewGate puts a gate before a server: host:port or the path of a socket.
func NewGate(t testing.TB, server string) *Gate {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{Addr: listener.Addr().String(), t: t, server: server, open: map[net.Conn]bool{}}
	t.Cleanup(func() {
		_ = listener.Close()
		g.Shut()
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the story is over
			}
			go g.pass(client)
		}
	}()
	return g
}

// Shut cuts every connection and refuses new ones until Open.
func (g *Gate) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	for c := range g.open {
		_ = c.Close()
	}
}

// Open lets connections through again.
func (g *Gate) Open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = false
}

// enter notes a connection, unless the gate is shut.
func (g *Gate) enter(c net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		g.open[c] = true
	}
	return !g.shut
}

func (g *Gate) leave(c net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.open, c)
	_ = c.Close()
}

// pass carries one connection to its end.
func (g *Gate) pass(client net.Conn) {
	if !g.enter(client) {
		_ = client.Close()
		return
	}
	defer g.leave(client)
	network := "tcp"
	if strings.HasPrefix(g.server, "/") {
		network = "unix"
	}
	server, err := net.Dial(network, g.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(client, server) // cut by the gate, or ended
		_ = client.Close()
	}()
	_, _ = io.Copy(server, client)
}
