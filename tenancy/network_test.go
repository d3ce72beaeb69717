package tenancy_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// deploy deploys an app of A's to the end and returns the deployment.
func (s *shop) deploy(ref string) coolifytest.Deployment {
	s.Helper()
	app, err := hosting.FindApp(s.Context(), s.Open(s.T, s.A.Key, tenancy.Deploy), ref)
	must(s.T, err)
	started, err := app.Deploy(s.Context(), false)
	must(s.T, err)
	for range 2 {
		s.Sim.Advance(started.Deployment)
	}
	d, _ := s.Sim.Deployment(started.Deployment)
	return d
}

// holder is the service that holds A's network on a server.
func (s *shop) holder(host string) coolifytest.Service {
	s.Helper()
	var found []coolifytest.Service
	for _, v := range s.Sim.Services() {
		if strings.HasPrefix(v.Name, "vibn-alpha-") && v.HostUUID == host {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		s.Fatalf("services of alpha's on %s: %+v", host, found)
	}
	return found[0]
}

// destination is a destination on Coolify.
func (s *shop) destination(uuid string) coolifytest.Destination {
	s.Helper()
	all := s.Sim.Destinations()
	i := slices.IndexFunc(all, func(d coolifytest.Destination) bool { return d.UUID == uuid })
	if i < 0 {
		s.Fatalf("no destination %q", uuid)
	}
	return all[i]
}

// due are the slugs of the workspaces that a sweep finds.
func (s *shop) due() []string {
	s.Helper()
	slugs := []string{}
	must(s.T, s.Provisioner.Sweep(s.Context(), func(_ context.Context, id string) error {
		for _, x := range []*tenancytest.Tenant{s.A, s.B} {
			if x.ID == id {
				slugs = append(slugs, x.Slug)
			}
		}
		return nil
	}))
	return slugs
}

// wantHeld holds that A has one network, that its service runs, and that an app that
// is created now runs in it.
func (s *shop) wantHeld(app string) {
	s.Helper()
	v, d := s.holder(s.Sim.Hosts()[0].UUID), s.destination(s.network())
	if !v.Running || d.Network != v.UUID || d.HostUUID != v.HostUUID || d.Name != v.Name {
		s.Errorf("service %+v, destination %+v", v, d)
	}
	if due := s.due(); len(due) > 0 {
		s.Errorf("a sweep finds %v", due)
	}
	_, err := s.create(siteApp(func(n *hosting.NewApp) { n.Name = app }))
	must(s.T, err)
	if got := s.deploy(app); got.Status != coolifytest.Finished {
		s.Errorf("the app's deployment %s: %v", got.Status, got.Logs[len(got.Logs)-1].Output)
	}
	s.Fine(s.T)
}

// onPlatform is a platform whose apps have names.
func onPlatform(version string, clock *handClock) tenancytest.Config {
	return tenancytest.Config{
		Simulator: coolifytest.Config{Version: version, Now: clock.Now}, Now: clock.Now,
		Premises: tenancy.Premises{AppDomain: tenancy.AppDomain{Scheme: "https", Host: "apps.example.com"}},
	}
}

// TestFirstApp: the first app of a workspace that is ready can start, and answers when
// its deployment ends: the proxy need not look at the servers first.
func TestFirstApp(t *testing.T) {
	t.Parallel()
	for _, version := range []string{coolifytest.Version43, coolifytest.Version437} {
		s := newShop(t, onPlatform(version, newHandClock()))
		s.wantHeld("first")
		if _, status := s.Sim.Serving("first.alpha.apps.example.com"); status != http.StatusOK {
			t.Errorf("%s: it answers %d, want 200", version, status)
		}
	}
}

// TestNetworkService: what holds the network is in the workspace's project, does nothing
// and takes next to nothing.
func TestNetworkService(t *testing.T) {
	t.Parallel()
	cfg := onPlatform(coolifytest.Version43, newHandClock())
	s := newShop(t, cfg)
	v := s.holder(s.Sim.Hosts()[0].UUID)
	if v.EnvironmentUUID != s.A.Project.Environments[0].UUID || !strings.Contains(v.Description, "workspace alpha") {
		t.Errorf("service %+v", v)
	}
	for _, line := range []string{"image: '" + provision.DefaultNetworkImage + "'", "restart: always", "mem_limit: 16m", "pids_limit: 16", "read_only: true"} {
		if !strings.Contains(v.Compose, line) {
			t.Errorf("the compose file has no %q:\n%s", line, v.Compose)
		}
	}
	cfg.Premises.NetworkImage = "registry.example.com/pause:1"
	if own := newShop(t, cfg); !strings.Contains(own.holder(own.Sim.Hosts()[0].UUID).Compose, "image: 'registry.example.com/pause:1'") {
		t.Error("it has another image than the operator's")
	}
}

// TestNetworkMended: a sweep, which comes every minute, finds a network that is not held
// any more, and the run that it queues mends that.
func TestNetworkMended(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]func(s *shop, v coolifytest.Service){
		"stopped by hand": func(s *shop, v coolifytest.Service) {
			req := "/services/" + v.UUID + "/stop?docker_cleanup=false"
			if code := s.deployOnCoolify(http.MethodPost, req); code != http.StatusOK {
				s.Fatalf("stop: %d", code)
			}
		},
		"ended on the server": func(s *shop, v coolifytest.Service) {
			s.Sim.SetService(v.UUID, func(v *coolifytest.Service) { v.Running = false })
			s.Sim.CheckServers()
		},
		"deleted by hand": func(s *shop, v coolifytest.Service) {
			s.onCoolify(http.MethodDelete, "/services/"+v.UUID+"?docker_cleanup=false", "")
			s.Sim.FinishDeletions()
		},
		"its destination deleted": func(s *shop, v coolifytest.Service) {
			s.Sim.SetService(v.UUID, func(v *coolifytest.Service) { v.Running = false })
			s.withoutApps()
			s.onCoolify(http.MethodDelete, "/destinations/"+s.network(), "")
		},
		"renamed by hand": func(s *shop, v coolifytest.Service) {
			s.Sim.SetService(v.UUID, func(v *coolifytest.Service) { v.Name, v.Running = "something", false })
			s.Sim.CheckServers()
			t.Cleanup(func() { s.Sim.SetService(v.UUID, func(w *coolifytest.Service) { w.Name = v.Name }) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newHandClock()
			s := newShop(t, onPlatform(coolifytest.Version43, clock))
			if due := s.due(); len(due) > 0 {
				t.Fatalf("a sweep finds %v where all is well", due)
			}
			clock.forward(time.Hour / 2)
			v := s.holder(s.Sim.Hosts()[0].UUID)
			hurt(s, v)
			if due := s.due(); !slices.Equal(due, []string{"alpha"}) {
				t.Fatalf("a sweep finds %v, want alpha", due)
			}
			must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
			if name == "renamed by hand" { // it is found by the record, and there is no other
				if all := s.Sim.Services(); len(all) != 2 || !all[0].Running {
					t.Errorf("services %+v", all)
				}
				return
			}
			s.wantHeld("after")
		})
	}
}

// deployOnCoolify does as an operator who may deploy.
func (s *shop) deployOnCoolify(method, path string) int {
	s.Helper()
	return onCoolifyAs(s.T, s.Sim, s.Sim.Token("deploy"), method, path, "").Code
}

// withoutApps takes A's apps away.
func (s *shop) withoutApps() {
	s.Helper()
	for _, app := range []string{s.A.Web.UUID, s.A.API.UUID} {
		s.onCoolify(http.MethodDelete, "/applications/"+app+"?docker_cleanup=false", "")
	}
	s.Sim.FinishDeletions()
}

// TestSweepLook: what a sweep costs Coolify does not grow with the workspaces.
func TestSweepLook(t *testing.T) {
	t.Parallel()
	s := newShop(t, onPlatform(coolifytest.Version43, newHandClock()))
	s.Sim.Reset()
	s.due()
	if got := s.Requests(); !slices.Equal(got, []string{"GET /services", "GET /destinations"}) {
		t.Errorf("requests of a sweep: %v", got)
	}
	s.Sim.Fail("GET /services", coolifytest.Fault{Status: http.StatusBadGateway})
	s.due()
	if !strings.Contains(s.Log.String(), "networks not looked at") {
		t.Error("a look that failed is not in the log")
	}
}

// TestNetworkDoesNotStart: where Docker has no addresses left, or the image cannot be
// pulled, the part says so in the operator's words, and members are not told what of.
// Once it is mended there, the next run makes the workspace whole.
func TestNetworkDoesNotStart(t *testing.T) {
	t.Parallel()
	for name, hurt := range map[string]func(h *coolifytest.Host){
		"no addresses": func(h *coolifytest.Host) { h.NetworkPool = 3 },
		"no image":     func(h *coolifytest.Host) { h.NoPull = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := newHandClock()
			s := newShop(t, onPlatform(coolifytest.Version43, clock))
			host := s.Sim.Hosts()[0].UUID
			s.Sim.SetHost(host, hurt)
			ws, err := s.Operator.CreateWorkspace(t.Context(), people.NewWorkspace{Slug: "gamma", Placement: tenancy.Placement{Server: host}})
			must(t, err)
			wrong := func() tenancy.PartError {
				t.Helper()
				err := s.Provisioner.Provision(t.Context(), ws.ID)
				e, ok := errors.AsType[*provision.PartsError](err)
				if !ok || len(e.Errors) != 1 || e.Errors[0].Part != tenancy.PartNetwork || !e.Errors[0].Again {
					t.Fatalf("%v %+v, want the network to be wrong", err, e)
				}
				return e.Errors[0]
			}
			if e := wrong(); !strings.Contains(e.Fix, "wait") {
				t.Errorf("at once: %+v", e)
			}
			clock.forward(time.Hour)
			e := wrong()
			for _, says := range []string{"does not run", "3 networks", "VIBN_NETWORK_IMAGE", "default-address-pools", "daemon.json"} {
				if !strings.Contains(e.Why+e.Fix, says) {
					t.Errorf("%q says nothing of %q", e.Why+"; "+e.Fix, says)
				}
			}
			if !e.Platform {
				t.Error("members are told of the server")
			}
			s.Sim.SetHost(host, func(h *coolifytest.Host) { h.NetworkPool, h.NoPull = 30, false })
			must(t, s.Provisioner.Provision(t.Context(), ws.ID))
			s.Fine(t)
		})
	}
}

