package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
)

// showsPart returns a part of a secret, three characters or more, that a text has.
func showsPart(text, secret string) string {
	for i := range max(0, len(secret)-2) {
		if strings.Contains(text, secret[i:i+3]) {
			return secret[i : i+3]
		}
	}
	return ""
}

// TestDatabasePasswordIsNotShown: whatever of a password was not percent-encoded,
// and whatever it is then taken for, no part of it is in what the program writes.
func TestDatabasePasswordIsNotShown(t *testing.T) {
	env, stop := serveCoolify(coolifytest.New(coolifytest.Config{}), http.NotFoundHandler())
	defer stop()
	env["VIBN_LISTEN"] = "127.0.0.1:0"
	env["HOME"] = t.TempDir()
	type malformed struct{ url, password string }
	var table []malformed
	for _, password := range []string{
		"Zq7Xj", "Zq7@Xj9", "Zq7@@Xj9", "@Zq7Xj9@", "Zq7/Xj9", "/Zq7Xj9", "739/Xj9", "Zq7//Xj9", "739/Xj9@Wk4",
		"Zq7@Xj9/Wk4", "Zq7#Xj9", "739#Xj9", "#Zq7Xj9", "739#Xj9@Wk4",
		"Zq7?Xj9", "739?Xj9", "739?Xj9=Wk4", "739?Xj9=Wk4&Vh8=Bm5", "739/?Xj9=Wk4", "Zq7&Xj9=Wk4", "Zq7%zzXj9",
		"Zq7%Xj9", "Zq7Xj9%", "Zq7Xj9%4", "%00Zq7", "Zq7:Xj9", "739:846/Xj9", "Zq7,Xj9", "739,Xj9:846/Wk4",
		"Zq7 Xj9", "Zq7\tXj9", "Zq7\nXj9", "Zq7\\Xj9", "Zq7\"Xj9", "Zq7'Xj9", "Zq7[Xj9]", "[Zq7]Xj9",
		"[739/Xj9", "Zq7{Xj9}", "Zq7^Xj9", "Zq7<Xj9>", "Zq7|Xj9", "ZqüXjöWk", "Zq7;Xj9", "Zq7=Xj9",
	} {
		for _, form := range []string{
			"postgres://user:%s@127.0.0.1:1/vibn?connect_timeout=5", "postgresql://user:%s@127.0.0.1:1",
			"postgres://user:%s%%40127.0.0.1:1/vibn",
			"postgres://user%%3A%s@127.0.0.1:1/vibn", "postgres://127.0.0.1:1/vibn?user=user&password=%s",
			"postgres://127.0.0.1:1/vibn?sslpassword=%s&sslmode=disable",
			"host=127.0.0.1 port=1 user=user password=%s", "user:%s@127.0.0.1:1/vibn",
			"mysql://user:%s@127.0.0.1:1/vibn", "postgres:/user:%s@127.0.0.1:1/vibn",
			"postgres//user:%s@127.0.0.1:1/vibn", "Postgres://user:%s@127.0.0.1:1/vibn",
		} {
			table = append(table, malformed{fmt.Sprintf(form, password), password})
		}
	}
	for _, command := range []string{"serve", "migrate", "doctor"} {
		t.Run(command, func(t *testing.T) {
			for _, m := range table {
				env["DATABASE_URL"] = m.url
				r := begin(t, env, command)
				<-r.ended
				said := r.stdout.String() + r.stderr.String()
				if r.status != 1 || !strings.Contains(said, "DATABASE_URL") {
					t.Errorf("%q: status %d, want 1 and the variable named\n%s", m.url, r.status, said)
				}
				if part := showsPart(said, m.password); part != "" {
					t.Errorf("%q: %q is shown\n%s", m.url, part, said)
				}
			}
		})
	}
}

