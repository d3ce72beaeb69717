package tenancy_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// wantArrival checks that the containers of an app, and of its previews, get a value.
func wantArrival(t testing.TB, h *tenancytest.House, uuid, key, want string) {
	t.Helper()
	for _, preview := range []bool{false, true} {
		env, err := h.Sim.ContainerEnv(uuid, preview)
		if got, there := env[key]; err != nil || got != want || !there {
			t.Errorf("%s arrives as %q (%v, %v), want %q", key, got, there, err, want)
		}
	}
}

const pem = "-----BEGIN KEY-----\nMIIB+/=\n-----END KEY-----"

// exact are values that have to arrive as they are.
var exact = []string{
	"", "plain", "it's", "'", "''", "'quoted'", `"x"`, `C:\new`, `a\\b`, `\n`, "a # b", "#b", "a#b",
	"$HOME", "${HOME:-x}", "$$", "$", "${", "`id`", "a\tb", "a\rb", "a\r\nb", "a\nb", "a\n\nb", pem,
	"a=b", "KEY=a", "export A", "part\u00e9\u90e8\U0001f680", "\u2764\ufe0f", "a b", "p@ss'w$rd\"#1 #2\\3",
	"'\n'\n'", "it's\n$HOME", `"it's" $HOME #1`,
	"{", "}", "[", "[not json $HOME #", "{not json\n}", "{ {", "{}", "[]",
	`{"a":1}`, `{"a": "b c", "d": [1, 2.5, true, null]}`, `{"a":"\"\\ \n \u00e9#"}`, `["^x$","$","a#b"]`,
	`["it's $HOME #1 #2"]`, "[\"it's\",\n\"$HOME\"]", `["$HOME' #"]`, `[TRUE]`, `"$HOME"`, "{{project.NONE}}$HOME",
}

// inexact are values that cannot arrive, and a word of why.
var inexact = map[string]string{
	" a": "white space", "a ": "white space", "a\n": "white space", pem + "\n": "white space", "\ta": "white space",
	" ": "white space", "\u200ba": "invisible", "a\ufeff": "invisible",
	`a\`: "ends in a backslash", `\`: "ends in a backslash", `a\\`: "ends in a backslash",
	`a\'b`: "backslash before a single quote", `["\\'"]`: "backslash before a single quote",
	"[TRUE,\n2]": "JSON", `[TRUE,"$HOME"]`: "JSON", // to Coolify, and not to others
	`["` + strings.Repeat("$a", 10_000) + `"]`: "longer than 65536 bytes then",
}

// rewritten are JSON values that arrive as equal JSON, and what is stored.
var rewritten = map[string]string{
	`{"a":"$HOME"}`: `{"a":"\u0024HOME"}`, `["$$"]`: `["\u0024\u0024"]`, `["${a"]`: `["\u0024{a"]`,
	"[\"$\u017f\"]": "[\"\\u0024\u017f\"]", `["a #b#c"]`: `["a \u0023b#c"]`, `["\\$a"]`: `["\\\u0024a"]`,
	`{"\"$A #": " # #"}`: `{"\"\u0024A \u0023":" \u0023 \u0023"}`, "{\n}": "{}", "[1,\r\n2]": "[1,2]",
	"{\n\t\"a b\": [1.0, 1e400,\n\n-0],\n\t\"a b\": \"\\ud800\u2028<&>\"\n}": "{\"a b\":[1.0,1e400,-0],\"a b\":\"\\ud800\u2028<&>\"}",
}

