package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/store/storetest"
)

// A replica is one of several servers in processes of their own.
type replica struct {
	*running
	cmd *exec.Cmd
	url *url.URL
}

// startReplica starts a server and does not wait for it.
func startReplica(t *testing.T, env map[string]string) *replica {
	t.Helper()
	cmd := exec.Command("vibn-mcp", "serve", "--listen", "127.0.0.1:0")
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	r, err := start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.end() })
	return &replica{running: r, cmd: cmd}
}

// await waits until the replica serves.
func (r *replica) await(t *testing.T) {
	t.Helper()
	line, err := r.stderr.until(servingLine)
	if err != nil {
		t.Fatal(err)
	}
	r.url = &url.URL{Scheme: "http", Host: line[1]}
	if status, body, err := call(t.Context(), "", http.MethodGet, r.url.String()+"/readyz", ""); err != nil || status != http.StatusOK {
		t.Fatalf("a replica that serves is not ready: %d %s %v", status, body, err)
	}
}

// kill ends the replica with no time to say a word.
func (r *replica) kill(t *testing.T) {
	t.Helper()
	if err := r.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-r.ended
}

// A balancer takes requests to the replicas in turns, as a load balancer does that
// leaves out whom it could not reach once. It repeats nothing itself.
type balancer struct {
	replicas []*replica
	next     atomic.Int64
	served   []atomic.Int64
	down     []atomic.Bool
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := int(b.next.Add(1)) % len(b.replicas)
	for range b.replicas {
		if !b.down[at].Load() {
			break
		}
		at = (at + 1) % len(b.replicas)
	}
	(&httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { p.SetURL(b.replicas[at].url) },
		ModifyResponse: func(*http.Response) error { b.served[at].Add(1); return nil },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			b.down[at].Store(true)
			w.WriteHeader(http.StatusBadGateway)
		},
	}).ServeHTTP(w, r)
}

// twoReplicas starts two servers at once on a database without tables, and makes
// workspaces with a key each.
func twoReplicas(t *testing.T, workspaces int) (b *balancer, env map[string]string, keys []string) {
	t.Helper()
	sim := coolifytest.New(coolifytest.Config{RateLimit: -1})
	env, stopCoolify := serveCoolify(sim, sim)
	t.Cleanup(stopCoolify)
	maps.Copy(env, map[string]string{"DATABASE_URL": storetest.Postgres(t), "GORACE": "atexit_sleep_ms=10"})
	b = &balancer{replicas: []*replica{startReplica(t, env), startReplica(t, env)}, served: make([]atomic.Int64, 2), down: make([]atomic.Bool, 2)}
	for _, r := range b.replicas {
		r.await(t)
	}
	for i := range workspaces {
		project := sim.AddProject(fmt.Sprintf("w%d", i))
		sim.AddApp(project.Environments[0].UUID, coolifytest.App{Name: "web"})
		slug := fmt.Sprintf("w%d", i)
		must(t, env, "workspace", "create", slug, "--coolify-project", project.UUID)
		keys = append(keys, must(t, env, "key", "create", slug))
	}
	return b, env, keys
}

// TestReplicas: two servers that migrate one database at the same time come up, see
// what was done through the other, and refuse a key as soon as it is revoked.
func TestReplicas(t *testing.T) {
	b, env, keys := twoReplicas(t, 1)
	migrate := begin(t, env, "migrate")
	<-migrate.ended
	if said := migrate.stderr.String(); migrate.status != 0 || !strings.HasSuffix(said, "migrations applied: 0\n") {
		t.Errorf("after two servers have migrated, migrate says: %s", said)
	}
	ask := func(r *replica, method, path, body string) (int, string) {
		t.Helper()
		status, answer, err := call(t.Context(), keys[0], method, r.url.String()+"/api/workspaces/w0"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		return status, string(answer)
	}
	for i, r := range b.replicas {
		other := b.replicas[1-i]
		name := fmt.Sprintf("BY_%d", i)
		if status, answer := ask(r, http.MethodPatch, "/apps/web/envs", `{"set":{"`+name+`":"1"}}`); status != http.StatusOK {
			t.Errorf("envs.upsert: %d %s", status, answer)
		}
		if status, answer := ask(other, http.MethodGet, "/activity", ""); status != http.StatusOK || !strings.Contains(answer, `"`+name+`"`) {
			t.Errorf("what one did is not in the activity that the other shows: %d %s", status, answer)
		}
	}
	var list []struct{ ID string }
	if err := json.Unmarshal([]byte(must(t, env, "key", "list", "w0", "--json")), &list); err != nil || len(list) != 1 {
		t.Fatalf("keys: %v, %v", list, err)
	}
	must(t, env, "key", "revoke", "w0", list[0].ID)
	for _, r := range b.replicas {
		if status, answer := ask(r, http.MethodGet, "", ""); status != http.StatusUnauthorized {
			t.Errorf("with a key that was just revoked: %d %s", status, answer)
		}
	}
}

// TestReplicaKilled kills one of two servers in the middle of 500 calls through a
// load balancer. Each call succeeds when the client repeats it once.
func TestReplicaKilled(t *testing.T) {
	const calls, clients, workspaces = 500, 8, 10 // one workspace may call 100 times at once
	b, env, keys := twoReplicas(t, workspaces)
	front := httptest.NewServer(b)
	defer front.Close()
	tools := []string{"workspace_describe", "activity_list"}
	try := func(i int) error {
		status, answer, err := call(t.Context(), keys[i%workspaces], http.MethodPost, front.URL+"/mcp",
			fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{}}}`, i, tools[i%len(tools)]))
		if err == nil && (status != http.StatusOK || !strings.Contains(string(answer), `"structuredContent"`)) {
			err = fmt.Errorf("%d %s", status, answer)
		}
		return err
	}
	var ended, repeated atomic.Int64
	half := make(chan struct{})
	var wg sync.WaitGroup
	for client := range clients {
		wg.Go(func() {
			for i := client; i < calls; i += clients {
				if err := try(i); err != nil {
					repeated.Add(1)
					if again := try(i); again != nil {
						t.Errorf("call %d: %v; repeated: %v", i, err, again)
					}
				}
				if ended.Add(1) == calls/2 {
					close(half)
				}
			}
		})
	}
	<-half
	b.replicas[0].kill(t)
	wg.Wait()
	if n := repeated.Load(); n == 0 || n > 4*clients {
		t.Errorf("%d calls were repeated, want some: those in flight at the server that was killed", n)
	}
	for i := range b.served {
		if b.served[i].Load() < calls/5 {
			t.Errorf("server %d answered %d of %d calls", i, b.served[i].Load(), calls)
		}
	}
	t.Logf("%d calls, %d repeated; the servers answered %d and %d", calls, repeated.Load(), b.served[0].Load(), b.served[1].Load())
	again := startReplica(t, env)
	again.await(t)
	if status, answer, err := call(context.WithoutCancel(t.Context()), keys[0], http.MethodGet, again.url.String()+"/api/workspaces", ""); err != nil || status != http.StatusOK {
		t.Errorf("a server in place of the one that was killed: %d %s %v", status, answer, err)
	}
}
