package coolifytest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func newBuilder(t *testing.T) *Builder {
	t.Helper()
	b := &Builder{Dir: t.TempDir()}
	if err := b.Check(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return b
}

// plain is an application that builds from a Dockerfile.
func plain() App {
	a := App{UUID: "web", FQDN: "https://web.example.com", Files: map[string]string{"Dockerfile": "FROM scratch\n"}}
	a.fill()
	return a
}

func built(key, value string) Env { return Env{Key: key, Value: value, BuildTime: true} }

func literal(key, value string) Env {
	return Env{Key: key, Value: value, BuildTime: true, Literal: true}
}

func TestHarmlessBuilds(t *testing.T) {
	b := newBuilder(t)
	long := strings.Repeat("x", 100_000)
	for name, rows := range map[string][]Env{
		"nothing":            nil,
		"plain":              {built("KEY", "value")},
		"expansion":          {built("HOST", "db"), built("URL", "postgres://$HOST:${PORT:-5432}/$1")},
		"quotes":             {literal("A", `a "quoted" \ $HOME ${x} $(touch x) `+"`touch x`"), built("B", `it's "quoted" \ $(touch x) `+"`touch x` $ $$")},
		"multiline":          {{Key: "PEM", Value: "-----BEGIN-----\nA=1\ntouch x\n-----END-----", Multiline: true, BuildTime: true}},
		"json":               {literal("A", `{"a":"$(touch x)","b":"'"}`), built("B", `["$(touch x)"]`)},
		"control":            {literal("A", "a\x01b\x7fc\td\x00e"), built("B", "a\x01b\x7fc\td")},
		"long":               {literal("A", long)},
		"not built":          {{Key: "LD_PRELOAD", Value: "/x"}, {Key: "PATH", Value: ".", Runtime: true}},
		"preview":            {{Key: "PATH", Value: ".", Preview: true, BuildTime: true}},
		"for nixpacks alone": {built("NIXPACKS_X", "$(touch x)")},
		"same key":           {built("KEY", "1"), built("KEY", "2")},
		"like ours":          {built("DOCKERFILE", "x"), built("GOOGLE_ID", "x"), built("GIT_SHA", "x"), built("ENV", "production")},
	} {
		t.Run(name, func(t *testing.T) {
			b.Reset()
			if out, err := b.Run(BuildOf(plain(), rows)); err != nil {
				t.Errorf("Run: %v; it printed %s", err, out)
			}
			if got := b.Tripped(); len(got) > 0 {
				t.Errorf("tripped: %q", got)
			}
		})
	}
}

func TestTripwire(t *testing.T) {
	b := newBuilder(t)
	program := "#!/bin/sh\n: > \"$BUILDER_MARK\"\n"
	for _, tc := range []struct {
		name   string
		change func(*App)
		rows   []Env
		want   string // part of what the tripwire says
	}{
		{"PATH and a planted docker", func(a *App) { a.Files["docker"] = program }, []Env{literal("PATH", ".:/usr/bin:/bin")}, "not the genuine one"},
		{"a planted docker leaves the mark", func(a *App) { a.Files["docker"] = program }, []Env{built("PATH", ".:$PATH")}, "the mark"},
		{"a silent planted docker", func(a *App) { a.Files["docker"] = "#!/bin/sh\n" }, []Env{literal("PATH", ".:/usr/bin:/bin")}, "not the genuine one"},
		{"PATH alone", nil, []Env{built("PATH", "$PATH:.")}, "docker saw PATH"},
		{"HOME", nil, []Env{literal("HOME", ".")}, "docker saw HOME"},
		{"prompt expansion", nil, []Env{literal("A", "$(touch "+b.Mark()+")"), built("B", "${A@P}")}, "the mark"},
		{"prompt expansion without the mark", nil, []Env{literal("A", "$(true)"), built("B", "${A@P}")}, `bash ran "1 true"`},
		{"arithmetic", nil, []Env{literal("A", "x[$(true)]"), built("B", "${a[A]}")}, `bash ran "1 true"`},
		{"dotted key", func(a *App) { a.Files["my.key=./run"] = program }, []Env{literal("my.key", "./run"), built("Z", "1")}, "the mark"},
		{"dotted key without a program", nil, []Env{literal("my.key", "v"), built("Z", "1")}, `bash ran "0 my.key='v'"`},
		{"nixpacks key", func(a *App) {
			a.BuildPack, a.NixpacksVariables = "nixpacks", map[string]string{"X;true;Y": "v"}
		}, nil, `bash ran "0 true"`},
		{"nixpacks path", func(a *App) {
			a.BuildPack, a.NixpacksVariables = "nixpacks", map[string]string{"PATH": ".:/usr/bin"}
			a.Files["docker"] = program
		}, nil, "not the genuine one"},
		{"compose, privileged", compose("services:\n  web:\n    privileged: true\n"), nil, "privileged: true"},
		{"compose, socket", compose("services:\n  web:\n    volumes: ['/var/run/docker.sock:/s']\n"), nil, "docker.sock"},
		{"compose, host folder", compose("services:\n  web:\n    volumes:\n      - /:/host\n"), nil, "- /:/"},
		{"compose, host network", compose("services:\n  web:\n    network_mode: host\n"), nil, "network_mode: host"},
		{"base directory", func(a *App) { a.BaseDirectory = "/../.." }, nil, "leaves the checkout"},
		{"dockerfile location", func(a *App) { a.DockerfileLocation = "/../Dockerfile" }, nil, "leaves the checkout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.Reset()
			a := plain()
			if tc.change != nil {
				tc.change(&a)
			}
			out, err := b.Run(BuildOf(a, tc.rows))
			if got := strings.Join(b.Tripped(), "\n"); !strings.Contains(got, tc.want) {
				t.Errorf("tripped: %q, want %q; Run: %v; it printed %s", got, tc.want, err, out)
			}
			if err := b.Err(); err != nil {
				t.Errorf("Err: %v", err)
			}
		})
	}
}

