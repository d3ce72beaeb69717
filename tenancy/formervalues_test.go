package tenancy_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
	"github.com/vibnai/vibn-mcp/verdict"
)

// writesEnv are the requests that change variables.
var writesEnv = []string{"PATCH /applications/{uuid}/envs/bulk", "DELETE /applications/{uuid}/envs/{env_uuid}"}

func delEnvs(t testing.TB, h *tenancytest.House, uuid string, keys ...string) error {
	t.Helper()
	return onApp(t, h, uuid, tenancy.Write, func(a *hosting.App) error {
		_, err := a.DeleteEnvs(t.Context(), keys, false)
		return err
	})
}

// appLog has an app print lines, and returns them as its log shows them.
func appLog(t testing.TB, h *tenancytest.House, uuid string, lines ...string) string {
	t.Helper()
	h.Sim.SetApp(uuid, func(a *coolifytest.App) { a.Logs = strings.Join(lines, "\n") })
	var logs hosting.Logs
	must(t, onApp(t, h, uuid, tenancy.Read, func(a *hosting.App) (err error) {
		logs, err = a.Logs(t.Context(), hosting.MaxLogLines, "")
		return err
	}))
	return strings.Join(logs.Lines, "\n")
}

// TestValuesThatWere: the container runs on with the values that it was started with. Logs
// hide them, whether or not this server may read the values of today.
func TestValuesThatWere(t *testing.T) {
	t.Parallel()
	for _, noSensitive := range []bool{false, true} {
		t.Run(fmt.Sprint("no sensitive token: ", noSensitive), func(t *testing.T) {
			t.Parallel()
			h := tenancytest.New(t, tenancytest.Config{NoSensitive: noSensitive})
			uuid := newApp(h, coolifytest.App{Status: "running:healthy"})
			must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "value-replaced-1", "OTHER", "value-deleted-2", "LOGIN_PIN", "4711", "PORT", "3000")}))
			must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("OTHER", "value-of-previews-3"), Preview: true}))
			must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "value-of-today-4", "LOGIN_PIN", "4712")}))
			must(t, delEnvs(t, h, uuid, "OTHER"))
			gone := []string{"value-replaced-1", "value-deleted-2", "value-of-previews-3", "value-of-today-4", "4711", "4712"}
			log := appLog(t, h, uuid, append(slices.Clone(gone), "on port 3000", "done")...)
			if want := strings.Repeat("[redacted]\n", len(gone)) + "on port 3000\ndone"; log != want {
				t.Errorf("the log is %q, want %q", log, want)
			}
			if log := appLog(t, h, h.A.Web.UUID, "value-replaced-1"); log != "value-replaced-1" {
				t.Errorf("the log of another app is %q", log)
			}
		})
	}
}

// TestValuesWrittenElsewhere: a value that a person wrote on Coolify's page, or that was set
// before values were kept, is kept when it is replaced or deleted here.
func TestValuesWrittenElsewhere(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{Status: "running:healthy"})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "KEY", Value: "by-a-person-1", Runtime: true})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "OTHER", Value: "by-a-person-2", Runtime: true})
	must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "value-of-today")}))
	must(t, delEnvs(t, h, uuid, "OTHER"))
	if log := appLog(t, h, uuid, "by-a-person-1", "by-a-person-2"); log != "[redacted]\n[redacted]" {
		t.Errorf("the log is %q", log)
	}
}

// TestValuesAreKeptFirst: a value is kept before Coolify is asked. So whatever becomes of
// the request, it is hidden; and if it cannot be kept, Coolify is not asked.
func TestValuesAreKeptFirst(t *testing.T) {
	t.Parallel()
	var broken bool
	h := tenancytest.New(t, tenancytest.Config{NoSensitive: true, Wrap: func(db tenancytest.Store) tenancytest.Store {
		return tenancytest.Tap{Store: db, Hook: func(method string, do func() error) error {
			if broken && method == "KeepValues" {
				return errors.New("the disk is full")
			}
			return do()
		}}
	}})
	uuid := newApp(h, coolifytest.App{Status: "running:healthy"})
	must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "value-of-before-1")}))
	for _, op := range writesEnv {
		h.Sim.Fail(op, coolifytest.Fault{Status: 500, Body: "{}"})
	}
	if setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "value-that-failed-2", "NEW", "value-that-failed-3")}) == nil || delEnvs(t, h, uuid, "KEY") == nil {
		t.Error("Coolify refused, and no act failed")
	}
	log := appLog(t, h, uuid, "value-of-before-1", "value-that-failed-2", "value-that-failed-3")
	if want := "[redacted]\n[redacted]\n[redacted]"; log != want {
		t.Errorf("the log is %q, want %q", log, want)
	}
	for _, v := range keptOf(t, h, uuid) {
		if v.Ended != nil {
			t.Errorf("%s has ended, and Coolify was not told", v.ID)
		}
	}

	broken = true
	h.Sim.Reset()
	err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("KEY", "value-not-kept-4")})
	if tenancy.Public(err).Code != tenancy.Unavailable {
		t.Errorf("a value that cannot be kept: %v", err)
	}
	for _, op := range writesEnv {
		if countOps(h.Requests())[op] > 0 {
			t.Errorf("Coolify was asked for %s, and the value was not kept", op)
		}
	}
}

