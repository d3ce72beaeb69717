package tenancy_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

var livesOfDatabases = []life{
	{
		name: "database", on: onOne, least: 12, once: true, birth: withPlainApp, before: func(*subject, *process) {}, act: createData,
		rival: func(s *subject, p *process) { must(s, createData(s.Context(), s, p)) },
		after: wantData,
	},
	{
		name: "database that nobody asks for again", on: onOne, least: 12, once: true, birth: withPlainApp, before: func(*subject, *process) {},
		act: func(ctx context.Context, s *subject, p *process) error {
			_ = createData(ctx, s, p) // the agent that wanted it has gone
			return nil
		},
		after: func(s *subject, p *process) {
			s.clock.forward(2 * time.Hour)
			s.letGo(p)
			if records, _ := s.data(); len(records) == 0 {
				wantNoData(s, p)
				return
			}
			wantOneDatabase(s)
		},
	},
	{
		name: "end of a database", on: onOne, least: 8, once: true,
		birth: func(s *subject, p *process) {
			withPlainApp(s, p)
			must(s, createData(s.Context(), s, p))
		},
		before: func(*subject, *process) {}, act: deleteData, after: wantNoData,
	},
	{
		name: "end of a workspace with a database", on: onOne, least: 30, once: true,
		birth: func(s *subject, p *process) {
			withServer(s, p)
			must(s, step{tenancy.Write, func(ctx context.Context, sc *tenancy.Scope) error {
				_, _, err := hosting.CreateDatabase(ctx, sc, hosting.NewDatabase{Name: "data", Engine: "redis"})
				return err
			}}.try(s.Context(), p.guard, s.key))
		},
		before: withToken,
		act: func(ctx context.Context, s *subject, p *process) error {
			return s.order(ctx, p, func() error {
				ws, err := p.operator.AnyWorkspace(ctx, s.slug)
				if err != nil {
					return err
				}
				return p.operator.DeleteWorkspace(ctx, ws)
			})
		},
		after: func(s *subject, p *process) {
			wantNoData(s, p)
			wantNothing(s, p)
		},
	},
}

// withPlainApp makes a workspace with a server and an app, and a key that may all.
func withPlainApp(s *subject, p *process) {
	s.Helper()
	withServer(s, p)
	s.web = s.cool.AddApp(s.cool.Projects()[0].Environments[0].UUID, coolifytest.App{Name: "web"}).UUID
}

func withServer(s *subject, p *process) {
	s.Helper()
	withWorkspace(s, p)
	must(s, s.db.SetPlacement(s.Context(), s.ws.ID, tenancy.Placement{Server: s.cool.Hosts()[0].UUID}, s.clock.Now()))
	must(s, s.job(s.Context(), p)) // which makes its network
	rights, err := tenancy.PresetRights("owner")
	must(s, err)
	_, key, err := p.operator.CreateKey(s.Context(), s.ws, "owner", rights, 0)
	must(s, err)
	s.key = key.Reveal()
}

// createData creates a database, whose address the app gets.
func createData(ctx context.Context, s *subject, p *process) error {
	return step{tenancy.Write, func(ctx context.Context, sc *tenancy.Scope) error {
		app, err := hosting.FindApp(ctx, sc, "web")
		if err != nil {
			return err
		}
		d, _, err := hosting.CreateDatabase(ctx, sc, hosting.NewDatabase{Name: "data", Engine: "postgresql", AttachTo: app})
		if err != nil {
			return err
		}
		_, err = d.Attach(ctx, app, "")
		return err
	}}.try(ctx, p.guard, s.key)
}

func deleteData(ctx context.Context, s *subject, p *process) error {
	err := step{tenancy.Danger, func(ctx context.Context, sc *tenancy.Scope) error {
		d, err := hosting.FindDatabase(ctx, sc, "data")
		if err != nil {
			return err
		}
		return d.Delete(ctx, "data")
	}}.try(ctx, p.guard, s.key)
	if tenancy.IsNotFound(err) {
		return nil // the call before was better than it thought
	}
	return err
}

// letGo lets Coolify do what it has put off, and has jobs look at what is left of
// it until nothing is.
func (s *subject) letGo(p *process) {
	s.Helper()
	for range 3 {
		s.cool.FinishDeletions()
		if err := s.job(s.Context(), p); err != nil {
			s.Log(err)
		}
	}
}

// data is what is recorded and what is there of the workspace's databases.
func (s *subject) data() ([]tenancy.DatabaseRecord, []coolifytest.Database) {
	s.Helper()
	records, err := s.db.DatabaseRecords(s.Context(), s.ws.ID)
	must(s, err)
	return records, s.cool.Databases()
}

// wantData holds that there is one database, that it is the recorded one, and that
// the app has its address.
func wantData(s *subject, p *process) {
	s.Helper()
	s.letGo(p)
	wantOneDatabase(s)
	records, _ := s.data()
	for _, preview := range []bool{false, true} {
		var values []string
		for _, e := range s.cool.Envs(s.web) {
			if e.Key == "DATABASE_URL" && e.Preview == preview {
				values = append(values, e.Value)
			}
		}
		if len(records) != 1 || !slices.Equal(values, []string{s.cool.DatabaseURL(records[0].UUID)}) {
			s.Errorf("the app's variables hold %q", values)
		}
	}
}

func wantOneDatabase(s *subject) {
	s.Helper()
	records, there := s.data()
	if len(records) != 1 || len(there) != 1 || records[0].UUID != there[0].UUID || records[0].DeletingAt != nil || there[0].Deleting {
		s.Fatalf("recorded %+v, there %+v", records, there)
	}
	address, err := s.box(s).Open(records[0].URLSealed, tenancy.DatabaseURLPlace(records[0].ID))
	if err != nil || !address.Equal(s.cool.DatabaseURL(there[0].UUID)) {
		s.Errorf("the address is not the database's: %v", err)
	}
}

func wantNoData(s *subject, p *process) {
	s.Helper()
	s.letGo(p)
	if records, there := s.data(); len(records)+len(there) != 0 {
		s.Errorf("recorded %+v, there %+v", records, there)
	}
}

// TestLostDatabase: what a call has made whose answer got lost is shown to nobody.
func TestLostDatabase(t *testing.T) {
	t.Parallel()
	s := livesOfDatabases[0].born(t, onOne[0])
	p := s.start(t, answerLost, 0)
	p.on = "POST /api/v1/databases/postgresql"
	if err := createData(t.Context(), s, p); err == nil {
		t.Error("no error")
	}
	err := step{tenancy.Read, func(ctx context.Context, sc *tenancy.Scope) error {
		list, _, err := hosting.Databases(ctx, sc)
		if len(list) != 0 {
			t.Errorf("shown %+v", list)
		}
		return err
	}}.try(t.Context(), s.start(t, nothing, 0).guard, s.key)
	if _, there := s.data(); err != nil || len(there) != 1 {
		t.Errorf("there %+v, %v", there, err)
	}
}