// asEarlierVersion gives A what earlier versions made: a destination of a name of its own,
// which since Coolify 4.3.8 is a row without a network.
func (s *shop) asEarlierVersion() (old string) {
	s.Helper()
	v := s.holder(s.Sim.Hosts()[0].UUID)
	s.onCoolify(http.MethodDelete, "/services/"+v.UUID+"?docker_cleanup=false", "")
	s.withoutApps()
	s.onCoolify(http.MethodDelete, "/destinations/"+s.network(), "")
	s.onCoolify(http.MethodPost, "/servers/"+v.HostUUID+"/destinations", `{"name":"`+v.Name+`","network":"`+v.Name+`"}`)
	all := s.Sim.Destinations()
	old = all[slices.IndexFunc(all, func(d coolifytest.Destination) bool { return d.Network == v.Name })].UUID
	is, err := s.Operator.Parts(s.Context(), s.A.Workspace)
	must(s.T, err)
	was := is.Parts
	is.Destination = old
	must(s.T, s.DB.SetParts(s.Context(), s.A.ID, was, is.Parts))
	return old
}

// TestNetworkOfEarlierVersion: a workspace from before gets its network when it is looked
// at. An app that is there stays where it is, and the old destination with it; a new one
// goes where it can run. When the old app is gone, the old destination goes too.
func TestNetworkOfEarlierVersion(t *testing.T) {
	t.Parallel()
	s := newShop(t, onPlatform(coolifytest.Version43, newHandClock()))
	old := s.asEarlierVersion()
	_, err := s.create(siteApp(func(n *hosting.NewApp) { n.Name = "old" }))
	must(t, err)
	if got := s.deploy("old"); got.Status != coolifytest.Failed {
		t.Fatalf("an app without a network: %s", got.Status)
	}
	if due := s.due(); !slices.Equal(due, []string{"alpha"}) {
		t.Fatalf("a sweep finds %v, want alpha", due)
	}
	must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	s.wantHeld("new")
	for _, a := range s.made() {
		if want := map[string]string{"old": old, "new": s.network()}[a.Name]; a.DestinationUUID != want {
			t.Errorf("%s is in %s, want %s", a.Name, a.DestinationUUID, want)
		}
	}
	state, err := s.Provisioner.Network(t.Context(), s.A.Workspace)
	must(t, err)
	outside := []string{}
	for _, o := range state.Outside {
		outside = append(outside, o.Kind+" "+o.Name)
	}
	v := s.holder(s.Sim.Hosts()[0].UUID)
	if want := []string{"app old", "database " + s.A.Data.Name}; !slices.Equal(outside, want) || state.Network != s.network() || state.Service != v.UUID || !state.Running {
		t.Errorf("network %+v, want %v outside of it", state, want)
	}
	_, err = s.remove("old", "old")
	must(t, err)
	s.Sim.FinishDeletions()
	must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	if slices.ContainsFunc(s.Sim.Destinations(), func(d coolifytest.Destination) bool { return d.UUID == old }) {
		t.Error("the old destination is still there")
	}
}

