package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// config holds all settings from the environment and the flags.
type config struct {
	databaseURL    secret.Text // empty = SQLite in dataDir
	dataDir        string
	secretsKey     secret.Text
	oldSecretsKeys []secret.Text
	publicURL      *url.URL // nil = the listening address
	listen         string
	allowedHosts   []string
	coolifyURL     *url.URL
	coolifyToken   secret.Text
	sensitiveToken secret.Text
	placement      tenancy.Placement // of new workspaces
	appDomain      tenancy.AppDomain
	giteaIssues    bool           // bots may read and write issues
	sharedNetworks bool           // workspaces share the network of their server
	auditDays      int            // for how long the audit trail is kept; 0 = the default
	networkImage   string         // of the containers that hold workspaces' networks; empty = the default
	plan           tenancy.Plan   // of workspaces without their own plan
	budget         tenancy.Budget // zero fields take the defaults; only the demo sets it
	acceptedRisks  []string       // from [tenancy.Risks]
	probe          probe.Config   // of the apps' own domains
	giteaURL       *url.URL       // nil = no Gitea
	giteaToken     secret.Text
	giteaPublicURL *url.URL    // nil = giteaURL
	adminToken     secret.Text // empty = no operator API
	oidcIssuer     *url.URL    // nil = people sign in by links only
	oidcClientID   string
	oidcSecret     secret.Text
	oidcName       string
	apiKey         secret.Text
	serverURL      *url.URL // server that stdio bridges to; nil = serve in this process
}

// A variable is one setting: an environment variable and, unless it is secret, a flag.
// Help, the README and the parser share the table of variables.
type variable struct {
	name   string
	secret bool   // also read from the file named in NAME_FILE; has no flag
	def    string // as help shows it
	about  string
	hint   string // what to do when it is missing or wrong
	set    func(*config, string) error
}

// These are the variables of the commands that need only the database.
var (
	databaseVariables  = []string{"DATABASE_URL", "VIBN_DATA_DIR"}
	placementVariables = []string{"COOLIFY_SERVER_UUID", "COOLIFY_DESTINATION_UUID", "VIBN_PLACEMENT_TRUST"}
	planVariables      = []string{"VIBN_PLAN_MEMORY", "VIBN_PLAN_CPUS", "VIBN_PLAN_APPS", "VIBN_PLAN_DATABASES"}
)