func keptOf(t testing.TB, h *tenancytest.House, uuid string) []hosting.KeptValue {
	t.Helper()
	values, err := h.DB.KeptValues(t.Context(), h.A.ID, uuid)
	must(t, err)
	return values
}

// TestWhatIsKeptOfValues: one row for each value that a log would hide, sealed; it ends when
// another takes its place, and begins again when it is set again.
func TestWhatIsKeptOfValues(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	want := func(what string, want ...string) {
		t.Helper()
		var got []string
		for _, v := range keptOf(t, h, uuid) {
			got = append(got, fmt.Sprint("preview: ", v.Preview, ", ended: ", v.Ended != nil))
			if strings.Contains(v.Sealed, "value") || strings.Contains(v.Sealed, "KEY") || time.Since(v.At).Abs() > time.Hour {
				t.Errorf("%+v is not sealed, or not of now", v)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q are kept, want %q", what, got, want)
		}
	}
	set := func(preview bool, pairs ...string) {
		t.Helper()
		must(t, setEnvs(t, h, uuid, hosting.EnvSet{Values: texts(pairs...), Preview: preview}))
	}
	set(false, "KEY", "value-one", "PORT", "3000", "NODE_ENV", "production", "X", "1")
	want("what a log shows is not kept", "preview: false, ended: false")
	set(false, "KEY", "value-one")
	want("the same again", "preview: false, ended: false")
	set(false, "KEY", "value-two")
	want("another", "preview: false, ended: true", "preview: false, ended: false")
	set(false, "KEY", "value-one")
	want("the first again", "preview: false, ended: false", "preview: false, ended: true")
	must(t, delEnvs(t, h, uuid, "KEY"))
	want("none", "preview: false, ended: true", "preview: false, ended: true")
	owner, _ := h.AddKey(t, h.A, "owner", 0)
	_, err := hosting.DeleteApp(t.Context(), h.Open(t, owner, tenancy.Danger), uuid, uuid)
	must(t, err)
	want("the app is deleted")
}

// TestAddressesAreHidden: no log shows the address of a database of the workspace, nor its
// password, written as in an address or read.
func TestAddressesAreHidden(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{NoSensitive: true})
	uuid := newApp(h, coolifytest.App{Status: "running:healthy"})
	d, _, err := hosting.CreateDatabase(t.Context(), h.Open(t, h.A.Key, tenancy.Write), hosting.NewDatabase{Name: "data", Engine: "postgresql"})
	must(t, err)
	address := h.Sim.DatabaseURL(d.UUID())
	u, err := url.Parse(address)
	must(t, err)
	password, _ := u.User.Password()
	log := appLog(t, h, uuid, address, password, url.QueryEscape(password), "password authentication failed for "+password)
	if want := "[redacted]\n[redacted]\n[redacted]\npassword authentication failed for [redacted]"; log != want {
		t.Errorf("the log is %q, want %q", log, want)
	}
}

// TestNoDoorShowsValuesThatWere: builds, waits and diagnoses show lines of logs too.
func TestNoDoorShowsValuesThatWere(t *testing.T) {
	t.Parallel()
	inBubble(t, lagging(), func(t *testing.T, h *tenancytest.House) {
		const was = "value-that-was-0123"
		site := newSite(h, func(a *coolifytest.App) { a.Crash, a.Logs = true, "Error: cannot connect with "+was+"\n" })
		must(t, setEnvs(t, h, site.UUID, hosting.EnvSet{Values: texts("KEY", was)}))
		must(t, delEnvs(t, h, site.UUID, "KEY"))
		id := h.Sim.AddDeployment(site.UUID, coolifytest.Deployment{
			Status: coolifytest.InProgress, Commit: newCommit,
			Logs: []coolifytest.LogLine{{Output: "building"}, {Output: "npm error code 1 " + was}, {Output: "npm error " + was}},
		}).UUID
		time.AfterFunc(4*time.Second, func() { h.Sim.Finish(id, coolifytest.Failed) })
		o := <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", hosting.MaxWait)
		printed, err := buildLog(t, h, id)
		must(t, err)
		for door, shown := range map[string]string{
			"wait": fmt.Sprintf("%+v", o.Waited), "build log": printed, "diagnosis": fmt.Sprintf("%+v", diagnose(t, h, site.UUID)),
		} {
			if strings.Contains(shown, was) || !strings.Contains(shown, "[redacted]") {
				t.Errorf("%s: %s, want what the log says without the value", door, shown)
			}
		}
		if o.Verdict != verdict.VerdictFailed {
			t.Errorf("%+v, want it failed", o.Waited)
		}
	})
}

func buildLog(t testing.TB, h *tenancytest.House, deployment string) (string, error) {
	t.Helper()
	d, err := hosting.FindDeployment(t.Context(), h.Open(t, h.A.Key, tenancy.Read), deployment)
	if err != nil {
		return "", err
	}
	logs, err := d.Logs(t.Context(), hosting.MaxLogLines, -1, "")
	return strings.Join(logs.Lines, "\n"), err
}