func compose(file string) func(*App) {
	return func(a *App) { a.BuildPack, a.Files["docker-compose.yaml"] = "dockercompose", file }
}

func TestTripwireOfNames(t *testing.T) {
	b := newBuilder(t)
	for _, key := range []string{
		"DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "BUILDX_BUILDER", "BUILDX_CONFIG",
		"BUILDKIT_HOST", "COMPOSE_FILE", "GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "HTTPS_PROXY", "http_proxy", "GLIBC_TUNABLES", "PS4",
	} {
		b.Reset()
		if _, err := b.Run(BuildOf(plain(), []Env{literal(key, "/does/not/exist")})); err != nil {
			t.Errorf("%s: Run: %v", key, err)
		}
		if got := strings.Join(b.Tripped(), "\n"); !strings.Contains(got, "docker saw "+key) {
			t.Errorf("%s: tripped %q, want it seen", key, got)
		}
	}
}

// Coolify sources the variables for neither of these packs.
func TestPacksThatDoNotSource(t *testing.T) {
	b := newBuilder(t)
	for pack, files := range map[string]map[string]string{
		"static": {}, "dockercompose": {"docker-compose.yaml": "services:\n  web:\n    image: x\n    volumes: ['data:/data']\n"}, "dockerimage": {},
	} {
		a := plain()
		a.BuildPack, a.Files = pack, files
		if out, err := b.Run(BuildOf(a, []Env{literal("PATH", "."), literal("my.key", "./x")})); err != nil {
			t.Errorf("%s: Run: %v; it printed %s", pack, err, out)
		}
	}
	if got := b.Tripped(); len(got) > 0 {
		t.Errorf("tripped: %q", got)
	}
}

