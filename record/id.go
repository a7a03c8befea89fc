package record

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// idLength is that of 16 octets in base 32.
const idLength = 26

// idEncoding has digits that sort like the values they stand for.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns a name for a session that started at t. Names sort by time, to
// the millisecond; the rest, 80 bits, is random.
func NewID(t time.Time) string {
	var id [16]byte
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(t.UnixMilli()))
	copy(id[:6], millis[2:])
	rand.Read(id[6:])
	return idEncoding.EncodeToString(id[:])
}

var errID = errors.New("record: no id of a recording")

// idTime returns the time in an id, and an error if it is not one.
func idTime(id string) (time.Time, error) {
	if len(id) != idLength {
		return time.Time{}, fmt.Errorf("%w: %.40q", errID, id)
	}
	octets, err := idEncoding.DecodeString(id)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %.40q", errID, id)
	}
	var millis [8]byte
	copy(millis[2:], octets[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(millis[:]))).UTC(), nil
}

// The ends of the names of a recording's files.
const (
	castSuffix = ".cast"
	sealSuffix = ".seal"
	metaSuffix = ".json"
	holdSuffix = ".hold"
	tempSuffix = ".tmp"
)

// basePath returns the path of a recording without the end of the name.
func basePath(dir, id string) (string, error) {
	t, err := idTime(id)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, t.Format("2006"), t.Format("01"), t.Format("02"), id), nil
}
