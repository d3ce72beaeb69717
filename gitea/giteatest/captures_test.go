package giteatest

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

// An exchange is one line of a transcript of a real Gitea.
type exchange struct {
	label, method, path, body string
	status                    int
	header, answer            string // as printed; the answer may be cut short
}

var exchangeLine = regexp.MustCompile(`^(?:(.*?): )?(GET|POST|PUT|PATCH|DELETE) (/\S*) ?(.*?) -> (\d{3}) ?(\{'.*?'\})? ?(.*)$`)

func transcript(t *testing.T, version, name string) []exchange {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shared(t, "captures"), "gitea", version, name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []exchange
	for line := range strings.Lines(string(raw)) {
		if m := exchangeLine.FindStringSubmatch(strings.TrimSuffix(line, "\n")); m != nil {
			out = append(out, exchange{m[1], m[2], m[3], m[4], number(m[5]), m[6], m[7]})
		}
	}
	return out
}

// A replay sends the requests of transcripts again, in their order, to one
// simulator. Transcripts do not say with which credential a request was sent,
// nor show every request, so that a test adds what is missing.
type replay struct {
	*sim
	credential func(exchange) string // "" = the admin's token
	sudo       func(exchange) string
	before     map[string]func()            // by label
	after      func(exchange, result)       // of each
	totals     bool                         // X-Total-Count is as printed
	skip       func(exchange) (reason bool) // not simulated
	replayed   int
}

// as names the credentials that are in the labels.
const nobody = "nobody"

func (r *replay) run(version string, names ...string) {
	r.t.Helper()
	for _, name := range names {
		for i, e := range transcript(r.t, version, name) {
			if r.skip != nil && r.skip(e) {
				continue
			}
			r.replayed++
			at := fmt.Sprintf("%s line %d: %s: %s %s %s", name, i+1, e.label, e.method, e.path, e.body)
			r.one(e, at)
		}
	}
}

func (r *replay) one(e exchange, at string) {
	r.t.Helper()
	if step := r.before[e.label]; step != nil {
		step()
	}
	s := r.sim
	if r.credential != nil {
		switch auth := r.credential(e); auth {
		case "":
		case nobody:
			s = s.with("")
		default:
			s = s.with(auth)
		}
	}
	var headers []string
	if r.sudo != nil && r.sudo(e) != "" {
		headers = []string{"Sudo", r.sudo(e)}
	}
	got := s.do(e.method, e.path, e.body, headers...)
	if got.status != e.status {
		r.t.Errorf("%s\nstatus = %d, want %d; body %s; the real one %s", at, got.status, e.status, got.text, e.answer)
		return
	}
	for _, problem := range compare(e, got, r.totals) {
		r.t.Errorf("%s\n%s", at, problem)
	}
	if r.after != nil {
		r.after(e, got)
	}
}

var (
	numbers  = regexp.MustCompile(`\d+`)
	totals   = regexp.MustCompile(`'X-Total-Count': '(\d+)'`)
	location = regexp.MustCompile(`'Location': '([^']*)'`)
)

// compare looks at the headers that are printed, and at the answer where it is
// whole: its message if it is a refusal, its keys and types if it is not.
func compare(e exchange, got result, withTotals bool) []string {
	var out []string
	if m := totals.FindStringSubmatch(e.header); m != nil && (got.header.Get("X-Total-Count") == "" || withTotals &&
		got.header.Get("X-Total-Count") != m[1]) {
		out = append(out, fmt.Sprintf("X-Total-Count = %q, want %s", got.header.Get("X-Total-Count"), m[1]))
	}
	if m := location.FindStringSubmatch(e.header); m != nil && got.header.Get("Location") != m[1] {
		out = append(out, fmt.Sprintf("Location = %q, want %s", got.header.Get("Location"), m[1]))
	}
	if strings.Contains(e.header, "'Link'") != (got.header.Get("Link") != "") {
		out = append(out, fmt.Sprintf("Link = %q, where the real one has %s", got.header.Get("Link"), e.header))
	}
	var real, ours any
	if json.Unmarshal([]byte(e.answer), &real) != nil {
		return out
	}
	if err := json.Unmarshal([]byte(got.text), &ours); err != nil {
		return append(out, fmt.Sprintf("body = %q, want %s", got.text, e.answer))
	}
	want := &form{}
	want.learn(real)
	if o, ok := real.(map[string]any); ok && e.status >= 400 {
		mine, _ := ours.(map[string]any)
		if !sameMessage(o["message"], mine["message"]) {
			out = append(out, fmt.Sprintf("message = %q, want %q", mine["message"], o["message"]))
		}
		return append(out, want.judge(ours, "")...)
	}
	return append(out, want.judge(ours, "")...)
}

