package connect

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// TestHalfClosedTunnelDoesNotLinger has a gateway that never answers after the client's end.
func TestHalfClosedTunnelDoesNotLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, proxyClient := testnet.Pipe()
		gateway, proxyGateway := testnet.Pipe()
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			_, _, err := splice(proxyClient, proxyGateway, nil)
			done <- err
		}()
		client.CloseWrite()
		if _, err := io.ReadAll(gateway); err != nil {
			t.Errorf("reading at the gateway = %v, want the client's end", err)
		}
		if err := <-done; err == nil || time.Since(start) != lingering {
			t.Errorf("splice ended with %v after %v, want an error after %v", err, time.Since(start), lingering)
		}
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("the client's connection is still open")
		}
	})
}

// TestHalfClosedTunnelLivesWhileItIsUsed has a gateway that goes on sending, slowly, for ten minutes.
func TestHalfClosedTunnelLivesWhileItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, proxyClient := testnet.Pipe()
		gateway, proxyGateway := testnet.Pipe()
		done := make(chan error, 1)
		go func() {
			_, down, err := splice(proxyClient, proxyGateway, []byte("early"))
			if down != 20 {
				t.Errorf("%d octets down, want 20", down)
			}
			done <- err
		}()
		client.CloseWrite()
		go func() {
			defer gateway.Close()
			for range 20 {
				time.Sleep(lingering / 2)
				gateway.Write([]byte("x"))
			}
		}()
		if got, err := io.ReadAll(client); err != nil || len(got) != 20 {
			t.Errorf("the client got %d octets, %v, want 20", len(got), err)
		}
		if err := <-done; err != nil {
			t.Errorf("splice = %v, want nil", err)
		}
	})
}

// TestIdleTunnelStays has nothing to say for a day, as a watch of a quiet cluster.
func TestIdleTunnelStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, proxyClient := testnet.Pipe()
		gateway, proxyGateway := testnet.Pipe()
		done := make(chan error, 1)
		go func() {
			_, _, err := splice(proxyClient, proxyGateway, nil)
			done <- err
		}()
		time.Sleep(24 * time.Hour)
		gateway.Write([]byte("x"))
		if n, err := client.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("Read after a day = %d, %v", n, err)
		}
		client.Close()
		gateway.Close()
		<-done
	})
}
