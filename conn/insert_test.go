package conn

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/audit"
)

// speaker is a Tap that takes a few octets at a time and has things to say.
type speaker struct {
	recorder
	most int // octets that Down takes at once; 0: all

	talk  sync.Mutex
	words []string // guarded by talk; Insert returns one at a time
	last  error    // guarded by talk; of the Insert that returns the last of them
}

func (s *speaker) Down(p []byte) (int, error) {
	if s.most > 0 && len(p) > s.most {
		p = p[:s.most]
	}
	return s.recorder.Down(p)
}

func (s *speaker) Insert() ([]byte, error) {
	s.talk.Lock()
	defer s.talk.Unlock()
	if len(s.words) == 0 {
		return nil, nil
	}
	word := s.words[0]
	s.words = s.words[1:]
	if len(s.words) == 0 {
		return []byte(word), s.last
	}
	return []byte(word), nil
}

// say has s insert words soon.
func (s *speaker) say(last error, words ...string) {
	s.talk.Lock()
	s.words, s.last = words, last
	s.talk.Unlock()
	s.upgrade.Wake()
}

// speaks makes the site's streams have s as their Tap.
func (s *site) speaks(tap *speaker) {
	s.config.Tap = func(u *Upgrade) (Tap, error) {
		tap.upgrade = u
		return tap, nil
	}
}

func TestStreamInsertAmongOctets(t *testing.T) {
	conversation(t, func(s *site) {
		tap := &speaker{most: 2, words: []string{"<a>", "<b>", "<c>"}}
		s.speaks(tap)
		c := s.connect()
		c.says(spdyRequest)
		up := s.accepts()
		up.says(spdyAgreed + "12345")
		c.hears(spdySwitched, "<a>12<b>34<c>5")
		tap.want(t, "", "12345", "[]")
	})
}

func TestStreamInsertIntoSilence(t *testing.T) {
	conversation(t, func(s *site) {
		tap := &speaker{}
		s.speaks(tap)
		c := s.connect()
		up := upgraded(s, c)
		after(time.Hour)
		tap.say(nil, "<warning>")
		c.hears("<warning>")
		after(time.Hour)
		up.says("goes on")
		c.hears("goes on")
		c.says("and so does the client")
		up.hears("and so does the client")
	})
}

func TestStreamLastWordsArrive(t *testing.T) {
	conversation(t, func(s *site) {
		tap := &speaker{}
		s.speaks(tap)
		c := s.connect()
		up := upgraded(s, c)
		tap.say(&Error{Blame: audit.BlameGateway, Reason: "over"}, "<the token has expired>")
		c.hears("<the token has expired>")
		up.hearsEnd()
		after(lingerTime) // for a client that does not close by itself
		c.wantEnd("over", audit.BlameGateway)
		s.wantReasons("gateway over")
	})
}

// deaf is a Tap that takes nothing of the client's and says so.
type deaf struct{ *speaker }

func (d deaf) Up([]byte) error {
	d.say(errors.New("full"), "<not recorded>")
	return errors.New("full")
}

func TestStreamLastWordsWhenUpFails(t *testing.T) {
	conversation(t, func(s *site) {
		tap := &speaker{}
		s.config.Tap = func(u *Upgrade) (Tap, error) {
			tap.upgrade = u
			return deaf{tap}, nil
		}
		c := s.connect()
		up := upgraded(s, c)
		c.says("typed")
		c.hears("<not recorded>")
		up.hearsEnd()
		after(lingerTime)
		c.wantEnd("recorder", audit.BlameRecorder)
	})
}

// choked is a Tap that takes nothing of the API server's, and says so at once.
type choked struct{ *speaker }

func (d choked) Down([]byte) (int, error) {
	d.say(errors.New("no frame"), "<not readable>")
	return 0, nil
}

// The words that were asked for have been said, so nobody waits for them any more.
func TestStreamLastWordsWhenDownFails(t *testing.T) {
	for _, closes := range []bool{false, true} {
		conversation(t, func(s *site) {
			tap := &speaker{}
			s.config.Tap = func(u *Upgrade) (Tap, error) {
				tap.upgrade = u
				return choked{tap}, nil
			}
			c := s.connect()
			up := upgraded(s, c)
			up.says("output")
			c.hears("<not readable>")
			up.hearsEnd()
			if closes {
				c.Close()
			} else {
				after(lingerTime)
			}
			c.wantEnd("recorder", audit.BlameRecorder)
		})
	}
}

func TestStreamEndedFromOutside(t *testing.T) {
	conversation(t, func(s *site) {
		tap := &speaker{}
		s.speaks(tap)
		c := s.connect()
		up := upgraded(s, c)
		tap.upgrade.End(&Error{Blame: audit.BlameGateway, Reason: "revoked"})
		up.hearsEnd()
		c.wantEnd("revoked", audit.BlameGateway)
		tap.upgrade.End(&Error{Reason: "again"}) // both are harmless now
		tap.upgrade.Wake()
		tap.upgrade.Finish()
		s.wantReasons("gateway revoked")
	})
}

// kubectl goes on to say that it closes its streams when the command is over and
// the API server gone. That is no failure, and what came before is delivered.
func TestStreamLateWordsOfTheClient(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := upgraded(s, c)
		output := strings.Repeat("output", 20<<10) // more than the client has room for
		up.says(output)
		up.Close()
		c.says("late ", "words")
		c.hears(output)
		c.hearsEnd()
		c.Close()
		c.wantEnd("closed", "")
		s.wantReasons("")
	})
}
