package tenancy_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestLimitsOfWrites: what is bad changes nothing, and is refused before Coolify
// is asked for anything.
func TestLimitsOfWrites(t *testing.T) {
	const value = "value-that-nobody-sees"
	h := tenancytest.New(t, tenancytest.Config{})
	app, err := hosting.FindApp(t.Context(), h.Open(t, h.A.Key, tenancy.Write), newApp(h, coolifytest.App{}))
	if err != nil {
		t.Fatal(err)
	}
	before := h.Sim.Envs(app.UUID())
	wantInvalid := func(what, key string, err error) {
		t.Helper()
		e := tenancy.Public(err)
		if err == nil || e.Code != tenancy.Invalid || !strings.Contains(e.Msg, key) || strings.Contains(e.Error()+e.Hint, value) {
			t.Errorf("%s: %v (hint %q), want invalid, naming %q and no value", what, err, e.Hint, key)
		}
		if got := h.Requests(); len(got) > 0 {
			t.Errorf("%s: Coolify was asked to %q", what, got)
		}
	}
	for name, bad := range map[string]struct{ key, value, names string }{
		"no key": {"", value, `""`}, "digit": {"1A", value, `"1A"`}, "dash": {"A-B", value, `"A-B"`}, "space": {"A B", value, `"A?B"`}, "equals": {"A=B", value, `"A=B"`},
		"line": {"A\n", value, `"A?"`}, "letter": {"\u00c4", value, `"?"`}, "long": {strings.Repeat("A", 256), value, `"AAA`}, "NUL": {"A\x00", value, `"A?"`},
		"control": {"BAD", value + "\x1b[0m", "BAD"}, "NUL in the value": {"BAD", value + "\x00", "BAD"}, "bytes": {"BAD", value + "\xff", "BAD"},
		"long value": {"BAD", value + strings.Repeat("x", 65_536), "BAD"}, "team": {"BAD", value + "{{team.X}}", "BAD"},
	} {
		h.Sim.Reset()
		_, err := app.SetEnvs(t.Context(), hosting.EnvSet{Values: texts("GOOD", value, bad.key, bad.value)})
		wantInvalid(name, bad.names, err)
		if bad.value != value {
			continue
		}
		_, err = app.DeleteEnvs(t.Context(), []string{"GOOD", bad.key}, false)
		wantInvalid(name+", deleted", bad.names, err)
	}
	many, keys := map[string]secret.Text{}, []string{}
	for range hosting.MaxEnvKeys + 1 {
		keys = append(keys, strings.Repeat("K", len(keys)+1))
		many[keys[len(keys)-1]] = secret.NewText(value)
	}
	for name, values := range map[string]map[string]secret.Text{"21 keys": many, "no keys": {}, "nil": nil} {
		h.Sim.Reset()
		_, err := app.SetEnvs(t.Context(), hosting.EnvSet{Values: values})
		wantInvalid(name, "1 to 20", err)
	}
	for name, list := range map[string][]string{"21 keys": keys, "no keys": nil} {
		h.Sim.Reset()
		_, err := app.DeleteEnvs(t.Context(), list, false)
		wantInvalid(name+", deleted", "1 to 20", err)
	}
	if diff := cmp.Diff(before, h.Sim.Envs(app.UUID())); diff != "" {
		t.Errorf("rows (-want +got)\n%s", diff)
	}
}

func TestLimitsAreReached(t *testing.T) {
	v := newVarsApp(t, coolifytest.Config{})
	full := []string{strings.Repeat("A", 255) + "=" + strings.Repeat("x", 65_536), "_.=.\t\r\n.", "A=", "B=\x7f\u200b."}
	for len(full) < hosting.MaxEnvKeys {
		full = append(full, strings.Repeat("K", len(full))+"=v")
	}
	v.set(full...)
	if got := len(v.rows()); got != 2*hosting.MaxEnvKeys {
		t.Errorf("%d rows, want %d keys and their twins", got, hosting.MaxEnvKeys)
	}
}

