package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A replica is one of several processes of ours.
type replica struct {
	*process
	db *store.DB
}

// replicas starts three processes, each with a connection of its own to one
// PostgreSQL, and makes a dozen workspaces that have nothing yet.
func replicas(t *testing.T, b giteatest.Behaviour) ([]replica, []*subject) {
	t.Helper()
	address := secret.NewText(storetest.Migrated(t))
	var all []replica
	var f *platform
	for range 3 {
		db, err := store.Open(t.Context(), store.Config{URL: address})
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		if f == nil {
			f = newPlatform(t, db, giteatest.Config{Behaviour: b})
		}
		f.db = db
		all = append(all, replica{f.start(t, nothing, 0), db})
	}
	owner := int64(f.git.AddUser(giteatest.User{Login: "owner"}).ID)
	var subjects []*subject
	var slugs []string
	for i := range 12 {
		s := &subject{T: t, platform: f, slug: fmt.Sprintf("acme-%c", 'a'+i), owner: owner}
		ws, err := all[0].operator.CreateWorkspace(t.Context(), people.NewWorkspace{Slug: s.slug, OwnerUserID: "user-" + s.slug, OwnerGiteaID: owner})
		must(t, err)
		s.ws = ws
		subjects, slugs = append(subjects, s), append(slugs, s.slug)
	}
	for i, s := range subjects {
		s.others = slices.Delete(slices.Clone(slugs), i, i+1)
	}
	return all, subjects
}

// wantDozen holds that each workspace has what it should have, once.
func wantDozen(t *testing.T, all []replica, subjects []*subject, tokens ...secret.Text) {
	t.Helper()
	for i, s := range subjects {
		if i == 0 {
			wantWhole(s, all[0].process, tokens...)
		} else {
			wantWhole(s, all[i%len(all)].process)
		}
	}
	s := subjects[0]
	state := s.git.Snapshot()
	if len(state.Orgs) != 12 || len(state.Users) != 12+2 || len(s.cool.Projects()) != 12 {
		t.Errorf("%d organisations, %d users, %d projects", len(state.Orgs), len(state.Users), len(s.cool.Projects()))
	}
	for _, v := range append(s.git.Violations(), s.cool.Violations()...) {
		t.Errorf("simulator: %s", v)
	}
}

// TestReplicas lets three processes provision a dozen workspaces at once. One of
// them does it, and the others say that it is being done.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for _, b := range onBoth {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			all, subjects := replicas(t, b)
			var at sync.WaitGroup
			for _, r := range all {
				for _, s := range subjects {
					at.Go(func() {
						if err := s.job(t.Context(), r.process); err != nil && !errors.Is(err, provision.ErrBusy) {
							t.Errorf("%s: %v", s.slug, err)
						}
					})
				}
			}
			at.Wait()
			wantDozen(t, all, subjects)
		})
	}
}

// TestReplicasWork is the same through the jobs that the workspaces came with.
func TestReplicasWork(t *testing.T) {
	t.Parallel()
	all, subjects := replicas(t, giteatest.V127)
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for _, r := range all {
		p := r.provisioner
		jobs := store.Jobs{
			Provision: func(ctx context.Context, id string) error { return p.Provision(ctx, id) },
			Sweep:     func(ctx context.Context) error { return p.Sweep(ctx, r.db.Queue) },
		}
		working.Go(func() {
			if err := r.db.Work(ctx, jobs, subjects[0].log); err != nil {
				t.Errorf("work: %v", err)
			}
		})
	}
	settled, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, s := range subjects {
		_, err := all[0].operator.Settled(settled, s.ws, 20*time.Millisecond)
		must(t, err)
	}
	stop()
	working.Wait()
	wantDozen(t, all, subjects)
}

// TestReplicasMint lets three processes be asked at once for the token of one key:
// it gets one, and each of them gives it out.
func TestReplicasMint(t *testing.T) {
	t.Parallel()
	all, subjects := replicas(t, giteatest.V127)
	s := subjects[0]
	for _, s := range subjects {
		must(t, s.job(t.Context(), all[0].process))
	}
	s.mintKey(all[0].process)
	given := make([]secret.Text, 2*len(all))
	var at sync.WaitGroup
	for i := range given {
		at.Go(func() {
			reveal := step{tenancy.Git, func(ctx context.Context, sc *tenancy.Scope) error {
				c, err := repository.Credentials(ctx, sc, true)
				given[i] = c.Token
				return err
			}}
			if err := reveal.try(t.Context(), all[i%len(all)].guard, s.key); err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	at.Wait()
	for _, g := range given[1:] {
		if !g.Equal(given[0].Reveal()) {
			t.Error("two calls of one key got two tokens")
		}
	}
	wantDozen(t, all, subjects, given[0])
}

// TestReplicasPush lets two processes take the webhooks of several workspaces and
// work on their jobs: each app has the newest commit deployed, once.
func TestReplicasPush(t *testing.T) {
	t.Parallel()
	address := secret.NewText(storetest.Migrated(t))
	var all []replica
	var f *platform
	for range 2 {
		db, err := store.Open(t.Context(), store.Config{URL: address})
		must(t, err)
		t.Cleanup(func() { must(t, db.Close()) })
		if f == nil {
			f = newPlatform(t, db, giteatest.Config{})
		}
		f.db = db
		all = append(all, replica{f.start(t, nothing, 0), db})
	}
	var subjects []*subject
	for _, slug := range []string{"acme", "beta", "gamma"} {
		subjects = append(subjects, pushing(t, f, slug))
	}
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for _, r := range all {
		jobs := store.Jobs{
			Provision: func(context.Context, string) error { return nil }, Push: push.New(r.guard).Push, Sweep: func(context.Context) error { return nil },
		}
		working.Go(func() {
			if err := r.db.Work(ctx, jobs, f.log); err != nil {
				t.Errorf("work: %v", err)
			}
		})
	}
	for i := range 8 {
		for _, s := range subjects {
			s.push("main")
			s.told(all[i%2].process)
			s.told(all[(i+1)%2].process)
			s.build()
		}
	}
	for _, s := range subjects {
		s.until(func() bool {
			rec := s.record("web")
			return s.wanted() == 0 && rec.Head == s.git.Head(s.repo(), "main") && rec.Reported == "success"
		})
	}
	stop()
	working.Wait()
	for _, s := range subjects {
		wantDeployed(s, s.git.Head(s.repo(), "main"))
		s.fine()
	}
}

// until looks again and again, while Coolify builds, until something is so.
func (s *subject) until(so func() bool) {
	s.Helper()
	late := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
			s.build()
		case <-late:
			s.Fatalf("it does not come about: %+v, %d wanted", s.record("web"), s.wanted())
		}
	}
}
