package sidecar_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// sendHalf begins requests whose bodies do not come, and returns when the server waits for
// them.
func (s *server) sendHalf(t *testing.T, n int, method, path, key string) {
	t.Helper()
	for range n {
		var d net.Dialer
		conn, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		// The server says 100 Continue when a handler reads the body.
		_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
			"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n", method, path, key)
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, "100 Continue") {
			t.Fatalf("%q %v", line, err)
		}
		if _, err := conn.Write([]byte("{")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHalfSentBodies: whoever has a leaked key and sends half of many bodies keeps
// neither its owner from revoking it, nor other keys from working.
func TestHalfSentBodies(t *testing.T) {
	for _, route := range []string{"POST /mcp", "POST /api/workspaces/alpha/apps/x/deploy", "DELETE /api/workspaces/alpha/keys/x"} {
		t.Run(route, func(t *testing.T) {
			s := newServer(t, tenancytest.Config{Budget: tenancy.DefaultBudget()})
			leaked, record := s.AddKey(t, s.A, "viewer", 0)
			owner, _ := s.AddKey(t, s.A, "owner", 0)
			method, path, _ := strings.Cut(route, " ")
			s.sendHalf(t, 24, method, path, leaked)
			if r := s.ask(t, question{path: "/api/workspaces/" + s.A.Slug + "/apps", key: s.A.Key}); r.status != http.StatusOK {
				t.Errorf("another key's call: %d %s", r.status, r.body)
			}
			if r := s.ask(t, question{method: "DELETE", path: "/api/workspaces/" + s.A.Slug + "/keys/" + record, key: owner}); r.status != http.StatusOK {
				t.Errorf("the revocation: %d %s", r.status, r.body)
			}
			if r := s.ask(t, question{path: "/api/workspaces/" + s.A.Slug + "/apps", key: leaked}); r.status != http.StatusUnauthorized {
				t.Errorf("the revoked key: %d %s", r.status, r.body)
			}
		})
	}
}

// TestRevocationHasARate: a leaked key that calls as often as it can keeps neither people
// nor the owner's key from revoking it.
func TestRevocationHasARate(t *testing.T) {
	budget := tenancy.DefaultBudget()
	budget.CallsPerMinute, budget.CallsBurst = 1, 8
	s := newServer(t, tenancytest.Config{Budget: budget})
	owner, _ := s.AddKey(t, s.A, "owner", 0)
	one := "/api/workspaces/" + s.A.Slug
	var keys []string
	for range 2 {
		leaked, record := s.AddKey(t, s.A, "viewer", 0)
		keys = append(keys, record)
		for range 10 {
			s.ask(t, question{path: one, key: leaked})
			s.ask(t, question{method: "DELETE", path: one + "/keys/x", key: leaked})
		}
	}
	if r := s.ask(t, question{path: one + "/keys", key: owner}); r.status != http.StatusTooManyRequests {
		t.Fatalf("the calls of keys are not used up: %d", r.status)
	}
	if r := s.ask(t, question{method: "DELETE", path: one + "/keys/" + keys[0], key: owner}); r.status != http.StatusOK {
		t.Errorf("a revocation by a key: %d %s", r.status, r.body)
	}
	member := s.signedIn(t, s.A, s.A.OwnerUserID)
	if r := member.do(t, "DELETE", one+"/keys/"+keys[1], "", "", map[string]string{"Sec-Fetch-Site": "same-origin"}); r.status != http.StatusOK {
		t.Errorf("a revocation by a person: %d %s", r.status, r.body)
	}
}
