package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Path is where a gateway answers a Report on its local socket.
const Path = "/status"

// DefaultSocket is where packages have the socket.
const DefaultSocket = "/run/spliceway/admin.sock"

const (
	patience  = 10 * time.Second
	maxReport = 64 << 20 // octets: some ten thousand connections
)

// ErrNoGateway says that nobody listens on a socket.
var ErrNoGateway = errors.New("status: no gateway listens there")

// Sockets returns the sockets of a gateway and of predecessors of it that still drain, the gateway's first. There is
// always one, whether anybody listens there or not.
func Sockets(socket string) []string {
	all := []string{socket}
	serving, _ := filepath.EvalSymlinks(socket) // of a link that leads nowhere, Fetch tells
	beside, err := filepath.Glob(socket + ".*")
	if err != nil {
		return all // the name has a bracket in it
	}
	slices.Sort(beside)
	for _, name := range beside {
		if resolved, err := filepath.EvalSymlinks(name); err == nil && resolved != serving {
			all = append(all, name)
		}
	}
	return all
}

// Fetch asks the gateway behind a socket. The error is ErrNoGateway if there is none, and says what to do.
func Fetch(ctx context.Context, socket string) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway"+Path, nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, unreachable(socket, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxReport))
	if err != nil {
		return nil, unreachable(socket, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status: the gateway answers %s", response.Status)
	}
	report := new(Report)
	if err := json.Unmarshal(data, report); err != nil {
		return nil, fmt.Errorf("status: what answers on %s is no gateway: %w", socket, err)
	}
	return report, nil
}

func unreachable(socket string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w: %s; check that the gateway runs, and that admin.socket in its configuration is this name", ErrNoGateway, socket)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("status: user %d may not use %s; run it as root or as the user of the gateway: %w", os.Getuid(), socket, err)
	}
	return fmt.Errorf("status: asking the gateway behind %s: %w", socket, err)
}