// sameMessage leaves ids and addresses aside.
func sameMessage(want, got any) bool {
	clean := func(v any) string {
		text := regexp.MustCompile(`http://[^/]+`).ReplaceAllString(fmt.Sprint(v), "ROOT")
		text = regexp.MustCompile(`token-or-sha-\w+`).ReplaceAllString(text, "SHA")
		if strings.HasPrefix(text, "[]: ") { // whatever the decoder of JSON says
			return "[]: "
		}
		return numbers.ReplaceAllString(text, "N")
	}
	return clean(want) == clean(got)
}

func bare(t *testing.T, behaviour Behaviour) *sim {
	t.Helper()
	s := newSim(t, Config{Behaviour: behaviour})
	s.mu.Lock()
	s.accounts, s.repos, s.tokens = s.accounts[:1], nil, nil
	s.ids = map[string]int{"user": 1}
	s.mu.Unlock()
	return s.admin("all")
}

// TestTranscriptOfRepositories replays what was tried with repositories, keys,
// hooks and protected branches.
func TestTranscriptOfRepositories(t *testing.T) {
	for version, behaviour := range map[string]Behaviour{"1.21": V121, "1.26": V126} {
		t.Run(version, func(t *testing.T) {
			s := bare(t, behaviour)
			s.AddUser(User{Login: "vibn-bot-acme", Restricted: true, MaxRepoCreation: new(0)})
			s.mu.Lock()
			s.ids["user"] = map[Behaviour]int{V121: 21, V126: 22}[behaviour] // the organisation's id is in a query
			s.mu.Unlock()
			team := writers
			team.Members = []string{"vibn-bot-acme"}
			s.AddOrg(Org{Name: "vibn-acme", Visibility: "private", Teams: []Team{team}}, "siteadmin")
			s.AddRepo("vibn-acme", Repo{Name: "app", Hooks: []Hook{
				{URL: "http://127.0.0.1:9/"},
				{URL: "http://127.0.0.1:9/"},
			}})
			s.AddRepo("vibn-acme", Repo{Name: "more"}) // lists have a second page
			s.AddSSHKey("siteadmin", "k",
				"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEYv3xYxLn7YMXYek7uKQX+juz0O1o7BRtJMH4Tv2IfP")
			bot := "token " + s.AddToken("vibn-bot-acme", "write:repository")
			r := &replay{sim: s}
			r.credential = func(e exchange) string {
				if strings.HasPrefix(e.label, "bot ") {
					return bot
				}
				return ""
			}
			r.skip = func(e exchange) bool {
				return strings.Contains(e.path, "99") && strings.Contains(e.path,
					"limit")
			}
			r.run(version, "h", "hook")
			if r.replayed < 80 {
				t.Errorf("replayed %d requests, want at least 80", r.replayed)
			}
		})
	}
}

func TestTranscriptOfDeprovisioning(t *testing.T) {
	for version, behaviour := range map[string]Behaviour{"1.21": V121, "1.26": V126} {
		t.Run(version, func(t *testing.T) {
			s := bare(t, behaviour)
			team := writers
			team.Members = []string{s.AddUser(User{Login: "vibn-bot-gone"}).Login}
			s.AddOrg(Org{Name: "vibn-gone", Visibility: "private", Teams: []Team{team}}, "siteadmin")
			for _, name := range []string{"a", "b"} {
				s.AddRepo("vibn-gone", Repo{Name: name})
			}
			s.AddRepo("vibn-bot-gone", Repo{Name: "mine"})
			pat := "token " + s.AddToken("vibn-bot-gone", "all")
			s.AddUser(User{Login: "own1"})
			r := &replay{sim: s}
			r.credential = func(e exchange) string {
				if e.label == "its PAT" {
					return pat
				}
				return ""
			}
			r.before = map[string]func(){
				"bot w/o purge, member of org": func() { s.do("DELETE", "/repos/vibn-bot-gone/mine", "").ok(204) },
				"bot purge w/ fork":            func() { s.AddRepo("vibn-bot-gone", Repo{Name: "mine"}) },
			}
			r.skip = func(e exchange) bool { return strings.Contains(e.path, "unadopted") }
			r.run(version, "g")
			if r.replayed < 30 {
				t.Errorf("replayed %d requests, want at least 30", r.replayed)
			}
		})
	}
}

