package giteatest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi" //nolint:gosec // Go 1.6.3 was long ago
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
	"github.com/vibnai/vibn-mcp/gitea/giteatest/gitdir"
)

var gitRoutes = []route{
	{method: "GET", pattern: "/{owner}/{repo}/info/refs", root: true, git: true},
	{method: "POST", pattern: "/{owner}/{repo}/git-upload-pack", root: true, git: true},
	{method: "POST", pattern: "/{owner}/{repo}/git-receive-pack", root: true, git: true},
}

// A session is one request of git's that is let in.
type session struct {
	repo   *repo
	dir    gitdir.Dir
	by     *account // nil = nobody
	push   bool
	denied string // refs that must not be pushed
}

// serveGit answers git's protocol with git http-backend. The lock is free while
// git runs.
func (s *Server) serveGit(ctx context.Context, c *call) answer {
	s.mu.Lock()
	sess, refusal, ok := s.openGit(c)
	s.mu.Unlock()
	if !ok {
		return refusal
	}
	a := s.runGit(ctx, c, sess)
	if !sess.push || c.r.Method != http.MethodPost {
		return a
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.pushed(sess.repo, sess.by); err != nil {
		return text(http.StatusInternalServerError, err.Error())
	}
	return a
}

// openGit decides who may do what, in Gitea's order. A caller holds s.mu.
func (s *Server) openGit(c *call) (session, answer, bool) {
	s.host = c.r.Host
	sess := session{push: strings.HasSuffix(c.r.URL.Path, "/git-receive-pack") ||
		c.query.Get("service") == "git-receive-pack"}
	if _, ok := c.authenticate(); !ok {
		return sess, text(http.StatusUnauthorized, "Failed to authenticate user\n"), false
	}
	c.touch()
	if refusal, ok := c.webVerified(); !ok {
		return sess, refusal, false
	}
	sess.by = c.doer
	of, name := s.account(c.path["owner"]), strings.TrimSuffix(c.path["repo"], ".git")
	if of == nil {
		return sess, text(http.StatusNotFound, "Not found.\n"), false
	}
	sess.repo = s.repo(of, name)
	if sess.repo == nil {
		if to := s.repoMoves[moveKey(of, name)]; to != nil {
			return sess, c.movedGit(to), false
		}
	}
	if refusal, ok := c.mayGit(sess, of); !ok {
		return sess, refusal, false
	}
	dir, err := s.git(sess.repo)
	if err != nil {
		return sess, text(http.StatusInternalServerError, err.Error()), false
	}
	sess.dir = dir
	sess.denied = s.deniedRefs(sess)
	return sess, answer{}, true
}

// webVerified is what the web part does with users that the API refuses: pages.
func (c *call) webVerified() (answer, bool) {
	switch {
	case c.doer == nil:
		return pass()
	case c.doer.Inactive || c.doer.ProhibitLogin:
		page := "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>Sign In " +
			"Prohibited</title></head><body></body></html>\n"
		return typed(http.StatusOK, typeHTML, []byte(page)), false
	case c.doer.MustChangePassword:
		return redirect(http.StatusSeeOther, "/user/settings/change_password"), false
	}
	return pass()
}

func (c *call) movedGit(to *repo) answer {
	name := c.path["repo"]
	suffix := ""
	if strings.HasSuffix(name, ".git") {
		suffix = ".git"
	}
	return c.moved(http.StatusMovedPermanently, c.path["owner"]+"/"+name, to.owner.Login+"/"+to.Name+suffix)
}

func (c *call) mayGit(sess session, of *account) (answer, bool) {
	r := sess.repo
	if r != nil && r.Archived && sess.push {
		return text(http.StatusForbidden,
				"This repo is archived. You can view files and clone it, but cannot push or open "+
					"issues/pull-requests."),
			false
	}
	open := r != nil && !r.Private && !sess.push && c.s.visible(of, nil)
	if open {
		return pass()
	}
	if c.doer == nil {
		a := text(http.StatusUnauthorized, "Unauthorized\n")
		a.Header.Set("WWW-Authenticate", `Basic realm="Gitea"`)
		return a, false
	}
	if !c.gitScope(sess.push) {
		return text(http.StatusForbidden, "Forbidden\n"), false
	}
	if r == nil {
		return noRepo(sess.push, of), false
	}
	if c.s.access(r, c.doer).unit(codeUnit) < read {
		return text(http.StatusNotFound, "Repository not found"), false
	}
	return pass()
}

// gitScope looks at the scopes of a token. Before 1.27, one that comes in a
// header of its own is not looked at: any scope opens all that its user may do.
func (c *call) gitScope(push bool) bool {
	if c.token == nil || !c.basic && !c.s.since(V127) {
		return true
	}
	return forms.Allows(c.token.Scopes, scopeRepo, push)
}

func noRepo(push bool, of *account) answer {
	switch {
	case !push:
		return text(http.StatusNotFound, "Repository not found")
	case of.org:
		return text(http.StatusForbidden, "Push to create is not enabled for organizations.")
	}
	return text(http.StatusForbidden, "Push to create is not enabled for users.")
}

// deniedRefs are what the hook refuses. Who may only read gets as far as it.
func (s *Server) deniedRefs(sess session) string {
	if sess.by == nil || s.access(sess.repo, sess.by).unit(codeUnit) < write {
		return "all"
	}
	var out []string
	for branch := range sess.repo.heads {
		if !sess.repo.mayPush(branch, sess.by) {
			out = append(out, "refs/heads/"+branch)
		}
	}
	for _, p := range sess.repo.rules {
		if !sess.repo.mayPush(p.name, sess.by) {
			out = append(out, "refs/heads/"+p.name)
		}
	}
	return strings.Join(out, " ")
}

// runGit hands the request to git.
func (s *Server) runGit(ctx context.Context, c *call, sess session) answer {
	git, err := exec.LookPath("git")
	if err != nil {
		return text(http.StatusNotFound, "git is not installed here\n")
	}
	root, name := filepath.Split(sess.dir.Name())
	r := c.r.Clone(ctx)
	rest := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)[2]
	r.URL.Path = "/" + name + "/" + rest
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(c.body)), int64(len(c.body)), nil
	env := []string{
		"GIT_PROJECT_ROOT=" + filepath.Clean(root), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"HOME=" + filepath.Clean(root), "DENIED_REFS=" + sess.denied,
	}
	if sess.by != nil {
		env = append(env, "REMOTE_USER="+sess.by.Login)
	}
	var log bytes.Buffer
	w := &recorder{header: http.Header{}}
	(&cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Dir: sess.dir.Name(), Env: env,
		Stderr: &log,
	}).ServeHTTP(w, r)
	if w.status >= http.StatusInternalServerError {
		return text(w.status, fmt.Sprintf("git http-backend: %s", log.String()))
	}
	return answer{Status: w.status, Header: w.header, Body: w.body.Bytes()}
}

// A recorder keeps what git answers.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}
