package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestReadAttributes(t *testing.T) {
	for in, want := range map[string]map[string]string{
		"": {},
		"protocol=https\nhost=git.example.com\n\n":                   {"protocol": "https", "host": "git.example.com"},
		"protocol=https\nhost=git.example.com":                       {"protocol": "https", "host": "git.example.com"},
		"host=a\n\nhost=b\n":                                         {"host": "a"},
		"wwwauth[]=a\nwwwauth[]=b\nhost=x\n":                         {"host": "x"},
		"wwwauth[]=a\tb\r\x00\x1b\xff\nhost=x\npassword=\x07\n":      {"host": "x"},
		"password=x\nhost=x\npassword=y\nstate[]=\nx=\xc0\n":         {"host": "x"},
		"path=a=b=c\nusername=\n":                                    {"path": "a=b=c", "username": ""},
		"host=müller.example.com\n":                                  {"host": "müller.example.com"},
		"protocol=https\nhost=git.example.com\n" + "\nrubbish\r\x00": {"protocol": "https", "host": "git.example.com"},
	} {
		got, err := readAttributes(strings.NewReader(in))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got)\n%s", in, err, diff)
		}
	}
	for _, in := range []string{
		"host=a\r\n\n", "host=evil\rhost=good\n", "\rhost=a\n", "host=a\x00b\n", "host=a\x1b[31m\n", "host=a\x7f\n", "host=a\u0085b\n", "host=a\xff\n",
		"host=a\tb\n", "host\n", "=a\n", " \n", "host=a\nhost=a\n", "host=a\nprotocol=b\nhost=c\n",
		"username=x\nusername=\n", "path=\tx\n", "x\x1b=host\n",
		"pad=" + strings.Repeat("x", maxAsked) + "\n", strings.Repeat("wwwauth[]=x\n", maxAsked/12) + "host=a\n",
	} {
		if got, err := readAttributes(strings.NewReader(in)); err == nil {
			t.Errorf("%.80q: %v, want it refused", in, got)
		} else if strings.ContainsAny(err.Error(), "\r\x00\x1b") {
			t.Errorf("%.80q: the error repeats what drives a terminal: %q", in, err)
		}
	}
}

func TestSameServer(t *testing.T) {
	type q = map[string]string
	const server, below = "https://git.example.com", "https://git.example.com:8443/gitea"
	for _, tc := range []struct {
		server string
		asked  q
		want   bool
	}{
		{server, q{"protocol": "https", "host": "git.example.com"}, true},
		{server, q{"protocol": "https", "host": "GIT.example.com"}, true},
		{server, q{"protocol": "https", "host": "git.example.com", "path": "vibn-alpha/site.git"}, true},
		{server + "/", q{"protocol": "https", "host": "git.example.com", "path": "x"}, true},
		{below, q{"protocol": "https", "host": "git.example.com:8443"}, true},
		{below, q{"protocol": "https", "host": "git.example.com:8443", "path": "gitea/vibn-alpha/site.git"}, true},
		{below + "/", q{"protocol": "https", "host": "git.example.com:8443", "path": "gitea/x"}, true},
		{server, q{"protocol": "http", "host": "git.example.com"}, false},
		{server, q{"protocol": "HTTPS", "host": "git.example.com"}, false},
		{server, q{"protocol": "ssh", "host": "git.example.com"}, false},
		{server, q{"host": "git.example.com"}, false},
		{server, q{"protocol": "https"}, false},
		{server, q{}, false},
		{server, q{"protocol": "https", "host": "git.example.com:443"}, false},
		{server, q{"protocol": "https", "host": "git.example.com."}, false},
		{server, q{"protocol": "https", "host": "example.com"}, false},
		{server, q{"protocol": "https", "host": "git.example.com.example.org"}, false},
		{server, q{"protocol": "https", "host": "git.example.com/x"}, false},
		{server, q{"protocol": "https", "host": "user@git.example.com"}, false},
		{below, q{"protocol": "https", "host": "git.example.com"}, false},
		{below, q{"protocol": "https", "host": "git.example.com:8443", "path": "giteax/y"}, false},
		{below, q{"protocol": "https", "host": "git.example.com:8443", "path": "gitea"}, false},
		{below, q{"protocol": "https", "host": "git.example.com:8443", "path": ""}, false},
		{below, q{"protocol": "https", "host": "git.example.com:8443", "path": "gitea/../other/y"}, false},
		{below, q{"protocol": "https", "host": "git.example.com:8443", "path": "../gitea/y"}, true},
		{"", q{"protocol": "", "host": ""}, false},
		{"git.example.com", q{"protocol": "", "host": ""}, false},
		{"https://", q{"protocol": "https", "host": ""}, false},
		{"://x", q{"protocol": "", "host": ""}, false},
	} {
		if got := sameServer(tc.server, tc.asked); got != tc.want {
			t.Errorf("sameServer(%q, %v) = %v", tc.server, tc.asked, got)
		}
	}
}

