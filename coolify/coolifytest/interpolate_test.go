package coolifytest

import (
	"testing"
)

func TestSharedVariables(t *testing.T) {
	s := newSim(t, Config{})
	s.SetTeamVariable("SECRET", "team-secret")
	s.SetTeamVariable("SECRET", "the team's secret")
	s.SetServerVariable("SECRET", "the server's secret")
	s.SetProjectVariable(s.alpha.UUID, "NAME", "alpha's")
	s.SetProjectVariable(s.beta.UUID, "NAME", "beta's")
	s.SetEnvironmentVariable(s.alpha.Environments[0].UUID, "NAME", "production's")
	for _, tc := range []struct{ value, want string }{
		{"plain", "plain"},
		{"{{team.SECRET}}", "the team's secret"},
		{"a {{ team.SECRET }} b {{server.SECRET}}", "a the team's secret b the server's secret"},
		{"{{project.NAME}}", "alpha's"},
		{"{{environment.NAME}}", "production's"},
		{"{{team.NONE}}", "{{team.NONE}}"},
		{"{{other.SECRET}}", "{{other.SECRET}}"},
		{"{{team .SECRET}}", "{{team .SECRET}}"},
		{"{{Team.SECRET}}", "{{Team.SECRET}}"},
		{"{{\nteam.SECRET}}", "{{\nteam.SECRET}}"}, // the dot of the pattern is no line feed
		{"{{\rteam.SECRET}}", "the team's secret"},
		{"{{\x00team.SECRET}}", "the team's secret"},
		{"{{{team.SECRET}}}", "{{{team.SECRET}}}"},
		{"{{x{{team.SECRET}}", "{{x{{team.SECRET}}"},
		{"{{x}}{{team.SECRET}}", "{{x}}the team's secret"},
	} {
		s.mu.Lock()
		got := s.resolve(s.app(s.web.UUID), tc.value)
		s.mu.Unlock()
		if got != tc.want {
			t.Errorf("resolve(%q) = %q, want %q", tc.value, got, tc.want)
		}
	}
	for _, r := range InvisibleCharacters + "\u0085\u1680\u2028\u2029\u000b\u000c" {
		value := "{{" + string(r) + "team.SECRET" + string(r) + "}}"
		s.mu.Lock()
		got := s.resolve(s.app(s.web.UUID), value)
		s.mu.Unlock()
		if got != "the team's secret" {
			t.Errorf("resolve(%+q) = %q, want the secret", value, got)
		}
	}
}

func TestOtherTeamsHaveOtherSecrets(t *testing.T) {
	s := newSim(t, Config{})
	s.SetTeamVariable("SECRET", "secret")
	p := s.AddTeamProject(4, "elsewhere")
	a := s.AddApp(p.Environments[0].UUID, App{})
	s.AddEnv(a.UUID, Env{Key: "KEY", Value: "{{team.SECRET}}"})
	token := s.Mint(TokenSpec{User: 1, Team: 4, Abilities: revealer})
	if got := s.do("GET", "/applications/"+a.UUID+"/envs", "", "Authorization", "Bearer "+token).list()[0]["real_value"]; got != "{{team.SECRET}}" {
		t.Errorf("real_value = %v, want it unresolved", got)
	}
}

func TestRealValue(t *testing.T) {
	s := newSim(t, Config{})
	s.SetTeamVariable("SECRET", `se"cr'et`)
	for _, tc := range []struct {
		env    Env
		value  any
		real   string
		shared bool
	}{
		{Env{Value: "v"}, "v", "v", false},
		{Env{}, nil, "", false},
		{Env{Literal: true}, nil, "''", false},
		{Env{Value: "it's", Literal: true}, "it's", "'it's'", false},
		{Env{Value: "a\nb", Multiline: true}, "a\nb", "'a\nb'", false},
		{Env{Value: `a"b\c'd` + "\t"}, `a"b\c'd` + "\t", `a\"b\\c\'d\t`, false},
		{Env{Value: `{"a": "b"}`, Literal: true}, `{"a": "b"}`, `{"a": "b"}`, false},
		{Env{Value: "{{team.SECRET}}"}, "{{team.SECRET}}", `se\"cr\'et`, true},
		{Env{Value: "x{{team.SECRET}}"}, "x{{team.SECRET}}", `xse\"cr\'et`, false},
	} {
		s.SetApp(s.web.UUID, func(*App) {})
		tc.env.Key = "KEY"
		app := s.AddApp(s.alpha.Environments[0].UUID, App{})
		s.AddEnv(app.UUID, tc.env)
		got := s.as(revealer...).do("GET", "/applications/"+app.UUID+"/envs", "").list()[0]
		if got["value"] != tc.value || got["real_value"] != tc.real || got["is_shared"] != tc.shared {
			t.Errorf("%+v: value %v, real_value %v, is_shared %v; want %v, %v, %v",
				tc.env, got["value"], got["real_value"], got["is_shared"], tc.value, tc.real, tc.shared)
		}
	}
}