func variables() []variable {
	return []variable{
		{
			name: "DATABASE_URL", secret: true, def: "SQLite in VIBN_DATA_DIR", about: "`postgres://…` of the database",
			hint: "leave it out for SQLite (one process), or give postgres://user:password@host:5432/name",
			set: func(c *config, v string) error {
				c.databaseURL = secret.NewText(v)
				return store.CheckURL(c.databaseURL)
			},
		},
		{
			name: "VIBN_DATA_DIR", def: "`$XDG_DATA_HOME/vibn-mcp`, else `~/.local/share/vibn-mcp`",
			about: "directory of the SQLite database",
			hint:  "give a directory that this user may write",
			set:   func(c *config, v string) error { c.dataDir = v; return nil },
		},
		{
			name: "VIBN_SECRETS_KEY", secret: true,
			about: "seals secrets in the database; at least 16 characters. If you lose this key, the sealed " +
				"secrets cannot be recovered",
			hint: "make one with: openssl rand -base64 32",
			set: func(c *config, v string) error {
				c.secretsKey = secret.NewText(v)
				_, err := secret.NewBox(c.secretsKey)
				return err
			},
		},
		{
			name: "VIBN_SECRETS_KEY_OLD", secret: true,
			about: "comma list of earlier keys, which still open what they sealed",
			hint:  "give the keys that were VIBN_SECRETS_KEY before, or leave it out",
			set: func(c *config, v string) error {
				for old := range strings.SplitSeq(v, ",") {
					old = strings.TrimSpace(old) // trimmed as VIBN_SECRETS_KEY is
					if _, err := secret.NewBox(secret.NewText(old)); err != nil {
						return err
					}
					c.oldSecretsKeys = append(c.oldSecretsKeys, secret.NewText(old))
				}
				return nil
			},
		},
		{
			name: "VIBN_PUBLIC_URL", def: "`http://` and VIBN_LISTEN",
			about: "where clients reach this server; URLs in answers come from it",
			hint:  "give the address that clients use, as https://vibn.example.com",
			set:   func(c *config, v string) (err error) { c.publicURL, err = parseURL(v); return err },
		},
		{
			name: "VIBN_LISTEN", def: "`127.0.0.1:8080`", about: "address and port to listen on",
			hint: "give host:port; :8080 listens on every interface",
			set: func(c *config, v string) error {
				c.listen = v
				_, _, err := net.SplitHostPort(v)
				return err
			},
		},
		{
			name: "VIBN_ALLOWED_HOSTS", about: "comma list of further host names that the server answers to",
			hint: "give names without scheme and port",
			set: func(c *config, v string) error {
				for h := range strings.SplitSeq(v, ",") {
					h = strings.TrimSpace(h)
					if h == "" || strings.ContainsAny(h, "/ ") {
						return fmt.Errorf("%q is not a host name", h)
					}
					c.allowedHosts = append(c.allowedHosts, h)
				}
				return nil
			},
		},
		{
			name: "COOLIFY_URL", about: "root of the Coolify, without /api/v1",
			hint: "give the address of Coolify's page, as https://coolify.example.com",
			set: func(c *config, v string) (err error) {
				if c.coolifyURL, err = parseURL(v); err == nil && strings.Contains(c.coolifyURL.Path, "/api/") {
					err = errors.New("names the API, not the root")
				}
				return err
			},
		},
		{
			name: "COOLIFY_API_TOKEN", secret: true,
			about: "Coolify token with read, write and deploy, of a user who is admin of the team and not root",
			hint:  "make one in Coolify under Keys & Tokens; tick deploy first, then read and write",
			set:   func(c *config, v string) error { c.coolifyToken = secret.NewText(v); return nil },
		},
		{
			name: "COOLIFY_SENSITIVE_TOKEN", secret: true,
			about: "Coolify token with read and read:sensitive; without it there are no deployment logs",
			hint:  "make one in Coolify under Keys & Tokens, or leave it out",
			set:   func(c *config, v string) error { c.sensitiveToken = secret.NewText(v); return nil },
		},
		{
			name: "COOLIFY_SERVER_UUID", about: "Coolify server of new workspaces",
			hint: "Coolify shows the uuid in the server's address",
			set:  func(c *config, v string) error { return setUUID(&c.placement.Server, v) },
		},
		{
			name: "COOLIFY_DESTINATION_UUID",
			about: "Coolify destination (Docker network) that all new workspaces share; without it each gets one of " +
				"its own",
			hint: "Coolify shows the uuid in the destination's address",
			set:  func(c *config, v string) error { return setUUID(&c.placement.Destination, v) },
		},
		{
			name: "VIBN_PLACEMENT_TRUST", def: "`shared`",
			about: "trust of new workspaces: shared, dedicated or trusted",
			hint: "shared is safe; dedicated is a host of the workspace's own; trusted means that you trust " +
				"its people with the host",
			set: func(c *config, v string) (err error) { c.placement.Trust, err = tenancy.ParseTrust(v); return err },
		},
		{
			name: "VIBN_GITEA_ISSUES", def: "`false`",
			about: "let agents use issues in Gitea; links between issues tell whether a private repository of " +
				"a name exists",
			hint: "true or false",
			set:  func(c *config, v string) (err error) { c.giteaIssues, err = parseBool(v); return err },
		},
		{
			name: "VIBN_ISOLATE_NETWORKS", def: "`true`",
			about: "give each workspace a Docker network of its own, unless a destination is named; needs Coolify 4.2",
			hint:  "true, or false: then apps of all workspaces on a server reach each other",
			set: func(c *config, v string) error {
				isolate, err := parseBool(v)
				c.sharedNetworks = !isolate
				return err
			},
		},
		{
			name: "VIBN_NETWORK_IMAGE", def: "`" + provision.DefaultNetworkImage + "`",
			about: "image of the small container that holds each workspace's network; servers pull it, and it keeps " +
				"running without a command",
			hint: "give a reference as registry.example.com/pause:3.10; it does nothing but run",
			set: func(c *config, v string) (err error) {
				c.networkImage, err = provision.ParseNetworkImage(v)
				return err
			},
		},
		auditDays(),
		planVariable("VIBN_PLAN_MEMORY", "`512m`", "memory of each app and database",
			func(p *tenancy.Plan, v string) error { p.Memory = v; return nil }),
		planVariable("VIBN_PLAN_CPUS", "`1`", "processors of each app and database",
			func(p *tenancy.Plan, v string) error { p.CPUs = v; return nil }),
		planVariable(
			"VIBN_PLAN_APPS", "`10`", "apps that may be created in a workspace",
			func(p *tenancy.Plan, v string) (err error) { p.Apps, err = planCount(v); return err },
		),
		planVariable(
			"VIBN_PLAN_DATABASES", "`3`", "databases that may be created in a workspace",
			func(p *tenancy.Plan, v string) (err error) { p.Databases, err = planCount(v); return err },
		),
		{
			name: "VIBN_APP_DOMAIN",
			about: "domain under which apps of workspaces get their names, as apps.example.com; with `http://` in " +
				"front where there are no certificates",
			hint: "give a domain without port that is registered for apps alone, or leave it out",
			set:  func(c *config, v string) (err error) { c.appDomain, err = hosting.ParseAppDomain(v); return err },
		},
		{
			name:  "VIBN_ACCEPT_RISKS",
			about: "comma list of risks that provisioning would refuse, as `doctor` names them",
			hint:  "the risks are " + strings.Join(provision.Risks(), ", "),
			set: func(c *config, v string) error {
				for risk := range strings.SplitSeq(v, ",") {
					if risk = strings.TrimSpace(risk); !slices.Contains(provision.Risks(), risk) {
						return fmt.Errorf("there is no risk %q", risk)
					}
					c.acceptedRisks = append(c.acceptedRisks, risk)
				}
				return nil
			},
		},
		{
			name: "VIBN_PROBE_ALLOW",
			about: "comma list of networks that are not public and that apps' domains may lead to all the same, as " +
				"10.0.5.0/24",
			hint: "give the addresses of the proxies before the apps, as 10.0.5.7 or 10.0.5.0/24, or leave it out",
			set:  func(c *config, v string) (err error) { c.probe.Allow, err = probe.ParseAllow(v); return err },
		},
		{
			name:  "GITEA_API_URL",
			about: "root of the Gitea, without /api/v1; without it workspaces have no repositories",
			hint:  "give the address of Gitea's page, as https://git.example.com",
			set: func(c *config, v string) (err error) {
				if c.giteaURL, err = parseURL(v); err == nil && strings.Contains(c.giteaURL.Path, "/api/") {
					err = errors.New("names the API, not the root")
				}
				return err
			},
		},
		{
			name: "GITEA_API_TOKEN", secret: true,
			about: "Gitea token of a site administrator with write:admin, write:organization, write:repository, " +
				"write:package, read:user",
			hint: "make one in Gitea under Settings, Applications, as a site administrator",
			set:  func(c *config, v string) error { c.giteaToken = secret.NewText(v); return nil },
		},
		{
			name: "GITEA_PUBLIC_URL", def: "`GITEA_API_URL`", about: "root of the Gitea as git and people reach it",
			hint: "give the address that is in clone addresses, as https://git.example.com",
			set:  func(c *config, v string) (err error) { c.giteaPublicURL, err = parseURL(v); return err },
		},
		{
			name: "VIBN_ADMIN_TOKEN", secret: true,
			about: "opens the operator's API at /api/admin; without it that does not exist. At least 32 characters",
			hint:  "make one with: openssl rand -base64 32",
			set: func(c *config, v string) error {
				if len(v) < minAdminToken {
					return fmt.Errorf("has %d characters, needs at least %d", len(v), minAdminToken)
				}
				c.adminToken = secret.NewText(v)
				return nil
			},
		},
		{
			name: "VIBN_OIDC_ISSUER",
			about: "OpenID provider that people sign in with to the settings page; Gitea's own root will do. Without " +
				"it they need links",
			hint: "give the issuer as the provider's discovery document has it, as https://login.example.com",
			set:  func(c *config, v string) (err error) { c.oidcIssuer, err = parseIssuer(v); return err },
		},
		{
			name: "VIBN_OIDC_CLIENT_ID",
			about: "id that the provider gave this server; its redirect address is VIBN_PUBLIC_URL and " +
				"`/login/callback`",
			hint: "register this server at the provider as a confidential web application",
			set:  func(c *config, v string) error { c.oidcClientID = v; return nil },
		},
		{
			name: "VIBN_OIDC_CLIENT_SECRET", secret: true, about: "secret that goes with it",
			hint: "the provider shows it when the application is registered",
			set:  func(c *config, v string) error { c.oidcSecret = secret.NewText(v); return nil },
		},
		{
			name: "VIBN_OIDC_NAME", def: "host of VIBN_OIDC_ISSUER",
			about: "what people call the provider, on the button",
			hint:  "give a word or two",
			set: func(c *config, v string) error {
				c.oidcName = untrusted.Clean(v)
				if len(c.oidcName) > 40 {
					return errors.New("is longer than 40 bytes")
				}
				return nil
			},
		},
		{
			name: "VIBN_API_KEY", secret: true, about: "the workspace's key, for `stdio`",
			hint: "mint one with: vibn-mcp key create SLUG --name agent",
			set: func(c *config, v string) error {
				c.apiKey = secret.NewText(v)
				_, err := tenancy.ParseKey(v)
				return err
			},
		},
		{
			name: "VIBN_URL", about: "a vibn-mcp elsewhere, for `stdio`: https, or this machine",
			hint: "give the address of the server, as https://vibn.example.com",
			set:  func(c *config, v string) (err error) { c.serverURL, err = parseURL(v); return err },
		},
	}
}

