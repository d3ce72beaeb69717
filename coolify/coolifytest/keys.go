package coolifytest

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A PrivateKey is an SSH key that Coolify holds, without its private half.
type PrivateKey struct {
	UUID        string
	Name        string
	Description string
	PublicKey   string // as in authorized_keys, with a space at its end
	Fingerprint string // SHA-256 in base64
	Team        int
	ServerKey   bool // it opens the servers
}

type privateKey struct {
	PrivateKey
	id      int
	pem     string
	created time.Time
}

// PrivateKeys returns the keys of every team; the first opens the servers.
func (s *Server) PrivateKeys() []PrivateKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]PrivateKey, len(s.keys))
	for i, k := range s.keys {
		out[i] = k.PrivateKey
	}
	return out
}

func (s *Server) addKey(k PrivateKey, text string) *privateKey {
	k.UUID = random(24)
	added := &privateKey{PrivateKey: k, id: s.next("private key"), pem: text, created: s.cfg.Now()}
	s.keys = append(s.keys, added)
	return added
}

// addServerKey adds the key of the servers.
func (s *Server) addServerKey() {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // never; see crypto/rand
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	k := PrivateKey{Name: "server-key", Description: "of the servers", ServerKey: true}
	k.PublicKey, k.Fingerprint, _ = publicHalf(text)
	s.addKey(k, text)
}

// magic begins a key of OpenSSH.
const magic = "openssh-key-v1\x00"

// publicHalf reads a private key, in OpenSSH's form or an Ed25519 one in PKCS #8,
// that no pass phrase protects.
func publicHalf(text string) (line, fingerprint string, ok bool) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "", "", false
	}
	blob := publicBlob(block)
	kind, _, ok := sshString(blob)
	if !ok {
		return "", "", false
	}
	digest := sha256.Sum256(blob)
	return string(kind) + " " + base64.StdEncoding.EncodeToString(blob) + " ", base64.RawStdEncoding.EncodeToString(digest[:]), true
}

// publicBlob is the public key as SSH writes it; nil when there is none.
func publicBlob(block *pem.Block) []byte {
	rest, isOpenSSH := bytes.CutPrefix(block.Bytes, []byte(magic))
	if !isOpenSSH {
		parsed, _ := x509.ParsePKCS8PrivateKey(block.Bytes)
		private, ok := parsed.(ed25519.PrivateKey)
		if !ok {
			return nil
		}
		public, _ := private.Public().(ed25519.PublicKey)
		return appendSSH(appendSSH(nil, "ssh-ed25519"), string(public))
	}
	cipher, rest, ok := sshString(rest)
	if !ok || string(cipher) != "none" {
		return nil
	}
	_, rest, _ = sshString(rest) // how the pass phrase is stretched
	_, rest, _ = sshString(rest) // and with what
	if len(rest) < 4 || binary.BigEndian.Uint32(rest) != 1 {
		return nil
	}
	public, _, _ := sshString(rest[4:])
	return public
}

func appendSSH(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) //nolint:gosec // a few bytes
}

// sshString cuts the first string off.
func sshString(b []byte) (s, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int64(binary.BigEndian.Uint32(b))
	if b = b[4:]; n > int64(len(b)) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

func (k *privateKey) json(secrets bool) object {
	o := object{
		"id": k.id, "uuid": k.UUID, "name": k.Name, "description": orNull(k.Description), "fingerprint": k.Fingerprint,
		"is_git_related": false, "public_key": k.PublicKey, "team_id": k.Team, "created_at": stamp(k.created),
		"updated_at": stamp(k.created),
	}
	if secrets {
		o["private_key"] = k.pem
	}
	return o
}

// teamKey is a key as far as the caller's team goes.
func (s *Server) teamKey(c *call, uuid string) *privateKey {
	return find(s.keys, func(k *privateKey) bool { return k.UUID == uuid && k.Team == c.token.Team })
}

func (s *Server) listKeys(c *call) answer {
	out := []object{}
	for _, k := range s.keys {
		if k.Team == c.token.Team {
			out = append(out, k.json(c.sensitive()))
		}
	}
	return reply(http.StatusOK, out)
}

func (s *Server) getKey(c *call) answer {
	k := s.teamKey(c, c.param("uuid"))
	if k == nil {
		return message(http.StatusNotFound, "Private Key not found.")
	}
	return reply(http.StatusOK, k.json(c.sensitive()))
}

// createKey takes no notice of fields that it does not know.
func (s *Server) createKey(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	bad := c.check(
		limited("name", columnWidth, false), limited("description", columnWidth, false),
		rule{field: "private_key", required: true, kind: "string"},
	)
	if len(bad) > 0 {
		return invalid(bad)
	}
	text := c.text("private_key")
	if !strings.HasPrefix(text, "-----BEGIN") {
		decoded, _ := base64.StdEncoding.DecodeString(text)
		text = string(decoded)
	}
	k := PrivateKey{
		Name:        cmp.Or(c.text("name"), "random-name-"+random(8)),
		Description: cmp.Or(c.text("description"), "Created by Coolify via API"), Team: c.token.Team,
	}
	var ok bool
	if k.PublicKey, k.Fingerprint, ok = publicHalf(text); !ok {
		return message(http.StatusUnprocessableEntity, "Invalid private key.")
	}
	if find(s.keys, func(other *privateKey) bool { return other.Fingerprint == k.Fingerprint }) != nil { // of any team
		return message(http.StatusUnprocessableEntity, "Private key already exists.")
	}
	return reply(http.StatusCreated, object{"uuid": s.addKey(k, text).UUID})
}

func (s *Server) deleteKey(c *call) answer {
	k := s.teamKey(c, c.param("uuid"))
	if k == nil {
		return message(http.StatusNotFound, "Private Key not found.")
	}
	if k.ServerKey || slices.ContainsFunc(s.apps, func(a *app) bool { return a.key == k }) {
		return reply(http.StatusUnprocessableEntity, object{
			"message": "Private Key is in use and cannot be deleted.",
			"details": "This private key is currently being used by servers, applications, or Git integrations.",
		})
	}
	s.keys = slices.DeleteFunc(s.keys, func(other *privateKey) bool { return other == k })
	return message(http.StatusOK, "Private Key deleted.")
}
