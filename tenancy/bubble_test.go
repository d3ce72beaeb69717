package tenancy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A world is what a house inside a synctest bubble is made of. There the clock
// jumps on when everybody waits for it, so minutes cost nothing and every time
// is exact.
type world struct {
	sim    coolifytest.Config
	trust  tenancy.Trust
	budget tenancy.Budget
	store  tenancytest.Store                         // nil = SQLite
	gitea  *giteatest.Config                         // nil = a platform without Gitea
	wrap   func(tenancytest.Store) tenancytest.Store // between Guard and store; may be nil
	now    func() time.Time
}

// inBubble runs a test in such a house. At the end all goroutines must have
// ended within a few seconds: the bubble panics if not.
func inBubble(t *testing.T, w world, test func(t *testing.T, h *tenancytest.House)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &tenancytest.House{Sim: coolifytest.New(w.sim), Log: &tenancytest.Log{}}
		h.Logger = slog.New(slog.NewJSONHandler(h.Log, nil))
		if w.store == nil {
			h.DB = storetest.Open(t, "sqlite")
			w.store = h.DB
		}
		if w.gitea != nil {
			h.Git = giteatest.New(*w.gitea)
			t.Cleanup(func() { _ = h.Git.Close() })
		}
		h.Operator = people.NewOperator(w.store)
		process := newService(t, h, w)
		h.Guard, h.Provisioner = process.Guard, process.provisioner
		h.A, h.B = h.AddTenant(t, "alpha", w.trust), h.AddTenant(t, "beta", w.trust)
		test(t, h)
		pass(5 * time.Second)
	})
}

// pass lets time pass.
func pass(d time.Duration) { <-time.After(d) }

// settled is more than SQLite sleeps when it waits for a lock. After it everybody
// is where it means to be; synctest.Wait may find somebody asleep.
const settled = 100 * time.Millisecond

// since is the time since then, without such sleep.
func since(then time.Time) time.Duration { return time.Since(then).Round(2 * settled) }

// newGuard makes one more process of ours on the world's store.
func newGuard(t *testing.T, h *tenancytest.House, w world) *tenancy.Guard {
	t.Helper()
	return newService(t, h, w).Guard
}

func newService(t *testing.T, h *tenancytest.House, w world) service {
	t.Helper()
	cfg := coolify.Config{URL: &url.URL{Scheme: "https", Host: "coolify.example.com"}, Transport: wire{"coolify.example.com": h.Sim}}
	if h.Secrets == nil {
		h.Secrets = []string{h.Sim.Token("read", "write", "deploy"), h.Sim.Token("read", "read:sensitive")}
		if h.Git != nil {
			h.Secrets = append(h.Secrets, h.Git.AdminToken(provision.GiteaTokenScopes()...))
		}
	}
	cfg.Token = secret.NewText(h.Secrets[0])
	ordinary, err1 := coolify.New(cfg)
	cfg.Token = secret.NewText(h.Secrets[1])
	sensitive, err2 := coolify.NewSensitive(cfg)
	box, err3 := secret.NewBox(secret.NewText("sealing-key-of-the-house-0123456789"))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	gc := tenancy.Config{Store: w.store, Coolify: ordinary, Sensitive: sensitive, Box: box, Log: h.Logger, Budget: w.budget, Now: w.now, Probe: h.Prober()}
	gc.Premises.SharedNetworks = w.gitea == nil // a memory keeps no parts
	if h.Git != nil {
		root := &url.URL{Scheme: "https", Host: "git.example.com"}
		gc.Gitea, err1 = gitea.New(gitea.Config{URL: root, Token: secret.NewText(h.Secrets[2]), Transport: wire{root.Host: h.Git}})
		if err1 != nil {
			t.Fatal(err1)
		}
		gc.GiteaURL = root.String()
	}
	if w.wrap != nil {
		gc.Store = w.wrap(w.store)
	}
	g, err := tenancy.NewGuard(gc)
	if err != nil {
		t.Fatal(err)
	}
	return service{g, provision.New(gc, gc.Store.(provision.Store), gc.Store.(provision.TokenStore), g.Reserve())}
}

// A wire carries requests to the simulator of a host without a network: nobody can
// tell whether a connection is idle, so with one the bubble's clock would stand
// still.
type wire map[string]http.Handler