// variables returns the variables that the command reads. It ignores the others: an
// operator who revokes a key in a hurry need not first correct COOLIFY_URL.
func (c command) variables() []variable {
	return slices.DeleteFunc(
		variables(), func(v variable) bool { return c.reads != nil && !slices.Contains(c.reads, v.name) },
	)
}

func addConfigFlags(fs *pflag.FlagSet, cmd command) {
	for _, v := range cmd.variables() {
		if v.flag() != "" {
			fs.String(v.flag(), "", "instead of "+v.name)
		}
	}
}

// A configError is one error in the configuration.
type configError struct{ name, reason, hint string }

// configErrors holds every error in the configuration, so that the operator can correct
// all at once.
type configErrors []configError

func (e configErrors) Error() string {
	var s []string
	for _, c := range e {
		s = append(s, c.name+": "+c.reason)
	}
	return strings.Join(s, "; ")
}

// readConfig reads the variables of a command from the environment and the flags. The
// flags take precedence.
func readConfig(env func(string) string, flags *pflag.FlagSet, cmd command) (config, error) {
	c := config{listen: "127.0.0.1:8080", dataDir: dataDir(env), placement: tenancy.Placement{Trust: tenancy.Shared}}
	var wrong configErrors
	for _, v := range cmd.variables() {
		value, file, err := v.read(env, flags)
		if err == nil && value != "" {
			err = v.set(&c, value)
		}
		if err != nil && file != "" {
			err = fmt.Errorf("%s_FILE: %s%w", v.name, shownPath(file), err)
		}
		if err == nil && value == "" && slices.Contains(cmd.needs, v.name) {
			err = errors.New("is not set")
		}
		if err != nil {
			wrong = append(wrong, configError{v.name, err.Error(), v.hint})
		}
	}
	if c.giteaURL != nil && c.giteaToken.IsZero() && len(wrong) == 0 {
		wrong = append(
			wrong, configError{"GITEA_API_TOKEN", "is not set, though GITEA_API_URL is", "give both, or neither"},
		)
	}
	if c.oidcIssuer != nil && len(wrong) == 0 {
		if c.oidcClientID == "" {
			wrong = append(
				wrong,
				configError{"VIBN_OIDC_CLIENT_ID", "is not set, though VIBN_OIDC_ISSUER is", "give all three, or none"},
			)
		}
		if c.oidcSecret.IsZero() {
			wrong = append(
				wrong,
				configError{
					"VIBN_OIDC_CLIENT_SECRET", "is not set, though VIBN_OIDC_ISSUER is", "give all three, or none",
				},
			)
		}
	}
	if len(wrong) > 0 {
		return config{}, wrong
	}
	return c, nil
}

