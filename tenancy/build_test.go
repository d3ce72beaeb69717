package tenancy_test

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// buildHouse is a house whose Coolify builds with bash.
func buildHouse(t testing.TB, trust tenancy.Trust) (*tenancytest.House, *coolifytest.Builder) {
	t.Helper()
	b := &coolifytest.Builder{Dir: t.TempDir()}
	if err := b.Check(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	h := tenancytest.New(t, tenancytest.Config{Trust: trust, Simulator: coolifytest.Config{Builder: b}})
	h.Sim.QueueLimit(1 << 30)
	return h, b
}

// drive runs an app's deployments to their end and returns the last one's status.
func drive(h *tenancytest.House, uuid string) string {
	status := ""
	for _, d := range h.Sim.Deployments(uuid) {
		h.Sim.Advance(d.UUID)
		h.Sim.Advance(d.UUID)
		now, _ := h.Sim.Deployment(d.UUID)
		status = now.Status
	}
	return status
}

func setEnvs(t testing.TB, h *tenancytest.House, uuid string, set hosting.EnvSet) error {
	t.Helper()
	return onApp(t, h, uuid, tenancy.Write, func(a *hosting.App) error {
		_, err := a.SetEnvs(t.Context(), set)
		return err
	})
}

// texts makes values of pairs: a key, its value, the next key and so on.
func texts(pairs ...string) map[string]secret.Text {
	m := map[string]secret.Text{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = secret.NewText(pairs[i+1])
	}
	return m
}

// program is a file of the tenant's repository that tells when it runs.
const program = "#!/bin/sh\n: > \"$BUILDER_MARK\"\n"

// code is run where a value is evaluated.
const code = `$(: > "$BUILDER_MARK")`

// An attack is what a tenant pushes and sets, and what stands there already,
// written by others or before there was a gate. Each takes the host over if
// nobody refuses.
type attack struct {
	name  string
	files map[string]string
	set   map[string]secret.Text
	rows  []coolifytest.Env
}

func attacks() []attack {
	all := []attack{
		{name: "a docker of its own", files: map[string]string{"docker": program}, set: texts("PATH", ".:/usr/bin:/bin")},
		{name: "a dotted key runs a program", files: map[string]string{"a.b=/run": program}, set: texts("a.b", "/run")},
		{name: "a dotted key with dots", files: map[string]string{"a.b=./run": program}, set: texts("a.b", "./run")},
		{name: "a dotted key that is searched for", set: texts("a.b", "v")},
		{name: "arithmetic in RANDOM", set: texts("RANDOM", "x["+code+"]")},
		{name: "a prompt", rows: []coolifytest.Env{there("A", code, true), there("B", "${A@P}", false)}},
		{name: "an index", rows: []coolifytest.Env{there("A", "x["+code+"]", true), there("B", "${a[A]}", false)}},
		{name: "a home", rows: []coolifytest.Env{there("HOME", ".", true)}},
	}
	for key := range strings.FieldsSeq(`LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT BASH_ENV PS4 GLIBC_TUNABLES GCONV_PATH LOCPATH NLSPATH HOSTALIASES
		DOCKER_HOST DOCKER_CONFIG DOCKER_CONTEXT DOCKER_CERT_PATH DOCKER_BUILDKIT BUILDX_BUILDER BUILDX_CONFIG BUILDKIT_HOST BUILDKIT_PROGRESS
		COMPOSE_FILE GIT_SSH_COMMAND GIT_CONFIG_COUNT GIT_EXEC_PATH GIT_EXTERNAL_DIFF XDG_CONFIG_HOME SSH_AUTH_SOCK SSH_ASKPASS SSL_CERT_FILE GODEBUG
		EXPERIMENTAL_BUILDKIT_SOURCE_POLICY HTTP_PROXY https_proxy All_Proxy no_proxy DYLD_INSERT_LIBRARIES RES_OPTIONS`) {
		all = append(all, attack{name: key, set: texts(key, "/does/not/exist")})
	}
	return all
}

func there(key, value string, literal bool) coolifytest.Env {
	return coolifytest.Env{Key: key, Value: value, BuildTime: true, Literal: literal}
}

// put plants the files and the rows of others in a new app.
func (a attack) put(h *tenancytest.House) string {
	files := map[string]string{"Dockerfile": "FROM scratch\n"}
	maps.Copy(files, a.files)
	uuid := newApp(h, coolifytest.App{Files: files})
	for _, e := range a.rows {
		h.Sim.AddEnv(uuid, e)
	}
	return uuid
}

// TestAttacksOnTheBuild holds that on a shared host each attack is refused: the
// writing of the key, or, for rows that are there, the deployment. What may be
// deployed is, and trips nothing.
func TestAttacksOnTheBuild(t *testing.T) {
	h, b := buildHouse(t, tenancy.Shared)
	for _, x := range attacks() {
		uuid := x.put(h)
		h.Sim.Reset()
		if len(x.set) > 0 {
			err := setEnvs(t, h, uuid, hosting.EnvSet{Values: x.set, BuildTime: new(true), Literal: new(false)})
			wantRefused(t, h, x.name, err, "build_time false")
		}
		if err := deployNow(t, h, uuid); len(x.rows) > 0 {
			wantRefused(t, h, x.name, err, `"`+x.rows[len(x.rows)-1].Key+`"`)
		} else if err != nil {
			t.Errorf("%s: %v, want what is left deployed", x.name, err)
		}
		drive(h, uuid)
		if got := b.Tripped(); len(got) > 0 {
			t.Fatalf("%s: the tripwire fired: %q", x.name, got)
		}
	}
	h.Fine(t)
}

// TestTripwireIsLive runs the same attacks where the operator vouches for the
// people: every one trips the wire, so its silence above means something.
func TestTripwireIsLive(t *testing.T) {
	h, b := buildHouse(t, tenancy.Trusted)
	for _, x := range attacks() {
		b.Reset()
		uuid := x.put(h)
		var err error
		if len(x.set) > 0 {
			err = setEnvs(t, h, uuid, hosting.EnvSet{Values: x.set, BuildTime: new(true)})
		}
		if err := errors.Join(err, deployNow(t, h, uuid)); err != nil {
			t.Fatalf("%s: %v, want it done on a trusted host", x.name, err)
		}
		drive(h, uuid)
		if len(b.Tripped()) == 0 || b.Err() != nil {
			t.Errorf("%s: the tripwire did not fire (%v)", x.name, b.Err())
		}
	}
}

// TestReservedKeysInAnyCase: letter case does not make a key another. In the
// container alone all of them are the tenant's business.
func TestReservedKeysInAnyCase(t *testing.T) {
	h, b := buildHouse(t, tenancy.Shared)
	uuid := newApp(h, coolifytest.App{Files: map[string]string{"docker": program}})
	reserved := strings.Fields(`PATH LD_PRELOAD DYLD_X GLIBC_TUNABLES BASH_ENV BASHOPTS SHELLOPTS ENV IFS PS4 PROMPT_COMMAND CDPATH GLOBIGNORE
		HISTFILE OPTIND PWD UID SECONDS RANDOM EPOCHREALTIME LINENO HOME TMPDIR TERM XDG_RUNTIME_DIR PYTHONPATH PERL5LIB RUBYOPT EDITOR PAGER
		LESSOPEN TAR_OPTIONS CURL_HOME GIT_DIR SSH_AUTH_SOCK GNUPGHOME HTTPS_PROXY DOCKER_HOST BUILDKIT_HOST BUILDX_CONFIG COMPOSE_FILE
		CONTAINERD_ADDRESS REGISTRY_AUTH_FILE NIXPACKS_PKGS RAILPACK_PACKAGES COOLIFY_URL SERVICE_FQDN_WEB MUSL_LOCPATH TEXTDOMAINDIR PIPESTATUS`)
	for _, key := range reserved {
		for _, form := range []string{key, strings.ToLower(key), key[:1] + strings.ToLower(key[1:]), strings.ToLower(key[:1]) + key[1:]} {
			h.Sim.Reset()
			err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("GOOD", "v", form, "."), BuildTime: new(true)})
			wantRefused(t, h, form, err, `"`+form+`"`, "build_time false")
		}
	}
	for some := range slices.Chunk(reserved, hosting.MaxEnvKeys) {
		set := hosting.EnvSet{Values: map[string]secret.Text{}}
		for _, key := range some {
			set.Values[key] = secret.NewText(".")
		}
		if err := setEnvs(t, h, uuid, set); err != nil {
			t.Errorf("%q for the container alone: %v, want them set", some, err)
		}
	}
	if err := deployNow(t, h, uuid); err != nil {
		t.Fatal(err)
	}
	if got := drive(h, uuid); got != coolifytest.Finished || len(b.Tripped()) > 0 {
		t.Errorf("deployment %s, tripped %q; want it finished and nothing", got, b.Tripped())
	}
	h.Fine(t)
}