// A fakeServer answers the helper's two questions as it is told to.
type fakeServer struct {
	workspaces, credentials string
	asked                   []string
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.asked = append(f.asked, r.URL.RequestURI())
	if strings.Contains(r.URL.Path, "gitea-credentials") {
		_, _ = w.Write([]byte(f.credentials))
		return
	}
	_, _ = w.Write([]byte(f.workspaces))
}

// askHelper runs the helper with a question.
func askHelper(t *testing.T, server, question string) *running {
	t.Helper()
	key, _ := tenancy.NewKey(&tenancy.Key{})
	env := map[string]string{"VIBN_URL": server, "VIBN_API_KEY": key.Reveal()}
	r := newRunning()
	r.finish(run(t.Context(), []string{"git-credential", "get"}, func(name string) string { return env[name] }, strings.NewReader(question), r.stdout, r.stderr))
	if strings.Contains(r.stdout.String()+r.stderr.String(), key.Reveal()) {
		t.Errorf("the key is told: %s%s", r.stdout, r.stderr)
	}
	return r
}

// TestHelperTrustsNobody: what a server answers that is not as it should be, git is
// not told.
func TestHelperTrustsNobody(t *testing.T) {
	const question = "protocol=https\nhost=git.example.com\n\n"
	const one = `{"workspaces":[{"slug":"a/../b","git_server":"https://git.example.com"}]}`
	for name, tc := range map[string]struct {
		workspaces, credentials string
		status                  int
		out                     string
		asked                   int
	}{
		"good":                   {one, `{"username":"bot","token":"secret-token"}`, 0, "username=bot\npassword=secret-token\n", 2},
		"another server":         {`{"workspaces":[{"slug":"a","git_server":"https://git.example.org"}]}`, "", 0, "", 1},
		"no server":              {`{"workspaces":[{"slug":"a"}]}`, "", 1, "quit=1\n", 1},
		"no workspace":           {`{"workspaces":[]}`, "", 1, "quit=1\n", 1},
		"a line break":           {one, `{"username":"bot\nhost=x","token":"secret-token"}`, 1, "quit=1\n", 2},
		"a line break, later":    {one, `{"username":"bot","token":"secret-token\nquit=1"}`, 1, "quit=1\n", 2},
		"a carriage return":      {one, `{"username":"bot","token":"secret-token\r"}`, 1, "quit=1\n", 2},
		"a NUL":                  {one, `{"username":"bot\u0000","token":"secret-token"}`, 1, "quit=1\n", 2},
		"no token":               {one, `{"username":"bot"}`, 1, "quit=1\n", 2},
		"no name":                {one, `{"token":"secret-token"}`, 1, "quit=1\n", 2},
		"no JSON":                {`<html>`, "", 1, "quit=1\n", 1},
		"no JSON, later":         {one, `<html>`, 1, "quit=1\n", 2},
		"one without a server":   {`{"workspaces":[{"slug":"x"},{"slug":"y","git_server":"https://git.example.org"}]}`, "", 0, "", 1},
		"a path for a slug":      {`{"workspaces":[{"slug":"../../x?y=","git_server":"https://git.example.com"}]}`, `{"username":"bot","token":"secret-token"}`, 0, "username=bot\npassword=secret-token\n", 2},
		"one of several servers": {`{"workspaces":[{"slug":"x","git_server":"https://git.example.org"},{"slug":"y","git_server":"https://git.example.com"}]}`, `{"username":"bot","token":"secret-token"}`, 0, "username=bot\npassword=secret-token\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeServer{workspaces: tc.workspaces, credentials: tc.credentials}
			srv := httptest.NewServer(f)
			defer srv.Close()
			r := askHelper(t, srv.URL, question)
			if r.status != tc.status || r.stdout.String() != tc.out || len(f.asked) != tc.asked {
				t.Errorf("status %d, %q, asked %q; want %d, %q, %d questions\n%s", r.status, r.stdout, f.asked, tc.status, tc.out, tc.asked, r.stderr)
			}
			if (r.stderr.String() != "") != (tc.status != 0) {
				t.Errorf("words for people: %q", r.stderr)
			}
			for _, asked := range f.asked {
				if !strings.HasPrefix(asked, "/api/workspaces") || strings.Contains(asked, "..") && !strings.Contains(asked, "..%2F") {
					t.Errorf("asked for %q", asked)
				}
			}
		})
	}
}

