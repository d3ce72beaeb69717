package coolify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

// The canaries must never come out of an error.
const (
	basePath    = "/panel"
	canaryToken = "7|canaryTokenCanaryTokenCanaryTokenCanaryTok"
	canaryValue = "canary-value-of-a-variable"
)

// Ids as Coolify makes them.
const (
	projectID     = "guiak8wsnzmt5vtxqmvphxar"
	environmentID = "awek5druoylaoriltbbjyvfr"
	serverID      = "q1t02afl8x6gxy3kltrpkngi"
	destinationID = "tocovsqw5rqu0aan97qotawn"
	appID         = "fnqgpkdr1ympcxyxugvlow1p"
	deploymentID  = "8rgdwebzxhrbdrfhlv3p9fpl"
	envID         = "ptwtap34miveqxkgvukcmkxn"
	keyID         = "xrnhtlgystbgd6bdu8qyculy"
	databaseID    = "vgdir2cwhbh6oi4ji7w3fmtr"
	serviceID     = "soqvi1ncwedakwyg0z4kkgzq"
)

var (
	project, environment = id(projectID), id(environmentID)
	server, destination  = id(serverID), id(destinationID)
	app, deployment, env = id(appID), id(deploymentID), id(envID)
	key, database        = id(keyID), id(databaseID)
	service              = id(serviceID)
)

// id makes a UUID of one that is known to be good.
func id(s string) coolify.UUID {
	u, err := coolify.ParseUUID(s)
	if err != nil {
		panic(err)
	}
	return u
}

// clients are both clients of one Coolify, on one counting meter.
type clients struct {
	*coolify.Client
	sensitive *coolify.Sensitive
	meter     *meter
}

// A meter admits everything and counts.
type meter struct {
	admitted, done atomic.Int64
	ops            chan coolify.Operation // what was admitted, as far as there is room
}

func (m *meter) admit(_ context.Context, op coolify.Operation) (func(), error) {
	m.admitted.Add(1)
	select {
	case m.ops <- op:
	default:
	}
	return func() { m.done.Add(1) }, nil
}

func connect(tb testing.TB, cfg coolify.Config) clients {
	tb.Helper()
	c, err := coolify.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	s, err := coolify.NewSensitive(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	m := &meter{ops: make(chan coolify.Operation, 16)}
	return clients{c.Metered(m.admit), s.Metered(m.admit), m}
}

// serve answers requests below /panel with h, after it has judged them: by the
// rules that hold for all, and by the published document if it is there.
func serve(tb testing.TB, h http.HandlerFunc) coolify.Config {
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
	return coolify.Config{URL: u, Token: secret.NewText(canaryToken), Transport: transport, RetryWait: time.Millisecond}
}

func judge(tb testing.TB, r *http.Request, body []byte) {
	tb.Helper()
	credential := "Bearer " + canaryToken
	if strings.HasSuffix(r.URL.Path, "/health") {
		credential = "" // it is asked for as nobody
	}
	for header, want := range map[string]string{
		"Accept": "application/json", "Authorization": credential, "User-Agent": "vibn-mcp",
	} {
		if got := r.Header.Get(header); got != want {
			tb.Errorf("%s %s: %s = %q, want %q", r.Method, r.URL, header, got, want)
		}
	}
	if (len(body) > 0) != (r.Header.Get("Content-Type") == "application/json") {
		tb.Errorf("%s %s: %d bytes of body with Content-Type %q", r.Method, r.URL, len(body), r.Header.Get("Content-Type"))
	}
	if !strings.HasPrefix(r.URL.Path, basePath+"/api/v1/") || strings.Contains(r.URL.Path, "//") || strings.HasSuffix(r.URL.Path, "/") {
		tb.Errorf("%s %s: a path that Coolify does not have", r.Method, r.URL)
	}
	judgeKeys(tb, r, body)
	if d := publishedDocument(tb); d != nil {
		if err := checkRequest(d, r, body); err != nil {
			tb.Errorf("%s %s is not in the published document: %v", r.Method, r.URL, err)
		}
	}
}

// named are the ids that a body may hold, where no id is in the path.
var named = []string{"project_uuid", "environment_uuid", "server_uuid", "destination_uuid", "private_key_uuid"}

// unwanted are the fields that reach past a container, take another's domain or
// say what Coolify is to run.
var unwanted = []string{
	"force_domain_override", "custom_docker_run_options", "custom_labels", "custom_network_aliases", "custom_internal_name", "ports_mappings",
	"connect_to_docker_network", "pre_deployment_command", "post_deployment_command", "install_command", "build_command", "start_command",
	"public_port", "tags",
}

// judgeKeys refuses the keys that Coolify takes for the ids of the path, and
// those that no tenant may have a say in.
func judgeKeys(tb testing.TB, r *http.Request, body []byte) {
	tb.Helper()
	keys := map[string]any{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &keys); err != nil {
			tb.Errorf("%s %s: body: %v", r.Method, r.URL, err)
		}
	}
	for k := range r.URL.Query() {
		keys[k] = nil
	}
	path := strings.TrimPrefix(r.URL.Path, basePath+"/api/v1")
	creates := r.Method == http.MethodPost && (path == "/applications/private-deploy-key" || path == "/services" || strings.HasPrefix(path, "/databases/") && strings.Count(path, "/") == 2)
	for k, v := range keys {
		names := creates && slices.Contains(named, k)
		if strings.HasSuffix(k, "uuid") && !names {
			tb.Errorf("%s %s carries %q, which overrides the path", r.Method, r.URL, k)
		}
		if slices.Contains(unwanted, k) {
			tb.Errorf("%s %s carries %q = %v", r.Method, r.URL, k, v)
		}
	}
}

// answer is a handler that gives one answer.
func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// refuseSecrets fails the test if an error shows a canary, however it is printed.
func refuseSecrets(tb testing.TB, err error) {
	tb.Helper()
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		text := fmt.Sprintf(verb, err)
		for _, canary := range []string{canaryToken, canaryToken[2:], canaryValue, basePath} {
			if strings.Contains(text, canary) {
				tb.Errorf("%s of the error holds %q: %s", verb, canary, text)
			}
		}
	}
}

// same compares without looking at how ids and secrets are made.
var same = cmp.Options{
	cmp.Comparer(func(a, b coolify.UUID) bool { return a == b }),
	cmp.Comparer(func(a, b secret.Text) bool { return a.Equal(b.Reveal()) }),
}
