package coolifytest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func (s *sim) rows() []Env { return s.Envs(s.web.UUID) }

func (s *sim) envs() string { return "/applications/" + s.web.UUID + "/envs" }

var ignoreStamps = cmpopts.IgnoreFields(Env{}, "UUID", "CreatedAt", "UpdatedAt")

func sameRows(t *testing.T, want, got []Env) {
	t.Helper()
	if diff := cmp.Diff(want, got, ignoreStamps); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestCreatingMakesATwin(t *testing.T) {
	s := newSim(t, Config{})
	s.do("POST", s.envs(), `{"key":" KEY ","value":"v","is_shown_once":true,"comment":"c"}`).ok(201)
	sameRows(t, []Env{
		{Key: "KEY", Value: "v", ShownOnce: true, BuildTime: true, Runtime: true, Comment: "c"},
		{Key: "KEY", Value: "v", Preview: true, BuildTime: true, Runtime: true, Comment: "c"}, // not locked
	}, s.rows())
	exists := `{"message":"Environment variable already exists. Use PATCH request to update it."}`
	s.do("POST", s.envs(), `{"key":"KEY","value":"w"}`).is(409, exists)
	s.do("POST", s.envs(), `{"key":"KEY","value":"w","is_preview":true}`).is(409, exists)
	got := s.as(revealer...).do("GET", s.envs(), "").list()
	if _, there := got[0]["value"]; there {
		t.Error("the locked row shows its value")
	}
	if got[1]["value"] != "v" {
		t.Errorf("value of the twin = %v, want the secret", got[1]["value"])
	}
	s.do("DELETE", s.envs()+"/"+s.rows()[0].UUID, "").is(200, `{"message":"Environment variable deleted."}`)
	if got := s.rows(); len(got) != 1 || !got[0].Preview || got[0].Value != "v" {
		t.Errorf("after deleting the row there is %v, want the twin with the old secret", got)
	}
}

func TestPreviewRowHasNoTwin(t *testing.T) {
	s := newSim(t, Config{})
	s.do("POST", s.envs(), `{"key":"KEY","value":"p","is_preview":true}`).ok(201)
	s.do("POST", s.envs(), `{"key":"KEY","value":"v"}`).ok(201)
	if got := s.rows(); len(got) != 2 || got[0].Value != "p" || got[1].Value != "v" {
		t.Errorf("rows = %v, want the preview's own value kept", got)
	}
	s.AddEnv(s.web.UUID, Env{Key: "RAW", Value: " raw "})
	s.AddEnv(s.web.UUID, Env{Key: "RAW", Value: " raw "})
	if got := s.rows(); len(got) != 4 || got[3].Value != " raw " {
		t.Errorf("AddEnv made %v, want raw rows, twice, without twins", got[2:])
	}
}

func TestValuesNeedAnAbility(t *testing.T) {
	s := newSim(t, Config{})
	s.AddEnv(s.web.UUID, Env{Key: "KEY", Value: "v"})
	for name, tc := range map[string]struct {
		token string
		there bool
	}{
		"read":                   {s.Token(readOnly...), false},
		"read:sensitive":         {s.Token(revealer...), true},
		"root":                   {s.Token(root), true},
		"read:sensitive, member": {s.Mint(TokenSpec{User: 1, Abilities: readOnly, Member: true}), false},
	} {
		got := s.do("GET", s.envs(), "", "Authorization", "Bearer "+tc.token).list()[0]
		_, value := got["value"]
		_, realValue := got["real_value"]
		if value != tc.there || realValue != tc.there {
			t.Errorf("%s: value there: %v, real_value there: %v, want %v", name, value, realValue, tc.there)
		}
	}
}

func TestPatchReplaces(t *testing.T) {
	s := newSim(t, Config{})
	s.AddEnv(s.web.UUID, Env{Key: "KEY", Value: "v", Literal: true, BuildTime: true, Comment: "c"})
	s.AddEnv(s.web.UUID, Env{Key: "KEY", Value: "second"})
	s.do("PATCH", s.envs(), `{"key":"KEY"}`).ok(201)
	sameRows(t, []Env{
		{Key: "KEY", BuildTime: true, Comment: "c"}, // value and is_literal are gone, the rest is kept
		{Key: "KEY", Value: "second"},               // only the first of the duplicates
	}, s.rows())
	s.do("PATCH", s.envs(), `{"key":"KEY","value":"w","is_buildtime":false,"is_runtime":true,"comment":null,"is_multiline":true}`).ok(201)
	sameRows(t, []Env{{Key: "KEY", Value: "w", Runtime: true, Multiline: true}, {Key: "KEY", Value: "second"}}, s.rows())
	s.do("PATCH", s.envs(), `{"key":"KEY","is_preview":true}`).is(404, `{"message":"Environment variable not found."}`)
}

func TestMissingFlagsThatWereTrueAre500(t *testing.T) {
	for _, flag := range []string{"is_multiline", "is_shown_once"} {
		s := newSim(t, Config{})
		s.AddEnv(s.web.UUID, Env{Key: "KEY", Value: "old", Multiline: flag == "is_multiline", ShownOnce: flag == "is_shown_once"})
		s.do("PATCH", s.envs(), `{"key":"KEY","value":"new"}`).is(500, `{"message":"Server Error"}`)
		s.do("PATCH", s.envs()+"/bulk", `{"data":[{"key":"KEY","value":"new"}]}`).is(500, `{"message":"Server Error"}`)
		if got := s.rows()[0].Value; got != "old" {
			t.Errorf("%s: value after 500 = %q, want the old one", flag, got)
		}
		s.do("PATCH", s.envs(), `{"key":"KEY","value":"new","`+flag+`":true}`).ok(201)
		if got := s.rows()[0].Value; got != "new" {
			t.Errorf("%s: value with the flag = %q, want the new one", flag, got)
		}
	}
}

func TestBulk(t *testing.T) {
	s := newSim(t, Config{})
	s.AddEnv(s.web.UUID, Env{Key: "OLD", Value: "1", Literal: true})
	got := s.as(operator...).do("PATCH", s.envs()+"/bulk", `{"data":[
		{"key":"OLD","value":"2","color":"red","uuid":"x"}, {"key":"NEW","value":"a"}, {"key":"NEW","value":"b"}]}`).ok(201).list()
	if len(got) != 3 || got[0]["value"] != "2" || got[1]["value"] != "a" || got[2]["value"] != "b" {
		t.Errorf("bulk answered %v, want the three with their values", got)
	}
	if _, there := got[1]["order"]; there || got[0]["is_required"] == nil {
		t.Error("order and is_required: want them on the row that was, not on the one that is new")
	}
	sameRows(t, []Env{
		{Key: "OLD", Value: "2"},
		{Key: "NEW", Value: "a", BuildTime: true, Runtime: true},
		{Key: "NEW", Value: "a", BuildTime: true, Runtime: true, Preview: true},
		{Key: "NEW", Value: "b", BuildTime: true, Runtime: true},
	}, s.rows())
	if _, there := s.do("PATCH", s.envs()+"/bulk", `{"data":[{"key":"OLD"}]}`).list()[0]["value"]; there {
		t.Error("bulk shows values to a token without read:sensitive")
	}
}

func TestBulkIsNotAtomic(t *testing.T) {
	s := newSim(t, Config{})
	s.do("PATCH", s.envs()+"/bulk", `{"data":[{"key":"A","value":"1"},{"key":"B-C","value":"2"},{"key":"D"}]}`).
		is(422, `{"message":"Validation failed.","errors":{"key":["The key field format is invalid."]}}`)
	if got := s.rows(); len(got) != 2 || got[0].Key != "A" {
		t.Errorf("rows = %v, want A and its twin, made before the bad one", got)
	}
	for _, body := range []string{`{"data":[]}`, `{"other":1}`, `{"data":null}`} {
		s.do("PATCH", s.envs()+"/bulk", body).is(400, `{"message":"Bulk data is required."}`)
	}
}

func TestEnvValidation(t *testing.T) {
	s := newSim(t, Config{})
	for _, tc := range []struct{ body, errors string }{
		{`{"value":"v"}`, `{"key":["This field is required."]}`},
		{`{"key":"A-B"}`, `{"key":["The key field format is invalid."]}`},
		{`{"key":"1A"}`, `{"key":["The key field format is invalid."]}`},
		{`{"key":"A","value":5}`, `{"value":["The value field must be a string."]}`},
		{`{"key":"A","is_literal":"yes"}`, `{"is_literal":["The is literal field must be true or false."]}`},
		{`{"key":"A","is_multiline":null}`, `{"is_multiline":["The is multiline field must be true or false."]}`},
		{`{"key":"A","is_build_time":true}`, `{"is_build_time":["This field is not allowed."]}`},
		{`{"key":"A","uuid":"x"}`, `{"uuid":["This field is not allowed."]}`},
		{`{"key":"A","comment":"` + strings.Repeat("c", 257) + `"}`, `{"comment":["The comment field must not be greater than 256 characters."]}`},
		{`{"key":"` + strings.Repeat("A", 256) + `"}`, `{"key":["The key field must not be greater than 255 characters."]}`},
	} {
		want := `{"message":"Validation failed.","errors":` + tc.errors + `}`
		s.do("POST", s.envs(), tc.body).is(422, want)
		s.do("PATCH", s.envs(), tc.body).is(422, want)
	}
	s.do("POST", s.envs(), "").ok(422) // no check of the type of content here
	s.do("POST", s.envs(), `{"key":"my.key","value":null}`).ok(201)
	s.do("POST", "/applications/nope/envs", `{"key":"A"}`).is(404, `{"message":"Application not found"}`)
	if got := len(s.rows()); got != 2 {
		t.Errorf("%d rows, want my.key and its twin", got)
	}
}

func TestValuesAreTrimmed(t *testing.T) {
	s := newSim(t, Config{})
	for i, tc := range []struct{ sent, stored string }{
		{"-----END KEY-----\n", "-----END KEY-----"},
		{"", ""},
		{" \t ", ""},
		{"\u200b\ufeffa b\u00a0\u0000", "a b"},
		{"\u2028x\u0085", "x"},
	} {
		body, err := json.Marshal(map[string]string{"key": fmt.Sprintf("K%d", i), "value": tc.sent})
		if err != nil {
			t.Fatal(err)
		}
		s.do("POST", s.envs(), string(body)).ok(201)
		if got := s.rows()[2*i].Value; got != tc.stored {
			t.Errorf("%q is stored as %q, want %q", tc.sent, got, tc.stored)
		}
	}
	if got := s.as(revealer...).do("GET", s.envs(), "").list()[1]["value"]; got != nil {
		t.Errorf("an empty value is %v, want null", got)
	}
}

func TestEnvsOfOthers(t *testing.T) {
	s := newSim(t, Config{})
	foreign := s.AddEnv(s.api.UUID, Env{Key: "KEY", Value: "theirs"})
	s.do("DELETE", s.envs()+"/"+foreign.UUID, "").is(404, `{"message":"Environment variable not found."}`)
	if got := s.do("GET", s.envs()+"?uuid="+s.api.UUID, "").list(); len(got) != 1 || got[0]["uuid"] != foreign.UUID {
		t.Errorf("list with another uuid in the query = %v, want the other application's row", got)
	}
	s.do("POST", s.envs()+"?uuid="+s.api.UUID, `{"key":"A"}`).ok(422)
	nix := s.AddApp(s.alpha.Environments[0].UUID, App{BuildPack: "nixpacks"})
	if got := s.Envs(nix.UUID); len(got) != 2 || got[0].Key != "NIXPACKS_NODE_VERSION" {
		t.Errorf("rows of a new nixpacks application = %v, want the one that nobody asked for, and its twin", got)
	}
}

func TestOrderOfRows(t *testing.T) {
	s := newSim(t, Config{})
	s.AddEnv(s.web.UUID, Env{Key: "P", Preview: true})
	s.AddEnv(s.web.UUID, Env{Key: "SERVICE_X"})
	got := s.do("GET", s.envs(), "").list()
	if got[0]["key"] != "SERVICE_X" || got[1]["key"] != "P" || got[0]["is_coolify"] != true {
		t.Errorf("list = %v, want the row that is not for previews first", got)
	}
}
