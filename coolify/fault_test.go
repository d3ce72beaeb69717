package coolify_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

// kinds are all that an error can be.
var kinds = []error{
	coolify.ErrNotFound, coolify.ErrRouteMissing, coolify.ErrUnauthorized, coolify.ErrForbidden, coolify.ErrConflict, coolify.ErrInvalid,
	coolify.ErrRateLimited, coolify.ErrUnavailable, coolify.ErrTimeout, coolify.ErrNotRunning, coolify.ErrNotCancellable, coolify.ErrUnmetered,
	coolify.ErrInUse, coolify.ErrQueueFull,
}

// When a call is tried again.
const (
	never   = iota
	reads   // what may be done twice
	anybody // writes too: it was surely not carried out
)

// A fault is one way in which an answer can be wrong.
type fault struct {
	name    string
	answer  http.HandlerFunc
	status  int
	kind    error
	unknown bool // a write may have been carried out
	again   int
	after   time.Duration
	detail  string // in the error's Detail, for what sends no secret
}

func withRetryAfter(value string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", value)
		answer(http.StatusTooManyRequests, `{"message":"Too Many Attempts."}`)(w, r)
	}
}

// echo refuses with all that it was told.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		said := fmt.Sprintf("%s %s %s", r.Header.Get("Authorization"), canaryToken[2:], body)
		answer(status, fmt.Sprintf(`{"message":%q,"error":%q,"errors":{"value":[%q]}}`, said, said, said))(w, r)
	}
}

// cut promises more than it sends.
func cut(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"message":"half`)
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// endless promises more than any answer may have.
func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(16<<20+1))
	_, _ = io.WriteString(w, `{`)
}

func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, basePath+"/api/v1/login", http.StatusFound)
}

func garbage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "://x")
	w.WriteHeader(http.StatusFound)
}

