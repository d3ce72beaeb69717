package hosting_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A zone is a DNS for a test.
type zone struct {
	records map[string][]string
	err     error // instead of an answer
	asked   []string
}

func (z *zone) lookup(ctx context.Context, name string) ([]string, error) {
	z.asked = append(z.asked, name)
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > 5*time.Second {
		return nil, errors.New("asked without an end")
	}
	if z.err != nil {
		return nil, z.err
	}
	if list := z.records[name]; list != nil {
		return list, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

func domainHouse(t *testing.T) (*tenancytest.House, *zone) {
	t.Helper()
	z := &zone{records: map[string][]string{}}
	return tenancytest.New(t, tenancytest.Config{
		Premises: tenancy.Premises{AppDomain: appsDomain}, PlatformHosts: platformIs, LookupTXT: z.lookup,
	}), z
}

func setDomain(t testing.TB, h *tenancytest.House, x *tenancytest.Tenant, app, asked string) (hosting.DomainInfo, error) {
	t.Helper()
	a, err := hosting.FindApp(t.Context(), h.Open(t, x.Key, tenancy.Write), app)
	if err != nil {
		t.Fatal(err)
	}
	return a.SetDomain(t.Context(), asked)
}

var challengeForm = regexp.MustCompile(`name (_vibn-challenge\.\S+), the type TXT and the value (vibn-domain=[0-9a-f]{32})$`)

// recordFor is what an unproved domain's answer says to set.
func recordFor(t testing.TB, h *tenancytest.House, x *tenancytest.Tenant, asked string) (name, value string) {
	t.Helper()
	h.Sim.Reset()
	_, err := setDomain(t, h, x, x.Web.UUID, asked)
	e := h.Open(t, x.Key, tenancy.Write).Public(err)
	m := challengeForm.FindStringSubmatch(e.Msg)
	if err == nil || e.Code != tenancy.Conflict || e.Hint == "" || m == nil {
		t.Fatalf("%s: %v, want a conflict with the record to set", asked, err)
	}
	if got := changes(h); len(got) > 0 {
		t.Errorf("%s: unproved, and yet %q", asked, got)
	}
	return m[1], m[2]
}

// changes are the operations that were asked for and do not only read.
func changes(h *tenancytest.House) []string {
	return slices.DeleteFunc(h.Requests(), func(op string) bool { return strings.HasPrefix(op, "GET ") })
}

func domainOf(h *tenancytest.House, uuid string) string {
	a, _ := h.Sim.App(uuid)
	return a.FQDN
}

func TestOwnDomain(t *testing.T) {
	h, z := domainHouse(t)
	got, err := setDomain(t, h, h.A, h.A.Web.UUID, "Shop.alpha.apps.example.net")
	if err != nil || got.URL != "http://shop.alpha.apps.example.net" || got.Kind != "own" || domainOf(h, h.A.Web.UUID) != got.URL {
		t.Errorf("set = %+v, %v; Coolify has %q", got, err, domainOf(h, h.A.Web.UUID))
	}
	for _, r := range h.Sim.Requests() {
		if r.Write && r.Body != `{"domains":"http://shop.alpha.apps.example.net"}` {
			t.Errorf("%s with %s", r.Operation, r.Body)
		}
	}
	s := h.Open(t, h.A.Key, tenancy.Read)
	all, err := hosting.Domains(t.Context(), s, "")
	if err != nil || len(all) != 2 || all[1].Domain != "shop.alpha.apps.example.net" || all[0].Kind != "custom" || hosting.FreeDomains(s) != "NAME.alpha.apps.example.net" {
		t.Errorf("list = %+v, %v, free %q", all, err, hosting.FreeDomains(s))
	}
	if one, err := hosting.Domains(t.Context(), s, h.A.API.UUID); err != nil || len(one) != 1 || one[0].App != h.A.API.UUID {
		t.Errorf("list of one = %+v, %v", one, err)
	}
	if got, err := setDomain(t, h, h.A, h.A.Web.UUID, ""); err != nil || got.Domain != "" || domainOf(h, h.A.Web.UUID) != "" {
		t.Errorf("taken away = %+v, %v; Coolify has %q", got, err, domainOf(h, h.A.Web.UUID))
	}
	if _, err := setDomain(t, h, h.A, h.A.Web.UUID, "shop.beta.apps.example.net"); tenancy.Public(err).Code != tenancy.Forbidden {
		t.Errorf("B's name: %v", err)
	}
	if len(z.asked) > 0 {
		t.Errorf("DNS was asked for %q", z.asked)
	}
	if _, err := hosting.FindApp(t.Context(), h.Open(t, h.A.Key, tenancy.Read), h.A.Web.UUID); err != nil {
		t.Fatal(err)
	}
	app, _ := hosting.FindApp(t.Context(), h.Open(t, h.A.Key, tenancy.Read), h.A.Web.UUID)
	if _, err := app.SetDomain(t.Context(), ""); tenancy.Public(err).Code != tenancy.Forbidden {
		t.Errorf("with the right to read: %v", err)
	}
	h.Fine(t)
}

// TestDomainProof: a record is good for one workspace and one name, and is looked for
// each time.
func TestDomainProof(t *testing.T) {
	h, z := domainHouse(t)
	name, value := recordFor(t, h, h.A, "WWW.shop.com")
	again, same := recordFor(t, h, h.A, "www.shop.com")
	if name != "_vibn-challenge.www.shop.com" || again != name || same != value {
		t.Errorf("record = %s %s, then %s %s", name, value, again, same)
	}
	_, other := recordFor(t, h, h.A, "api.shop.com")
	_, ofB := recordFor(t, h, h.B, "www.shop.com")
	if other == value || ofB == value {
		t.Errorf("values: %s, of another name %s, of B %s", value, other, ofB)
	}
	z.records[name+"."] = []string{"v=spf1", ofB, other, value + "0", strings.ToUpper(value)}
	recordFor(t, h, h.A, "www.shop.com")
	z.records[name+"."] = []string{"v=spf1", value}
	if got, err := setDomain(t, h, h.A, h.A.Web.UUID, "www.shop.com"); err != nil || got.Kind != "custom" || domainOf(h, h.A.Web.UUID) != "https://www.shop.com" {
		t.Errorf("proved: %+v, %v", got, err)
	}
	recordFor(t, h, h.B, "www.shop.com")
	recordFor(t, h, h.A, "sub.www.shop.com")
	delete(z.records, name+".")
	recordFor(t, h, h.A, "www.shop.com")
	if slices.ContainsFunc(z.asked, func(n string) bool { return !strings.HasSuffix(n, ".shop.com.") }) {
		t.Errorf("DNS was asked for %q, want names from the root", z.asked)
	}
	for _, err := range []error{
		&net.DNSError{Err: "server misbehaving", IsTemporary: true}, &net.DNSError{Err: "i/o timeout", IsTimeout: true}, context.DeadlineExceeded, errors.New("broken"),
	} {
		z.records[name+"."], z.err = []string{value}, err
		h.Sim.Reset()
		_, got := setDomain(t, h, h.A, h.A.Web.UUID, "www.shop.com")
		if e := tenancy.Public(got); got == nil || e.Code != tenancy.Unavailable || !e.Retryable || len(changes(h)) > 0 {
			t.Errorf("DNS that says %v: %v, %q", err, got, changes(h))
		}
	}
}

// TestDomainInUse: who has a domain does not show, unless it is an app of one's own.
func TestDomainInUse(t *testing.T) {
	h, z := domainHouse(t)
	name, value := recordFor(t, h, h.A, "www.shop.com")
	z.records[name+"."] = []string{value}
	set := func() *tenancy.Error {
		_, err := setDomain(t, h, h.A, h.A.Web.UUID, "www.shop.com")
		e := *h.Open(t, h.A.Key, tenancy.Write).Public(err)
		e.Err = nil
		return &e
	}
	h.Sim.SetApp(h.B.Web.UUID, func(a *coolifytest.App) { a.FQDN = "https://www.shop.com" })
	ofB := set()
	h.Sim.SetApp(h.B.Web.UUID, func(a *coolifytest.App) { a.FQDN = "" })
	nobodys := h.Sim.AddApp(h.Sim.AddProject("of nobody").Environments[0].UUID, coolifytest.App{FQDN: "https://www.shop.com", Name: "secret"})
	if diff := cmp.Diff(ofB, set()); diff != "" || ofB.Code != tenancy.Conflict || ofB.Msg != "this domain is in use" {
		t.Errorf("B's %+v, nobody's (-B's +nobody's)\n%s", ofB, diff)
	}
	h.Sim.SetApp(nobodys.UUID, func(a *coolifytest.App) { a.FQDN = "" })
	h.Sim.SetApp(h.A.API.UUID, func(a *coolifytest.App) { a.FQDN = "http://www.shop.com" })
	h.Sim.Reset()
	if e := set(); e.Code != tenancy.Conflict || !strings.Contains(e.Msg, h.A.API.Name) || !strings.Contains(e.Hint, h.A.API.UUID) || len(changes(h)) > 0 {
		t.Errorf("an own app's, though of http: %+v, %q", e, changes(h))
	}
}

func TestDomainIsNotKept(t *testing.T) {
	h, _ := domainHouse(t)
	h.Sim.SetHost(h.Sim.Hosts()[0].UUID, func(x *coolifytest.Host) { x.NoProxy = true })
	for _, asked := range []string{"web.alpha.apps.example.net", ""} {
		if _, err := setDomain(t, h, h.A, h.A.Web.UUID, asked); tenancy.Public(err).Code != tenancy.Conflict || !strings.Contains(err.Error(), "no proxy") {
			t.Errorf("%q on a server without a proxy: %v", asked, err)
		}
	}
	uuid := h.Sim.AddApp(h.A.Project.Environments[0].UUID, coolifytest.App{BuildPack: "dockercompose"}).UUID
	if _, err := setDomain(t, h, h.A, uuid, "web.alpha.apps.example.net"); tenancy.Public(err).Code != tenancy.Invalid {
		t.Errorf("an app of Compose: %v", err)
	}
	h.Sim.Fail("PATCH /applications/{uuid}", coolifytest.Fault{Status: http.StatusInternalServerError})
	if _, err := setDomain(t, h, h.A, h.A.API.UUID, "api.alpha.apps.example.net"); err == nil || strings.Contains(err.Error(), "in use") {
		t.Errorf("a failing Coolify: %v", err)
	}
}

func TestDomainFor(t *testing.T) {
	h, z := domainHouse(t)
	s := h.Open(t, h.A.Key, tenancy.Write)
	for _, tc := range []struct{ app, asked, want string }{
		{"web", "", "http://web.alpha.apps.example.net"},
		{"Web", "", "http://web.alpha.apps.example.net"},
		{"a web", "", ""},
		{"a.b", "", ""},
		{"-a", "", ""},
		{"", "", ""},
		{"a,b", "", ""},
		{strings.Repeat("a", 64), "", ""},
		{"a web", "shop.alpha.apps.example.net", "http://shop.alpha.apps.example.net"},
		{"web", "www.shop.com", ""},
		{"web", "web.beta.apps.example.net", ""},
	} {
		if got, err := hosting.DomainFor(t.Context(), s, tc.app, tc.asked); (err == nil) != (tc.want != "") || err == nil && got != tc.want {
			t.Errorf("app %q, asked %q = %q, %v, want %q", tc.app, tc.asked, got, err, tc.want)
		}
	}
	name, value := recordFor(t, h, h.A, "www.shop.com")
	z.records[name+"."] = []string{value}
	if got, err := hosting.DomainFor(t.Context(), s, "web", "www.shop.com"); got != "https://www.shop.com" || err != nil {
		t.Errorf("proved = %q, %v", got, err)
	}
	plain := tenancytest.New(t, tenancytest.Config{})
	if got, err := hosting.DomainFor(t.Context(), plain.Open(t, plain.A.Key, tenancy.Write), "web", ""); got != "" || err != nil {
		t.Errorf("without a domain of apps = %q, %v", got, err)
	}
}