// A build-time key that stays one is judged again when its value changes.
func TestReservedKeyThatIsThereIsNotUpdated(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	uuid := newApp(h, coolifytest.App{})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "PATH", Value: "/bin", BuildTime: true, Literal: true})
	h.Sim.Reset()
	wantRefused(t, h, "PATH", setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("PATH", ".")}), `"PATH"`)
	if err := setEnvs(t, h, uuid, hosting.EnvSet{Values: texts("PATH", "."), BuildTime: new(false)}); err != nil {
		t.Errorf("the remedy: %v, want it set", err)
	}
	if err := deployNow(t, h, uuid); err != nil {
		t.Errorf("after the remedy: %v, want it deployed", err)
	}
}

// TestValuesOfTheBuild: whatever a value is, none of it is evaluated. One that is
// refused, as it would arrive changed or break the build, is put there by somebody else.
func TestValuesOfTheBuild(t *testing.T) {
	h, b := buildHouse(t, tenancy.Shared)
	for _, value := range []string{
		"", "plain", "it's", `"quoted"`, `'`, `''''`, `'; touch x #`, `\`, `\'`, `'"'"'`, code, "`: > $BUILDER_MARK`", "${A@P}", "$A $(A) ${A:-" + code + "}",
		"x[" + code + "]", "a\nb", "a\r\nDOCKER_HOST=tcp://x\n", "'\nPATH=.\n'", "a\nb=c\n. ./x\n", "a\tb", "a\x7fb", `{"a":"` + `$(x)"}`, `{'a'}`, `["$(x)","'"]`,
		"\u202e\u200b\ufeff\u2028", "\U0001f40b '" + code, "!!", "!$", "~", "*", "<(x)", "&& x", "| x", "; x", "# x", "a=b", "{{project.NAME}}" + code,
		strings.Repeat("x", 65_536), strings.Repeat("'", 20_000), strings.Repeat("a\n", 10_000),
	} {
		for _, flag := range []bool{false, true} {
			uuid := newApp(h, coolifytest.App{Files: map[string]string{"docker": program, "x": program}})
			set := hosting.EnvSet{Values: texts("A", value, "B_2", value, "c", "${A@P}"), BuildTime: new(true), Literal: new(flag), Multiline: new(!flag)}
			err := setEnvs(t, h, uuid, set)
			byHand := tenancy.Public(err).Code == tenancy.Invalid && err != nil
			if byHand {
				for key, v := range set.Values {
					e := there(key, v.Reveal(), true)
					e.Multiline = !flag
					h.Sim.AddEnv(uuid, e)
				}
				err = nil
			}
			if err := errors.Join(err, deployNow(t, h, uuid)); err != nil {
				t.Errorf("%.40q: %v, want it set and deployed", value, err)
				continue
			}
			if got := drive(h, uuid); got != coolifytest.Finished && !byHand || len(b.Tripped()) > 0 {
				t.Fatalf("%.40q: deployment %s, tripped %.200q; want it finished and nothing", value, got, b.Tripped())
			}
		}
	}
	h.Fine(t)
}

