package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// config is everything that the environment and the flags say.
type config struct {
	databaseURL    secret.Text // empty = SQLite in dataDir
	dataDir        string
	secretsKey     secret.Text
	oldSecretsKeys []secret.Text
	publicURL      *url.URL
	listen         string
	allowedHosts   []string
	coolifyURL     *url.URL
	coolifyToken   secret.Text
	sensitiveToken secret.Text
	placement      tenancy.Placement // of new workspaces
	apiKey         secret.Text
}

// A variable is one setting: an environment variable and, unless it is secret,
// a flag. The table is what help, the README and the parser share.
type variable struct {
	name   string
	secret bool   // also read from the file that NAME_FILE names; has no flag
	def    string // as help shows it
	about  string
	hint   string // what to do when it is missing or wrong
	set    func(*config, string) error
}

func variables() []variable {
	return []variable{
		{
			name: "DATABASE_URL", secret: true, def: "SQLite in VIBN_DATA_DIR", about: "`postgres://…` of the database",
			hint: "leave it out for SQLite (one process), or give postgres://user:password@host:5432/name",
			set:  func(c *config, v string) error { c.databaseURL = secret.NewText(v); return nil },
		},
		{
			name: "VIBN_DATA_DIR", def: "`$XDG_DATA_HOME/vibn-mcp`", about: "directory of the SQLite database",
			hint: "give a directory that this user may write",
			set:  func(c *config, v string) error { c.dataDir = v; return nil },
		},
		{
			name: "VIBN_SECRETS_KEY", secret: true, about: "seals secrets in the database; at least 16 characters. Losing it loses them",
			hint: "make one with: openssl rand -base64 32",
			set: func(c *config, v string) error {
				c.secretsKey = secret.NewText(v)
				_, err := secret.NewBox(c.secretsKey)
				return err
			},
		},
		{
			name: "VIBN_SECRETS_KEY_OLD", secret: true, about: "comma list of earlier keys, which still open what they sealed",
			hint: "give the keys that were VIBN_SECRETS_KEY before, or leave it out",
			set: func(c *config, v string) error {
				for old := range strings.SplitSeq(v, ",") {
					if _, err := secret.NewBox(secret.NewText(old)); err != nil {
						return err
					}
					c.oldSecretsKeys = append(c.oldSecretsKeys, secret.NewText(old))
				}
				return nil
			},
		},
		{
			name: "VIBN_PUBLIC_URL", def: "`http://` and VIBN_LISTEN", about: "where clients reach this server; URLs in answers come from it",
			hint: "give the address that clients use, as https://vibn.example.com",
			set:  func(c *config, v string) (err error) { c.publicURL, err = parseURL(v); return err },
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
			set:  func(c *config, v string) (err error) { c.coolifyURL, err = parseURL(v); return err },
		},
		{
			name: "COOLIFY_API_TOKEN", secret: true, about: "Coolify token with read, write and deploy, of a user who is admin of the team and not root",
			hint: "make one in Coolify under Keys & Tokens; tick deploy first, then read and write",
			set:  func(c *config, v string) error { c.coolifyToken = secret.NewText(v); return nil },
		},
		{
			name: "COOLIFY_SENSITIVE_TOKEN", secret: true, about: "Coolify token with read and read:sensitive; without it there are no deployment logs",
			hint: "make one in Coolify under Keys & Tokens, or leave it out",
			set:  func(c *config, v string) error { c.sensitiveToken = secret.NewText(v); return nil },
		},
		{
			name: "COOLIFY_SERVER_UUID", about: "Coolify server of new workspaces",
			hint: "Coolify shows the uuid in the server's address",
			set:  func(c *config, v string) error { return setUUID(&c.placement.Server, v) },
		},
		{
			name: "COOLIFY_DESTINATION_UUID", about: "Coolify destination (Docker network) of new workspaces",
			hint: "Coolify shows the uuid in the destination's address",
			set:  func(c *config, v string) error { return setUUID(&c.placement.Destination, v) },
		},
		{
			name: "VIBN_PLACEMENT_TRUST", def: "`shared`", about: "trust of new workspaces: shared, dedicated or trusted",
			hint: "shared is safe; dedicated is a host of the workspace's own; trusted means that you vouch for its people",
			set:  func(c *config, v string) (err error) { c.placement.Trust, err = tenancy.ParseTrust(v); return err },
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
	}
}

// flag returns the name of the variable's flag; "" if it has none. A secret has
// none, as everybody on the machine can read command lines.
func (v variable) flag() string {
	if v.secret {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(v.name, "VIBN_")), "_", "-")
}

func addConfigFlags(fs *pflag.FlagSet) {
	for _, v := range variables() {
		if v.flag() != "" {
			fs.String(v.flag(), "", "instead of "+v.name)
		}
	}
}

// A configError is one thing that is wrong with the configuration.
type configError struct{ name, reason, hint string }

// configErrors is everything that is wrong, so that it can be mended at once.
type configErrors []configError

func (e configErrors) Error() string {
	var s []string
	for _, c := range e {
		s = append(s, c.name+": "+c.reason)
	}
	return strings.Join(s, "; ")
}

// readConfig reads the environment and the flags, which win. needs names what
// must be there.
func readConfig(env func(string) string, flags *pflag.FlagSet, needs []string) (config, error) {
	c := config{listen: "127.0.0.1:8080", dataDir: dataDir(env), placement: tenancy.Placement{Trust: tenancy.Shared}}
	var wrong configErrors
	for _, v := range variables() {
		value, err := v.read(env, flags)
		if err == nil && value != "" {
			err = v.set(&c, value)
		}
		if err == nil && value == "" && slices.Contains(needs, v.name) {
			err = errors.New("is not set")
		}
		if err != nil {
			wrong = append(wrong, configError{v.name, err.Error(), v.hint})
		}
	}
	if len(wrong) > 0 {
		return config{}, wrong
	}
	if c.publicURL == nil {
		c.publicURL = listenURL(c.listen)
	}
	return c, nil
}

// read returns a variable's value: from its flag, its file or the environment.
func (v variable) read(env func(string) string, flags *pflag.FlagSet) (string, error) {
	if name := v.flag(); name != "" && flags.Changed(name) {
		return flags.GetString(name)
	}
	value, file := env(v.name), ""
	if v.secret {
		file = env(v.name + "_FILE")
	}
	switch {
	case file == "":
		return value, nil
	case value != "":
		return "", fmt.Errorf("%s_FILE is set too", v.name)
	}
	raw, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", v.name, err)
	}
	if value = strings.TrimSpace(string(raw)); value == "" {
		return "", fmt.Errorf("%s_FILE: the file is empty", v.name)
	}
	return value, nil
}

func dataDir(env func(string) string) string {
	base := env("XDG_DATA_HOME")
	if base == "" || !filepath.IsAbs(base) {
		base = filepath.Join(env("HOME"), ".local", "share")
	}
	return filepath.Join(base, "vibn-mcp")
}

// listenURL is where a client on this machine reaches a server that listens
// there.
func listenURL(listen string) *url.URL {
	host, port, _ := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}
}

func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("is not an http or https URL without user, query and fragment")
	}
	return u, nil
}

func setUUID(to *string, v string) error {
	_, err := coolify.ParseUUID(v)
	*to = v
	return err
}