// TestValuesArrive: a value reaches the container to the byte, whichever door it came
// by, or it is refused with a reason and changes nothing.
func TestValuesArrive(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "WAS_PLAIN", Value: "old", Runtime: true})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "WAS_PLAIN", Value: "old", Runtime: true, Preview: true})
	for i, some := range slices.Collect(slices.Chunk(exact, hosting.MaxEnvKeys-1)) {
		values := map[string]secret.Text{"WAS_PLAIN": secret.NewText(some[0])}
		for j, value := range some {
			values[fmt.Sprintf("KEY_%d_%d", i, j)] = secret.NewText(value)
		}
		if err := setEnvs(t, h, uuid, hosting.EnvSet{Values: values}); err != nil {
			t.Fatal(err)
		}
		for key, value := range values {
			wantArrival(t, h, uuid, key, value.Reveal())
		}
	}
	before := h.Sim.Envs(uuid)
	for value, why := range inexact {
		h.Sim.Reset()
		for _, set := range []hosting.EnvSet{{}, {Literal: new(true)}, {Multiline: new(true), Preview: true}} {
			set.Values = texts("GOOD", "v", "KEY", value)
			err := setEnvs(t, h, uuid, set)
			e := tenancy.Public(err)
			said := strings.HasPrefix(e.Msg, "the value of KEY ") && strings.Contains(e.Msg, why)
			if e.Code != tenancy.Invalid || !said || !strings.Contains(e.Hint, "base64") {
				t.Errorf("%q: %v (hint %q), want it refused with %q", value, err, e.Hint, why)
			}
		}
		if got := changes(h); len(got) > 0 {
			t.Errorf("%q: Coolify was asked to %q", value, got)
		}
	}
	if after := h.Sim.Envs(uuid); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("rows are %v, want %v", after, before)
	}
	if err := deployNow(t, h, uuid); err != nil {
		t.Fatal(err)
	}
	if got := drive(h, uuid); got != coolifytest.Finished {
		t.Errorf("the deployment is %s", got)
	}
	h.Fine(t)
}

// TestJSONArrivesEqual: JSON that Coolify would not quote is written so that equal JSON
// arrives, and whoever set it is told.
func TestJSONArrivesEqual(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	for value, want := range rewritten {
		for _, set := range []hosting.EnvSet{{}, {Multiline: new(true)}, {BuildTime: new(true)}} {
			set.Values = texts("KEY", value, "OTHER", `{"a":"b"}`)
			must(t, onApp(t, h, uuid, tenancy.Write, func(a *hosting.App) error {
				changes, err := a.SetEnvs(t.Context(), set)
				if err != nil {
					return fmt.Errorf("%q: %w", value, err)
				}
				if !strings.Contains(changes[0].Arrives, "equal JSON") || changes[1].Arrives != "" {
					t.Errorf("%q: the answer is %+v", value, changes)
				}
				return nil
			}))
			wantArrival(t, h, uuid, "KEY", want)
		}
	}
	list := listOf(t, h, uuid)
	if list.Note != "" || list.Envs[0].Arrives != "" {
		t.Errorf("the list is %+v, want nothing said of what was rewritten", list)
	}
	h.Fine(t)
}

// listOf lists the variables of production.
func listOf(t testing.TB, h *tenancytest.House, uuid string) hosting.EnvList {
	t.Helper()
	var list hosting.EnvList
	must(t, onApp(t, h, uuid, tenancy.Read, func(a *hosting.App) (err error) {
		list, err = a.Envs(t.Context(), false)
		return err
	}))
	return list
}

// TestHandWrittenValues: a list names the rows that were not written here and reach the app
// changed, or break its deployments. It changes none, and setting the value anew mends it.
func TestHandWrittenValues(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	literal, plain := coolifytest.Env{Literal: true}, coolifytest.Env{}
	for i, tc := range []struct {
		row         coolifytest.Env
		value, want string
	}{
		{literal, `it\'s $HOME #1 "\n"`, ""},
		{literal, "", ""},
		{literal, " a ", ""},
		{literal, "a\nb", ""},
		{literal, `{"a":"b"}`, ""},
		{plain, "plain", ""},
		{plain, `{"a":"it's"}`, ""},
		{plain, "a$", ""},
		{literal, "it's", "single quote"},
		{literal, `a\`, "last backslash"},
		{literal, `a\\'b`, "single quote"},
		{coolifytest.Env{Multiline: true}, "it's", "single quote"},
		{literal, `["$HOME"]`, "$NAME replaced"},
		{literal, `["a #b"]`, "cut off"},
		{literal, "[1,\n2]", "line break"},
		{plain, "it's", "backslash before quotes"},
		{plain, `C:\x`, "backslash before quotes"},
		{plain, "a\tb", "a tab"},
		{plain, "p$HOME", "$NAME replaced"},
		{plain, "$$", "$NAME replaced"},
		{plain, "a #b", "cut off"},
		{plain, "a\nb", "line break"},
		{plain, "${", "begins no ${NAME}"},
		{plain, " a", "white space"},
		{plain, "{{project.NAME}}", "{{...}} replaced"},
		{literal, "{{team.X}}", "{{...}} replaced"},
		{coolifytest.Env{Literal: true, BuildTime: true}, `it\'s`, "not in builds"},
	} {
		h.Sim.SetProjectVariable(h.A.Project.UUID, "NAME", "alpha")
		uuid, row := newApp(h, coolifytest.App{}), tc.row
		row.Key, row.Value, row.Runtime = "KEY", tc.value, true
		h.Sim.AddEnv(uuid, row)
		before := h.Sim.Envs(uuid)
		list := listOf(t, h, uuid)
		if got := list.Envs[0].Arrives; list.Note != "" || (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%d %+v: arrives %q (%s), want %q", i, tc.row, got, list.Note, tc.want)
		}
		if after := h.Sim.Envs(uuid); !slices.Equal(before, after) {
			t.Errorf("listing changed %+v to %+v", before, after)
		}
		must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "it's"), BuildTime: new(false)}))
		if got := listOf(t, h, uuid).Envs[0]; got.Arrives != "" || !got.Literal {
			t.Errorf("%d: after it was set anew it is %+v", i, got)
		}
		env, err := h.Sim.ContainerEnv(uuid, false)
		if err != nil || env["KEY"] != "it's" {
			t.Errorf("%d: after it was set anew it arrives as %q, %v", i, env["KEY"], err)
		}
	}
	uuid := newApp(h, coolifytest.App{})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "KEY", Value: "it's", Literal: true, Runtime: true, ShownOnce: true})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "OTHER", Value: "mellon's", Literal: true}) // in no container
	for _, e := range listOf(t, h, uuid).Envs {
		if e.Arrives != "" {
			t.Errorf("of %s it says %q, which it cannot know", e.Key, e.Arrives)
		}
	}
}

