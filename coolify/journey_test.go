package coolify_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/secret"
)

// simulated returns clients of a simulated Coolify with one project, in which
// nothing may be done that no client for tenants may do.
func simulated(t *testing.T) (*coolifytest.Server, clients, coolifytest.Project) {
	t.Helper()
	sim := coolifytest.New(coolifytest.Config{})
	t.Cleanup(func() {
		if v := sim.Violations(); len(v) > 0 {
			t.Errorf("violations: %q", v)
		}
	})
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, coolify.Config{URL: u, Token: secret.NewText(sim.Token("read", "write", "deploy"))})
	revealing := connect(t, coolify.Config{URL: u, Token: secret.NewText(sim.Token("read", "read:sensitive"))})
	c.sensitive = revealing.sensitive
	return sim, c, sim.AddProject("alpha")
}

func newKey(t *testing.T) secret.Text {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return secret.NewText(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// must returns what a call came to, and ends the test if that is an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestApplicationFromFirstToLast: an application with a key and a network of its
// own comes, is deployed, changed, rolled back, and goes with all it had.
func TestApplicationFromFirstToLast(t *testing.T) {
	sim, c, p := simulated(t)
	before, ctx := sim.Snapshot(), t.Context()
	head := "c1"
	sim.OnResolve(func(string, string) string { return head })
	host := id(sim.Hosts()[0].UUID)
	holder := must(c.Project(id(p.UUID)).CreateService(ctx, coolify.NewService{
		Environment: id(p.Environments[0].UUID), Server: host, Name: "alpha", Compose: "services:\n  network:\n    image: pause\n", InstantDeploy: true,
	}))(t)
	network := must(c.Server(host).CreateDestination(ctx, coolify.NewDestination{Name: "alpha", Network: holder.String()}))(t)
	sim.CheckServers()
	if got := must(c.Service(holder).Get(ctx))(t); !got.Running() || got.ServerUUID != host {
		t.Errorf("service = %+v, want it to run on the server", got)
	}
	if err := c.Service(holder).Start(ctx); err != nil {
		t.Errorf("start of one that runs: %v", err)
	}
	pair := newKey(t)
	deployKey := must(c.CreatePrivateKey(ctx, coolify.NewPrivateKey{Name: "alpha-web", Key: pair}))(t)
	if _, err := c.CreatePrivateKey(ctx, coolify.NewPrivateKey{Name: "again", Key: pair}); !errors.Is(err, coolify.ErrConflict) {
		t.Errorf("the same key again: %v, want %v", err, coolify.ErrConflict)
	}
	keys := must(c.PrivateKeys(ctx))(t)
	if len(keys) != 2 || keys[1].UUID != deployKey || keys[1].Name != "alpha-web" || keys[1].PublicKey == "" {
		t.Errorf("keys = %+v, want the servers' and the new one", keys)
	}
	wanted := coolify.NewApplication{
		Environment: id(p.Environments[0].UUID), Server: host, Destination: network, PrivateKey: deployKey,
		Name: "web", Repository: "git@git.example.com:2222/alpha/web.git", Branch: "main", BuildPack: "dockerfile", Ports: "8080",
		Domain: "https://web.example.com", Limits: coolify.Limits{Memory: "512m", CPUs: "0.5"},
	}
	web := must(c.Project(id(p.UUID)).CreateApp(ctx, wanted))(t)
	if _, err := c.Project(id(p.UUID)).CreateApp(ctx, wanted); !errors.Is(err, coolify.ErrConflict) {
		t.Errorf("a second one with the domain: %v, want %v", err, coolify.ErrConflict)
	}
	got := must(c.App(web).Get(ctx))(t)
	if got.DestinationUUID != network || got.ProjectUUID != p.UUID || got.FQDN != wanted.Domain || *got.AutoDeploy || got.Limits != (coolify.Limits{Memory: "512m", MemorySwap: "0", CPUs: "0.5"}) {
		t.Errorf("application = %+v, want what was asked for", got)
	}

	deploy := func() {
		t.Helper()
		sim.Finish(must(c.App(web).Start(ctx, false))(t).Deployment.String(), coolifytest.Finished)
	}
	serves := func(domain, commit string) {
		t.Helper()
		if got, _ := sim.Serving(domain); got != commit {
			t.Errorf("%s serves %q, want %q", domain, got, commit)
		}
	}
	deploy()
	serves("web.example.com", "c1")
	head = "c2"
	if err := c.App(web).Update(ctx, coolify.ApplicationUpdate{Domain: new("https://www.example.com"), Description: new("the site")}); err != nil {
		t.Error(err)
	}
	deploy()
	serves("www.example.com", "c2")
	images := must(c.App(web).RollbackImages(ctx))(t)
	if diff := cmp.Diff(coolify.RollbackImages{Images: []coolify.RollbackImage{{Tag: "c2"}, {Tag: "c1"}}}, images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	sim.Finish(must(c.App(web).Rollback(ctx, "c1"))(t).Deployment.String(), coolifytest.Finished)
	serves("www.example.com", "c1")
	if err := c.App(web).Update(ctx, coolify.ApplicationUpdate{CommitSHA: new("c0")}); err != nil {
		t.Error(err)
	}
	deploy()
	serves("www.example.com", "c0")

	if err := c.App(web).Delete(ctx, all); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{"the key": c.PrivateKey(deployKey).Delete(ctx), "the network": c.Destination(network).Delete(ctx)} {
		if !errors.Is(err, coolify.ErrInUse) {
			t.Errorf("deleting %s of what is being deleted: %v, want %v", name, err, coolify.ErrInUse)
		}
	}
	if _, err := c.App(web).Get(ctx); err != nil {
		t.Errorf("what is being deleted: %v, want it still there", err)
	}
	sim.FinishDeletions()
	if _, err := c.App(web).Get(ctx); !errors.Is(err, coolify.ErrNotFound) {
		t.Errorf("what was deleted: %v, want %v", err, coolify.ErrNotFound)
	}
	if err := c.Destination(network).Delete(ctx); !errors.Is(err, coolify.ErrUnavailable) {
		t.Errorf("deleting the network while its service runs: %v, want %v", err, coolify.ErrUnavailable)
	}
	if err := c.Service(holder).Delete(ctx, all); err != nil {
		t.Error(err)
	}
	sim.FinishDeletions()
	if err := errors.Join(c.PrivateKey(deployKey).Delete(ctx), c.Destination(network).Delete(ctx)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, sim.Snapshot()); diff != "" {
		t.Errorf("what is left (-before +after):\n%s", diff)
	}
}

// TestDatabasesFromFirstToLast: the same for databases. What another has of the
// same number stays.
func TestDatabasesFromFirstToLast(t *testing.T) {
	sim, c, p := simulated(t)
	ctx, in := t.Context(), p.Environments[0]
	theirs := sim.AddDatabase(sim.AddProject("beta").Environments[0].UUID, coolifytest.Database{Kind: "postgresql"})
	backup := sim.AddBackup(theirs.UUID, "daily")
	for _, kind := range []coolify.DatabaseKind{coolify.PostgreSQL, coolify.MySQL, coolify.MariaDB, coolify.MongoDB, coolify.Redis} {
		made := must(c.Project(id(p.UUID)).CreateDatabase(ctx, kind, coolify.NewDatabase{
			Environment: id(in.UUID), Server: id(sim.Hosts()[0].UUID), Name: "data", Limits: coolify.Limits{Memory: "256m"},
		}))(t)
		want := sim.DatabaseURL(made.UUID.String())
		shown := must(c.sensitive.Database(made.UUID).URL(ctx))(t)
		if !made.URL.Equal(want) || !shown.Equal(want) {
			t.Errorf("%s: URLs differ from the one it has", kind)
		}
		one := must(c.Database(made.UUID).Get(ctx))(t)
		if one.Kind != kind || one.EnvironmentID != in.ID || one.ProjectUUID != p.UUID || one.Name != "data" || one.Limits.Memory != "256m" {
			t.Errorf("%s: %+v, want what was asked for", kind, one)
		}
		listed := must(c.Project(id(p.UUID)).Databases(ctx, id(in.UUID)))(t)
		one.ProjectUUID = "" // a list does not tell
		if diff := cmp.Diff([]coolify.Database{one}, listed, same); diff != "" {
			t.Errorf("%s: listed (-want +got):\n%s", kind, diff)
		}
		for range 2 { // the second time there is nothing to do
			if err := c.Database(made.UUID).Start(ctx); err != nil {
				t.Errorf("start of %s: %v", kind, err)
			}
		}
		for range 2 {
			if err := c.Database(made.UUID).Stop(ctx); err != nil {
				t.Errorf("stop of %s: %v", kind, err)
			}
		}
		if err := c.Database(made.UUID).Delete(ctx, all); err != nil {
			t.Errorf("deletion of %s: %v", kind, err)
		}
		sim.FinishDeletions()
		if _, err := c.Database(made.UUID).Get(ctx); !errors.Is(err, coolify.ErrNotFound) {
			t.Errorf("%s after its deletion: %v, want %v", kind, err, coolify.ErrNotFound)
		}
	}
	if diff := cmp.Diff([]string{backup}, sim.Backups(theirs.UUID)); diff != "" {
		t.Errorf("another's backups (-want +got):\n%s", diff)
	}
	if err := c.Project(id(p.UUID)).Delete(ctx); err != nil {
		t.Error(err)
	}
}

// TestCrashes: wherever the program dies, what it made is there and can be found.
func TestCrashes(t *testing.T) {
	for n := 1; n <= 3; n++ {
		for _, after := range []bool{false, true} {
			sim, c, p := simulated(t)
			host := id(sim.Hosts()[0].UUID)
			sim.CrashAt(n, after)
			network, err := c.Server(host).CreateDestination(t.Context(), coolify.NewDestination{Network: "own"})
			k, err2 := c.CreatePrivateKey(t.Context(), coolify.NewPrivateKey{Name: "own", Key: newKey(t)})
			if err == nil && err2 == nil {
				_, err = c.Project(id(p.UUID)).CreateApp(t.Context(), coolify.NewApplication{
					Environment: id(p.Environments[0].UUID), Server: host, Destination: network, PrivateKey: k,
					Repository: "git@git.example.com:a/b.git", Branch: "main", BuildPack: "static",
				})
			}
			if e, ok := errors.AsType[*coolify.Error](errors.Join(err, err2)); !ok || !e.Unknown {
				t.Errorf("crash at %d: %v, want one that may have been carried out", n, errors.Join(err, err2))
			}
			if !sim.Revive() {
				t.Errorf("crash at %d was not reached", n)
			}
			made := n - 1
			if after {
				made = n
			}
			s := sim.Snapshot()
			if got := len(s.Destinations) - 1 + len(s.PrivateKeys) - 1 + len(s.Apps); got != made {
				t.Errorf("crash at %d, after = %v: %d things were made, want %d", n, after, got, made)
			}
		}
	}
}
