package tenancy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// What stands behind {{team.X}}, {{server.X}} and the like of other projects.
// None of it may come to stand in a tenant's variable.
var planted = []string{"planted-for-the-team", "planted-for-the-server", "planted-for-project-b", "planted-for-environment-b"}

// plant lets X and NAME stand for everybody's secrets, and NAME also for A's own.
func plant(h *tenancytest.House) {
	for _, name := range []string{"X", "NAME"} {
		h.Sim.SetTeamVariable(name, planted[0])
		h.Sim.SetServerVariable(name, planted[1])
		h.Sim.SetProjectVariable(h.B.Project.UUID, name, planted[2])
		h.Sim.SetEnvironmentVariable(h.B.Project.Environments[0].UUID, name, planted[3])
	}
	h.Sim.SetProjectVariable(h.A.Project.UUID, "NAME", "own-project")
	h.Sim.SetEnvironmentVariable(h.A.Project.Environments[0].UUID, "NAME", "own-environment")
	h.Sim.SetProjectVariable(h.A.Project.UUID, "OPENS", "{")
	h.Sim.SetProjectVariable(h.A.Project.UUID, "NESTS", "{{team.X}}")
}

// realValues returns what an app's variables come to.
func realValues(t testing.TB, h *tenancytest.House, uuid string) []string {
	t.Helper()
	var rows []struct {
		Real string `json:"real_value"`
	}
	ask(t, h, "/applications/"+uuid+"/envs", &rows, "read", "read:sensitive")
	var out []string
	for _, r := range rows {
		out = append(out, r.Real)
	}
	return out
}

func leaksPlanted(values []string) bool {
	return slices.ContainsFunc(values, func(v string) bool {
		return slices.ContainsFunc(planted, func(secret string) bool { return strings.Contains(v, secret) })
	})
}

// invisible is all that Laravel trims, one by one.
func invisible() []string {
	all := []string{"", "\x00", "\u0000\u200b", "  ", "\t \u3000"}
	for _, r := range coolifytest.InvisibleCharacters + "\v\f\r\u0085\u1680\u2028\u2029" {
		all = append(all, string(r))
	}
	return all
}

// TestSecretsOfOthersAreRefused writes each spelling that Coolify resolves to a
// secret which is not the tenant's. That it does resolve is proved on a row which
// was put there past the guard.
func TestSecretsOfOthersAreRefused(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	plant(h)
	uuid := newApp(h, coolifytest.App{})
	forms := []string{"a{{project.NAME}}{{team.X}}", "{{environment.NAME}}\n{{team.X}}\nb", `{"a":"{{team.X}}"}`, "${{{project.NAME}}{{team.X}}", "'{{team.X}}'", "{{x}}{{team.X}}"}
	for _, c := range invisible() {
		for _, kind := range []string{"team", "server"} {
			forms = append(forms, "{{"+c+kind+".X}}", "{{"+kind+".X"+c+"}}", "pre{{"+c+kind+".X"+c+"}}post")
		}
	}
	for _, value := range forms {
		there := newApp(h, coolifytest.App{})
		h.Sim.AddEnv(there, coolifytest.Env{Key: "KEY", Value: value})
		if !leaksPlanted(realValues(t, h, there)) {
			t.Errorf("%+q does not resolve in the simulator, so refusing it proves nothing", value)
		}
		wantValueRefused(t, h, uuid, value, hosting.EnvSet{})
	}
	for _, set := range []hosting.EnvSet{{Preview: true}, flags(true), flags(false)} {
		wantValueRefused(t, h, uuid, "{{team.X}}", set)
	}
}

func wantValueRefused(t *testing.T, h *tenancytest.House, uuid, value string, set hosting.EnvSet) {
	t.Helper()
	h.Sim.Reset()
	set.Values = texts("GOOD", "v", "KEY", value)
	err := setEnvs(t, h, uuid, set)
	if e := tenancy.Public(err); e.Code != tenancy.Invalid || !strings.Contains(e.Msg, "KEY") || strings.Contains(e.Msg+e.Hint, "team") {
		t.Errorf("%+q: %v, want invalid, without the value", value, err)
	}
	if got := changes(h); len(got) > 0 {
		t.Errorf("%+q: Coolify was asked to %q", value, got)
	}
}

