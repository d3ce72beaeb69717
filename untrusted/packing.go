package untrusted

// A packing writes bytes in digits of a few bits each.
type packing struct {
	bits  int        // in a digit
	least int        // digits in a run that is worth a look
	value [256]uint8 // of each digit; noDigit for all else
}

const noDigit = 0xFF

// The packings. Base64 is read in both its alphabets at once. A run is worth a
// look if it can hold eight bytes.
var (
	base64Digits = newPacking(6, 11, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
	hexDigits = newPacking(4, 16, "0123456789abcdef", "0123456789ABCDEF")
)

func newPacking(bits, least int, alphabets ...string) *packing {
	p := &packing{bits: bits, least: least}
	for i := range p.value {
		p.value[i] = noDigit
	}
	for _, digits := range alphabets {
		for i := range len(digits) {
			p.value[digits[i]] = uint8(i)
		}
	}
	return p
}

// unpack decodes every run of digits in v but for its first skip digits: where
// what was packed begins cannot be known, because digits of other words may
// stand in front of it. The caller tries every skip that makes a difference.
func (p *packing) unpack(v view, skip int) (view, bool) {
	var out view
	for i := 0; i < len(v.b); {
		end, digits := p.run(v.b, i)
		if digits >= p.least {
			if out.b == nil {
				size := len(v.b)*p.bits/8 + 1
				out = view{make([]byte, 0, size), make([]span, 0, size)}
			}
			p.decode(&out, view{v.b[i:end], v.at[i:end]}, skip)
			out.add(barrier, v.at[end-1])
		}
		i = max(end, i+1)
	}
	return out, out.b != nil
}

// run returns the end of the run of digits that begins at i, and how many they
// are. Line breaks do not end it; padding does, and belongs to it.
func (p *packing) run(b []byte, i int) (end, digits int) {
	for i < len(b) && (p.value[b[i]] != noDigit || digits > 0 && (b[i] == '\n' || b[i] == '\r')) {
		if p.value[b[i]] != noDigit {
			digits++
		}
		i++
	}
	for digits > 0 && i < len(b) && b[i] == '=' {
		i++
	}
	return i, digits
}

// decode appends to out what the run holds. A byte comes from the whole of the
// pieces that its digits stand in, so that a secret takes the rest with it.
func (p *packing) decode(out *view, run view, skip int) {
	var piece, at span
	var acc uint32
	end, bits := 0, 0
	for i, c := range run.b {
		if i == end {
			end = pieceEnd(run, i)
			piece = span{run.at[i].from, run.at[end-1].to}
		}
		if p.value[c] == noDigit {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if bits == 0 {
			at = piece
		}
		acc, bits = acc<<p.bits|uint32(p.value[c]), bits+p.bits
		if bits >= 8 {
			bits -= 8
			out.add(byte(acc>>bits&0xFF), span{at.from, piece.to})
			at = piece
		}
	}
}

// wrapped is a length that full lines of wrapped base64 surpass; they are 60, 64
// or 76 long. What comes after a shorter line may be any word.
const wrapped = 40

// pieceEnd returns the end of the piece of a run that begins at i: a line, or
// full lines and the one after them.
func pieceEnd(run view, i int) int {
	line := i
	for i++; i < len(run.b); i++ {
		if !run.gap(i) {
			continue
		}
		if i-line < wrapped {
			break
		}
		line = i
	}
	return i
}
