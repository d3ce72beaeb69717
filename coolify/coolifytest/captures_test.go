package coolifytest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A capture is one request to a real Coolify and its answer.
type capture struct {
	Request struct {
		Method, Path, Query string
		Token               string `json:"token_abilities"`
		Body                any
	}
	Status  int
	Headers map[string]string
	Body    any
}

// TestAnswersHaveTheShapeOfCaptures replays every captured request that the
// simulator serves, with its own ids, and compares status, type of content, and
// the keys and JSON types of the answer.
func TestAnswersHaveTheShapeOfCaptures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "captures"), "coolify", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	replayed := 0
	for _, file := range files {
		var c capture
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		s := newSim(t, Config{})
		rt, _ := s.routeOf(c.Request.Method, prefix+c.Request.Path)
		if rt == nil {
			continue
		}
		replayed++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) { replay(t, c, filepath.Base(file), rt) })
	}
	if replayed < 45 {
		t.Errorf("replayed %d captures, want at least 45", replayed)
	}
}

func replay(t *testing.T, c capture, file string, rt *route) {
	s := newSim(t, Config{})
	path := s.prepare(file, rt)
	if q := c.Request.Query; q != "" {
		path += "?" + regexp.MustCompile(`uuid=\w+`).ReplaceAllString(q, "uuid="+s.web.UUID)
	}
	body := ""
	if fields, ok := c.Request.Body.(map[string]any); ok {
		for field, ours := range map[string]string{"project_uuid": s.alpha.UUID, "server_uuid": s.Hosts()[0].UUID, "private_key_uuid": s.PrivateKeys()[0].UUID} {
			if _, there := fields[field]; there {
				fields[field] = ours
			}
		}
	}
	if c.Request.Body != nil {
		raw, err := json.Marshal(c.Request.Body)
		if err != nil {
			t.Fatal(err)
		}
		body = string(raw)
	}
	abilities := map[string][]string{"read": readOnly, "rs": revealer, "full": operator}[c.Request.Token]
	got := s.as(abilities...).do(c.Request.Method, path, body)

	if got.status != c.Status {
		t.Errorf("status = %d, want %d; body %s", got.status, c.Status, got.text)
	}
	for name, want := range c.Headers {
		if have := got.header.Get(name); have == "" || name == "Content-Type" && have != want {
			t.Errorf("header %s = %q, want one like %q", name, have, want)
		}
	}
	if text, ok := c.Body.(string); ok {
		if got.text != text {
			t.Errorf("body = %q, want %q", got.text, text)
		}
		return
	}
	want := &form{}
	want.learn(c.Body)
	for _, problem := range want.judge(got.json(), "") {
		t.Error(problem)
	}
}

// prepare brings about what a capture needs and returns its path with our ids.
func (s *sim) prepare(file string, rt *route) string {
	ids := map[string]string{"uuid": s.alpha.UUID, "id": "0", "environment_name_or_uuid": "production"}
	switch {
	case strings.HasPrefix(rt.pattern, "/applications"), strings.Contains(rt.pattern, "/applications/"):
		ids["uuid"] = s.web.UUID
	case strings.HasPrefix(rt.pattern, "/servers"):
		ids["uuid"], ids["server_uuid"] = s.Hosts()[0].UUID, s.Hosts()[0].UUID
	}
	d := s.AddDatabase(s.alpha.Environments[0].UUID, Database{Name: "pg-a"})
	s.AddBackup(d.UUID, "daily")
	if strings.HasPrefix(rt.pattern, "/databases") {
		ids["uuid"] = d.UUID
	}
	v := s.AddService(s.alpha.Environments[0].UUID, Service{Name: "svc-a", FQDN: "https://svc.example.com"})
	if strings.HasPrefix(rt.pattern, "/services") {
		ids["uuid"] = v.UUID
	}
	ids["env_uuid"] = s.AddEnv(s.web.UUID, Env{Key: "PLAIN", Value: "v"}).UUID
	if strings.HasPrefix(file, "PATCH_applications_uuid_envs.") || strings.HasPrefix(file, "POST_env_dup") {
		s.AddEnv(s.web.UUID, Env{Key: "CMP1", Value: "v"})
	}
	if strings.Contains(file, "deployments") || strings.Contains(file, "restart") {
		s.AddDeployment(s.api.UUID, Deployment{Status: InProgress})
		d := s.AddDeployment(s.web.UUID, Deployment{Status: InProgress, Logs: []LogLine{{Output: "one"}, {Output: "two"}}})
		if strings.HasPrefix(file, "GET_deployments_uuid") {
			ids["uuid"] = d.UUID
		}
	}
	switch file {
	case "DELETE_projects_uuid.full.json":
		ids["uuid"] = s.AddProject("empty").UUID
	case "DELETE_projects_uuid_environments_environment_name_or_uuid.full.json":
		ids["environment_name_or_uuid"] = s.AddEnvironment(s.alpha.UUID, "empty").Name
	}
	return regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(rt.pattern, func(p string) string { return ids[strings.Trim(p, "{}")] })
}