// TestListJudgesAsComposeReads: a list says that a row reaches the app changed exactly
// where it does.
func TestListJudgesAsComposeReads(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	r := rand.New(rand.NewPCG(7, 8))
	for range 1500 {
		row := coolifytest.Env{Key: "KEY", Value: nastyText(r), Literal: r.IntN(2) == 0, Multiline: r.IntN(4) == 0, Runtime: true}
		uuid := newApp(h, coolifytest.App{})
		h.Sim.AddEnv(uuid, row)
		h.Sim.AddEnv(uuid, coolifytest.Env{Key: "LAST", Value: "last", Literal: true, Runtime: true})
		env, err := h.Sim.ContainerEnv(uuid, false)
		want := row.Value
		if (row.Literal || row.Multiline) && !json.Valid([]byte(want)) {
			want = strings.ReplaceAll(want, `\'`, "'")
		}
		changed := err != nil || env["KEY"] != want || env["LAST"] != "last" || len(env) != 7
		if said := listOf(t, h, uuid).Envs[0].Arrives; (said != "") != changed {
			t.Fatalf("%+q: arrives %q, %v; the list says %q", row.Value, env, err, said)
		}
	}
}

// TestListWithoutValues: where this server may not read values, a list says so.
func TestListWithoutValues(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{NoSensitive: true})
	uuid := newApp(h, coolifytest.App{})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "KEY", Value: "it's", Literal: true, Runtime: true})
	list := listOf(t, h, uuid)
	if len(list.Envs) != 1 || list.Envs[0].Arrives != "" || !strings.Contains(list.Note, "no token that may read") {
		t.Errorf("the list is %+v", list)
	}
}

// TestReplacedValues: whoever asks for $NAME to be replaced gets that, and neither a
// value that is cut nor a file that cannot be read.
func TestReplacedValues(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	if err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("HOST", "db")}); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{
		"": "", "plain": "plain", "pg://$HOST/${NONE:-x}": "pg://db/x", "$$": "$", "a#b": "a#b",
		`{"h":"$HOST"}`: `{"h":"db"}`, `"x"`: `\"x\"`, "it's": `it\'s`,
	} {
		must(t, onApp(t, h, uuid, tenancy.Write, func(a *hosting.App) error {
			changes, err := a.SetEnvs(t.Context(), hosting.EnvSet{Values: texts("KEY", value), Literal: new(false)})
			if err == nil && (changes[0].Arrives == "") != (value == want) {
				t.Errorf("%q: the answer is %+v", value, changes)
			}
			return err
		}))
		wantArrival(t, h, uuid, "KEY", want)
	}
	for value, why := range map[string]string{
		"a\nb": "line break", "[1,\n2]": "line break", "a #b": "space before a #", `["a #b"]`: "space before a #",
		"${": "${", "a${1}": "${", "${A": "${", "${A!}": "${", " a": "white space",
	} {
		err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", value), Literal: new(false)})
		if e := tenancy.Public(err); e.Code != tenancy.Invalid || !strings.Contains(e.Msg, why) || e.Hint == "" {
			t.Errorf("%q: %v (hint %q), want it refused with %q", value, err, e.Hint, why)
		}
	}
	lines := hosting.EnvSet{Values: texts("KEY", "$HOST\nx"), Literal: new(false), Multiline: new(true)}
	must(t, setEnvs(t, h, uuid, lines))
	wantArrival(t, h, uuid, "KEY", "$HOST\nx")
	if err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "$HOST")}); err != nil {
		t.Fatal(err)
	}
	wantArrival(t, h, uuid, "KEY", "$HOST") // nobody asked for it this time
}