// TestBracesThatNeverResolve: near misses are refused, or stay what they are.
func TestBracesThatNeverResolve(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	plant(h)
	for _, value := range []string{
		"{{{{team.X}}}}", "{{{team.X}}}", "{ {team.X} }", "{{\nteam.X}}", "{{team.X\n}}", "{\n{team.X}}", "{{team.\tX}}", "{{team\t.X}}", "{{Team.X}}", "{{TEAM.X}}",
		"{\u200b{team.X}}", "{{team.X}\u200b}", "{{team.X", "team.X}}", "{{", "}}", "{{}}", "{{.}}", "{{team}}", "{{team.}}", "{{.X}}", "{{teams.X}}", "{{server.NAME}}",
		"{{project.OPENS}}{team.X}}", "{{project.OPENS}}{{project.OPENS}}team.X}}", "{{project.NESTS}}", "{{{project.NAME}}team.X}}", "{{{project.NAME}}", "{{project.NAME}}}",
		"{{project.NAME}}}}", "{{project.NAME}}team.X}}", "{{project.{{team.X}}}}", "{{project.NAME{{team.X}}", "{{ project.NAME }}", "{{\u200bproject.NAME}}", "{{project.NAME\u00a0}}",
		"{{project.X}}", "{{environment.X}}", "{{project.N\u00c4ME}}", "{{project.team.X}}", "{{environment.1}}", "{{project.A-B}}", "\u007b\u007bteam.X\u007d\u007d", "\uff5b\uff5bteam.X\uff5d\uff5d",
		`{{team\u002eX}}`, `\{\{team.X\}\}`, "{{team.X}}"[:9] + "\u00ad}", strings.Repeat("{", 1000) + "team.X" + strings.Repeat("}", 1000),
	} {
		uuid := newApp(h, coolifytest.App{})
		err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", value)})
		if err != nil && tenancy.Public(err).Code != tenancy.Invalid {
			t.Errorf("%+q: %v, want invalid or nothing", value, err)
		}
		if got := realValues(t, h, uuid); leaksPlanted(got) || (err == nil) != (len(got) > 0) {
			t.Errorf("%+q: %v, came to %q", value, err, got)
		}
	}
}

// TestSharedVariablesOfOnesOwn: what stays in the tenant's project is allowed, and
// replaced in a literal value too.
func TestSharedVariablesOfOnesOwn(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	plant(h)
	for value, want := range map[string]string{
		"{{project.NAME}}":                     "own-project",
		"{{environment.NAME}}":                 "own-environment",
		"a{{project.NAME}}b{{project.NAME}}":   "aown-projectbown-project",
		"{{project.NAME}}{{environment.NAME}}": "own-projectown-environment",
		"{{project.NONE_1}}":                   "{{project.NONE_1}}",
		"{project.NAME}":                       "{project.NAME}",
		"$NAME ${NAME}":                        "$NAME ${NAME}",
		"{ {":                                  "{ {",
	} {
		uuid := newApp(h, coolifytest.App{})
		for _, literal := range []*bool{nil, new(false)} {
			if err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", value), Literal: literal}); err != nil {
				t.Errorf("%q: %v, want it set", value, err)
				continue
			}
			if literal != nil && strings.Contains(value, "$") {
				want = " "
			}
			wantArrival(t, h, uuid, "KEY", want)
		}
	}
}

// FuzzEnvValue: a value that is taken never comes to a secret of others and arrives to
// the byte, or as equal JSON, and one that is refused writes nothing and is not repeated.
func FuzzEnvValue(f *testing.F) {
	h := tenancytest.New(f, tenancytest.Config{})
	plant(h)
	for _, c := range invisible() {
		f.Add("{{" + c + "team.X" + c + "}}")
	}
	for _, seed := range []string{
		"plain", "{{project.NAME}}", "{{environment.NAME}}{{server.X}}", "{{{{team.X}}}}", "{{project.NAME}}{team.X}}", "{{project.OPENS}}{{project.OPENS}}team.X}}",
		"{{{project.NAME}}team.X}}", "{\n{team.X}}", "{{\nteam.X}}", `{"a":"{{team.X}}"}`, "\xff{{team.X}}", "it's",
		"a\\'", "['$HOME #']", "[\"$HOME #\"]", "[\n]", "'\\", "$$${",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, secret := range planted {
			if strings.Contains(value, secret) {
				t.Skip("it holds the secret itself")
			}
		}
		uuid := newApp(h, coolifytest.App{})
		err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", value)})
		if e := tenancy.Public(err); err != nil && (e.Code != tenancy.Invalid || !strings.HasPrefix(e.Msg, "the value of KEY ") || len(e.Msg) > 120 || e.Err != nil) {
			t.Errorf("%q: %v, want invalid in a sentence of ours, or nothing", value, err)
		}
		if got := realValues(t, h, uuid); leaksPlanted(got) || (err == nil) != (len(got) == 2) {
			t.Errorf("%q: %v, came to %q", value, err, got)
		}
		env, unread := h.Sim.ContainerEnv(uuid, false)
		arrived := unread == nil &&
			(env["KEY"] == value || strings.Contains(value, "{{") || equalJSON(t, value, env["KEY"]))
		if err == nil && !arrived {
			t.Errorf("%q arrives as %q, %v", value, env["KEY"], unread)
		}
		h.Sim.Reset()
		h.Fine(t)
	})
}
