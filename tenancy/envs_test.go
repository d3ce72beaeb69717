package tenancy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A handClock moves by hand only, and in whole seconds as Coolify's dates do.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func newHandClock() *handClock { return &handClock{now: time.Now().Truncate(time.Second)} }

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// onVersions runs a test with each version of Coolify that behaves differently.
func onVersions(t *testing.T, test func(t *testing.T, cfg coolifytest.Config)) {
	for _, v := range []string{coolifytest.Version41, coolifytest.Version43} {
		t.Run(v, func(t *testing.T) { test(t, coolifytest.Config{Version: v}) })
	}
}

// A varsApp is an app whose variables tenant and operator change in turn.
type varsApp struct {
	testing.TB
	h     *tenancytest.House
	clock *handClock
	uuid  string
	said  string // what the last act of the tenant answered
}

func newVarsApp(t testing.TB, cfg coolifytest.Config) *varsApp {
	clock := newHandClock()
	cfg.Now = clock.Now
	h := tenancytest.New(t, tenancytest.Config{Simulator: cfg})
	return &varsApp{t, h, clock, newApp(h, coolifytest.App{}), ""}
}

func (v *varsApp) tenant(act func(*hosting.App) ([]hosting.EnvChange, error)) {
	v.Helper()
	err := onApp(v, v.h, v.uuid, tenancy.Write, func(a *hosting.App) error {
		changes, err := act(a)
		v.said = ""
		for _, c := range changes {
			v.said += strings.TrimRight(fmt.Sprintf("%s %s %s", c.Key, c.Action, c.Preview), " ") + "; "
		}
		v.said = strings.TrimSuffix(v.said, "; ")
		return err
	})
	if err != nil {
		v.Errorf("the tenant's act: %v", err)
	}
}

// set writes "KEY=value" pairs for production.
func (v *varsApp) set(pairs ...string) { v.Helper(); v.write(false, pairs) }

// preview writes them for previews.
func (v *varsApp) preview(pairs ...string) { v.Helper(); v.write(true, pairs) }

func (v *varsApp) write(preview bool, pairs []string) {
	v.Helper()
	set := hosting.EnvSet{Values: map[string]secret.Text{}, Preview: preview}
	for _, p := range pairs {
		k, value, _ := strings.Cut(p, "=")
		set.Values[k] = secret.NewText(value)
	}
	v.tenant(func(a *hosting.App) ([]hosting.EnvChange, error) { return a.SetEnvs(v.Context(), set) })
}

func (v *varsApp) del(preview bool, keys ...string) {
	v.Helper()
	v.tenant(func(a *hosting.App) ([]hosting.EnvChange, error) { return a.DeleteEnvs(v.Context(), keys, preview) })
}

// operator sends a request as the operator's own tools do.
func (v *varsApp) operator(method, path, body string) {
	v.Helper()
	r := httptest.NewRequestWithContext(v.Context(), method, "/api/v1/applications/"+v.uuid+path, strings.NewReader(body))
	r.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}, "Authorization": {"Bearer " + v.h.Sim.Token("write")}}
	w := httptest.NewRecorder()
	if v.h.Sim.ServeHTTP(w, r); w.Code/100 != 2 {
		v.Errorf("the operator's %s %s: %d %s", method, path, w.Code, w.Body)
	}
}

func (v *varsApp) operatorDeletes(key string) {
	v.Helper()
	for _, e := range v.h.Sim.Envs(v.uuid) {
		if e.Key == key && !e.Preview {
			v.operator("DELETE", "/envs/"+e.UUID, "")
		}
	}
}

func (v *varsApp) there(key, value string, preview bool, age time.Duration) {
	now := v.clock.Now()
	v.h.Sim.AddEnv(v.uuid, coolifytest.Env{Key: key, Value: value, Preview: preview, Runtime: true, CreatedAt: now.Add(-age), UpdatedAt: now})
}

// rows returns every row as "KEY=value" or "KEY=value of previews", sorted.
func (v *varsApp) rows() []string {
	all := []string{}
	for _, e := range v.h.Sim.Envs(v.uuid) {
		all = append(all, e.Key+"="+e.Value+map[bool]string{true: " of previews"}[e.Preview])
	}
	slices.Sort(all)
	return all
}