var faults = []fault{
	{"401", answer(401, `{"message":"Unauthenticated."}`), 401, coolify.ErrUnauthorized, false, never, 0, "Unauthenticated."},
	{"401 page", answer(401, `<html>`), 401, coolify.ErrUnauthorized, false, never, 0, ""},
	{"403", answer(403, `{"message":"Missing required permissions: write"}`), 403, coolify.ErrForbidden, false, never, 0, "permissions: write"},
	{"403 off", answer(403, `{"success":true,"message":"API is disabled."}`), 403, coolify.ErrForbidden, false, never, 0, "API is disabled."},
	{"404", answer(404, `{"message":"Application not found."}`), 404, coolify.ErrNotFound, false, never, 0, "Application not found."},
	{"404 route", answer(404, `{"message":"Not found.","docs":"https:\/\/coolify.io\/docs"}`), 404, coolify.ErrRouteMissing, false, never, 0, "Not found."},
	{"404 of a proxy", answer(404, "404 page not found\n"), 404, coolify.ErrUnavailable, false, never, 0, ""},
	{"404 of something else", answer(404, `{"error":"no backend"}`), 404, coolify.ErrUnavailable, false, never, 0, ""},
	{"404 cut", cut(404), 404, coolify.ErrUnavailable, false, never, 0, ""},
	{"405", answer(405, `{"message":"This endpoint has changed to a POST request."}`), 405, coolify.ErrRouteMissing, false, never, 0, "has changed"},
	{"409", answer(409, `{"message":"Exists.","conflicts":[{"resource_name":"beta-site"}]}`), 409, coolify.ErrConflict, false, never, 0, "Exists."},
	{"413 of a proxy", answer(413, `<html>`), 413, coolify.ErrInvalid, false, never, 0, ""},
	{"422 lists", answer(422, `{"message":"Validation failed.","errors":{"name":["too short","odd"]}}`), 422, coolify.ErrInvalid, false, never, 0, "Validation failed.; name: too short; name: odd"},
	{"422 strings", answer(422, `{"message":"Validation failed.","errors":{"b":"y","a":"x"}}`), 422, coolify.ErrInvalid, false, never, 0, "Validation failed.; a: x; b: y"},
	{"422 sentences", answer(422, `{"message":"Validation failed.","errors":["Invalid URL: x"]}`), 422, coolify.ErrInvalid, false, never, 0, "Validation failed.; Invalid URL: x"},
	{"422 fields", answer(422, `{"message":"Validation failed.","errors":["foo"]}`), 422, coolify.ErrInvalid, false, never, 0, "Validation failed.; foo"},
	{"422 echo", echo(422), 422, coolify.ErrInvalid, false, never, 0, "[redacted]"},
	{"429", answer(429, `{"message":"Too Many Attempts."}`), 429, coolify.ErrRateLimited, false, never, 0, "Too Many Attempts."},
	{"429 page", answer(429, `<html>`), 429, coolify.ErrRateLimited, false, never, 0, ""},
	{"429 now", withRetryAfter("0"), 429, coolify.ErrRateLimited, false, anybody, 0, "Too Many Attempts."},
	{"429 later", withRetryAfter("3600"), 429, coolify.ErrRateLimited, false, never, time.Hour, "Too Many Attempts."},
	{"429 in a year", withRetryAfter("31536000"), 429, coolify.ErrRateLimited, false, never, 24 * time.Hour, "Too Many Attempts."},
	{"429 nonsense", withRetryAfter("-5"), 429, coolify.ErrRateLimited, false, never, 0, "Too Many Attempts."},
	{"500", answer(500, "{\n    \"message\": \"Server Error\"\n}"), 500, coolify.ErrUnavailable, true, reads, 0, "Server Error"},
	{"500 echo", echo(500), 500, coolify.ErrUnavailable, true, reads, 0, "[redacted]"},
	{"502 cut", cut(502), 502, coolify.ErrUnavailable, true, reads, 0, ""},
	{"503 page", answer(503, `<!DOCTYPE html><html>maintenance</html>`), 503, coolify.ErrUnavailable, true, reads, 0, ""},
	{"302", redirect, 302, coolify.ErrUnavailable, false, never, 0, ""},
	{"302 garbage", garbage, 302, coolify.ErrUnavailable, false, reads, 0, ""},
	{"cut", cut(200), 200, coolify.ErrUnavailable, true, reads, 0, ""},
	{"hang up", hangUp, 0, coolify.ErrUnavailable, true, reads, 0, ""},
	{"page", answer(200, `<html>log in</html>`), 200, coolify.ErrUnavailable, true, never, 0, ""},
	{"nothing", answer(200, ``), 200, coolify.ErrUnavailable, true, never, 0, ""},
	{"null", answer(200, `null`), 200, coolify.ErrUnavailable, true, never, 0, ""},
	{"{}", answer(200, `{}`), 200, coolify.ErrUnavailable, true, never, 0, ""},
	{"other JSON", answer(200, `{"status":"ok"}`), 200, coolify.ErrUnavailable, true, never, 0, ""},
	{"endless", endless, 200, coolify.ErrUnavailable, true, never, 0, ""},
}

// want returns the kind of error that a call makes of the fault; nil for what
// Coolify only says after it has looked at the token's abilities.
func (f fault) want(c call) error {
	switch {
	case c.asks() && (errors.Is(f.kind, coolify.ErrNotFound) || errors.Is(f.kind, coolify.ErrInvalid) && f.status != http.StatusRequestEntityTooLarge):
		return nil
	case f.status == http.StatusBadRequest && c.method == "DeploymentClient.Cancel":
		return coolify.ErrNotCancellable
	case f.status == http.StatusUnprocessableEntity && c.method == "KeyClient.Delete",
		f.status == http.StatusConflict && c.method == "DestinationClient.Delete":
		return coolify.ErrInUse
	}
	return f.kind
}

// attempts returns how many requests the call sends.
func (f fault) attempts(c call) int64 {
	if f.again == anybody || (f.again == reads && !c.writes() && !c.slow()) {
		return 3
	}
	return 1
}

// TestFaults proves for every call and every fault what becomes of it.
func TestFaults(t *testing.T) {
	faults := append(faults, fault{"400", answer(400, `{"message":"Invalid request.","error":"Empty JSON."}`), 400, coolify.ErrInvalid, false, never, 0, "Invalid request.; Empty JSON."})
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			c := connect(t, serve(t, f.answer))
			for _, tc := range calls {
				c.meter.admitted.Store(0)
				got, err := tc.run(t.Context(), c)
				switch {
				case (err == nil) != (f.want(tc) == nil):
					t.Errorf("%s = %v, %v, want the error %v", tc.method, got, err, f.want(tc))
					continue
				case err != nil:
					judgeFault(t, f, tc, err)
				}
				if n := c.meter.admitted.Load(); n != f.attempts(tc) {
					t.Errorf("%s: %d attempts, want %d", tc.method, n, f.attempts(tc))
				}
			}
		})
	}
}

