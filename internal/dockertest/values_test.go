package dockertest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/internal/dockertest"
)

// idle is a script of an image that does nothing until it is removed.
const idle = "while :; do sleep 3600; done"

// A host is a real Docker engine, and an application of a simulated Coolify on it.
type host struct {
	testing.TB
	engine *dockertest.Engine
	sim    *coolifytest.Server
	env    string // uuid of an environment of the simulator's
	dest   string // uuid of the network that is on both
	image  string
}

func newHost(t testing.TB, script string) *host {
	t.Helper()
	e := dockertest.Get(t)
	sim := coolifytest.New(coolifytest.Config{})
	server := sim.Destinations()[0].HostUUID
	dest := sim.AddDestination(coolifytest.Destination{Network: e.Network(t), HostUUID: server})
	return &host{t, e, sim, sim.AddProject("alpha").Environments[0].UUID, dest.UUID, e.Image(t, script)}
}

// start starts a container with rows of variables as Coolify would, and returns what its
// first process has, or why Docker Compose refuses.
func (h *host) start(app coolifytest.App, rows []coolifytest.Env) (uuid string, env map[string]string, err error) {
	h.Helper()
	app.DestinationUUID = h.dest
	uuid = h.sim.AddApp(h.env, app).UUID
	for _, e := range rows {
		h.sim.AddEnv(uuid, e)
	}
	own := map[string]string{"COOLIFY_URL": app.FQDN}
	p, err := h.engine.Up(h, h.sim.ComposeFile(uuid, h.image), h.sim.DotEnv(uuid, false), own)
	if err != nil {
		return uuid, nil, err
	}
	env = p.Environ(h, uuid)
	maps.DeleteFunc(env, func(key, _ string) bool { return slices.Contains([]string{"PATH", "HOSTNAME", "HOME"}, key) })
	return uuid, env, nil
}

// hard are values that have to arrive as they are.
var hard = []string{
	"", "plain", "it's", "'", "'quoted'", `"x"`, `C:\new`, `a\\b`, `\n`, "a # b", "#b", "$HOME", "${HOME:-x}", "$$",
	"$", "${", "`id`", "$(id)", "a\tb", "a\rb", "a\r\nb", "a\nb", "a\n\nb=c", "-----BEGIN KEY-----\nMIIB+/=\n-----END KEY-----",
	"KEY=a", "export A", "part\u00e9\u90e8\U0001f680\u2764\ufe0f", "\u0634\u200f\u05d0", "p@ss'w$rd\"#1 #2\\3", "'\n'\n'",
	"{", "[not json $HOME #", "{}", `{"a":"\"\\ \n \u00e9#"}`, `["it's $HOME #1 #2"]`, "[\"it's\",\n\"$HOME\"]", `"$HOME"`,
	strings.Repeat("long'$#\\\" ", 5_000) + ".",
}

// hardJSON are values that have to arrive as equal JSON.
var hardJSON = []string{
	`{"a":"$HOME ${HOME} $$"}`, `["a #b", "\\$a"]`, "{\n\t\"a b\": [1.0, 1e400,\r\n\n-0]\n}", `{"$A #":{" #":null}}`,
}

// nasty are the pieces of values that mean something to Coolify or docker compose.
var nasty = []string{
	"'", `"`, `\`, "$", "{", "}", "[", "]", "#", " ", "\n", "\t", "\r", "a", "B", ":", ",", "=", "1", "$A", "${A}", "${A:-x}",
	"$$", `{"a":"`, `"}`, "\u00e9", "\u00a0", "\u2028", "\U0001f680", "?", "-", "KEY_1", "$HOME",
}

func nastyText(r *rand.Rand) string {
	var out strings.Builder
	for range r.IntN(12) {
		out.WriteString(nasty[r.IntN(len(nasty))])
	}
	return out.String()
}

// TestValuesReachContainers: what hosting has Coolify store arrives in a real container to
// the byte, or as equal JSON, by Docker Compose v2.
func TestValuesReachContainers(t *testing.T) {
	h := newHost(t, idle)
	values, r := slices.Concat(hard, hardJSON), rand.New(rand.NewPCG(1, 2))
	for range 100 {
		values = append(values, nastyText(r))
	}
	var rows []coolifytest.Env
	given := map[string]string{}
	for i, value := range values {
		stored, ok := hosting.StoredEnv(value, false)
		if !ok && i < len(hard)+len(hardJSON) {
			t.Errorf("%q is refused", value)
		}
		if !ok {
			continue
		}
		key := fmt.Sprintf("KEY_%d", i)
		given[key] = value
		rows = append(rows, coolifytest.Env{Key: key, Value: coolifytest.Trim(stored), Literal: true, Runtime: true})
	}
	_, env, err := h.start(coolifytest.App{}, rows)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range given {
		if got, there := env[key]; !there || got != value && !equalJSON(value, got) {
			t.Errorf("%q arrives as %q (%v)", value, got, there)
		}
	}
	if random := len(given) - len(hard) - len(hardJSON); random < 50 {
		t.Errorf("only %d random values were taken", random)
	}
}

func equalJSON(a, b string) bool {
	var x, y any
	decode := func(text string, v *any) error {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		return d.Decode(v)
	}
	return decode(a, &x) == nil && decode(b, &y) == nil && cmp.Equal(x, y)
}

// TestSimulatorReadsAsCompose: the simulator says of rows of every kind, also of those that
// nobody should write, what a real container gets, or that none is started.
func TestSimulatorReadsAsCompose(t *testing.T) {
	h := newHost(t, idle)
	r, refused := rand.New(rand.NewPCG(3, 4)), 0
	kinds := []coolifytest.Env{{}, {Literal: true}, {Multiline: true}}
	var sets [][]coolifytest.Env
	all := []coolifytest.Env{}
	for i, value := range slices.Concat(hard, hardJSON) {
		for j, row := range kinds {
			row.Key, row.Value, row.Runtime = fmt.Sprintf("KEY_%d_%d", i, j), value, true
			if alone := []coolifytest.Env{row}; !h.readable(alone) {
				if len(value) < 12 { // some of those that break the file
					sets = append(sets, alone)
				}
				continue
			}
			all = append(all, row)
		}
	}
	for range 300 {
		row := kinds[r.IntN(len(kinds))]
		row.Key, row.Value, row.Runtime = fmt.Sprintf("KEY_%d", len(all)), nastyText(r), true
		if h.readable([]coolifytest.Env{row}) {
			all = append(all, row)
		}
	}
	for _, rows := range append(sets, all) {
		uuid, got, err := h.start(coolifytest.App{FQDN: "https://a.example"}, rows)
		want, unread := h.sim.ContainerEnv(uuid, false)
		if (err == nil) != (unread == nil) {
			t.Errorf("%q: docker compose says %v, the simulator %v", rows[0].Value, err, unread)
			continue
		}
		if err != nil {
			if refused++; !strings.Contains(err.Error(), unread.Error()) {
				t.Errorf("%q: docker compose says %v, the simulator %v", rows[0].Value, err, unread)
			}
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-simulator +container\n%s", diff)
		}
	}
	if refused < 10 || len(all) < 200 {
		t.Errorf("%d files were refused and %d rows read", refused, len(all))
	}
}

// readable reports whether the simulator reads a file with these rows and nothing else.
func (h *host) readable(rows []coolifytest.Env) bool {
	h.Helper()
	uuid := h.sim.AddApp(h.env, coolifytest.App{}).UUID
	for _, e := range rows {
		h.sim.AddEnv(uuid, e)
	}
	_, err := h.sim.ContainerEnv(uuid, false)
	return err == nil
}