// TestBuildValuesArrive: the same for builds, which a shell and a Dockerfile see too.
func TestBuildValuesArrive(t *testing.T) {
	_, b := buildHouse(t, tenancy.Shared)
	all, r := slices.Concat(exact, slices.Sorted(maps.Keys(rewritten))), rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		all = append(all, nastyText(r))
	}
	values, rows := map[string]string{}, []coolifytest.Env{}
	for i, value := range all {
		stored, ok := hosting.StoredEnv(value, true)
		if quote := strings.Contains(value, "'"); ok && quote || !ok && !quote && i < len(exact)+len(rewritten) {
			t.Errorf("%q is taken: %v; want of the exact ones those without a single quote", value, ok)
		}
		if !ok {
			continue
		}
		e := coolifytest.Env{
			Key: fmt.Sprintf("KEY_%d", i), Value: coolifytest.Trim(stored), Literal: true, BuildTime: true,
			Multiline: strings.Contains(value, "\n"),
		}
		values[e.Key], rows = cmp.Or(rewritten[value], value), append(rows, e)
	}
	app := coolifytest.App{UUID: "web", BuildPack: "dockerfile", Files: map[string]string{"Dockerfile": "FROM scratch\n"}}
	if out, err := b.Run(coolifytest.BuildOf(app, rows)); err != nil || len(b.Tripped()) > 0 {
		t.Fatalf("%v, tripped %q; it printed %s", err, b.Tripped(), out)
	}
	seen := b.Env()
	for key, want := range values {
		if got, there := seen[key]; got != want || !there {
			t.Errorf("%s is %q in the build, want %q", key, got, want)
		}
	}
}

// TestBuildValuesAreJudgedByWhatIsThere: a variable that the build sees stays one, and is
// judged as one.
func TestBuildValuesAreJudgedByWhatIsThere(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "old"), BuildTime: new(true)}))
	h.Sim.Reset()
	err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("GOOD", "v", "KEY", "it's")})
	e := tenancy.Public(err)
	said := strings.Contains(e.Msg, "KEY has a single quote") && strings.Contains(e.Hint, "build_time false")
	if e.Code != tenancy.Invalid || !said {
		t.Errorf("%v (hint %q), want it refused", err, e.Hint)
	}
	if got := changes(h); len(got) > 0 {
		t.Errorf("Coolify was asked to %q", got)
	}
	if err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "it's"), BuildTime: new(false)}); err != nil {
		t.Fatal(err)
	}
	wantArrival(t, h, uuid, "KEY", "it's")
}