func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	sim, ok := w[req.URL.Host]
	if !ok {
		return nil, errors.New("a request left for " + req.URL.Host)
	}
	in := req.Clone(req.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec, ended := httptest.NewRecorder(), make(chan any, 1)
	go func() {
		defer func() { ended <- recover() }()
		sim.ServeHTTP(rec, in)
	}()
	select {
	case <-req.Context().Done():
		return nil, req.Context().Err()
	case aborted := <-ended:
		resp := rec.Result()
		if aborted != nil && rec.Body.Len() == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		if aborted != nil {
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(rec.Body.Bytes()), broken{}))
		}
		return resp, nil
	}
}

// broken is the end of a connection that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// codeOf returns the code of an error; "" if there is none.
func codeOf(err error) tenancy.Code {
	if err == nil {
		return ""
	}
	return tenancy.Public(err).Code
}

const nobody = "zzzzzzzzzzzzzzzzzzzzzzzz"

// A step is one act of a tenant through a Scope of its own.
type step struct {
	needs tenancy.Rights
	do    func(ctx context.Context, s *tenancy.Scope) error
}

func toGet(ref string) step {
	return step{tenancy.Read, func(ctx context.Context, s *tenancy.Scope) error { _, err := hosting.FindApp(ctx, s, ref); return err }}
}

func toReadLogs(ref string) step {
	return step{tenancy.Read, func(ctx context.Context, s *tenancy.Scope) error {
		a, err := hosting.FindApp(ctx, s, ref)
		if err != nil {
			return err
		}
		_, err = a.Logs(ctx, 10, "")
		return err
	}}
}

func toDeploy(ref string) step {
	return step{tenancy.Deploy, func(ctx context.Context, s *tenancy.Scope) error {
		a, err := hosting.FindApp(ctx, s, ref)
		if err != nil {
			return err
		}
		_, err = a.Deploy(ctx, true)
		return err
	}}
}

func toWait(ref string, d time.Duration) step {
	return step{tenancy.Read, func(ctx context.Context, s *tenancy.Scope) error { _, err := hosting.Wait(ctx, s, ref, d); return err }}
}

// try does a step with a key, as a door would.
func (st step) try(ctx context.Context, g *tenancy.Guard, key string) error {
	s, err := g.OpenKey(ctx, key)
	if err != nil {
		return err
	}
	if s, err = s.Begin(ctx, tenancy.Call{Tool: "test", Needs: st.needs}); err != nil {
		return err
	}
	err = st.do(ctx, s)
	s.End(ctx, err)
	return err
}

// An outcome is how a wait ended.
type outcome struct {
	info tenancy.DeploymentInfo
	err  error
	took time.Duration
	seen []string // status of each look that the wait was told of
}

// A waiter is a wait of a key for a deployment.
type waiter struct {
	guard *tenancy.Guard
	key   string
	ref   string
	d     time.Duration
}

// start begins the wait; its outcome comes later.
func (w waiter) start(ctx context.Context) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		began := time.Now()
		s, err := w.guard.OpenKey(ctx, w.key)
		if err == nil {
			s, err = s.Begin(ctx, tenancy.Call{
				Tool: "test", Needs: tenancy.Read, Look: func(d tenancy.DeploymentInfo) { o.seen = append(o.seen, d.Status) },
			})
		}
		if err == nil {
			o.info, err = hosting.Wait(ctx, s, w.ref, w.d)
		}
		o.err, o.took = err, since(began)
		ended <- o
	}()
	return ended
}

// A memory is as much of a store as a call needs that changes no key: for tests of
// something else, which make many houses and thousands of calls. It keeps no audit
// trail.
type memory struct {
	tenancytest.Store // nil
	mu                sync.Mutex
	workspaces        map[string]tenancy.Workspace
	keys              map[tenancy.Digest]tenancy.Key
	databases         []tenancy.DatabaseRecord
	versions          map[string][]hosting.AppVersion // by workspace and app
	logs              map[string]hosting.KeptLog
	values            map[string][]hosting.KeptValue // by workspace and app
}

func newMemory() *memory {
	return &memory{
		workspaces: map[string]tenancy.Workspace{}, keys: map[tenancy.Digest]tenancy.Key{},
		versions: map[string][]hosting.AppVersion{}, logs: map[string]hosting.KeptLog{},
		values: map[string][]hosting.KeptValue{},
	}
}

func (m *memory) RecordVersion(_ context.Context, workspaceID, app string, v hosting.AppVersion) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := workspaceID + app
	m.versions[of] = append([]hosting.AppVersion{v}, m.versions[of]...)
	return nil
}