// A form is what the values at one place of a capture have in common.
type form struct {
	kinds []string
	seen  int
	keys  map[string]*form
	items *form
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "object"
	case []any:
		return "array"
	}
	return fmt.Sprintf("%T", v)
}

// listed turns an object with numbers for keys into the list that it stands for.
func listed(v any) any {
	o, ok := v.(map[string]any)
	if !ok || len(o) == 0 {
		return v
	}
	out := []any{}
	for _, k := range keysOf(o) {
		if strings.Trim(k, "0123456789") != "" {
			return v
		}
		out = append(out, o[k])
	}
	return out
}

func (f *form) learn(v any) {
	v = listed(v)
	f.seen++
	if k := kind(v); !slices.Contains(f.kinds, k) {
		f.kinds = append(f.kinds, k)
	}
	switch v := v.(type) {
	case map[string]any:
		if f.keys == nil {
			f.keys = map[string]*form{}
		}
		for k := range v {
			if f.keys[k] == nil {
				f.keys[k] = &form{}
			}
			f.keys[k].learn(v[k])
		}
	case []any:
		if f.items == nil {
			f.items = &form{}
		}
		for _, item := range v {
			f.items.learn(item)
		}
	}
}

// judge says where v is not of the form. Where the captures show null, they do
// not say what else there may be.
func (f *form) judge(v any, path string) []string {
	v = listed(v)
	if !slices.Contains(f.kinds, kind(v)) && !slices.Contains(f.kinds, "null") {
		return []string{fmt.Sprintf("%s is %s, want %v", path, kind(v), f.kinds)}
	}
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if f.keys[k] == nil {
				out = append(out, fmt.Sprintf("%s.%s is not in the capture", path, k))
				continue
			}
			out = append(out, f.keys[k].judge(v[k], path+"."+k)...)
		}
		for k, child := range f.keys {
			if _, there := v[k]; !there && child.seen == f.seen {
				out = append(out, fmt.Sprintf("%s.%s is missing", path, k))
			}
		}
	case []any:
		for i, item := range v {
			if f.items.seen > 0 {
				out = append(out, f.items.judge(item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	}
	return out
}

// TestFormNotices keeps the comparison itself honest.
func TestFormNotices(t *testing.T) {
	want := &form{}
	want.learn(decode(t, `{"a":1,"b":[{"c":"x","d":null},{"c":"y"}]}`))
	for _, tc := range []struct {
		answer string
		wrong  int
	}{
		{`{"a":2,"b":[]}`, 0},
		{`{"a":2,"b":[{"c":"z","d":5}]}`, 0},
		{`{"a":"2","b":[]}`, 1},
		{`{"a":null,"b":[]}`, 1},
		{`{"b":[]}`, 1},
		{`{"a":2,"b":[{"e":1}]}`, 2},
	} {
		if got := want.judge(decode(t, tc.answer), ""); len(got) != tc.wrong {
			t.Errorf("judge(%s) = %q, want %d problems", tc.answer, got, tc.wrong)
		}
	}
}