// TestTwins holds what becomes of the copy for previews that Coolify makes of
// each variable and never touches again.
func TestTwins(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(*varsApp)
		said string
		rows []string
	}{
		"created": {func(v *varsApp) { v.set("A=1") }, "A created", []string{"A=1", "A=1 of previews"}},
		"updated in the same second": {func(v *varsApp) {
			v.set("A=1")
			v.set("A=2")
		}, "A updated follows", []string{"A=2", "A=2 of previews"}},
		"updated twice": {func(v *varsApp) {
			v.set("A=1", "B=1")
			v.clock.forward(time.Hour)
			v.set("A=2")
			v.clock.forward(time.Hour)
			v.set("A=3", "B=3")
		}, "A updated follows; B updated follows", []string{"A=3", "A=3 of previews", "B=3", "B=3 of previews"}},
		"deleted": {func(v *varsApp) {
			v.set("A=1")
			v.clock.forward(time.Hour)
			v.del(false, "A")
		}, "A deleted follows", []string{}},
		"updated and deleted": {func(v *varsApp) {
			v.set("A=1")
			v.clock.forward(time.Hour)
			v.set("A=2")
			v.clock.forward(time.Hour)
			v.del(false, "A")
		}, "A deleted follows", []string{}},
		"edited by the operator, then updated": {func(v *varsApp) {
			v.set("A=1")
			v.clock.forward(time.Hour)
			v.operator("PATCH", "/envs", `{"key":"A","value":"p","is_preview":true}`)
			v.set("A=2")
		}, "A updated own", []string{"A=2", "A=p of previews"}},
		"edited by the operator, then deleted": {func(v *varsApp) {
			v.set("A=1")
			v.clock.forward(time.Hour)
			v.operator("PATCH", "/envs", `{"key":"A","value":"p","is_preview":true}`)
			v.del(false, "A")
		}, "A deleted own", []string{"A=p of previews"}},
		"set for previews in the same second, then updated": {func(v *varsApp) {
			v.set("A=1")
			v.preview("A=p")
			v.clock.forward(time.Hour)
			v.set("A=2")
		}, "A updated own", []string{"A=2", "A=p of previews"}},
		"set for previews in the same second, then deleted": {func(v *varsApp) {
			v.set("A=1")
			v.preview("A=p")
			v.del(false, "A")
		}, "A deleted own", []string{"A=p of previews"}},
		"set for previews first": {func(v *varsApp) {
			v.preview("A=p")
			v.set("A=1")
			v.clock.forward(time.Hour)
			v.set("A=2")
		}, "A updated own", []string{"A=2", "A=p of previews"}},
		"set for previews alone, deleted for production": {func(v *varsApp) {
			v.preview("A=p")
			v.del(false, "A")
		}, "A absent own", []string{"A=p of previews"}},
		"set for previews after it followed": {func(v *varsApp) {
			v.set("A=1")
			v.set("A=2")
			v.clock.forward(time.Hour)
			v.preview("A=p")
			v.set("A=3")
			v.preview("A=q")
			v.set("A=4")
		}, "A updated own", []string{"A=4", "A=q of previews"}},
		"deleted for previews alone": {func(v *varsApp) {
			v.set("A=1")
			v.del(true, "A")
			v.set("A=2")
		}, "A updated", []string{"A=2"}},
		"left behind by the operator": {func(v *varsApp) {
			v.set("A=1")
			v.clock.forward(time.Hour)
			v.operatorDeletes("A")
			v.set("A=2")
		}, "A created follows", []string{"A=2", "A=2 of previews"}},
		"left behind by the operator, then deleted": {func(v *varsApp) {
			v.set("A=1")
			v.operatorDeletes("A")
			v.del(false, "A")
		}, "A absent follows", []string{}},
		"touched by Coolify itself": {func(v *varsApp) { // it notes its version a moment after it made the row
			v.there("A", "1", false, time.Second)
			v.there("A", "1", true, time.Second)
			v.set("A=2")
		}, "A updated follows", []string{"A=2", "A=2 of previews"}},
		"touched later": {func(v *varsApp) {
			v.there("A", "1", false, 2*time.Second)
			v.there("A", "p", true, 2*time.Second)
			v.set("A=2")
		}, "A updated own", []string{"A=2", "A=p of previews"}},
		"not there":    {func(v *varsApp) { v.del(false, "A", "A") }, "A absent", []string{}},
		"case matters": {func(v *varsApp) { v.set("A=1", "a=2"); v.del(false, "a") }, "a deleted follows", []string{"A=1", "A=1 of previews"}},
		"every copy": {func(v *varsApp) {
			for _, preview := range []bool{false, true, false, true} {
				v.there("A", "1", preview, 0)
			}
			v.del(false, "A")
		}, "A deleted follows", []string{}},
		"every copy but those for previews": {func(v *varsApp) {
			for _, preview := range []bool{false, true, false, true} {
				v.there("A", "1", preview, time.Hour)
			}
			v.del(false, "A")
		}, "A deleted own", []string{"A=1 of previews", "A=1 of previews"}},
		"every copy for previews": {func(v *varsApp) {
			v.there("A", "1", false, 0)
			v.there("A", "p", true, time.Hour)
			v.there("A", "p", true, 0)
			v.del(true, "A")
		}, "A deleted", []string{"A=1"}},
	} {
		t.Run(name, func(t *testing.T) {
			onVersions(t, func(t *testing.T, cfg coolifytest.Config) {
				v := newVarsApp(t, cfg)
				tc.do(v)
				if diff := cmp.Diff(tc.rows, v.rows()); v.said != tc.said || diff != "" {
					t.Errorf("answer %q, want %q; rows (-want +got)\n%s", v.said, tc.said, diff)
				}
				v.h.Fine(t)
			})
		})
	}
}

