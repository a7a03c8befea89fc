package ws

// base64Reader decodes one base64 text that comes in pieces (RFC 4648, Section 4). Only what an encoder writes is
// accepted: padding, no line ends, no bits behind the last octet. The servers' decoder skips line ends, others don't.
type base64Reader struct {
	bits  uint32 // of the group at hand
	count int    // of its digits
	pads  int    // of its "="
	done  bool   // padding ended the text
}

// decode decodes src to dst and returns how many octets the groups have that are complete by now. dst has room for
// len(src)+3 octets; it may begin pieceRoom in front of src, which is read ahead of what is written.
func (r *base64Reader) decode(dst, src []byte) (n int, bad refusal) {
	for _, c := range src {
		digit := base64Digits[c]
		switch {
		case r.done:
			return 0, refuse(codeInvalid, "octets behind the padding of base64")
		case c == '=' && r.count >= 2:
			digit = 0
			r.pads++
		case digit == notDigit || r.pads > 0:
			return 0, refuse(codeInvalid, "octet not allowed in base64")
		}
		r.bits = r.bits<<6 | uint32(digit)
		if r.count++; r.count < 4 {
			continue
		}
		if unused := uint32(1)<<(8*r.pads) - 1; r.bits&unused != 0 {
			return 0, refuse(codeInvalid, "bits behind the last octet of base64")
		}
		dst[n], dst[n+1], dst[n+2] = byte(r.bits>>16), byte(r.bits>>8), byte(r.bits)
		n += 3 - r.pads
		*r = base64Reader{done: r.pads > 0}
	}
	return n, refusal{}
}

// end says that the text is complete, and prepares for another one.
func (r *base64Reader) end() (bad refusal) {
	if r.count != 0 {
		return refuse(codeInvalid, "incomplete group of base64")
	}
	*r = base64Reader{}
	return refusal{}
}

const notDigit = 0xff

var base64Digits = makeBase64Digits("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

func makeBase64Digits(digits string) (table [256]uint8) {
	for i := range table {
		table[i] = notDigit
	}
	for i := range len(digits) {
		table[digits[i]] = uint8(i)
	}
	return table
}