// FuzzBuildEnv: whatever a tenant sets for the build, and whatever others have
// put there, a deployment that the gate lets through runs nothing of it.
func FuzzBuildEnv(f *testing.F) {
	h, b := buildHouse(f, tenancy.Shared)
	project := h.A.Project.UUID
	h.Sim.SetTeamVariable("CMD", code)
	h.Sim.SetProjectVariable(project, "CMD", "'"+code)
	for _, x := range attacks() {
		for k, v := range x.set {
			f.Add(k, v.Reveal(), "B", "${A@P}", byte(0))
			f.Add("A", code, k, v.Reveal(), byte(0xff))
		}
	}
	// With the highest bit the keys are plain, so that the values get to the build.
	for i, v := range []string{"'; touch x #", "a\nPATH=.", "{{team.CMD}}", "{{project.CMD}}", "{{\u200bteam.CMD}}", `{"a":"$(x)"}`, "${A@P}", "x[" + code + "]"} {
		f.Add("KEY", v, "a.b", "/run", byte(i))
		f.Add("K\u0130", v, "_", v, byte(i<<3))
		f.Add("", v, "", v+"'", byte(1<<7|i<<4))
	}
	f.Fuzz(func(t *testing.T, key, value, key2, value2 string, flags byte) {
		is := func(bit int) *bool { return new(flags>>bit&1 == 1) }
		if *is(7) {
			key, key2 = "KEY", "other_key"
		}
		uuid := newApp(h, coolifytest.App{Files: map[string]string{"docker": program, "x": program}})
		if *is(0) {
			h.Sim.AddEnv(uuid, coolifytest.Env{Key: key2, Value: value2, BuildTime: true, Literal: *is(1), Multiline: *is(2), Preview: *is(3), Runtime: true})
		}
		set := hosting.EnvSet{Values: texts(key, value), BuildTime: new(true), Preview: *is(4), Literal: is(5), Multiline: is(6)}
		if !*is(0) {
			set.Values[key2] = secret.NewText(value2)
		}
		if err := setEnvs(t, h, uuid, set); err != nil && !*is(0) {
			if got := h.Sim.Envs(uuid); len(got) > 0 {
				t.Errorf("refused with %v, and yet there is %+v", err, got)
			}
			return // nothing to build
		}
		if deployNow(t, h, uuid) == nil {
			drive(h, uuid)
		}
		if got := b.Tripped(); len(got) > 0 || b.Err() != nil {
			t.Errorf("tripped %q, Err %v", got, b.Err())
		}
		h.Sim.Reset()
		h.Fine(t)
	})
}