// provider returns the provider with which people sign in; nil if they use links only.
func (c config) provider() *sidecar.Provider {
	if c.oidcIssuer == nil {
		return nil
	}
	p := &sidecar.Provider{
		Issuer: c.oidcIssuer, ClientID: c.oidcClientID, ClientSecret: c.oidcSecret,
		Name: cmp.Or(c.oidcName, c.oidcIssuer.Host),
	}
	for _, gitea := range []*url.URL{c.giteaURL, c.giteaPublicURL} {
		if gitea != nil && strings.TrimRight(gitea.String(), "/") == strings.TrimRight(c.oidcIssuer.String(), "/") {
			p.IsGitea = true
		}
	}
	return p
}

// parseIssuer parses the URL of an OpenID issuer. It must be https, or on this machine.
func parseIssuer(s string) (*url.URL, error) {
	u, err := parseURL(s)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && u.Hostname() != "localhost" && (ip == nil ||
		!ip.IsLoopback()) {
		return nil, errors.New("is neither https nor this machine")
	}
	return u, nil
}

// minAdminToken is the minimum length of the admin token, so that it cannot be guessed.
const minAdminToken = 32

// dataDir returns the default directory of SQLite's file; "" if the environment does not
// determine it, as in a container without HOME. It is never the current directory.
func dataDir(env func(string) string) string {
	if base := env("XDG_DATA_HOME"); filepath.IsAbs(base) {
		return filepath.Join(base, "vibn-mcp")
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "vibn-mcp")
	}
	return ""
}

// startListening listens on the configured address, and stores the actual port, because
// the configured one may be 0.
func (c *config) startListening(ctx context.Context) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.listen)
	if err != nil {
		return nil, err
	}
	host, _, _ := net.SplitHostPort(c.listen)
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	c.listen = net.JoinHostPort(host, port)
	return ln, nil
}

// reachedAt returns the URL at which clients and Gitea reach the server. Without a
// configured URL it is that for a client on this machine.
func (c config) reachedAt() *url.URL {
	return cmp.Or(c.publicURL, &url.URL{Scheme: "http", Host: listenHost(c.listen)})
}

// parseURL parses a URL without a password. It rejects every @, because one can precede a
// password even after a slash, as in https://user:12/34@host. Its errors quote nothing.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.ContainsAny(s, "@?#") {
		return nil, errors.New("is not an http or https URL without user, query and fragment")
	}
	return u, nil
}

func setUUID(to *string, v string) error {
	_, err := coolify.ParseUUID(v)
	*to = v
	return err
}