// TestDuplicates: which of two rows counts is undefined, so neither is written.
func TestDuplicates(t *testing.T) {
	for _, preview := range []bool{false, true} {
		v := newVarsApp(t, coolifytest.Config{})
		v.set("A=1", "C=1")
		v.there("B", "1", preview, time.Hour)
		v.there("B", "1", preview, time.Hour)
		before := v.rows()
		v.h.Sim.Reset()
		err := setEnvs(t, v.h, v.uuid, hosting.EnvSet{Values: texts("A", "2", "B", "2", "C", "2")})
		if e := tenancy.Public(err); e.Code != tenancy.Conflict || !strings.Contains(e.Msg, "B") || strings.Contains(e.Msg, "preview") != preview {
			t.Errorf("preview %v: %v, want a conflict that names B and where", preview, err)
		}
		if diff := cmp.Diff(before, v.rows()); diff != "" || len(changes(v.h)) > 0 {
			t.Errorf("preview %v: Coolify was asked to %q; rows (-want +got)\n%s", preview, changes(v.h), diff)
		}
		v.del(preview, "B") // the remedy
		v.set("A=2", "B=2", "C=2")
	}
}

// TestFlags: Coolify takes an absent flag for another value, or answers 500, so
// every write has all of them.
func TestFlags(t *testing.T) {
	all := coolifytest.Env{Literal: true, Multiline: true, ShownOnce: true, BuildTime: true, Runtime: true, Comment: "by the operator"}
	for name, tc := range map[string]struct {
		there *coolifytest.Env
		set   hosting.EnvSet
		value string
		want  coolifytest.Env
	}{
		"new":                   {value: "v", want: coolifytest.Env{Runtime: true, Literal: true}},
		"new, all":              {value: "v", set: flags(true), want: coolifytest.Env{Runtime: true, BuildTime: true, Literal: true, Multiline: true}},
		"new, none":             {value: "v", set: flags(false), want: coolifytest.Env{Runtime: true}},
		"new for the build":     {value: "v", set: hosting.EnvSet{BuildTime: new(true), Literal: new(false)}, want: coolifytest.Env{Runtime: true, BuildTime: true, Literal: true}},
		"kept":                  {there: &all, value: "v", want: all},
		"none kept":             {there: &coolifytest.Env{}, value: "v", want: coolifytest.Env{Literal: true}},
		"not literal":           {there: &coolifytest.Env{}, set: hosting.EnvSet{Literal: new(false)}, value: "v"},
		"not for the container": {there: &coolifytest.Env{BuildTime: true, Literal: true}, value: "v", want: coolifytest.Env{BuildTime: true, Literal: true}},
		"made literal":          {there: &coolifytest.Env{BuildTime: true, Runtime: true}, value: "v", want: coolifytest.Env{BuildTime: true, Runtime: true, Literal: true}},
		"taken away":            {there: &all, set: flags(false), value: "v", want: coolifytest.Env{ShownOnce: true, Runtime: true, Comment: all.Comment}},
		"given": {
			there: &coolifytest.Env{Runtime: true, Comment: "c"}, set: flags(true), value: "v",
			want: coolifytest.Env{BuildTime: true, Literal: true, Multiline: true, Runtime: true, Comment: "c"},
		},
		"new with lines": {
			value: "a\nb", set: hosting.EnvSet{Multiline: new(false)},
			want: coolifytest.Env{Runtime: true, Literal: true, Multiline: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			onVersions(t, func(t *testing.T, cfg coolifytest.Config) {
				v := newVarsApp(t, cfg)
				if tc.there != nil {
					e := *tc.there
					e.Key, e.Value = "KEY", "old"
					v.h.Sim.AddEnv(v.uuid, e)
				}
				set := tc.set
				set.Values = texts("KEY", tc.value)
				v.h.Sim.Reset()
				v.tenant(func(a *hosting.App) ([]hosting.EnvChange, error) { return a.SetEnvs(t.Context(), set) })
				tc.want.Key, tc.want.Value = "KEY", tc.value
				got := v.h.Sim.Envs(v.uuid)[0]
				got.UUID, got.CreatedAt, got.UpdatedAt = "", time.Time{}, time.Time{}
				if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Errorf("row (-want +got)\n%s", diff)
				}
				wantEveryFlag(t, v.h)
			})
		})
	}
}

func flags(on bool) hosting.EnvSet {
	return hosting.EnvSet{BuildTime: new(on), Literal: new(on), Multiline: new(on)}
}

func wantEveryFlag(t *testing.T, h *tenancytest.House) {
	t.Helper()
	want := []string{"is_buildtime", "is_literal", "is_multiline", "is_preview", "is_runtime", "is_shown_once", "key", "value"}
	writes := 0
	for _, r := range h.Sim.Requests() {
		if r.Method == "GET" {
			continue
		}
		var body struct{ Data []map[string]any }
		if err := json.Unmarshal([]byte(r.Body), &body); err != nil || r.Status/100 != 2 {
			t.Errorf("%s: status %d, %v", r.Operation, r.Status, err)
		}
		for _, sent := range body.Data {
			writes++
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(sent))); diff != "" {
				t.Errorf("%s: fields sent (-want +got)\n%s", r.Operation, diff)
			}
		}
	}
	if writes == 0 {
		t.Error("nothing was written")
	}
}
