package storm

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// proxy stands between the replicas and MariaDB and cuts connections at the moment
// of a commit: before the server hears of it, or before its answer comes back.
type proxy struct {
	socket string
	server string
	armed  atomic.Int64 // so many commits will be cut
	before atomic.Int64 // cut before the server heard
	after  atomic.Int64 // cut before the client heard
}

func newProxy(t *testing.T, server string) *proxy {
	t.Helper()
	p := &proxy{socket: filepath.Join(filepath.Dir(server), "proxy.sock"), server: server}
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			go p.carry(client)
		}
	}()
	return p
}

// carry forwards one connection until either side ends it.
func (p *proxy) carry(client net.Conn) {
	server, err := net.Dial("unix", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	var once sync.Once
	cut := func() {
		once.Do(func() {
			_ = client.Close()
			_ = server.Close()
		})
	}
	defer cut()
	var deaf atomic.Bool // the server's next answer is lost
	go func() {
		defer cut()
		buffer := make([]byte, 32<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil || deaf.Load() {
				return
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
	packet := make([]byte, 4, 64<<10)
	for {
		if _, err := io.ReadFull(client, packet[:4]); err != nil {
			return
		}
		size := int(binary.LittleEndian.Uint32(packet[:4]) & 0xffffff)
		packet = append(packet[:4], make([]byte, size)...)
		if _, err := io.ReadFull(client, packet[4:]); err != nil {
			return
		}
		if commits(packet[4:]) {
			if left := p.armed.Add(-1); left >= 0 {
				if left%2 == 0 {
					p.before.Add(1)
					return
				}
				p.after.Add(1)
				deaf.Store(true)
			}
		}
		if _, err := server.Write(packet); err != nil {
			return
		}
	}
}

// commits tells whether a command makes something durable: a COMMIT, or the group
// commit's INSERT, which is a transaction of its own.
func commits(command []byte) bool {
	const query = 3
	return len(command) > 0 && command[0] == query &&
		(bytes.HasPrefix(command[1:], []byte("COMMIT")) || bytes.HasPrefix(command[1:], []byte("INSERT INTO pot_help")))
}