// TestHelperFollowsNobody: the key goes to no server that another one names.
func TestHelperFollowsNobody(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a request with %v went where the server redirected it", r.Header)
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/api/workspaces", status))
		r := askHelper(t, srv.URL, "protocol=https\nhost=git.example.com\n\n")
		srv.Close()
		if r.status != 1 || r.stdout.String() != "quit=1\n" || !strings.Contains(r.stderr.String(), "the server at VIBN_URL answers") {
			t.Errorf("%d: status %d, %q, %s", status, r.status, r.stdout, r.stderr)
		}
	}
	for _, server := range []string{"http://vibn.example.com", "http://192.0.2.1:8080", "http://localhost.example.com"} {
		if r := askHelper(t, server, "protocol=https\nhost=git.example.com\n\n"); r.status != 1 || !strings.Contains(r.stderr.String(), "unencrypted") || r.stdout.String() != "quit=1\n" {
			t.Errorf("%s: status %d, %q, %s", server, r.status, r.stdout, r.stderr)
		}
	}
}

// FuzzGitCredential: whatever git is made to ask, the helper takes it for a question
// about a server only if that is what it says, in one way.
func FuzzGitCredential(f *testing.F) {
	for _, seed := range []string{
		"", "protocol=https\nhost=git.example.com\n\n", "protocol=https\nhost=git.example.com\npath=gitea/a/b.git\nusername=bot\n", "host=evil\rhost=git.example.com\nprotocol=https\n",
		"protocol=https\nhost=evil\nhost=git.example.com\n", "protocol=https\nhost=git.example.com\x00.evil\n", "wwwauth[]=a\nwwwauth[]=b\n", "protocol=https\r\nhost=git.example.com\r\n\r\n",
		"protocol=https\nhost=git.example.com\npath=gitea/../x\n", "=\n", "a\n", "\n\nhost=x",
	} {
		f.Add(seed, "https://git.example.com")
		f.Add(seed, "https://git.example.com/gitea")
	}
	f.Fuzz(func(t *testing.T, in, server string) {
		asked, err := readAttributes(strings.NewReader(in))
		if err != nil {
			return
		}
		for name, value := range asked {
			if name == "" || strings.ContainsAny(name+value, "\r\n\x00\x1b") || !strings.Contains("\n"+in, "\n"+name+"="+value) {
				t.Errorf("%q is read as %q=%q", in, name, value)
			}
		}
		if !sameServer(server, asked) {
			return
		}
		u, err := url.Parse(server)
		if err != nil {
			t.Fatalf("%q is the server of %q", server, in)
		}
		question, _, _ := strings.Cut(in, "\n\n")
		hosts := slices.DeleteFunc(strings.Split(question, "\n"), func(line string) bool { return !strings.HasPrefix(line, "host=") })
		if u.Host == "" || len(hosts) != 1 || !strings.EqualFold(hosts[0], "host="+u.Host) || asked["protocol"] != u.Scheme {
			t.Errorf("%q, of which %v is read, is taken for a question about %q", in, slices.Sorted(maps.Keys(asked)), server)
		}
	})
}