// A failing lets some of Coolify's answers be lost: those to the nth request of
// a method.
type failing struct {
	method string
	nth    int
	after  bool // the change is made, only the answer is lost
	status int  // 0 = the connection breaks

	mu   sync.Mutex
	seen int
}

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if !f.hit(r) {
		return http.DefaultTransport.RoundTrip(r)
	}
	if f.after {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
	} else if r.Body != nil {
		r.Body.Close()
	}
	if f.status == 0 {
		return nil, errors.New("connection reset by peer")
	}
	return &http.Response{StatusCode: f.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{"message":"Server Error"}`)), Request: r}, nil
}

func (f *failing) hit(r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Method == f.method {
		f.seen++
	}
	return r.Method == f.method && f.seen == f.nth
}

// through puts a Guard of its own before the house, whose requests go through rt.
func through(t *testing.T, h *tenancytest.House, rt http.RoundTripper) *tenancy.Guard {
	t.Helper()
	srv := httptest.NewServer(h.Sim)
	t.Cleanup(srv.Close)
	root, err1 := url.Parse(srv.URL)
	c, err2 := coolify.New(coolify.Config{
		URL: root, Token: secret.NewText(h.Sim.Token("read", "write", "deploy")), Transport: rt, RetryWait: time.Millisecond,
	})
	box, err3 := secret.NewBox(secret.NewText("sealing-key-of-the-house-0123456789"))
	g, err4 := tenancy.NewGuard(tenancy.Config{Store: h.DB, Coolify: c, Box: box, Log: h.Logger, Budget: tenancytest.Unlimited()})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestFailureInTheMiddle: Coolify writes and deletes one row at a time. A failure says
// what may be done, and calling again finishes it.
func TestFailureInTheMiddle(t *testing.T) {
	set := func(a *hosting.App) error {
		_, err := a.SetEnvs(t.Context(), hosting.EnvSet{Values: texts("A", "new-a", "B", "new-b", "C", "new-c")})
		return err
	}
	del := func(a *hosting.App) error {
		_, err := a.DeleteEnvs(t.Context(), []string{"C", "B", "A"}, false)
		return err
	}
	written := []string{"A=new-a", "A=new-a of previews", "B=new-b", "B=new-b of previews", "C=new-c", "C=new-c of previews"}
	for name, tc := range map[string]struct {
		there  []string
		act    func(*hosting.App) error
		method string
		nth    int
		says   string
		rows   []string
	}{
		"update":           {[]string{"A=1", "B=1", "C=1"}, set, "PATCH", 1, "(A, B, C; some of them may be written)", written},
		"create":           {[]string{"A=1", "C=1"}, set, "PATCH", 1, "(A, B, C; some of them may be written)", written},
		"delete":           {[]string{"A=1", "B=1", "C=1"}, del, "DELETE", 3, "(at B; deleted before that: A)", []string{}},
		"twin's delete":    {[]string{"A=1", "B=1", "C=1"}, del, "DELETE", 4, "(at B; deleted before that: A)", []string{}},
		"delete of a last": {[]string{"A=1", "B=1", "C=1"}, del, "DELETE", 6, "(at C; deleted before that: A, B)", []string{}},
	} {
		for _, f := range []*failing{{status: 500}, {status: 502, after: true}, {}, {after: true}, {status: 429}} {
			v := newVarsApp(t, coolifytest.Config{})
			v.set(tc.there...)
			v.clock.forward(time.Hour)
			f.method, f.nth = tc.method, tc.nth
			g := through(t, v.h, f)
			act := func() error {
				s, err := g.OpenKey(t.Context(), v.h.A.Key)
				if err != nil {
					t.Fatal(err)
				}
				app, err := hosting.FindApp(t.Context(), s, v.uuid)
				if err != nil {
					t.Fatal(err)
				}
				return tc.act(app)
			}
			err := act()
			e := tenancy.Public(err)
			wantCode, says := tenancy.Timeout, tc.says // nobody knows whether it was done
			if f.status == 429 {
				wantCode, says = tenancy.RateLimited, strings.Replace(says, "some of them may be", "nothing was", 1)
			}
			if err == nil || e.Code != wantCode || !strings.HasSuffix(e.Msg, says) || !strings.HasSuffix(e.Hint, "calling again with all keys is safe") || strings.Contains(err.Error(), "new-") {
				t.Errorf("%s, status %d, after %v: %v (hint %q), want %s and %q", name, f.status, f.after, err, e.Hint, wantCode, says)
			}
			if err := act(); err != nil {
				t.Errorf("%s: called again: %v", name, err)
			}
			if diff := cmp.Diff(tc.rows, v.rows()); diff != "" {
				t.Errorf("%s, status %d, after %v: rows in the end (-want +got)\n%s", name, f.status, f.after, diff)
			}
		}
	}
}

// TestValuesAreNotTold makes Coolify repeat the value in each way it can fail,
// and looks for it in everything that anybody may read.
func TestValuesAreNotTold(t *testing.T) {
	const value = "hunter2-is-not-shown-anywhere"
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "OLD", Value: value, Runtime: true})
	said := map[string]string{}
	tell := func(what string, err error, s *tenancy.Scope) {
		if err == nil {
			t.Errorf("%s: no error", what)
			return
		}
		e := tenancy.Public(err)
		said[what] = e.Msg + e.Hint + err.Error()
		h.Logger.Error("call failed", "err", s.ForLog(err))
		s.End(t.Context(), err)
	}
	for _, status := range []int{302, 400, 401, 403, 404, 409, 422, 429, 500, 503, 200} {
		body, err := json.Marshal(map[string]any{"message": "bad value " + value, "errors": map[string]any{"value": []string{value}}})
		if err != nil {
			t.Fatal(err)
		}
		h.Sim.Fail("PATCH /applications/{uuid}/envs/bulk", coolifytest.Fault{Status: status, Body: string(body), Header: http.Header{"Location": {"/" + value}}})
		for _, key := range []string{"OLD", "NEW"} {
			s := h.Open(t, h.A.Key, tenancy.Write)
			app, err := hosting.FindApp(t.Context(), s, uuid)
			if err != nil {
				t.Fatal(err)
			}
			_, err = app.SetEnvs(t.Context(), hosting.EnvSet{Values: texts(key, value)})
			tell(key+" answered "+http.StatusText(status), err, s)
		}
	}
	s := h.Open(t, h.A.Key, tenancy.Read)
	trail, err := people.Activity(t.Context(), s, tenancy.AuditQuery{Limit: 100})
	if err != nil || len(trail) < 20 {
		t.Fatalf("Activity: %d entries, %v", len(trail), err)
	}
	entries, err := json.Marshal(trail)
	if err != nil {
		t.Fatal(err)
	}
	said["the audit trail"], said["the log"] = string(entries), h.Log.String()
	for what, text := range said {
		if text == "" || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %q", what, text)
		}
	}
}

// TestEnvsList tells everything but the values.
func TestEnvsList(t *testing.T) {
	onVersions(t, func(t *testing.T, cfg coolifytest.Config) {
		v := newVarsApp(t, cfg)
		list := func(preview bool) []hosting.EnvInfo {
			var list hosting.EnvList
			if err := onApp(t, v.h, v.uuid, tenancy.Read, func(a *hosting.App) (err error) {
				list, err = a.Envs(t.Context(), preview)
				return err
			}); err != nil {
				t.Error(err)
			}
			return list.Envs
		}
		if diff := cmp.Diff([]hosting.EnvInfo{}, list(false)); diff != "" {
			t.Errorf("no variables (-want +got)\n%s", diff)
		}
		for _, e := range []coolifytest.Env{
			{Key: "Z", Value: "hunter2", Runtime: true, ShownOnce: true},
			{Key: "B", Value: "hunter2", BuildTime: true, Literal: true, Multiline: true, Comment: "hunter2"},
			{Key: "A", Value: "hunter2", Runtime: true},
			{Key: "B", Value: "hunter2"},
			{Key: "A", Value: "hunter2", Preview: true},
		} {
			v.h.Sim.AddEnv(v.uuid, e)
		}
		at := v.clock.Now().UTC().Format(time.RFC3339)
		production := []hosting.EnvInfo{
			{Key: "A", Runtime: true, UpdatedAt: at},
			{Key: "B", BuildTime: true, Literal: true, Multiline: true, Duplicate: true, UpdatedAt: at},
			{Key: "B", Duplicate: true, UpdatedAt: at},
			{Key: "Z", Runtime: true, Locked: true, UpdatedAt: at},
		}
		if diff := cmp.Diff(production, list(false)); diff != "" {
			t.Errorf("production (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff([]hosting.EnvInfo{{Key: "A", UpdatedAt: at}}, list(true)); diff != "" {
			t.Errorf("previews (-want +got)\n%s", diff)
		}
	})
}
