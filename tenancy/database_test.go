package tenancy_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A dataHouse is a house whose A has an owner's key.
type dataHouse struct {
	*tenancytest.House
	clock *handClock
	owner string
}

func newDataHouse(t *testing.T, cfg coolifytest.Config) *dataHouse {
	t.Helper()
	h := &dataHouse{clock: newHandClock()}
	cfg.Now = h.clock.Now
	h.House = tenancytest.New(t, tenancytest.Config{Simulator: cfg, Now: h.clock.Now})
	h.owner, _ = h.AddKey(t, h.A, "owner", 0)
	return h
}

// create creates a database with A's key.
func (h *dataHouse) create(t *testing.T, n hosting.NewDatabase) (*hosting.Database, bool, error) {
	t.Helper()
	return hosting.CreateDatabase(t.Context(), h.Open(t, h.A.Key, tenancy.Write), n)
}

func (h *dataHouse) mustCreate(t *testing.T, name, engine string) *hosting.Database {
	t.Helper()
	d, _, err := h.create(t, hosting.NewDatabase{Name: name, Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// attach writes the address of a database into a variable of an app of A's.
func (h *dataHouse) attach(t *testing.T, database, app, key string) (hosting.Attachment, error) {
	t.Helper()
	s := h.Open(t, h.A.Key, tenancy.Write)
	a, err := hosting.FindApp(t.Context(), s, app)
	if err != nil {
		t.Fatal(err)
	}
	d, err := hosting.FindDatabase(t.Context(), s, database)
	if err != nil {
		t.Fatal(err)
	}
	return d.Attach(t.Context(), a, key)
}

func (h *dataHouse) delete(t *testing.T, ref, confirm string) error {
	t.Helper()
	d, err := hosting.FindDatabase(t.Context(), h.Open(t, h.owner, tenancy.Danger), ref)
	if err != nil {
		return err
	}
	return d.Delete(t.Context(), confirm)
}

func (h *dataHouse) records(t *testing.T) []tenancy.DatabaseRecord {
	t.Helper()
	records, err := h.DB.DatabaseRecords(t.Context(), h.A.ID)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// made are the databases that are there but for those of the operator's.
func (h *dataHouse) made() []coolifytest.Database {
	return slices.DeleteFunc(h.Sim.Databases(), func(d coolifytest.Database) bool { return d.UUID == h.A.Data.UUID || d.UUID == h.B.Data.UUID })
}

func (h *dataHouse) env(app, key string, preview bool) *coolifytest.Env {
	for _, e := range h.Sim.Envs(app) {
		if e.Key == key && e.Preview == preview {
			return &e
		}
	}
	return nil
}

func wantCode(t *testing.T, what string, err error, code tenancy.Code, says string) {
	t.Helper()
	if e := tenancy.Public(err); err == nil || e.Code != code || !strings.Contains(e.Msg, says) {
		t.Errorf("%s: %v, want %s: …%s…", what, err, code, says)
	}
}

// TestCreateDatabase: each kind is made where the workspace is, starts, is bounded
// by the plan, and gives an app its address.
func TestCreateDatabase(t *testing.T) {
	onVersions(t, func(t *testing.T, cfg coolifytest.Config) {
		h := newDataHouse(t, cfg)
		if err := h.DB.SetPlan(t.Context(), h.A.ID, tenancy.Plan{Databases: 5, Memory: "256m", CPUs: "0.5"}, h.clock.Now()); err != nil {
			t.Fatal(err)
		}
		var answers []any
		for engine, tc := range map[string]struct{ asked, key string }{
			"postgresql": {"", "DATABASE_URL"}, "mysql": {"MYSQL_URL", "MYSQL_URL"}, "mariadb": {"MARIADB_URL", "MARIADB_URL"},
			"mongodb": {"", "MONGODB_URL"}, "redis": {"", "REDIS_URL"},
		} {
			d, created, err := h.create(t, hosting.NewDatabase{Name: "of-" + engine, Engine: engine})
			if err != nil || !created {
				t.Fatalf("%s: %v, %v", engine, created, err)
			}
			a, err := h.attach(t, d.UUID(), h.A.Web.UUID, tc.asked)
			if diff := cmp.Diff(hosting.Attachment{App: h.A.Web.UUID, Key: tc.key, Action: "created"}, a); err != nil || diff != "" {
				t.Errorf("%s: %v (-want +got)\n%s", engine, err, diff)
			}
			e := h.env(h.A.Web.UUID, tc.key, false)
			if e == nil || e.Value != h.Sim.DatabaseURL(d.UUID()) || !e.Literal || e.BuildTime || !e.Runtime {
				t.Errorf("%s: the variable is %+v", engine, e)
			}
			answers = append(answers, d.Info(), a)
		}
		for _, d := range h.made() {
			if d.EnvironmentUUID != h.A.Project.Environments[0].UUID || d.HostUUID != h.A.Placement.Server || d.Status != "running:healthy" ||
				d.Limits.Memory != "256m" || d.Limits.MemorySwap != "256m" || d.Limits.CPUs != "0.5" || d.Deleting {
				t.Errorf("made %+v", d)
			}
		}
		for _, r := range h.Sim.Requests() {
			if strings.Contains(r.Operation, "backup") || strings.Contains(r.Body, `"is_public":true`) {
				t.Errorf("asked %s %s", r.Operation, r.Body)
			}
		}
		raw, err := json.Marshal(answers)
		if err != nil || strings.Contains(string(raw), "backup") || strings.Contains(string(raw), "://") {
			t.Errorf("answers %s, %v", raw, err)
		}
		_, _, err = h.create(t, hosting.NewDatabase{Name: "sixth", Engine: "redis"})
		wantCode(t, "one more than the plan has", err, tenancy.Forbidden, "the plan allows 5 databases, and 5 exist")
		if n := len(h.records(t)); n != 5 || len(h.made()) != 5 {
			t.Errorf("%d records, %d databases", n, len(h.made()))
		}
		h.Fine(t)
	})
}

// TestCreateDatabaseAgain: a name is one database, whoever asks how often.
func TestCreateDatabaseAgain(t *testing.T) {
	h := newDataHouse(t, coolifytest.Config{})
	first := h.mustCreate(t, "data", "postgresql")
	h.Sim.Reset()
	again, created, err := h.create(t, hosting.NewDatabase{Name: "data", Engine: "postgresql"})
	if err != nil || created || again.UUID() != first.UUID() {
		t.Errorf("again: %v, %v, %v", again, created, err)
	}
	for _, op := range h.Requests() {
		if !strings.HasPrefix(op, "GET ") {
			t.Errorf("again: %s", op)
		}
	}
	_, _, err = h.create(t, hosting.NewDatabase{Name: "data", Engine: "redis"})
	wantCode(t, "another engine", err, tenancy.Conflict, "with the engine postgresql")
	for name, engine := range map[string]string{
		"Data": "redis", "a b": "redis", "": "redis", strings.Repeat("a", 41): "redis", strings.Repeat("a", 24): "redis", "a/b": "redis",
		"ok": "keydb", "fine": "", "good": "../redis",
	} {
		_, _, err := h.create(t, hosting.NewDatabase{Name: name, Engine: engine})
		wantCode(t, name+" "+engine, err, tenancy.Invalid, "")
	}
	if _, _, err := hosting.CreateDatabase(t.Context(), h.Open(t, h.A.Key, tenancy.Deploy), hosting.NewDatabase{Name: "other", Engine: "redis"}); tenancy.Public(err).Code != tenancy.Forbidden {
		t.Errorf("without the right: %v", err)
	}
	other := h.Sim.AddEnvironment(h.A.Project.UUID, "staging")
	h.Sim.MoveDatabase(first.UUID(), h.B.Project.Environments[0].UUID)
	_, _, err = h.create(t, hosting.NewDatabase{Name: "data", Engine: "postgresql"})
	wantCode(t, "moved to B", err, tenancy.Conflict, "moved out of the workspace")
	_, err = hosting.FindDatabase(t.Context(), h.Open(t, h.A.Key, tenancy.Read), first.UUID())
	wantCode(t, "moved to B", err, tenancy.NotFound, "no such database in this workspace")
	h.Sim.MoveDatabase(first.UUID(), other.UUID)
	h.clock.forward(time.Minute)
	if d, err := hosting.FindDatabase(t.Context(), h.Open(t, h.A.Key, tenancy.Read), "data"); err != nil || d.UUID() != first.UUID() || d.Info().Environment.String() != "staging" {
		t.Errorf("moved within the workspace: %+v, %v", d, err)
	}
}

// TestCreateDatabaseAtOnce: many calls for one name make one database, and many
// names do not get past the plan.
func TestCreateDatabaseAtOnce(t *testing.T) {
	h := newDataHouse(t, coolifytest.Config{})
	var wg sync.WaitGroup
	for i := range 24 {
		name := "data"
		if i%2 == 0 {
			name = fmt.Sprintf("data-%d", i)
		}
		s := h.Open(t, h.A.Key, tenancy.Write)
		wg.Go(func() {
			_, _, err := hosting.CreateDatabase(t.Context(), s, hosting.NewDatabase{Name: name, Engine: "redis"})
			if code := tenancy.Public(err).Code; err != nil && code != tenancy.Conflict && code != tenancy.Forbidden {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	wg.Wait()
	names := map[string]int{}
	for _, d := range h.made() {
		names[d.Name]++
	}
	if len(names) > 3 || len(h.records(t)) != len(names) {
		t.Errorf("made %v, recorded %+v", names, h.records(t))
	}
	for name, n := range names {
		if n != 1 {
			t.Errorf("%d called %s", n, name)
		}
	}
}

// TestDatabaseElsewhere: Coolify ignores a network without a word where its server
// has another one only. What is not in the workspace's own is deleted again.
func TestDatabaseElsewhere(t *testing.T) {
	h := newDataHouse(t, coolifytest.Config{})
	leaveOneNetwork(t, h.House)
	_, _, err := h.create(t, hosting.NewDatabase{Name: "data", Engine: "redis"})
	wantCode(t, "elsewhere", err, tenancy.Unavailable, "another network than the workspace's")
	if made := h.made(); len(made) != 1 || !made[0].Deleting || len(h.records(t)) != 0 {
		t.Errorf("made %+v, recorded %+v", made, h.records(t))
	}
	h.Sim.FinishDeletions()
	own := h.Provision(t, h.A).Destination // made anew
	h.mustCreate(t, "data", "redis")
	if made := h.made(); made[len(made)-1].DestinationUUID != own {
		t.Errorf("made %+v", made)
	}
	elsewhere := h.Sim.AddApp(h.A.Project.Environments[0].UUID, coolifytest.App{Name: "elsewhere"})
	a, err := h.attach(t, "data", elsewhere.UUID, "")
	if err != nil || !strings.Contains(a.Note, "another network") {
		t.Errorf("attached to an app elsewhere: %+v, %v", a, err)
	}
}

// TestAttachDatabase: a variable that was not written for the database stays.
func TestAttachDatabase(t *testing.T) {
	h := newDataHouse(t, coolifytest.Config{})
	h.Sim.AddEnv(h.A.Web.UUID, coolifytest.Env{Key: "DATABASE_URL", Value: "precious", Runtime: true})
	s := h.Open(t, h.A.Key, tenancy.Write)
	web, err := hosting.FindApp(t.Context(), s, h.A.Web.UUID)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = hosting.CreateDatabase(t.Context(), s, hosting.NewDatabase{Name: "data", Engine: "postgresql", AttachTo: web})
	wantCode(t, "a key that is taken", err, tenancy.Conflict, "has a variable DATABASE_URL already")
	if len(h.made())+len(h.records(t)) != 0 || h.env(h.A.Web.UUID, "DATABASE_URL", false).Value != "precious" {
		t.Errorf("made %+v", h.made())
	}
	d := h.mustCreate(t, "data", "postgresql")
	_, err = h.attach(t, "data", h.A.Web.UUID, "")
	wantCode(t, "a key that is taken", err, tenancy.Conflict, "has a variable DATABASE_URL already")
	_, err = h.attach(t, "data", h.A.Web.UUID, "not a key")
	wantCode(t, "no key", err, tenancy.Invalid, "not a variable's name")
	for _, action := range []string{"created", "updated"} {
		if a, err := h.attach(t, "data", h.A.Web.UUID, "DATA"); err != nil || a.Action != action || a.Key != "DATA" {
			t.Errorf("attach: %+v, %v", a, err)
		}
	}
	h.mustCreate(t, "other", "postgresql")
	_, err = h.attach(t, "other", h.A.Web.UUID, "DATA")
	wantCode(t, "another's key", err, tenancy.Conflict, "has a variable DATA already")
	if e := h.env(h.A.Web.UUID, "DATA", true); e == nil || e.Value != h.Sim.DatabaseURL(d.UUID()) {
		t.Errorf("in previews: %+v", e)
	}
	web, err = hosting.FindApp(t.Context(), h.Open(t, h.A.Key, tenancy.Write), h.A.Web.UUID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := web.SetEnvs(t.Context(), hosting.EnvSet{Values: map[string]secret.Text{"DATA": secret.NewText("typed by a person")}}); err != nil {
		t.Fatal(err)
	}
	_, err = h.attach(t, "data", h.A.Web.UUID, "DATA")
	wantCode(t, "a key that somebody has set since", err, tenancy.Conflict, "has a variable DATA already")
	if e := h.env(h.A.Web.UUID, "DATA", false); e.Value != "typed by a person" || e.Comment != "" {
		t.Errorf("the variable is %+v", e)
	}
	_, err = h.attach(t, h.A.Data.UUID, h.A.Web.UUID, "OPERATORS")
	wantCode(t, "the operator's", err, tenancy.Conflict, "address of this database is unknown")
}

// TestDeleteDatabase: with a person's word it goes with its data, once Coolify has
// TestPlanOfDatabases: one that is being deleted does not count any more, as with apps.
func TestPlanOfDatabases(t *testing.T) {
	h := newDataHouse(t, coolifytest.Config{})
	if err := h.Operator.SetPlan(t.Context(), h.A.Workspace, tenancy.Plan{Databases: 1}); err != nil {
		t.Fatal(err)
	}
	h.mustCreate(t, "data", "redis")
	_, _, err := h.create(t, hosting.NewDatabase{Name: "other", Engine: "redis"})
	wantCode(t, "one more", err, tenancy.Forbidden, "the plan allows 1 database, and 1 exists")
	if err := h.delete(t, "data", "data"); err != nil {
		t.Fatal(err)
	}
	if r := h.records(t); len(r) != 1 || r[0].DeletingAt == nil {
		t.Errorf("recorded %+v", r)
	}
	h.mustCreate(t, "other", "redis")
}

// done it; then the name is free.
func TestDeleteDatabase(t *testing.T) {
	h := newDataHouse(t, coolifytest.Config{})
	d := h.mustCreate(t, "data", "postgresql")
	if _, err := h.attach(t, "data", h.A.Web.UUID, ""); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"", "Data", d.UUID()} {
		err := h.delete(t, "data", word)
		wantCode(t, "unconfirmed", err, tenancy.Conflict, "its address stands in variables of "+h.A.Web.Name+" (DATABASE_URL)")
		if c := tenancy.Public(err).Confirm; c == nil || c.Name != "data" {
			t.Errorf("%q: asks for %+v", word, c)
		}
	}
	if err := h.delete(t, "data", "data"); err != nil {
		t.Fatal(err)
	}
	if err := h.delete(t, "data", "data"); err != nil {
		t.Errorf("again: %v", err)
	}
	asked := h.Sim.Requests()
	if last := asked[len(asked)-1]; last.Operation != "DELETE /databases/{uuid}" || !strings.Contains(last.Query, "delete_volumes=true") || !strings.Contains(last.Query, "docker_cleanup=false") {
		t.Errorf("asked %s?%s", last.Operation, last.Query)
	}
	_, _, err := h.create(t, hosting.NewDatabase{Name: "data", Engine: "redis"})
	wantCode(t, "while it is deleted", err, tenancy.Conflict, "being deleted")
	_, err = h.attach(t, "data", h.A.API.UUID, "")
	wantCode(t, "attach while it is deleted", err, tenancy.Conflict, "being deleted")
	h.Provision(t, h.A)
	if r := h.records(t); len(r) != 1 || r[0].DeletingAt == nil {
		t.Errorf("recorded %+v", r)
	}
	h.Sim.FinishDeletions()
	h.Provision(t, h.A)
	if r := h.records(t); len(r) != 0 {
		t.Errorf("recorded %+v", r)
	}
	if d := h.mustCreate(t, "data", "redis"); d.Info().Engine != "redis" {
		t.Errorf("made %+v", d.Info())
	}
	if err := h.delete(t, "data", "data"); err != nil {
		t.Fatal(err)
	}
	h.Sim.FinishDeletions()
	h.mustCreate(t, "data", "mysql") // without a run between them
	if r := h.records(t); len(r) != 1 || r[0].Engine != "mysql" || len(h.made()) != 1 {
		t.Errorf("recorded %+v, made %+v", r, h.made())
	}
	h.Fine(t)
}

// TestDeleteOperatorsDatabase: what the operator made in the workspace is the
// workspace's, too.
func TestDeleteOperatorsDatabase(t *testing.T) {
	h := newDataHouse(t, coolifytest.Config{})
	err := h.delete(t, h.A.Data.UUID, "")
	wantCode(t, "unconfirmed", err, tenancy.Conflict, "with its volume and all data in it")
	wantCode(t, "B's", h.delete(t, h.B.Data.UUID, h.B.Data.Name), tenancy.NotFound, "no such database in this workspace")
	if err := h.delete(t, h.A.Data.Name, h.A.Data.Name); err != nil {
		t.Fatal(err)
	}
	for _, d := range h.Sim.Databases() {
		if d.Deleting != (d.UUID == h.A.Data.UUID) {
			t.Errorf("%s: deleting %v", d.Name, d.Deleting)
		}
	}
	d, err := hosting.FindDatabase(t.Context(), h.Open(t, h.A.Key, tenancy.Write), h.A.Data.UUID)
	if err != nil || tenancy.Public(d.Delete(t.Context(), h.A.Data.Name)).Code != tenancy.Forbidden {
		t.Errorf("without the right: %v", err)
	}
}

// TestDeleteWorkspaceWithDatabases: its databases go first, then its project.
func TestDeleteWorkspaceWithDatabases(t *testing.T) {
	h := newDataHouse(t, coolifytest.Config{})
	w, _, err := h.Operator.EnsureWorkspace(t.Context(), tenancy.Person{UserID: "user-gamma", Email: "gamma@example.com"}, tenancy.Placement{Server: h.Sim.Hosts()[0].UUID})
	if err != nil {
		t.Fatal(err)
	}
	x := &tenancytest.Tenant{Workspace: w}
	h.Provision(t, x)
	key, _ := h.AddKey(t, x, "owner", 0)
	for _, name := range []string{"one", "two"} {
		if _, _, err := hosting.CreateDatabase(t.Context(), h.Open(t, key, tenancy.Write), hosting.NewDatabase{Name: name, Engine: "redis"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Operator.DeleteWorkspace(t.Context(), x.Workspace); err != nil {
		t.Fatal(err)
	}
	run := func() tenancy.Provision {
		if err := h.Provisioner.Provision(t.Context(), x.ID); err != nil {
			t.Log(err)
		}
		is, err := h.DB.Provision(t.Context(), x.ID)
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	if is := run(); !strings.Contains(is.ProvisionError, tenancy.PartDatabases) || !strings.Contains(is.ProvisionError, `"again":true`) || is.Parts.CoolifyProject == "" {
		t.Errorf("while they are deleted: %+v", is)
	}
	for _, d := range h.made() {
		if !d.Deleting {
			t.Errorf("left %+v", d)
		}
	}
	h.Sim.FinishDeletions()
	if is := run(); !strings.Contains(is.ProvisionError, tenancy.PartNetwork) || is.Parts.CoolifyProject == "" {
		t.Errorf("while what keeps the network is deleted: %+v", is)
	}
	h.Sim.FinishDeletions()
	if is := run(); is.ProvisionError != "" || is.Parts.CoolifyProject != "" {
		t.Errorf("after that: %+v", is)
	}
	if records, err := h.DB.DatabaseRecords(t.Context(), x.ID); err != nil || len(records)+len(h.made()) != 0 {
		t.Errorf("left %+v, %+v, %v", records, h.made(), err)
	}
	if len(h.Sim.Projects()) != 2 {
		t.Errorf("projects %+v", h.Sim.Projects())
	}
}