// TestCreatedAppsValuesArrive: apps.create judges before anything is made.
func TestCreatedAppsValuesArrive(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	env := texts("A", "it's $HOME #1", "B", pem, "C", `a\`)
	_, err := s.create(siteApp(func(n *hosting.NewApp) { n.Env = env }))
	if wantCode(t, "a value that cannot arrive", err, tenancy.Invalid, "the value of C "); len(s.made()) > 0 {
		t.Errorf("%v, made %v; want C refused and nothing made", err, s.made())
	}
	env["C"] = secret.NewText("{\n\"price\": \"$1\"\n}")
	app, err := s.create(siteApp(func(n *hosting.NewApp) { n.Env = env }))
	must(t, err)
	wantArrival(t, s.House, app.UUID, "C", `{"price":"\u00241"}`)
	if len(app.Changed) != 1 || app.Changed[0].Key != "C" || !strings.Contains(app.Changed[0].Arrives, "equal JSON") {
		t.Errorf("the answer says of the variables %+v, want that C is rewritten", app.Changed)
	}
	wantArrival(t, s.House, app.UUID, "A", "it's $HOME #1")
	wantArrival(t, s.House, app.UUID, "B", pem)
}

// TestUnreadableValue: a value that somebody put into Coolify and that breaks the file of
// variables fails each deployment. What is wrong is said, and none of the value.
func TestUnreadableValue(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	for _, value := range []string{"it's mellon-said-frodo", `mellon-said-frodo\`, `a\\' mellon-said-frodo`} {
		uuid := newApp(h, coolifytest.App{})
		h.Sim.AddEnv(uuid, coolifytest.Env{Key: "DOORS", Value: value, Literal: true, Runtime: true})
		if err := deployNow(t, h, uuid); err != nil {
			t.Fatal(err)
		}
		if got := drive(h, uuid); got != coolifytest.Failed {
			t.Errorf("%q: the deployment is %s", value, got)
		}
		d := diagnose(t, h, uuid)
		if len(d.Causes) == 0 || !strings.Contains(d.Causes[0].Cause, ".env file") {
			t.Errorf("%q: causes %+v", value, d.Causes)
		}
		build, err := hosting.FindDeployment(t.Context(), h.Open(t, h.A.Key, tenancy.Read), h.Sim.Deployments(uuid)[0].UUID)
		must(t, err)
		logs, err := build.Logs(t.Context(), hosting.MaxLogLines, -1, "")
		must(t, err)
		text := strings.Join(logs.Lines, "\n") + fmt.Sprintf("%+v", d)
		if strings.Contains(text, "mellon") || !strings.Contains(text, "/.env: line ") {
			t.Errorf("%q: the log and the diagnosis say %s", value, text)
		}
	}
}

// TestRevealedValues: a person sees what the container gets, however it came to Coolify.
func TestRevealedValues(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	reveal := func(key string) string {
		t.Helper()
		person, err := h.Guard.OpenMember(t.Context(), "user-alpha", h.A.Slug, time.Now())
		must(t, err)
		s, err := person.Begin(t.Context(), tenancy.Call{Tool: "envs.reveal", Needs: tenancy.Write})
		must(t, err)
		a, err := hosting.FindApp(t.Context(), s, uuid)
		must(t, err)
		value, err := a.RevealEnv(t.Context(), key, false)
		must(t, err)
		return value.Reveal()
	}
	for _, value := range []string{"it's", "'", "\n'\n'x", `["it's"]`, "plain", pem, ""} {
		value = strings.TrimSpace(value)
		must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", value)}))
		if got := reveal("KEY"); got != value {
			t.Errorf("%q is shown as %q", value, got)
		}
	}
	for i, e := range []struct {
		row  coolifytest.Env
		want string
	}{
		{coolifytest.Env{Value: "it's", Literal: true}, "it's"},       // of older versions; it breaks the file
		{coolifytest.Env{Value: `it\'s`, Literal: true}, "it's"},      // by hand, for docker compose
		{coolifytest.Env{Value: `it\'s`, Multiline: true}, "it's"},    // likewise
		{coolifytest.Env{Value: `it\'s`}, `it\'s`},                    // not quoted, and as it was typed
		{coolifytest.Env{Value: `["\\'"]`, Literal: true}, `["\\'"]`}, // JSON is not quoted
	} {
		e.row.Key, e.row.Runtime = fmt.Sprintf("HAND_%d", i), true
		h.Sim.AddEnv(uuid, e.row)
		if got := reveal(e.row.Key); got != e.want {
			t.Errorf("%+v is shown as %q, want %q", e.row, got, e.want)
		}
	}
}

// TestBothFormsAreHidden: a log holds a value as it was given, or as Coolify keeps it.
func TestBothFormsAreHidden(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{Status: "running:healthy"})
	for value, kept := range map[string]string{
		"mellon's 'said' frodo":        `mellon\'s \'said\' frodo`,
		"{\n\"said\": \"$mellon #1\"}": `{"said":"\u0024mellon \u00231"}`,
	} {
		must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("DOORS", value)}))
		h.Sim.SetApp(uuid, func(a *coolifytest.App) {
			a.Logs = "given: " + value + "\nkept: " + kept + "\nquoted: '" + kept + "'\n"
		})
		must(t, onApp(t, h, uuid, tenancy.Read, func(a *hosting.App) error {
			logs, err := a.Logs(t.Context(), 100, "")
			text := strings.Join(logs.Lines, "\n")
			if strings.Contains(text, "mellon") || strings.Count(text, "[redacted]") < 3 {
				t.Errorf("the log is %s", text)
			}
			return err
		}))
	}
}
