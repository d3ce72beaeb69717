package giteatest

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // one of the signatures that Gitea sends
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/gitdir"
	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

// A Delivery is one webhook on its way, or delivered.
type Delivery struct {
	ID     string // what X-Gitea-Delivery says
	HookID int
	URL    string
	Repo   string // owner/name
	Event  string
	Body   string
	Status int   // that the receiver answered; 0 = none
	Err    error // why there is no status
	Done   bool
}

// Deliveries returns what was delivered, and is on its way, in the order it was
// sent off.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Delivery, len(s.deliveries))
	for i, d := range s.deliveries {
		out[i] = *d
	}
	return out
}

// WaitDeliveries returns when nothing is on its way, or with the error of ctx.
func (s *Server) WaitDeliveries(ctx context.Context) error {
	s.mu.Lock()
	idle := s.idle
	s.mu.Unlock()
	if !upstreamtest.Wait(ctx, idle) {
		return ctx.Err()
	}
	return nil
}

const (
	deliveryTimeout = 5 * time.Second
	zeroSHA         = "0000000000000000000000000000000000000000"
)

var errNotAllowed = errors.New("webhook can only call allowed HTTP servers (check your " +
	"webhook.ALLOWED_HOST_LIST setting)")

// A push is a branch that moved.
type push struct {
	repo          *repo
	branch        string
	before, after string // zeroSHA = there was none
	by            *account
}

// pushed looks at what is in the repository now, and tells the hooks of every
// branch that moved. A caller holds s.mu.
func (s *Server) pushed(r *repo, by *account) error {
	heads, err := r.dir.Heads()
	if err != nil {
		return err
	}
	before := r.heads
	r.heads, r.updated = heads, s.cfg.Now()
	branches := make([]string, 0, len(heads)+len(before))
	for branch := range heads {
		branches = append(branches, branch)
	}
	for branch := range before {
		branches = append(branches, branch)
	}
	slices.Sort(branches)
	for _, branch := range slices.Compact(branches) {
		if before[branch] != heads[branch] {
			s.tell(push{r, branch, orZero(before[branch]), orZero(heads[branch]), by})
		}
	}
	return nil
}

func orZero(sha string) string {
	if sha == "" {
		return zeroSHA
	}
	return sha
}

func (s *Server) tell(p push) {
	if p.after == zeroSHA {
		return // that is another event, which is not simulated
	}
	var body []byte
	for target, hooks := range map[string][]*hook{"repository": p.repo.hooks, "organization": p.repo.owner.hooks} {
		for _, h := range hooks {
			if h.Inactive || !slices.Contains(h.Events, "push") || !h.wants(p.branch) {
				continue
			}
			if body == nil {
				body = s.pushJSON(p)
			}
			s.send(p.repo, h, target, body)
		}
	}
}

func (h *hook) wants(branch string) bool {
	if h.BranchFilter == "" || h.BranchFilter == "*" {
		return true
	}
	ok, err := path.Match(h.BranchFilter, branch)
	return err == nil && ok
}

// maxCommits is how many commits a payload holds.
const maxCommits = 5

func (s *Server) pushJSON(p push) []byte {
	log := p.repo.dir.Log(strings.TrimPrefix(p.after, zeroSHA), p.before)
	commits := []object{}
	for _, c := range log[:min(len(log), maxCommits)] {
		commits = append(commits, s.payloadCommit(p.repo, c, true))
	}
	if len(log) == 0 && p.after != "" {
		if c, err := p.repo.dir.Commit(p.after); err == nil {
			log, commits = []gitdir.Commit{c}, []object{s.payloadCommit(p.repo, c, false)}
		}
	}
	var head any
	if len(commits) > 0 {
		head = commits[0]
	}
	return encode(object{
		"ref": "refs/heads/" + p.branch, "before": p.before, "after": p.after,
		"compare_url": s.root() + "/" + p.repo.fullName() + "/compare/" + p.before + "..." + p.after,
		"commits":     commits, "total_commits": len(log), "head_commit": head,
		"repository": s.repoJSON(p.repo, access{mode: owner}), "pusher": s.userJSON(p.by, nil),
		"sender": s.userJSON(p.by, nil),
	})
}

