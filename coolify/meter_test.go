package coolify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify"
)

// TestUnmetered: a client that nobody gave a meter sends nothing.
func TestUnmetered(t *testing.T) {
	cfg := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	c, err := coolify.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := coolify.NewSensitive(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for name, unmetered := range map[string]clients{
		"new": {Client: c, sensitive: s}, "without a meter": {Client: c.Metered(nil), sensitive: s.Metered(nil)},
	} {
		for _, tc := range calls {
			if _, err := tc.run(t.Context(), unmetered); !errors.Is(err, coolify.ErrUnmetered) {
				t.Errorf("%s of a client %s: %v, want %v", tc.method, name, err, coolify.ErrUnmetered)
			}
		}
	}
}

type refusal struct{}

func (*refusal) Error() string { return "not now" }

// TestMeterRefuses: what a meter refuses is not sent, and its reason comes
// through, also when it refuses the second attempt.
func TestMeterRefuses(t *testing.T) {
	for _, allowed := range []int64{0, 1, 2} {
		var asked, done, hits atomic.Int64
		c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			hits.Add(1)
			answer(502, `<html>`)(w, r)
		}))
		metered := c.Metered(func(context.Context, coolify.Operation) (func(), error) {
			if asked.Add(1) > allowed {
				return nil, &refusal{}
			}
			return func() { done.Add(1) }, nil
		})
		_, err := metered.App(app).Get(t.Context())
		if _, ok := errors.AsType[*refusal](err); !ok {
			t.Errorf("error = %v, want the meter's", err)
		}
		if e, ok := errors.AsType[*coolify.Error](err); !ok || e.Kind != nil || e.Unknown || e.Path != "/applications/"+appID {
			t.Errorf("error = %#v, want one of the application with no kind", e)
		}
		if hits.Load() != allowed || done.Load() != allowed || asked.Load() != allowed+1 {
			t.Errorf("asked %d, sent %d, done %d; want %d, %d, %d", asked.Load(), hits.Load(), done.Load(), allowed+1, allowed, allowed)
		}
	}
}

// TestMeterKnowsEachAttempt: each attempt is admitted before it is sent and
// done before the next is asked for, and the copies of a client do not share a
// meter.
func TestMeterKnowsEachAttempt(t *testing.T) {
	var log []string
	c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		log = append(log, "sent")
		answer(500, `{"message":"Server Error"}`)(w, r)
	}))
	metered := c.Metered(func(_ context.Context, op coolify.Operation) (func(), error) {
		log = append(log, "ask "+op.String())
		return func() { log = append(log, "done") }, nil
	})
	if _, err := metered.App(app).Get(t.Context()); err == nil {
		t.Error("no error")
	}
	want := strings.Repeat("ask GET /applications/{uuid},sent,done,", 3)
	if got := strings.Join(log, ",") + ","; got != want {
		t.Errorf("order = %s, want %s", got, want)
	}
	if n := c.meter.admitted.Load(); n != 0 {
		t.Errorf("the other copy's meter was asked %d times", n)
	}
}

// TestMeterWithoutDone: a meter that only counts needs no function.
func TestMeterWithoutDone(t *testing.T) {
	c := connect(t, serve(t, answer(200, "4.3.11"))).Metered(func(context.Context, coolify.Operation) (func(), error) { return nil, nil }) //nolint:nilnil // what is tested
	if _, err := c.Version(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestZeroUUID: an empty id would be the list of the whole team.
func TestZeroUUID(t *testing.T) {
	c := connect(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) }))
	var zero coolify.UUID
	for name, err := range map[string]error{
		"Application":                   second(c.App(zero).Get(t.Context())),
		"Start":                         second(c.App(zero).Start(t.Context(), false)),
		"EnvironmentApplications":       second(c.Project(project).Applications(t.Context(), zero)),
		"DeleteEnv":                     c.App(zero).DeleteEnv(t.Context(), env),
		"EnvValues":                     second(c.sensitive.App(zero).EnvValues(t.Context())),
		"DeleteDatabase":                c.Database(zero).Delete(t.Context(), coolify.DeleteOptions{}),
		"DeletePrivateKey":              c.PrivateKey(zero).Delete(t.Context()),
		"application in no project":     second(c.Project(zero).CreateApp(t.Context(), newApp)),
		"application in no environment": second(c.Project(project).CreateApp(t.Context(), changed(newApp, func(a *coolify.NewApplication) { a.Environment = zero }))),
		"application on no server":      second(c.Project(project).CreateApp(t.Context(), changed(newApp, func(a *coolify.NewApplication) { a.Server = zero }))),
		"application without a key":     second(c.Project(project).CreateApp(t.Context(), changed(newApp, func(a *coolify.NewApplication) { a.PrivateKey = zero }))),
		"database in no project":        second(c.Project(zero).CreateDatabase(t.Context(), coolify.Redis, coolify.NewDatabase{Environment: environment, Server: server})),
		"database in no environment":    second(c.Project(project).CreateDatabase(t.Context(), coolify.Redis, coolify.NewDatabase{Server: server})),
		"database on no server":         second(c.Project(project).CreateDatabase(t.Context(), coolify.Redis, coolify.NewDatabase{Environment: environment})),
		"database of no kind":           second(c.Project(project).CreateDatabase(t.Context(), "../projects", coolify.NewDatabase{Environment: environment, Server: server})),
	} {
		if !errors.Is(err, coolify.ErrInvalid) {
			t.Errorf("%s of no id: %v, want %v", name, err, coolify.ErrInvalid)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestClientsDoNotPrint: neither client shows its token.
func TestClientsDoNotPrint(t *testing.T) {
	cfg := serve(t, answer(200, "4.3.11"))
	c := connect(t, cfg)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{cfg, c.Client, *c.Client, c.sensitive, *c.sensitive} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "canary") {
				t.Errorf("%s of %T holds the token: %s", verb, v, text)
			}
		}
	}
}
