package forms

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// minRSA is the least length of an RSA key, in bits.
const minRSA = 3071

// ParseKey takes a line of OpenSSH and returns it without its comment, and its
// fingerprint.
func ParseKey(line string) (key, fingerprint string, err error) {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return "", "", errors.New("extractTypeFromBase64Key: invalid key format: %!w(<nil>)")
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	parts := sshStrings(blob)
	if err != nil || len(parts) < 2 || string(parts[0]) != fields[0] {
		return "", "", errors.New("extractTypeFromBase64Key: invalid key format: %!w(<nil>)")
	}
	if bits := new(big.Int).SetBytes(parts[len(parts)-1]).BitLen(); fields[0] == "ssh-rsa" && bits < minRSA {
		return "", "", fmt.Errorf("key length is not enough: got %d, needs %d", bits, minRSA)
	}
	digest := sha256.Sum256(blob)
	return fields[0] + " " + fields[1], "SHA256:" + base64.RawStdEncoding.EncodeToString(digest[:]), nil
}

// sshStrings cuts a blob into the strings that it is made of; nil when it is
// not.
func sshStrings(blob []byte) [][]byte {
	var out [][]byte
	for len(blob) > 0 {
		if len(blob) < 4 {
			return nil
		}
		n := uint64(binary.BigEndian.Uint32(blob))
		blob = blob[4:]
		if n > uint64(len(blob)) {
			return nil
		}
		out, blob = append(out, blob[:n]), blob[n:]
	}
	return out
}