func (m *memory) AppVersions(_ context.Context, workspaceID, app string) ([]hosting.AppVersion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.versions[workspaceID+app]), nil
}

func (m *memory) KeepLog(_ context.Context, workspaceID string, l hosting.KeptLog) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.logs[workspaceID+l.App] = l
	return nil
}

func (m *memory) KeepValues(_ context.Context, workspaceID, app string, values []hosting.KeptValue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := workspaceID + app
	for _, v := range values {
		m.values[of] = slices.DeleteFunc(m.values[of], func(old hosting.KeptValue) bool { return old.ID == v.ID })
		m.values[of] = append(m.values[of], v)
	}
	return nil
}

func (m *memory) KeptValues(_ context.Context, workspaceID, app string) ([]hosting.KeptValue, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.values[workspaceID+app]), nil
}

func (m *memory) ForgetApp(_ context.Context, workspaceID, app string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.versions, workspaceID+app)
	delete(m.logs, workspaceID+app)
	delete(m.values, workspaceID+app)
	return nil
}

func (m *memory) KeptLog(_ context.Context, workspaceID, app string) (hosting.KeptLog, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.logs[workspaceID+app]
	if !ok {
		return l, tenancy.ErrNotFound
	}
	return l, nil
}

func (m *memory) CreateWorkspace(_ context.Context, w tenancy.Workspace, _ int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Plan.Databases = 100_000 // nobody is refused for what they have
	m.workspaces[w.ID] = w
	return nil
}

func (m *memory) CreateKey(_ context.Context, k tenancy.Key, d tenancy.Digest) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys[d] = k
	return nil
}

func (m *memory) KeyByDigest(_ context.Context, d tenancy.Digest) (tenancy.Key, tenancy.Workspace, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.keys[d]
	if !ok {
		return k, tenancy.Workspace{}, tenancy.ErrNotFound
	}
	return k, m.workspaces[k.WorkspaceID], nil
}

// Projects are none: no call that needs them to be any goes to a memory.
func (*memory) Projects(context.Context, string) ([]tenancy.Project, error) { return nil, nil }

// AppRecords are none likewise.
func (*memory) AppRecords(context.Context, string) ([]tenancy.AppRecord, error) { return nil, nil }

func (*memory) TouchKey(context.Context, string, string, time.Time) error { return nil }

func (*memory) Audit(context.Context, string, tenancy.AuditQuery) ([]tenancy.AuditEntry, error) {
	return nil, nil
}

func (*memory) StartAudit(context.Context, tenancy.AuditEntry) error { return nil }

func (*memory) FinishAudit(context.Context, string, string, tenancy.AuditFinish) error { return nil }

func (m *memory) Provision(_ context.Context, workspaceID string) (tenancy.Provision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return tenancy.Provision{Workspace: m.workspaces[workspaceID]}, nil
}

func (m *memory) CreateDatabase(_ context.Context, d tenancy.DatabaseRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.databases = append(m.databases, d)
	return nil
}

func (m *memory) DatabaseRecords(_ context.Context, workspaceID string) ([]tenancy.DatabaseRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.databases), func(d tenancy.DatabaseRecord) bool { return d.WorkspaceID != workspaceID }), nil
}

func (m *memory) RecordDatabase(_ context.Context, was tenancy.DatabaseRecord, uuid, urlSealed string) error {
	return m.changeDatabase(was, func(d *tenancy.DatabaseRecord) { d.UUID, d.URLSealed = uuid, urlSealed })
}

func (m *memory) TakeOverDatabase(_ context.Context, was tenancy.DatabaseRecord, at time.Time) error {
	return m.changeDatabase(was, func(d *tenancy.DatabaseRecord) { d.CreatedAt = at })
}

func (m *memory) changeDatabase(was tenancy.DatabaseRecord, change func(*tenancy.DatabaseRecord)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.databases, func(d tenancy.DatabaseRecord) bool {
		return d.ID == was.ID && d.CreatedAt.Equal(was.CreatedAt) && d.UUID == ""
	})
	if i < 0 {
		return tenancy.ErrConflict
	}
	change(&m.databases[i])
	return nil
}

func (m *memory) DropDatabase(_ context.Context, _, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.databases = slices.DeleteFunc(m.databases, func(d tenancy.DatabaseRecord) bool { return d.ID == id })
	return nil
}