// TestNetworkServiceIsNoTenants: no ref of a tenant's reaches what holds a network, their
// own or another's: it is not there, in the same words as what does not exist.
func TestNetworkServiceIsNoTenants(t *testing.T) {
	t.Parallel()
	s := newShop(t, onPlatform(coolifytest.Version43, newHandClock()))
	before := s.Sim.Services()
	key, _ := s.AddKey(t, s.A, "owner", 0)
	scope := s.Open(t, key, tenancy.AllRights)
	_, noApp := hosting.FindApp(t.Context(), scope, "nosuchthingnosuchthing12")
	_, noDatabase := hosting.FindDatabase(t.Context(), scope, "nosuchthingnosuchthing12")
	for _, v := range before {
		for _, ref := range []string{v.UUID, v.Name} {
			_, err := hosting.FindApp(t.Context(), scope, ref)
			if !tenancy.IsNotFound(err) || err.Error() != noApp.Error() {
				t.Errorf("FindApp(%s) = %v, want %v", ref, err, noApp)
			}
			_, err = hosting.FindDatabase(t.Context(), scope, ref)
			if !tenancy.IsNotFound(err) || err.Error() != noDatabase.Error() {
				t.Errorf("FindDatabase(%s) = %v, want %v", ref, err, noDatabase)
			}
			if _, err := s.remove(ref, ref); !tenancy.IsNotFound(err) {
				t.Errorf("DeleteApp(%s) = %v", ref, err)
			}
			if _, err := hosting.FindDeployment(t.Context(), scope, ref); err == nil {
				t.Errorf("FindDeployment(%s) found it", ref)
			}
		}
	}
	after := s.Sim.Services()
	if len(after) != 2 || len(before) != 2 {
		t.Fatalf("services %+v", after)
	}
	for _, v := range after {
		if !v.Running || v.Deleting {
			t.Errorf("service %+v", v)
		}
	}
	for _, r := range s.Sim.Requests() {
		if r.Write && strings.Contains(r.Operation, "/services") {
			t.Errorf("a tenant's call did %s", r.Operation)
		}
	}
}

