package tenancy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestDoctorTellsOfDeliveries: of a bad signature and of a push that no delivery told of,
// until one comes that is as it should be. What nobody has a webhook for is not noted.
func TestDoctorTellsOfDeliveries(t *testing.T) {
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	heard := &push.Deliveries{}
	sweep := func() {
		t.Helper()
		s.clock.forward(time.Minute)
		pusher := push.New(p.guard)
		pusher.Deliveries = heard
		must(t, pusher.Sweep(t.Context()))
	}
	deliver := func(slug, secret string) {
		raw := body(s.repositoryID(), "now "+s.clock.Now().String())
		d := signed(secret, raw)
		d.Heard = heard
		_ = push.TakeDelivery(t.Context(), p.guard, slug, d)
	}
	says := func(when, want string) {
		t.Helper()
		sweep()
		for _, c := range p.provisioner.Examine(t.Context()) {
			if c.Name != "gitea-deliveries" {
				continue
			}
			if good := c.State == provision.CheckOK; good != (want == "") || !strings.Contains(c.Detail+c.Fix, want) {
				t.Errorf("%s: %+v", when, c)
			}
			return
		}
		t.Errorf("%s: no such check", when)
	}
	sweep() // the app's branch is not known before
	must(t, s.settle(p))
	deliver(s.slug, s.hookSecret())
	says("one is taken", "")
	deliver("nobody", "x")
	says("somebody posts to no workspace", "")
	deliver(s.slug, "another secret")
	says("the signature is bad", "workspace rotate")
	deliver(s.slug, s.hookSecret())
	says("and good again", "")
	s.push("main") // nobody tells of it
	says("a push is found", "ALLOWED_HOST_LIST")
	deliver(s.slug, s.hookSecret())
	must(t, s.settle(p))
	says("and told of again", "")
}

// TestSettledWaits: what is tried again is waited for; what needs the operator is not.
func TestSettledWaits(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	end := func(e tenancy.PartError) {
		t.Helper()
		outcome := tenancy.Outcome{Status: tenancy.Partial, Error: tenancy.PartErrors{e}.String()}
		state, err := h.Operator.Parts(t.Context(), h.A.Workspace)
		must(t, err)
		_, err = h.DB.FinishProvision(t.Context(), h.A.ID, state.Wanted, outcome, time.Now())
		must(t, err)
	}
	end(tenancy.PartError{Part: tenancy.PartOrg, Why: "it is taken", Fix: "look"})
	state, err := h.Operator.Settled(t.Context(), h.A.Workspace, time.Millisecond)
	if err != nil || state.ProvisionError == "" {
		t.Errorf("what needs the operator: %+v %v", state, err)
	}
	end(tenancy.PartError{Part: tenancy.PartApps, Why: "Coolify is still deleting", Fix: "wait", Again: true})
	looked := make(chan struct{}, 100)
	store := tenancytest.Tap{Store: h.DB, Hook: func(method string, do func() error) error {
		if method == "Provision" {
			looked <- struct{}{}
		}
		return do()
	}}
	done := make(chan tenancy.Provision, 1)
	go func() {
		state, _ := people.NewOperator(store).Settled(t.Context(), h.A.Workspace, time.Millisecond)
		done <- state
	}()
	for range 3 { // it looks again and again
		select {
		case <-looked:
		case <-done:
			t.Fatal("it did not wait for what is tried again")
		}
	}
	h.Provision(t, h.A)
	for {
		select {
		case <-looked:
		case state := <-done:
			if state.ProvisionError != "" {
				t.Errorf("at the end: %s", state.ProvisionError)
			}
			return
		}
	}
}

// TestDeletedHookGoesFirst: what Gitea would keep of an organisation's webhook is gone before
// the organisation is.
func TestDeletedHookGoesFirst(t *testing.T) {
	s := newSubject(t, newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{}), "acme")
	p := s.start(t, nothing, 0)
	withWorkspace(s, p)
	must(t, p.operator.DeleteWorkspace(t.Context(), s.ws))
	s.git.Reset()
	must(t, s.job(t.Context(), p))
	var wrote []string
	for _, r := range s.git.Requests() {
		if r.Write {
			wrote = append(wrote, r.Operation)
		}
	}
	if len(wrote) == 0 || wrote[0] != "DELETE /orgs/{org}/hooks/{id}" || len(s.git.Snapshot().Left) > 0 {
		t.Errorf("deleted in this order: %q; left: %+v", wrote, s.git.Snapshot().Left)
	}
}