// payloadCommit is a commit as branches and webhooks carry it.
func (s *Server) payloadCommit(r *repo, c gitdir.Commit, withFiles bool) object {
	o := object{
		"id": c.SHA, "message": c.Message, "url": s.root() + "/" + r.fullName() + "/commit/" + c.SHA,
		"author": s.payloadUser(c.Author), "committer": s.payloadUser(c.Committer), "verification": unsigned(),
		"timestamp": stamp(c.Author.At), "added": nil, "removed": nil, "modified": nil,
	}
	if withFiles {
		added, removed, modified := r.dir.Changed(c)
		o["added"], o["removed"], o["modified"] = orEmpty(added), orEmpty(removed), orEmpty(modified)
		o["verification"] = nil
	}
	return o
}

func unsigned() object {
	return object{
		"verified": false, "reason": "gpg.error.not_signed_commit", "signature": "", "signer": nil,
		"payload": "",
	}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (s *Server) payloadUser(p gitdir.Person) object {
	login := ""
	if a := find(s.accounts, func(a *account) bool { return !a.org && strings.EqualFold(a.Email, p.Email) }); a != nil {
		login = a.Login
	}
	return object{"name": p.Name, "email": p.Email, "username": login}
}

// send delivers a payload in the background. A caller holds s.mu.
func (s *Server) send(r *repo, h *hook, target string, body []byte) {
	d := &Delivery{
		ID:     strings.Join([]string{random(8), random(4), random(4), random(4), random(12)}, "-"),
		HookID: h.ID, URL: h.URL, Repo: r.fullName(), Event: "push", Body: string(body),
	}
	s.deliveries = append(s.deliveries, d)
	if s.pending == 0 {
		s.idle = make(chan struct{})
	}
	s.pending++
	req, err := newDelivery(s.done, h.Hook, d, target)
	go s.deliver(d, req, err)
}

func (s *Server) deliver(d *Delivery, req *http.Request, err error) {
	status := 0
	if err == nil {
		status, err = s.post(req)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Status, d.Err, d.Done = status, err, true
	s.pending--
	if s.pending == 0 {
		close(s.idle)
		s.idle = nil
	}
}

func (s *Server) post(req *http.Request) (int, error) {
	if !s.cfg.LoopbackHooks || !loopback(req.URL) {
		return 0, errNotAllowed
	}
	client := &http.Client{
		Timeout: deliveryTimeout, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// loopback takes addresses only, so that no name is looked up.
func loopback(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback() || u.Hostname() == "localhost"
}

func newDelivery(ctx context.Context, h Hook, d *Delivery, target string) (*http.Request, error) {
	body, contentType := d.Body, "application/json"
	if h.ContentType == "form" {
		body, contentType = url.Values{"payload": {d.Body}}.Encode(), "application/x-www-form-urlencoded"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", contentType)
	if h.Authorization != "" {
		req.Header.Set("Authorization", h.Authorization)
	}
	signed256, signed1 := sign(sha256.New, h.Secret, d.Body), sign(sha1.New, h.Secret, d.Body)
	for _, brand := range []string{"X-Gitea-", "X-Gogs-", "X-GitHub-"} {
		req.Header[brand+"Delivery"] = []string{d.ID}
		req.Header[brand+"Event"] = []string{d.Event}
		req.Header[brand+"Event-Type"] = []string{d.Event}
	}
	req.Header.Set("X-Gitea-Signature", signed256)
	req.Header.Set("X-Gogs-Signature", signed256)
	req.Header.Set("X-Hub-Signature", "sha1="+signed1)
	req.Header.Set("X-Hub-Signature-256", "sha256="+signed256)
	req.Header.Set("X-Gitea-Hook-Installation-Target-Type", target)
	req.Header["X-GitHub-Hook-Installation-Target-Type"] = []string{target}
	return req, nil
}

// sign is "" without a secret.
func sign(digest func() hash.Hash, secret, body string) string {
	if secret == "" {
		return ""
	}
	mac := hmac.New(digest, []byte(secret))
	_, _ = mac.Write([]byte(body)) // never fails; see hash.Hash
	return hex.EncodeToString(mac.Sum(nil))
}