func judgeFault(t *testing.T, f fault, tc call, err error) {
	t.Helper()
	refuseSecrets(t, err)
	for _, kind := range kinds {
		if is := errors.Is(err, kind); is != errors.Is(f.want(tc), kind) {
			t.Errorf("%s: errors.Is(%v, %v) = %v", tc.method, err, kind, is)
		}
	}
	e, ok := errors.AsType[*coolify.Error](err)
	if !ok {
		t.Fatalf("%s: %T, want *coolify.Error", tc.method, err)
	}
	if e.Status != f.status || e.Unknown != (f.unknown && tc.writes()) || e.RetryAfter != f.after {
		t.Errorf("%s: status %d, unknown %v, retry after %s; want %d, %v, %s", tc.method, e.Status, e.Unknown, e.RetryAfter, f.status, f.unknown && tc.writes(), f.after)
	}
	if path, _, _ := strings.Cut(tc.sends, "?"); e.Op.Method+" "+e.Path != path {
		t.Errorf("%s: error of %s %s, want %s", tc.method, e.Op.Method, e.Path, path)
	}
	if slices.Contains([]string{"AppClient.SetEnvs", "Client.CreatePrivateKey"}, tc.method) {
		f.detail = ""
		if e.Detail != "" {
			t.Errorf("%s: detail %q could repeat the value", tc.method, e.Detail)
		}
	}
	if !strings.Contains(e.Detail, f.detail) {
		t.Errorf("%s: detail %q, want %q in it", tc.method, e.Detail, f.detail)
	}
}

// TestTooLong: an answer that is too long is an error, also when it does not say
// so beforehand, and never cut.
func TestTooLong(t *testing.T) {
	padded := func(body string, length int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, body)
			_, _ = io.WriteString(w, strings.Repeat(" ", length-len(body)))
		}
	}
	for _, tc := range calls {
		most, ok := map[string]int{"AppClient.Envs": 8 << 20, "AppClient.Start": 8 << 20, "SensitiveDeployment.Logs": 16 << 20}[tc.method]
		if !ok {
			continue
		}
		c := connect(t, serve(t, padded(tc.answer, most)))
		if _, err := tc.run(t.Context(), c); err != nil {
			t.Errorf("%s of %d bytes: %v", tc.method, most, err)
		}
		c = connect(t, serve(t, padded(tc.answer, most+1)))
		_, err := tc.run(t.Context(), c)
		judgeFault(t, fault{status: 200, kind: coolify.ErrUnavailable, unknown: true}, tc, err)
		if n := c.meter.admitted.Load(); n != 1 {
			t.Errorf("%s: %d attempts, want 1", tc.method, n)
		}
	}
}

// TestNoConnection: what was never sent was never carried out.
func TestNoConnection(t *testing.T) {
	cfg := serve(t, answer(200, `{}`))
	refused := *cfg.URL
	refused.Host = "127.0.0.1:1"
	cfg.URL = &refused
	c := connect(t, cfg)
	for _, tc := range calls {
		c.meter.admitted.Store(0)
		_, err := tc.run(t.Context(), c)
		judgeFault(t, fault{kind: coolify.ErrUnavailable}, tc, err)
		if n, want := c.meter.admitted.Load(), (fault{again: reads}).attempts(tc); n != want {
			t.Errorf("%s: %d attempts, want %d", tc.method, n, want)
		}
	}
}

