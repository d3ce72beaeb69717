package gitea_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// The canaries must never come out of an error.
const (
	basePath       = "/code"
	canaryAdmin    = "canaryadmintokencanaryadmintoken"
	canaryBot      = "canarybottokencanarybottokencana"
	canaryPassword = "Canary-password-1"
)

// clients are the clients of one Gitea, on one counting meter.
type clients struct {
	*gitea.Admin
	bot   *gitea.Bot
	meter *meter
}

// A meter admits everything and counts.
type meter struct {
	admitted, done atomic.Int64
	ops            chan gitea.Operation // what was admitted, as far as there is room
}

func (m *meter) admit(_ context.Context, op gitea.Operation) (func(), error) {
	m.admitted.Add(1)
	select {
	case m.ops <- op:
	default:
	}
	return func() { m.done.Add(1) }, nil
}

func connect(tb testing.TB, cfg gitea.Config) clients {
	tb.Helper()
	a, err := gitea.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	m := &meter{ops: make(chan gitea.Operation, 64)}
	return clients{a.Metered(m.admit), a.Bot(secret.NewText(canaryBot)).Metered(m.admit), m}
}

// serve answers requests below /code with h, after it has judged them: by the
// rules that hold for all, and by the published document if it is there.
func serve(tb testing.TB, h http.HandlerFunc) gitea.Config {
	tb.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			tb.Errorf("%s %s: body: %v", r.Method, r.URL, err)
		}
		judge(tb, r, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		h(w, r)
	}))
	tb.Cleanup(s.Close)
	u, err := url.Parse(s.URL + basePath)
	if err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{}
	tb.Cleanup(transport.CloseIdleConnections)
	return gitea.Config{URL: u, Token: secret.NewText(canaryAdmin), Transport: transport, RetryWait: time.Millisecond}
}

func judge(tb testing.TB, r *http.Request, body []byte) {
	tb.Helper()
	if got := r.Header.Get("User-Agent"); got != "vibn-mcp" {
		tb.Errorf("%s %s: User-Agent = %q", r.Method, r.URL, got)
	}
	if (len(body) > 0) != (r.Header.Get("Content-Type") == "application/json") {
		tb.Errorf("%s %s: %d bytes of body with Content-Type %q", r.Method, r.URL, len(body), r.Header.Get("Content-Type"))
	}
	if strings.Contains(r.URL.Path, "//") || strings.HasSuffix(r.URL.Path, "/") {
		tb.Errorf("%s %s: a path that Gitea does not have", r.Method, r.URL)
	}
	if sudo := r.Header.Get("Sudo"); sudo != "" && sudo != "bob" {
		tb.Errorf("%s %s: Sudo = %q", r.Method, r.URL, sudo)
	}
	if !strings.HasPrefix(r.URL.Path, basePath+"/api/v1/") {
		if as := credential(r); as != nobody || r.Method != http.MethodGet {
			tb.Errorf("%s %s is not below /api/v1, as %s", r.Method, r.URL, as)
		}
		return
	}
	if d := publishedDocument(tb); d != nil {
		if err := d.CheckRequest(r, body); err != nil {
			tb.Errorf("%s %s is not in the published document: %v", r.Method, r.URL, err)
		}
	}
}

// Who asks, by the header Authorization.
const (
	admin      = "the admin"
	bot        = "the bot"
	nobody     = "nobody"
	user       = "bob, with a password"
	adminBasic = "the admin, with the token for a password"
	stranger   = "a stranger, with a password"
)

func credential(r *http.Request) string {
	h := r.Header.Get("Authorization")
	switch h {
	case "token " + canaryAdmin:
		return admin
	case "token " + canaryBot:
		return bot
	case "":
		return nobody
	case "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+canaryAdmin)):
		return adminBasic
	}
	name, password, ok := r.BasicAuth()
	switch {
	case !ok:
		return "an unknown credential"
	case name == "bob" && len(password) >= 40:
		return user
	}
	return stranger
}

// answer is a handler that gives one answer.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// refuseSecrets fails the test if an error shows a canary, however it is printed.
func refuseSecrets(tb testing.TB, err error) {
	tb.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		text := strings.ToLower(fmt.Sprintf(verb, err))
		if strings.Contains(text, "canary") || strings.Contains(text, "va7-") {
			tb.Errorf("%s of the error holds a secret: %s", verb, text)
		}
	}
}

// same compares without looking at how secrets are made.
var same = cmp.Comparer(func(a, b secret.Text) bool { return a.Equal(b.Reveal()) })
