package coolify_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

func answering(tb testing.TB, body string) clients {
	tb.Helper()
	return connect(tb, overWire(func(*http.Request) (*http.Response, error) { return reply(200, body), nil }))
}

// TestOddFields: types vary with version and database; nothing that is set may
// look empty.
func TestOddFields(t *testing.T) {
	got, err := answering(t, `{"uuid":"`+appID+`","name":null,"environment_id":"6","ports_exposes":80,"custom_docker_run_options":["--privileged"],
		"base_directory":false,"destination":[],"environment":null,"settings":{"is_auto_deploy_enabled":"0"},
		"created_at":"2026-11-23T21:20:13+02:00","updated_at":"soon","last_online_at":1}`).App(app).Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := coolify.Application{
		UUID: app, EnvironmentID: 6, PortsExposes: "80", CustomDockerRunOptions: `["--privileged"]`, BaseDirectory: "false", AutoDeploy: new(false),
		CreatedAt: time.Date(2026, 11, 23, 19, 20, 13, 0, time.UTC),
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOddNumbers: an id that cannot be read is 0, which is in no project.
func TestOddNumbers(t *testing.T) {
	for raw, want := range map[string]int{`6`: 6, `"6"`: 6, `null`: 0, `"x"`: 0, `6.5`: 0, `[6]`: 0, `99999999999999999999`: 0} {
		got, err := answering(t, `{"uuid":"`+appID+`","environment_id":`+raw+`}`).App(app).Get(t.Context())
		if err != nil || got.EnvironmentID != want {
			t.Errorf("environment_id %s = %d, %v, want %d", raw, got.EnvironmentID, err, want)
		}
	}
}

// TestFlags: a build-time flag that is absent counts as set.
func TestFlags(t *testing.T) {
	for raw, want := range map[string]bool{
		`"x":1`: true, `"is_buildtime":null`: true, `"is_buildtime":true`: true, `"is_buildtime":1`: true, `"is_buildtime":"1"`: true,
		`"is_buildtime":false`: false, `"is_buildtime":0`: false, `"is_buildtime":"0"`: false, `"is_buildtime":"false"`: false,
	} {
		got, err := answering(t, `[{"key":"A",`+raw+`}]`).App(app).Envs(t.Context())
		if err != nil || len(got) != 1 || got[0].BuildTime != want {
			t.Errorf("%s: %+v, %v, want %v", raw, got, err, want)
		}
	}
}

// TestRowsWithoutIDs stay: a variable that cannot be named still counts.
func TestRowsWithoutIDs(t *testing.T) {
	got, err := answering(t, `[{"uuid":"../x","key":"PATH"},{"uuid":null,"key":"A"},{"uuid":7,"key":"B"}]`).App(app).Envs(t.Context())
	if err != nil || len(got) != 3 {
		t.Fatalf("Envs() = %+v, %v, want three", got, err)
	}
	for _, e := range got {
		if !e.UUID.IsZero() {
			t.Errorf("id of %s = %s, want none", e.Key, e.UUID)
		}
	}
}

// TestLists: an array may come as an object, and keeps its order.
func TestLists(t *testing.T) {
	for _, tc := range []struct {
		body string
		want string
		ok   bool
	}{
		{`[]`, "", true},
		{`[{"name":"a"},{"name":"b"}]`, "ab", true},
		{`{"10":{"name":"a"},"2":{"name":"b"}}`, "ab", true},
		{`{}`, "", false},
		{`null`, "", false},
		{`"a"`, "", false},
		{`{"message":"a"}`, "", false},
		{`{"0":{"name":"a"},"name":{}}`, "", false},
		{`{"-1":{"name":"a"}}`, "", false},
		{`[{"name":"a"}`, "", false},
		{`[{"name":"a"}] []`, "", false},
		{`["a"]`, "", false},
	} {
		got, err := answering(t, tc.body).Projects(t.Context())
		var names strings.Builder
		for _, p := range got {
			names.WriteString(p.Name)
		}
		if names.String() != tc.want || (err == nil) != tc.ok {
			t.Errorf("Projects of %s = %q, %v, want %q, ok = %v", tc.body, names.String(), err, tc.want, tc.ok)
		}
	}
}

// TestAnotherThing: an answer about something else than was asked for is none.
func TestAnotherThing(t *testing.T) {
	other := strings.Repeat("x", 24)
	body := `{"id":6,"uuid":"` + other + `","deployment_uuid":"` + other + `","logs":"[]","applications":[],"internal_db_url":"x",
		"postgresqls":[],"mysqls":[],"mariadbs":[],"mongodbs":[],"redis":[]}`
	for name, run := range map[string]func(context.Context, clients) error{
		"Application": func(ctx context.Context, c clients) error { return second(c.App(app).Get(ctx)) },
		"Project":     func(ctx context.Context, c clients) error { return second(c.Project(project).Get(ctx)) },
		"Database":    func(ctx context.Context, c clients) error { return second(c.Database(database).Get(ctx)) },
		"DatabaseURL": func(ctx context.Context, c clients) error { return second(c.sensitive.Database(database).URL(ctx)) },
		"Server":      func(ctx context.Context, c clients) error { return second(c.Server(server).Get(ctx)) },
		"Deployment":  func(ctx context.Context, c clients) error { return second(c.Deployment(deployment).Get(ctx)) },
		"DeploymentLogs": func(ctx context.Context, c clients) error {
			return second(c.sensitive.Deployment(deployment).Logs(ctx))
		},
		"EnvironmentApplications": func(ctx context.Context, c clients) error {
			return second(c.Project(project).Applications(ctx, environment))
		},
		"EnvironmentDatabases": func(ctx context.Context, c clients) error {
			return second(c.Project(project).Databases(ctx, environment))
		},
	} {
		if err := run(t.Context(), answering(t, body)); !errors.Is(err, coolify.ErrUnavailable) {
			t.Errorf("%s answered with another: %v, want %v", name, err, coolify.ErrUnavailable)
		}
	}
}

// TestAnotherServersDestination: a list of one server's holds no other's.
func TestAnotherServersDestination(t *testing.T) {
	got, err := answering(t, `[{"uuid":"`+destinationID+`","server_uuid":"`+appID+`"}]`).Server(server).Destinations(t.Context())
	if !errors.Is(err, coolify.ErrUnavailable) || got != nil {
		t.Errorf("ServerDestinations answered with another's = %v, %v, want %v", got, err, coolify.ErrUnavailable)
	}
}

// TestMissingLists: a kind of which nothing is said is not one of which there is
// none.
func TestMissingLists(t *testing.T) {
	lists := []string{`"postgresqls":[]`, `"mysqls":[]`, `"mariadbs":[]`, `"mongodbs":[]`, `"redis":[]`}
	ask := func(lists []string) error {
		body := `{"uuid":"` + environmentID + `",` + strings.Join(lists, ",") + `}`
		return second(answering(t, body).Project(project).Databases(t.Context(), environment))
	}
	if err := ask(lists); err != nil {
		t.Errorf("EnvironmentDatabases of none: %v", err)
	}
	for i, missing := range lists {
		if err := ask(slices.Concat(lists[:i], lists[i+1:])); !errors.Is(err, coolify.ErrUnavailable) {
			t.Errorf("EnvironmentDatabases without %s: %v, want %v", missing, err, coolify.ErrUnavailable)
		}
	}
}

// TestKinds: a kind that is not known keeps its name.
func TestKinds(t *testing.T) {
	for raw, want := range map[string]coolify.DatabaseKind{
		"standalone-postgresql": coolify.PostgreSQL, "standalone-redis": coolify.Redis, "standalone-keydb": "keydb", "other": "other",
	} {
		got, err := answering(t, `{"uuid":"`+databaseID+`","database_type":"`+raw+`"}`).Database(database).Get(t.Context())
		if err != nil || got.Kind != want {
			t.Errorf("kind of %s = %q, %v, want %q", raw, got.Kind, err, want)
		}
	}
}

// TestNoURL: a database without a URL is an answer that cannot be used.
func TestNoURL(t *testing.T) {
	for _, raw := range []string{`null`, `""`} {
		_, err := answering(t, `{"uuid":"`+databaseID+`","internal_db_url":`+raw+`}`).sensitive.Database(database).URL(t.Context())
		if !errors.Is(err, coolify.ErrUnavailable) || errors.Is(err, coolify.ErrForbidden) {
			t.Errorf("DatabaseURL of %s: %v, want %v", raw, err, coolify.ErrUnavailable)
		}
	}
}

// TestQueued: only a sentence without an id means that nothing was queued.
func TestQueued(t *testing.T) {
	for body, want := range map[string]coolify.Queued{
		`{"message":"Deployment already queued for this commit."}`:       {Skipped: true},
		`{"message":"Queued.","deployment_uuid":"` + deploymentID + `"}`: {Deployment: deployment},
	} {
		if got, err := answering(t, body).App(app).Start(t.Context(), false); got != want || err != nil {
			t.Errorf("Start answered with %s = %+v, %v, want %+v", body, got, err, want)
		}
	}
	for _, body := range []string{`{"message":"Queued.","deployment_uuid":"a/b"}`, `{"message":"Queued.","deployment_uuid":""}`, `{"deployment_uuid":"` + deploymentID + `"}`, `[]`} {
		got, err := answering(t, body).App(app).Start(t.Context(), false)
		if e, ok := errors.AsType[*coolify.Error](err); !ok || !e.Unknown || got != (coolify.Queued{}) {
			t.Errorf("Start answered with %s = %+v, %v, want unknown", body, got, err)
		}
	}
}

// TestDeploymentLogs: a log is JSON in a string; what cannot be read is no log.
func TestDeploymentLogs(t *testing.T) {
	for _, tc := range []struct {
		logs string
		want []coolify.LogEntry
		kind error
	}{
		{`null`, nil, nil},
		{`""`, nil, nil},
		{`" "`, nil, nil},
		{`"[]"`, nil, nil},
		{`[{"output":"not in a string"}]`, []coolify.LogEntry{{Output: "not in a string", Hidden: true}}, nil},
		{`"[{\"output\":\"a\",\"hidden\":true,\"order\":\"2\"},{\"output\":null,\"type\":\"stdout\",\"hidden\":false}]"`, []coolify.LogEntry{{Output: "a", Hidden: true, Order: 2}, {}}, nil},
		{`"[{\"output\":\"a\""`, nil, coolify.ErrUnavailable},
		{`"plain text"`, nil, coolify.ErrUnavailable},
		{`"{\"output\":\"a\"}"`, nil, coolify.ErrUnavailable},
	} {
		got, err := answering(t, `{"deployment_uuid":"`+deploymentID+`","logs":`+tc.logs+`}`).sensitive.Deployment(deployment).Logs(t.Context())
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("logs of %s (-want +got):\n%s", tc.logs, diff)
		}
		if !errors.Is(err, tc.kind) {
			t.Errorf("logs of %s: %v, want %v", tc.logs, err, tc.kind)
		}
	}
}

// TestValueThatIsNotText: JSON cannot carry it, and something else must not be
// stored in its place.
func TestValueThatIsNotText(t *testing.T) {
	c := answering(t, `{"uuid":"`+envID+`"}`)
	err := second(c.App(app).SetEnvs(t.Context(), []coolify.EnvUpdate{{Key: "A"}, {Key: "B", Value: secret.NewText(canaryValue + "\xff")}}))
	if !errors.Is(err, coolify.ErrInvalid) || c.meter.admitted.Load() != 0 {
		t.Errorf("SetEnvs of bytes: %v after %d requests, want %v after none", err, c.meter.admitted.Load(), coolify.ErrInvalid)
	}
	refuseSecrets(t, err)
}

func TestTerminal(t *testing.T) {
	for status, want := range map[coolify.DeploymentStatus]bool{
		coolify.DeploymentQueued: false, coolify.DeploymentInProgress: false, "": false, "new": false,
		coolify.DeploymentFinished: true, coolify.DeploymentFailed: true, coolify.DeploymentCancelled: true,
	} {
		if got := status.Terminal(); got != want {
			t.Errorf("%q.Terminal() = %v, want %v", status, got, want)
		}
	}
}
