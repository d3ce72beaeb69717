package coolify_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify"
)

// FuzzDecodeDeployments: no answer makes the client panic, and what it cannot
// read is an error of its own, never half an answer.
func FuzzDecodeDeployments(f *testing.F) {
	for _, tc := range calls {
		f.Add([]byte(tc.answer))
	}
	for _, name := range []string{"GET_deployments.rs", "GET_deployments_uuid.rs", "GET_deployments_applications_uuid.rs"} {
		var c capture
		raw, err := os.ReadFile(filepath.Join(shared, "captures", "coolify", name+".json"))
		if err != nil {
			continue // other seeds do
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(c.Body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := answering(t, string(body))
		list, err := c.RunningDeployments(t.Context())
		judgeDecoded(t, err, list == nil)
		page, err := c.App(app).Deployments(t.Context(), 0, 10)
		judgeDecoded(t, err, page.Deployments == nil)
		one, err := c.Deployment(deployment).Get(t.Context())
		judgeDecoded(t, err, one.UUID.IsZero())
		logs, err := c.sensitive.Deployment(deployment).Logs(t.Context())
		judgeDecoded(t, err, err != nil && logs == nil)
		for _, d := range append(append(list, page.Deployments...), one) {
			for _, u := range []coolify.UUID{d.UUID, d.ApplicationUUID} {
				if _, err := coolify.ParseUUID(u.String()); err != nil && !u.IsZero() {
					t.Errorf("id %q in %s", u, body)
				}
			}
		}
	})
}

func judgeDecoded(t *testing.T, err error, empty bool) {
	t.Helper()
	if err == nil {
		return
	}
	if !errors.Is(err, coolify.ErrUnavailable) && !errors.Is(err, coolify.ErrForbidden) {
		t.Errorf("error = %v, want %v", err, coolify.ErrUnavailable)
	}
	if !empty {
		t.Errorf("half an answer with the error %v", err)
	}
}

// FuzzDecodeParts: the same for what an application is made of.
func FuzzDecodeParts(f *testing.F) {
	for _, tc := range calls {
		f.Add([]byte(tc.answer))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := answering(t, string(body))
		databases, err := c.Project(project).Databases(t.Context(), environment)
		judgeDecoded(t, err, databases == nil)
		one, err := c.Database(database).Get(t.Context())
		judgeDecoded(t, err, one == coolify.Database{})
		made, err := c.Project(project).CreateDatabase(t.Context(), coolify.Redis, coolify.NewDatabase{Environment: environment, Server: server})
		judgeDecoded(t, err, made.UUID.IsZero() && made.URL.IsZero())
		keys, err := c.PrivateKeys(t.Context())
		judgeDecoded(t, err, keys == nil)
		destinations, err := c.Server(server).Destinations(t.Context())
		judgeDecoded(t, err, destinations == nil)
		images, err := c.App(app).RollbackImages(t.Context())
		judgeDecoded(t, err, images.Current == "" && images.Images == nil)
		address, err := c.sensitive.Database(database).URL(t.Context())
		judgeDecoded(t, err, address.IsZero())
		for _, d := range append(databases, one) {
			if _, err := coolify.ParseUUID(d.UUID.String()); err != nil && !d.UUID.IsZero() {
				t.Errorf("id %q in %s", d.UUID, body)
			}
		}
	})
}

var deploymentURL = regexp.MustCompile(`^/project/[^/]*/environment/[^/]*/application/([A-Za-z0-9_-]{1,64})/deployment/` + deploymentID + `$`)

// FuzzDeploymentURL: an application is read from a deployment's URL only where
// Coolify writes it.
func FuzzDeploymentURL(f *testing.F) {
	for _, s := range []string{
		"/project/P/environment/E/application/" + appID + "/deployment/" + deploymentID,
		"/project/P/environment/E/application/" + appID + "/deployment/other",
		"/project/P/environment/E/application//deployment/" + deploymentID,
		"/project/P/environment/E/application/../deployment/" + deploymentID,
		"/project/P/environment/application/x/application/" + appID + "/deployment/" + deploymentID,
		"https://coolify.example.com/project/P/environment/E/application/" + appID + "/deployment/" + deploymentID,
		"", "/", "////////",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		body, err := json.Marshal([]map[string]string{{"deployment_uuid": deploymentID, "deployment_url": s}})
		if err != nil {
			t.Fatal(err)
		}
		c := connect(t, overWire(func(*http.Request) (*http.Response, error) { return reply(200, string(body)), nil }))
		list, err := c.RunningDeployments(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("RunningDeployments() = %v, %v", list, err)
		}
		var want string
		if m := deploymentURL.FindStringSubmatch(s); m != nil {
			want = m[1]
		}
		if got := list[0].ApplicationUUID.String(); got != want {
			t.Errorf("application of %q = %q, want %q", s, got, want)
		}
	})
}