// TestSharedNetworkOfSeveral: without networks of their own, workspaces are in the one
// that the server came with, also where it has others; where nothing says which that is,
// the part names the variable.
func TestSharedNetworkOfSeveral(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{Premises: tenancy.Premises{SharedNetworks: true}})
	host := s.Sim.Hosts()[0]
	s.Sim.AddDestination(coolifytest.Destination{HostUUID: host.UUID, Name: "second", Network: "second"})
	_, err := s.create(siteApp())
	must(t, err)
	if a := s.made()[0]; a.DestinationUUID != host.DestinationUUID {
		t.Errorf("the app is in %s, want the server's first network %s", a.DestinationUUID, host.DestinationUUID)
	}
	bare := s.Sim.AddHost(coolifytest.Host{Name: "bare"})
	place := func(want string) {
		t.Helper()
		must(t, s.Operator.Place(t.Context(), s.A.Workspace, tenancy.Placement{Server: bare.UUID}))
		must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
		if s.network() != want {
			t.Errorf("network %s, want %s", s.network(), want)
		}
	}
	place(bare.DestinationUUID)
	only := s.Sim.AddDestination(coolifytest.Destination{HostUUID: bare.UUID, Name: "apps", Network: "apps"})
	s.onCoolify(http.MethodDelete, "/destinations/"+bare.DestinationUUID, "")
	place(only.UUID)
	s.Sim.AddDestination(coolifytest.Destination{HostUUID: bare.UUID, Name: "more", Network: "more"})
	err = s.Provisioner.Provision(t.Context(), s.A.ID)
	wrong, ok := errors.AsType[*provision.PartsError](err)
	if !ok || len(wrong.Errors) != 1 || !strings.Contains(wrong.Errors[0].Fix, "COOLIFY_DESTINATION_UUID") || !strings.Contains(wrong.Errors[0].Why, "apps, more") {
		t.Errorf("several networks: %v %+v", err, wrong)
	}
	s.Fine(t)
}