// TestCertificate: a Coolify that cannot prove who it is is asked once, and told
// nothing.
func TestCertificate(t *testing.T) {
	s := httptest.NewUnstartedServer(answer(200, "4.3.11"))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	cfg := serve(t, answer(200, `{}`))
	stranger := *cfg.URL
	stranger.Scheme, stranger.Host = "https", s.Listener.Addr().String()
	cfg.URL, cfg.Transport = &stranger, nil
	c := connect(t, cfg)
	for _, tc := range calls {
		c.meter.admitted.Store(0)
		_, err := tc.run(t.Context(), c)
		judgeFault(t, fault{kind: coolify.ErrUnavailable}, tc, err)
		if n := c.meter.admitted.Load(); n != 1 {
			t.Errorf("%s: %d attempts, want 1", tc.method, n)
		}
	}
}

// TestRecovers: a read that is answered the second time is no error.
func TestRecovers(t *testing.T) {
	for _, first := range []http.HandlerFunc{answer(502, `<html>`), cut(200), hangUp, withRetryAfter("0")} {
		attempts := 0
		c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			if attempts++; attempts == 1 {
				first(w, r)
				return
			}
			answer(200, "4.3.11")(w, r)
		}))
		if v, err := c.Version(t.Context()); v != "4.3.11" || err != nil {
			t.Errorf("Version() = %q, %v, want 4.3.11", v, err)
		}
	}
}

// TestLimitedWrite: a write that was not let in is sent again, whole.
func TestLimitedWrite(t *testing.T) {
	var bodies []string
	c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bodies = append(bodies, string(body)); len(bodies) < 3 {
			withRetryAfter("0")(w, r)
			return
		}
		answer(201, `{"uuid":"`+projectID+`"}`)(w, r)
	}))
	u, err := c.CreateProject(t.Context(), coolify.NewProject{Name: "alpha"})
	if u != project || err != nil {
		t.Errorf("CreateProject() = %s, %v, want %s", u, err, project)
	}
	for i, b := range bodies {
		if b != `{"name":"alpha"}` {
			t.Errorf("body of attempt %d = %s", i+1, b)
		}
	}
}

// callOf returns a call of a method.
func callOf(t *testing.T, method string) call {
	t.Helper()
	i := slices.IndexFunc(calls, func(tc call) bool { return tc.method == method })
	if i < 0 {
		t.Fatalf("no call of %s", method)
	}
	return calls[i]
}

// TestWordsTell: where one status means two things, only the words tell them
// apart.
func TestWordsTell(t *testing.T) {
	for _, tc := range []struct {
		method, message string
		status          int
		kind            error // nil = no error
	}{
		{"AppClient.Logs", "Application is not running.", 400, coolify.ErrNotRunning},
		{"DatabaseClient.Start", "Database is already running.", 400, nil},
		{"DatabaseClient.Stop", "Database is already stopped.", 400, nil},
		{"DatabaseClient.Start", "Database is not ready.", 400, coolify.ErrInvalid},
		{"DatabaseClient.Stop", "Database is already stopped.", 422, coolify.ErrInvalid},
		{"AppClient.Rollback", "Deployment queue is full. Please wait for existing deployments to complete.", 400, coolify.ErrQueueFull},
		{"AppClient.Rollback", "Invalid request.", 400, coolify.ErrInvalid},
		{"Client.CreatePrivateKey", "Private key already exists.", 422, coolify.ErrConflict},
		{"Client.CreatePrivateKey", "Invalid private key.", 422, coolify.ErrInvalid},
		{"KeyClient.Delete", "Private Key is in use and cannot be deleted.", 422, coolify.ErrInUse},
		{"DestinationClient.Delete", "Destination has attached resources, detach first.", 409, coolify.ErrInUse},
	} {
		c := connect(t, serve(t, answer(tc.status, `{"message":"`+tc.message+`"}`)))
		_, err := callOf(t, tc.method).run(t.Context(), c)
		if !errors.Is(err, tc.kind) {
			t.Errorf("%s refused with %d %q: %v, want %v", tc.method, tc.status, tc.message, err, tc.kind)
		}
		for _, kind := range kinds {
			if tc.kind != nil && errors.Is(err, kind) && !errors.Is(tc.kind, kind) {
				t.Errorf("%s refused with %d %q: %v is %v as well", tc.method, tc.status, tc.message, err, kind)
			}
		}
	}
}

