package conn

import (
	"time"

	"github.com/spliceway/spliceway/httpparse"
)

// relayResponse sends the client the response whose head has been read.
func (c *Conn) relayResponse() *Error {
	c.x.downBody.start(c.resp.Framing)
	c.closing = c.endsConnection()
	if err := c.writeHead(); err != nil {
		return err
	}
	if c.x.longRunning(&c.req) {
		c.releaseSent() // it is not sent again from here on
	}
	for !c.x.downBody.done {
		if err := c.relayBody(); err != nil {
			return err
		}
	}
	c.x.complete = true
	return nil
}

// last reports whether the client connection ends with this exchange, whatever
// the response is. It does after an upgrade that was not agreed to: the client
// may have sent octets of a protocol that is not going to be spoken.
func (c *Conn) last() bool {
	return c.closing || c.req.Close || c.req.Upgrade != httpparse.ProtocolNone || c.draining.Load()
}

// endsConnection reports whether the client connection ends with the response
// whose head has been read.
func (c *Conn) endsConnection() bool {
	if c.last() || c.resp.Framing.Kind == httpparse.FramingUntilClose {
		return true
	}
	// An error before the body has come: the rest of it is not wanted, and if the
	// client was asked to wait with it (RFC 9110, Section 10.1.1) it may send it or
	// not, so that nothing behind it could be told from it.
	return c.resp.Status >= 400 && c.uplink.body.Load() != bodySent
}

// writeHead writes the response head, and what is already there of the body.
func (c *Conn) writeHead() *Error {
	head := c.down.r // the head lies in front of r
	n, keep, err := c.x.downBody.next(c.down.bytes())
	if err != nil {
		return badResponse(err)
	}
	c.down.skip(n)
	if !keep {
		n = 0
	}
	c.x.status, c.x.answered = c.resp.Status, true
	if same := c.resp.Verbatim(c.closing); same != nil {
		return c.writeClient(c.down.b[head-len(same) : head+n])
	}
	c.x.sent = httpparse.AppendResponse(c.x.sent[:0], &c.resp, c.closing)
	c.x.sent = append(c.x.sent, c.down.b[head:head+n]...)
	return c.writeClient(c.x.sent)
}

// relayBody moves on by one read of the response body.
func (c *Conn) relayBody() *Error {
	for c.down.len() > 0 && !c.x.downBody.done {
		n, keep, err := c.x.downBody.next(c.down.bytes())
		if err != nil {
			return badResponse(err)
		}
		if keep {
			if err := c.writeClient(c.down.bytes()[:n]); err != nil {
				return err
			}
		}
		c.down.skip(n)
	}
	if c.x.downBody.done {
		return nil
	}
	err := c.readUpstream(c.bodyWait())
	if err != nil && c.resp.Framing.Kind == httpparse.FramingUntilClose && err.ended {
		c.x.downBody.done = true
		return nil
	}
	return err
}

// responseClean reports whether the upstream connection can carry another
// request, as far as this response goes.
func (c *Conn) responseClean() bool {
	return c.resp.Status != 101 && !c.resp.Close && c.down.len() == 0
}

// Lingering: how long and how much is read of what nobody wants any more, so that
// the client gets to read the response. A connection that is closed with octets
// unread is reset, and the response with it. RFC 9112, Section 9.6.
const (
	lingerTime   = time.Second
	lingerOctets = 1 << 20
)

// settle ends the connection if the request was not read to its end: what
// follows could not be told from the rest of its body.
func (c *Conn) settle() {
	if !c.x.up.done {
		c.closing = true
	}
	if c.closing && c.x.complete && c.unread() {
		c.linger()
	}
}

// unread reports whether the client has sent, or may have, what is not going to
// be looked at.
func (c *Conn) unread() bool {
	return !c.x.up.done || c.req.Upgrade != httpparse.ProtocolNone || c.in.len() > 0 || c.uplink.buf.len() > 0
}

func (c *Conn) linger() {
	if closeWrite(c.client) != nil {
		return // the client is gone, or can't be told that nothing more comes
	}
	c.uplink.reads.extend(lingerTime)
	c.uplink.buf.grab()
	for read := 0; read < lingerOctets; {
		n, err := c.client.Read(c.uplink.buf.b)
		if err != nil {
			return
		}
		read += n
	}
}