// TestTranscriptOfOrgsUsersTeamsAndTokens replays the first four transcripts,
// which hang together: even the ids come out the same.
func TestTranscriptOfOrgsUsersTeamsAndTokens(t *testing.T) {
	for version, behaviour := range map[string]Behaviour{"1.21": V121, "1.26": V126} {
		t.Run(version, func(t *testing.T) {
			s := bare(t, behaviour)
			botToken := ""
			r := &replay{sim: s, totals: true}
			r.credential = func(e exchange) string {
				return transcriptCredential(s, e, botToken)
			}
			r.sudo = func(e exchange) string {
				switch {
				case strings.Contains(e.label, "Sudo"), strings.HasSuffix(e.label, "+ sudo"):
					return "vibn-bot-acme"
				case strings.Contains(e.label, "bot sudo admin"):
					return "siteadmin"
				}
				return ""
			}
			r.after = func(e exchange, got result) {
				throwaway := regexp.MustCompile(`^(email|name|pw len \d+)$`).MatchString(e.label)
				if e.method == "POST" && e.path == "/admin/users" && throwaway && got.status == 201 {
					s.do("DELETE", "/admin/users/"+got.object()["login"].(string)+"?purge=true", "").ok(204)
				}
				if strings.HasPrefix(e.label, "13 Basic bot:PASSWORD") {
					botToken = got.object()["sha1"].(string)
				}
			}
			r.skip = func(e exchange) bool { // it comes after tokens that were deleted unseen
				return e.label == "" && e.path == "/users/vibn-bot-acme/tokens" && strings.Contains(e.header, "'0'")
			}
			r.run(version, "a", "b", "c", "d")
			if r.replayed < 180 {
				t.Errorf("replayed %d requests, want at least 180", r.replayed)
			}
		})
	}
}

// transcriptCredential is what the labels of the first transcripts mean.
func transcriptCredential(s *sim, e exchange, botToken string) string {
	const password = "Str0ng-passw0rd-xyz"
	admin := s.secret()
	for _, m := range []struct{ label, auth string }{
		{"anon", nobody},
		{"must_change_password user|other user", basic("mc-test", password)},
		{"Bearer admin", "Bearer " + admin},
		{"token admin", "token " + admin},
		{"Basic siteadmin:TOKEN", basic("siteadmin", admin)},
		{"Basic :TOKEN", basic("", admin)},
		{"Basic TOKEN:x-oauth-basic", basic(admin, "x-oauth-basic")},
		{"Basic TOKEN:", basic(admin, "")},
		{"Basic bot:ADMIN_TOKEN", basic("vibn-bot-acme", admin)},
		{"Basic siteadmin:PASSWORD", basic("siteadmin", s.AdminPassword())},
		{"Basic bot:(PASSWORD|PW)", basic("vibn-bot-acme", password)},
		{"token bot", "token " + botToken},
		{"ESCALATION|bot:PAT|bot -> |bot lists |bot sudo", basic("vibn-bot-acme", botToken)},
	} {
		if regexp.MustCompile(m.label).MatchString(e.label) {
			return m.auth
		}
	}
	if strings.Contains(e.path, "/tokens") {
		return basic("x", admin)
	}
	return ""
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

func (f *form) learn(v any) {
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
			if f.items != nil && f.items.seen > 0 {
				out = append(out, f.items.judge(item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		}
	}
	return out
}

// TestFormNotices keeps the comparison itself honest.
func TestFormNotices(t *testing.T) {
	var real any
	if err := json.Unmarshal([]byte(`{"a":1,"b":[{"c":"x","d":null},{"c":"y"}]}`), &real); err != nil {
		t.Fatal(err)
	}
	want := &form{}
	want.learn(real)
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
		var ours any
		if err := json.Unmarshal([]byte(tc.answer), &ours); err != nil {
			t.Fatal(err)
		}
		if got := want.judge(ours, ""); len(got) != tc.wrong {
			t.Errorf("judge(%s) = %q, want %d problems", tc.answer, got, tc.wrong)
		}
	}
}

func transcriptText(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shared(t, "captures"), "gitea", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