// TestAddressWithPassword: an address that has a password where none belongs, is
// refused and not repeated, wherever in it the password comes to lie.
func TestAddressWithPassword(t *testing.T) {
	for _, name := range []string{
		"COOLIFY_URL", "GITEA_API_URL", "GITEA_PUBLIC_URL", "VIBN_PUBLIC_URL", "VIBN_OIDC_ISSUER", "VIBN_URL",
	} {
		for _, password := range []string{
			"Zq7Xj", "Zq7@Xj9", "Zq7/Xj9", "739/Xj9", "Zq7#Xj9", "739#Xj9", "739?Xj9", "739/?Xj9",
			"Zq7%zzXj9", "Zq7 Xj9", "Zq7\nXj9", "Zq7[Xj9",
		} {
			env := map[string]string{name: "https://user:" + password + "@host.example.com/x"}
			r := begin(t, env, "serve")
			<-r.ended
			said := r.stdout.String() + r.stderr.String()
			refused := strings.Contains(said, "error: "+name+": is not an http or https URL without user")
			if part := showsPart(said, password); part != "" || !refused {
				t.Errorf("%s with %q: %q is shown, or the variable is not refused\n%s", name, password, part, said)
			}
		}
	}
}

// TestSecretsAreTrimmed: white space around a secret does not count, wherever the
// secret comes from.
func TestSecretsAreTrimmed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	read := func(v variable, env map[string]string) string {
		t.Helper()
		value, _, err := v.read(func(name string) string { return env[name] }, pflag.NewFlagSet("", pflag.ContinueOnError))
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		return value
	}
	secrets := 0
	for _, v := range variables() {
		if !v.secret {
			continue
		}
		secrets++
		for _, written := range []string{"a secret", "a secret\n", "a secret\r\n", " \ta secret \n\n"} {
			if err := os.WriteFile(file, []byte(written), 0o600); err != nil {
				t.Fatal(err)
			}
			for name, env := range map[string]map[string]string{
				"variable": {v.name: written}, "file": {v.name + "_FILE": file},
				"both, one empty": {v.name: " \n", v.name + "_FILE": file},
			} {
				if got := read(v, env); got != "a secret" {
					t.Errorf("%s of %s %q = %q", v.name, name, written, got)
				}
			}
		}
		if got := read(v, map[string]string{v.name: " \n"}); got != "" {
			t.Errorf("%s of white space = %q", v.name, got)
		}
	}
	if secrets < 5 {
		t.Errorf("only %d variables are secret", secrets)
	}
	var c config
	old := slices.IndexFunc(variables(), func(v variable) bool { return v.name == "VIBN_SECRETS_KEY_OLD" })
	if err := variables()[old].set(&c, "0123456789abcdef, fedcba9876543210 "); err != nil || len(c.oldSecretsKeys) != 2 {
		t.Fatalf("two old keys are read as %d (%v)", len(c.oldSecretsKeys), err)
	}
	if got := c.oldSecretsKeys[1].Reveal(); got != "fedcba9876543210" {
		t.Errorf("the second old key is %q", got)
	}
}

// TestDoctorShowsNoToken: servers that repeat in their errors what they were sent
// do not make doctor print a token, not in a cause either.
func TestDoctorShowsNoToken(t *testing.T) {
	tokens := map[string]string{
		"COOLIFY_API_TOKEN":       "1|Zq7Xj9Wk4Vh8Bm5Zq7Xj9",
		"COOLIFY_SENSITIVE_TOKEN": "2|Rt6Lp3Dn2Fs1Gc7Rt6Lp3",
		"GITEA_API_TOKEN":         "b7e09d41c86f2a35b7e09d41c86f2a35b7e09d41",
		"VIBN_SECRETS_KEY":        "Hk5Tw8Ny2Mj6Qs4R",
	}
	for _, status := range []int{200, 302, 401, 403, 422, 500} {
		asked := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			sent := r.Header.Get("Authorization")
			w.Header().Set("Location", "/"+url.PathEscape(sent))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"message":%q,"error":%q,"status":%q}`, "no: "+sent, sent, sent)
		}))
		env := map[string]string{"COOLIFY_URL": srv.URL, "GITEA_API_URL": srv.URL, "VIBN_DATA_DIR": t.TempDir()}
		maps.Copy(env, tokens)
		for _, args := range [][]string{{"doctor"}, {"doctor", "--json"}} {
			r := begin(t, env, args...)
			<-r.ended
			said := r.stdout.String() + r.stderr.String()
			if r.status != 1 || asked == 0 || !strings.Contains(said, "coolify-token") {
				t.Errorf("%d: status %d, asked %d times\n%s", status, r.status, asked, said)
			}
			for name, token := range tokens {
				if strings.Contains(said, token[2:]) { // without "1|", which may be escaped
					t.Errorf("%d: %s is shown\n%s", status, name, said)
				}
			}
		}
		srv.Close()
	}
}