func TestBuildsThatFail(t *testing.T) {
	b := newBuilder(t)
	out, err := b.Run(BuildOf(plain(), []Env{literal("UID", "1"), literal("A", strings.Repeat("x", 200_000))}))
	if err == nil || b.Err() != nil || len(b.Tripped()) > 0 {
		t.Errorf("Run = %v, Err %v, tripped %q; want a failure of the build alone; it printed %s", err, b.Err(), b.Tripped(), out)
	}
	for _, value := range []string{"it's", `it\'s`} {
		out, err := b.Run(BuildOf(plain(), []Env{literal("A", value), {Key: "B", Value: value, BuildTime: true, Multiline: true}}))
		if err == nil || !strings.Contains(out, "single-quote") || len(b.Tripped()) > 0 {
			t.Errorf("%s: Run = %v, tripped %q; want the Dockerfile broken; it printed %s", value, err, b.Tripped(), out)
		}
	}
	if left, err := filepath.Glob(filepath.Join(b.Dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestBuildGets: what comes to docker of a value that is quoted.
func TestBuildGets(t *testing.T) {
	b := newBuilder(t)
	multiline := Env{Key: "D", Value: "it's\ntwo", Multiline: true, BuildTime: true}
	const text = `$HOME "x" \n #`
	rows := []Env{literal("A", text), literal("B", `{"a": "$x"}`), literal("C", ""), multiline, built("E", "$A")}
	if out, err := b.Run(BuildOf(plain(), rows)); err != nil {
		t.Fatalf("Run: %v; it printed %s", err, out)
	}
	env := b.Env()
	for key, want := range map[string]string{"A": text, "B": `{"a": "$x"}`, "C": "", "D": "it's\ntwo", "E": text} {
		if got, there := env[key]; got != want || !there {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
}

func TestBuilderNeverPassesSilently(t *testing.T) {
	if err := (&Builder{}).Check(); err == nil {
		t.Error("Check without a folder = nil, want an error")
	}
	t.Setenv("PATH", t.TempDir())
	b := &Builder{Dir: t.TempDir()}
	if err := b.Check(); err == nil {
		t.Error("Check without bash = nil, want an error")
	}
	if _, err := b.Run(BuildOf(plain(), nil)); err == nil || b.Err() == nil {
		t.Errorf("Run without bash: %v, Err %v; want errors", err, b.Err())
	}
	s := New(Config{Builder: b})
	a := s.AddApp(s.AddProject("alpha").Environments[0].UUID, App{})
	d := s.AddDeployment(a.UUID, Deployment{Status: InProgress})
	s.Advance(d.UUID)
	if got, _ := s.Deployment(d.UUID); got.Status != Failed || len(s.Violations()) == 0 {
		t.Errorf("deployment without bash is %q, violations %q; want it failed, and said", got.Status, s.Violations())
	}
}

func TestFilesOutsideTheCheckout(t *testing.T) {
	b := newBuilder(t)
	a := plain()
	a.Files["../outside"] = "x"
	if _, err := b.Run(BuildOf(a, nil)); err == nil || b.Err() == nil {
		t.Errorf("Run of a file outside the checkout: %v, Err %v; want errors", err, b.Err())
	}
}

func TestDeploymentsRunTheBuilder(t *testing.T) {
	b := newBuilder(t)
	s := newSim(t, Config{Builder: b})
	s.SetTeamVariable("CMD", "$(true)")
	s.AddEnv(s.web.UUID, built("OK", "fine"))
	run := func(query string) string {
		t.Helper()
		uuid := s.do("POST", "/applications/"+s.web.UUID+query, "").ok(200).object()["deployment_uuid"].(string)
		s.Advance(uuid)
		s.Advance(uuid)
		d, _ := s.Deployment(uuid)
		return d.Status
	}
	if got := run("/start"); got != Finished || len(b.Tripped()) > 0 {
		t.Errorf("harmless build: %s, tripped %q", got, b.Tripped())
	}
	s.AddEnv(s.web.UUID, literal("A", "{{team.CMD}}"))
	s.AddEnv(s.web.UUID, built("B", "${A@P}"))
	if got := run("/restart"); got != Finished || len(b.Tripped()) > 0 {
		t.Errorf("restart: %s, tripped %q; want nothing built", got, b.Tripped())
	}
	if got := run("/start"); got != Finished || len(b.Tripped()) == 0 {
		t.Errorf("build of a team's command: %s, tripped %q; want it finished and the wire tripped", got, b.Tripped())
	}
	s.SetApp(s.web.UUID, func(a *App) { a.BaseDirectory = "/../.." })
	if got := run("/start"); got != Failed {
		t.Errorf("build outside the checkout: %s, want failed", got)
	}
}

func TestBuildEnvironmentFile(t *testing.T) {
	a := plain()
	a.BuildPack = "nixpacks"
	a.NixpacksVariables = map[string]string{"N": "it's", "COOLIFY_X": "no", "K": "plan"}
	got := envLines(a, []Env{built("K", `a"$b$(c)`), literal("L", "'q'"), {Key: "R", Value: "run", Runtime: true}, built("K", "last")})
	want := []string{
		"K=\"last\"", `N='it'\''s'`, "COOLIFY_URL='https://web.example.com'", "COOLIFY_BRANCH='main'", "COOLIFY_RESOURCE_UUID='web'", "L='q'",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("lines = %q, want %q", got, want)
	}
	for in, want := range map[string]string{
		"":         `""`,
		"$a ${b":   `"$a ${b"`,
		"$ $(x)":   `"\$ \$(x)"`,
		`\"` + "`": `"\\\"` + "\\`\"",
		"$":        `"\$"`,
		"$$x":      `"\$$x"`,
	} {
		if got := doubleQuoted(in); got != want {
			t.Errorf("doubleQuoted(%q) = %s, want %s", in, got, want)
		}
	}
}

// bashName is what bash takes for the name of a variable.
var bashName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func FuzzLiteralPlainKeysAreSafe(f *testing.F) {
	f.Add("KEY", "value")
	f.Add("A", "$(touch x) '; touch x #")
	f.Add("B_1", "a\nb\x01`x`")
	b := &Builder{Dir: f.TempDir()}
	if err := b.Check(); err != nil {
		f.Skip(err)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		if !bashName.MatchString("VIBN_" + key) {
			t.Skip("not a name")
		}
		if !utf8.ValidString(value) || strings.Contains(value, "\x00") {
			t.Skip("neither JSON nor Coolify's database carries it")
		}
		b.Reset()
		_, _ = b.Run(BuildOf(plain(), []Env{literal("VIBN_"+key, value)}))
		if got := b.Tripped(); len(got) > 0 || b.Err() != nil {
			t.Errorf("VIBN_%s=%q tripped %q, Err %v", key, value, got, b.Err())
		}
	})
}

func TestBuilderInARelativeFolder(t *testing.T) {
	newBuilder(t) // skips where nothing can be built
	t.Chdir(t.TempDir())
	b := &Builder{Dir: "scratch"}
	if out, err := b.Run(BuildOf(plain(), []Env{built("KEY", "v")})); err != nil || len(b.Tripped()) > 0 {
		t.Errorf("Run = %v, tripped %q; it printed %s", err, b.Tripped(), out)
	}
	if !filepath.IsAbs(b.Mark()) {
		t.Errorf("Mark = %q, want it in full: builds run elsewhere", b.Mark())
	}
}
