package coolifytest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
)

// pkcs8 makes a key, and its public half as SSH writes it.
func pkcs8(t *testing.T) (text, line string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return encodePKCS8(t, private), sshLine(public)
}

func encodePKCS8(t *testing.T, private any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func sshBlob(public ed25519.PublicKey) []byte {
	blob := append(binary.BigEndian.AppendUint32(nil, 11), "ssh-ed25519"...)
	return append(binary.BigEndian.AppendUint32(blob, 32), public...)
}

func sshLine(public ed25519.PublicKey) string {
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(sshBlob(public)) + " "
}

// openSSH makes the form of ssh-keygen, as far as anybody reads it.
func openSSH(cipher string, blob []byte) string {
	b := []byte(magic)
	for _, s := range []string{cipher, "none", ""} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	b = binary.BigEndian.AppendUint32(b, 1)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(blob))), blob...)
	return string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: append(b, "the private half"...)}))
}

func keyBody(t *testing.T, text string, more object) string {
	t.Helper()
	o := object{"private_key": text}
	maps.Copy(o, more)
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// newKey stores a key and returns its uuid.
func (s *sim) newKey() string {
	s.t.Helper()
	text, _ := pkcs8(s.t)
	return s.do("POST", "/security/keys", keyBody(s.t, text, object{"name": "deploy"})).ok(201).object()["uuid"].(string)
}

func TestKeys(t *testing.T) {
	s := newSim(t, Config{})
	text, line := pkcs8(t)
	made := s.do("POST", "/security/keys", keyBody(t, text, object{"name": "alpha", "description": "d", "uuid": "ignored"})).ok(201).object()
	got := s.do("GET", "/security/keys/"+made["uuid"].(string), "").ok(200).object()
	if got["name"] != "alpha" || got["description"] != "d" || got["public_key"] != line || len(got["fingerprint"].(string)) != 43 {
		t.Errorf("key = %v, want alpha with %q", got, line)
	}
	if _, there := got["private_key"]; there {
		t.Error("an ordinary token sees the private half")
	}
	all := s.as(revealer...).do("GET", "/security/keys", "").list()
	if len(all) != 2 || all[1]["private_key"] != strings.TrimSpace(text) || !strings.Contains(all[0]["private_key"].(string), "PRIVATE KEY") {
		t.Errorf("a token that sees secrets sees %v, want the key of the servers too", all)
	}
	s.do("POST", "/security/keys", keyBody(t, text, nil)).is(422, `{"message":"Private key already exists."}`)
	foreign := s.Mint(TokenSpec{User: 9, Team: 3, Abilities: ordinary})
	s.do("POST", "/security/keys", keyBody(t, text, nil), "Authorization", "Bearer "+foreign).is(422, `{"message":"Private key already exists."}`)
	s.do("GET", "/security/keys/"+made["uuid"].(string), "", "Authorization", "Bearer "+foreign).is(404, `{"message":"Private Key not found."}`)
	s.do("DELETE", "/security/keys/"+made["uuid"].(string), "").is(200, `{"message":"Private Key deleted."}`)
	s.do("DELETE", "/security/keys/"+made["uuid"].(string), "").is(404, `{"message":"Private Key not found."}`)
	s.do("DELETE", "/security/keys/"+s.PrivateKeys()[0].UUID, "").is(422, `{"message":"Private Key is in use and cannot be deleted.",
		"details":"This private key is currently being used by servers, applications, or Git integrations."}`)
	again := s.do("POST", "/security/keys", keyBody(t, base64.StdEncoding.EncodeToString([]byte(text)), nil)).ok(201).object()
	if k := s.PrivateKeys()[1]; k.UUID != again["uuid"] || k.Name == "" || k.Description != "Created by Coolify via API" || k.PublicKey != line {
		t.Errorf("key in base64 without a name = %+v", k)
	}
}

func TestForms(t *testing.T) {
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if line, print, ok := publicHalf(openSSH("none", sshBlob(public))); !ok || line != sshLine(public) || len(print) != 43 {
		t.Errorf("a key of ssh-keygen = %q %q %v, want %q", line, print, ok, sshLine(public))
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long := binary.BigEndian.AppendUint32([]byte(magic), 1<<31)
	for name, text := range map[string]string{
		"no PEM":             "secret",
		"an empty block":     "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n",
		"a pass phrase":      openSSH("aes256-ctr", sshBlob(public)),
		"no public half":     openSSH("none", nil),
		"a length of nobody": string(pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: long})),
		"another kind":       encodePKCS8(t, curve),
	} {
		if _, _, ok := publicHalf(text); ok {
			t.Errorf("%s passes for a key", name)
		}
	}
	s := newSim(t, Config{})
	s.do("POST", "/security/keys", `{"private_key":"bm8ga2V5"}`).is(422, `{"message":"Invalid private key."}`)
	s.do("POST", "/security/keys", `{"name":"x"}`).is(422, `{"message":"Validation failed.","errors":{"private_key":["The private key field is required."]}}`)
}

// A uuid in the input wins here too.
func TestUUIDOverrideOfKeys(t *testing.T) {
	s := newSim(t, Config{})
	a, b := s.newKey(), s.newKey()
	s.do("DELETE", "/security/keys/"+a+"?uuid="+b, "").ok(200)
	if keys := s.PrivateKeys(); len(keys) != 2 || keys[1].UUID != a {
		t.Errorf("keys = %+v, want the one in the path left", keys)
	}
	if len(s.Violations()) != 1 {
		t.Errorf("violations = %q, want one", s.Violations())
	}
}