// TestDomainConflict: who has the domain is not kept.
func TestDomainConflict(t *testing.T) {
	const conflict = `{"message":"Domain conflicts detected. Use force_domain_override=true to proceed.","conflicts":[{"domain":"https:\/\/a.example.com",
		"resource_name":"beta-site","resource_uuid":"` + betaAppID + `","resource_type":"application",
		"message":"Domain https:\/\/a.example.com is already in use by application 'beta-site'"}],"warning":"Using the same domain …"}`
	for _, method := range []string{"ProjectClient.CreateApp", "AppClient.Update"} {
		c := connect(t, serve(t, answer(409, conflict)))
		_, err := callOf(t, method).run(t.Context(), c)
		if !errors.Is(err, coolify.ErrConflict) {
			t.Errorf("%s: %v, want %v", method, err, coolify.ErrConflict)
		}
		for _, theirs := range []string{"beta-site", betaAppID, "a.example.com"} {
			if text := fmt.Sprintf("%+v %#v", err, err); strings.Contains(text, theirs) {
				t.Errorf("%s: the error tells %q: %s", method, theirs, text)
			}
		}
	}
}

// TestCauses: of a 403 the words tell what is to be done about it.
func TestCauses(t *testing.T) {
	for message, want := range map[string]error{
		"Missing required permissions: write":         coolify.ErrAbility,
		"Missing required team role.":                 coolify.ErrRole,
		"API is disabled.":                            coolify.ErrAPIOff,
		"You are not allowed to access the API.":      coolify.ErrNotAllowed,
		"You are not authorized to perform this act.": nil,
	} {
		c := connect(t, serve(t, answer(403, `{"message":"`+message+`"}`)))
		err := c.MayWrite(t.Context())
		for _, cause := range []error{coolify.ErrAbility, coolify.ErrRole, coolify.ErrAPIOff, coolify.ErrNotAllowed} {
			if errors.Is(err, cause) != errors.Is(want, cause) {
				t.Errorf("%q is %v, want %v", message, err, want)
			}
		}
		if !errors.Is(err, coolify.ErrForbidden) {
			t.Errorf("%q is %v, want %v", message, err, coolify.ErrForbidden)
		}
	}
}

// TestLimits: the headers tell how much room there is; what is no number is not
// told.
func TestLimits(t *testing.T) {
	for header, want := range map[[2]string]coolify.Limit{
		{"200", "187"}: {PerMinute: 200, Left: 187},
		{"200", "0"}:   {PerMinute: 200},
		{"200", ""}:    {},
		{"", "187"}:    {},
		{"0", "0"}:     {},
		{"-1", "many"}: {},
	} {
		tell := func(body string) coolify.Config {
			return overWire(func(*http.Request) (*http.Response, error) {
				return reply(200, body, "X-RateLimit-Limit", header[0], "X-RateLimit-Remaining", header[1]), nil
			})
		}
		if got, err := connect(t, tell("4.3.11")).Limit(t.Context()); err != nil || got != want {
			t.Errorf("Limit with %q = %v, %v, want %v", header, got, err, want)
		}
		if got, err := connect(t, tell("OK")).AddressLimit(t.Context()); err != nil || got != want {
			t.Errorf("AddressLimit with %q = %v, %v, want %v", header, got, err, want)
		}
	}
}

// TestDetail: what Coolify says is made fit for a log.
func TestDetail(t *testing.T) {
	long := strings.Repeat("long ", 1000)
	for _, tc := range []struct{ token, message, want string }{
		{canaryToken, "a\\u001b[31mb\\nc\\u202ed é", "a?[31mb?c?d ?"},
		{canaryToken, long, long[:300]},
		{canaryToken, strings.Repeat("x", 280) + canaryToken, strings.Repeat("x", 280) + "7|[redacted]"},
		{"plain-token", "no plain-token here", "no [redacted] here"},
		{"7|", "no 7| here", "no [redacted] here"},
	} {
		cfg := overWire(func(*http.Request) (*http.Response, error) { return reply(404, `{"message":"`+tc.message+`"}`), nil })
		cfg.Token = secret.NewText(tc.token)
		c := connect(t, cfg)
		_, err := c.App(app).Get(t.Context())
		e, ok := errors.AsType[*coolify.Error](err)
		if !ok || e.Detail != tc.want {
			t.Errorf("detail of %q = %v, want %q", tc.message, err, tc.want)
		}
	}
}
