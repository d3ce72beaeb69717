package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
)

// gitCredentialCommand is a credential helper of git. Git asks it for a password by its
// own protocol (gitcredentials(7)), so the token is neither in a repository's
// configuration nor in an agent's context.
var gitCredentialCommand = command{
	name: "git-credential", args: "ACTION",
	about: "give git the key's token, as a credential helper: get, store or erase",
	reads: []string{"VIBN_URL", "VIBN_API_KEY"}, needs: []string{"VIBN_URL", "VIBN_API_KEY"}, later: true,
	run: gitCredential,
}

const (
	// helperTime limits each request to the server: the first use of a key creates its
	// token.
	helperTime = 30 * time.Second
	// maxAsked limits git's question, in bytes.
	maxAsked = 64 << 10
)

// gitCredential answers git's "get" if it is about the workspace's own Gitea. For another
// host it prints nothing, so that git asks its next helper. "store" and "erase" do
// nothing, and git's protocol requires that unknown operations are ignored.
//
// If it cannot answer, or cannot determine whether the question is about its Gitea, it
// makes git quit. Otherwise git would ask a person for a name at the terminal, and an
// agent would wait for ever. Git's settings use it for the address of its Gitea only, so
// no other host waits for it.
func gitCredential(ctx context.Context, p *program) error {
	if p.args[0] != "get" {
		return nil
	}
	err := p.answerGit(ctx)
	if err != nil {
		err = cmp.Or(p.printf("quit=1\n"), err)
	}
	return err
}

func (p *program) answerGit(ctx context.Context) error {
	if err := p.configure(); err != nil {
		return err
	}
	asked, err := readAttributes(p.stdin)
	if err != nil {
		return err
	}
	if err := mcp.CheckServer(p.cfg.serverURL); err != nil {
		return badServerURL(err)
	}
	return p.giveCredential(ctx, asked)
}

func (p *program) giveCredential(ctx context.Context, asked map[string]string) error {
	var list struct {
		Workspaces []struct {
			Slug      string `json:"slug"`
			GitServer string `json:"git_server"`
		} `json:"workspaces"`
	}
	server := p.server()
	if err := server.fetch(ctx, "/api/workspaces", &list); err != nil {
		return err
	}
	known := false
	for _, w := range list.Workspaces {
		known = known || w.GitServer != ""
		if !sameServer(w.GitServer, asked) {
			continue
		}
		var c struct{ Username, Token string }
		if err := server.fetch(
			ctx, "/api/workspaces/"+url.PathEscape(w.Slug)+"/gitea-credentials?reveal=true", &c,
		); err != nil {
			return err
		}
		if !plainValue(c.Username) || !plainValue(c.Token) {
			return errors.New("the server's answer is not a name and a token")
		}
		if asked["username"] != "" && asked["username"] != c.Username {
			return hinted{
				fmt.Errorf("the key opens the repositories as %s, and git asks for another user", c.Username),
				"take the user name out of the repository's address",
			}
		}
		return p.printf("username=%s\npassword=%s\n", c.Username, c.Token)
	}
	if !known {
		return hinted{
			errors.New("the key's workspace has no repositories"), "try again in a minute if it has just been made",
		}
	}
	return nil
}

// sameServer reports whether git asks about this server: protocol, host and port are the
// same, and the path, if git sends it, is below the server's.
func sameServer(server string, asked map[string]string) bool {
	u, err := url.Parse(server)
	if server == "" || err != nil || u.Host == "" {
		return false
	}
	if asked["protocol"] != u.Scheme || !strings.EqualFold(asked["host"], u.Host) {
		return false
	}
	below := "/" + strings.Trim(u.Path, "/") + "/"
	about, given := asked["path"]
	return !given || below == "//" || strings.HasPrefix(path.Clean("/"+about), below)
}

// deciding are the attributes of git's question that determine the answer.
var deciding = []string{"protocol", "host", "path", "username"}

// readAttributes reads git's question: lines of NAME=VALUE up to an empty one. It refuses
// control characters in the attributes that determine the answer: a carriage return has
// made helpers answer about another host. It skips the other attributes, which may hold
// anything: wwwauth[] holds what a server sent.
func readAttributes(r io.Reader) (map[string]string, error) {
	asked := map[string]string{}
	limited := &io.LimitedReader{R: r, N: maxAsked}
	lines := bufio.NewScanner(limited)
	lines.Split(wholeLines)
	for lines.Scan() {
		line := lines.Text()
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !plainValue(name) {
			return nil, errors.New("git's request is not understood")
		}
		if !slices.Contains(deciding, name) {
			continue
		}
		if value != "" && !plainValue(value) {
			return nil, errors.New("git's request is not understood")
		}
		if _, twice := asked[name]; twice {
			return nil, fmt.Errorf("git tells %q twice", name)
		}
		asked[name] = value
	}
	if limited.N <= 0 {
		return nil, errors.New("git's request is too long")
	}
	return asked, lines.Err()
}

// wholeLines splits like [bufio.ScanLines], but keeps a carriage return.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// plainValue reports whether a text can be a value in git's protocol, on one line.
func plainValue(s string) bool {
	return s != "" && !strings.ContainsFunc(
		s, func(r rune) bool { return unicode.IsControl(r) || r == unicode.ReplacementChar },
	)
}

// A keyServer calls the server at VIBN_URL with the key in VIBN_API_KEY.
type keyServer struct {
	root   *url.URL
	key    secret.Text
	client *http.Client
}

func (p *program) server() keyServer {
	return keyServer{p.root(), p.cfg.apiKey, mcp.KeyClient(helperTime)}
}

// fetch requests a route and decodes its JSON answer.
func (s keyServer) fetch(ctx context.Context, route string, out any) error {
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.root.String()+route, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.key.Reveal())
	req.Header.Set("User-Agent", "vibn-mcp")
	resp, err := s.client.Do(req)
	if err != nil {
		return hinted{
			errors.New("the vibn-mcp server at VIBN_URL does not answer"), "is VIBN_URL right, and the server up?",
		}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, mcp.MaxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var f mcp.Failure
		if json.Unmarshal(body, &f) == nil && f.Message != "" {
			return hinted{errors.New(f.Message), f.Hint}
		}
		return fmt.Errorf("the server at VIBN_URL answers %d", resp.StatusCode)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return errStrange
	}
	return nil
}
