package store

import (
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/vibnai/vibn-mcp/secret"
)

// The errors of a database URL quote nothing of it. They replace the driver's, which may
// quote a part of the password.
var (
	errURLScheme = errors.New("is no address of PostgreSQL: want postgres://user:password@host:5432/name")
	errURLForm   = errors.New("cannot be read in one way only: want postgres://user:password@host:5432/name, where " +
		"whatever is not a letter or a digit in user, password and name is percent-encoded, " +
		"as %40 for @, %2F for /, %3F for ?, %23 for # and %25 for %")
	errURLPassword = errors.New("has a password after the ?: put it before the @, " +
		"as postgres://user:password@host:5432/name")
	errURLUnusable = errors.New("cannot be used: check the port, the parameters after the ?, the files that they " +
		"name, " +
		"and the variables of the environment that begin with PG")
)

// urlForm matches a URL, after its scheme, that can be read in one way only: its only @
// ends user and password, and nothing before that could also begin the host, the path or
// the parameters. So no part of a password is read as one of these or as the user, which
// the errors of a connection name.
var urlForm = func() *regexp.Regexp {
	const (
		plain    = `A-Za-z0-9._~!$'()*+,;\-`
		encoded  = `%[0-9A-Fa-f]{2}`
		noColon  = `%(?:[0-24-9A-Fa-f][0-9A-Fa-f]|3[0-9B-Fb-f])` // any but %3A
		noAt     = `%(?:[0-35-9A-Fa-f][0-9A-Fa-f]|4[1-9A-Fa-f])` // any but %40
		user     = `(?:[` + plain + `&=]|` + noColon + `)*`
		password = `(?:[` + plain + `&=:]|` + encoded + `)*`
		host     = `(?:\[[0-9A-Za-z:.%_-]+\]|(?:[A-Za-z0-9._-]|` + noAt + `)*)(?::[0-9]{0,5})?`
		name     = `(?:[` + plain + `:]|` + encoded + `)*`
		param    = `[A-Za-z_][A-Za-z0-9_.]*=(?:[` + plain + `:/?]|` + encoded + `)*`
	)
	return regexp.MustCompile(`^(?:` + user + `(?::` + password + `)?@)?` +
		host + `(?:,` + host + `)*(?:/` + name + `)?(?:\?(?:` + param + `(?:&` + param + `)*)?)?$`)
}()

// passwordParameter matches a password among the parameters. An & in it would begin
// another parameter, which PostgreSQL's errors name.
var passwordParameter = regexp.MustCompile(`(?i)[?&](?:ssl)?password=`)

// CheckURL reports whether [Open] can read the URL of a PostgreSQL database. Its
// errors lack the subject and quote nothing of the URL.
func CheckURL(address secret.Text) error {
	_, err := parseURL(address)
	return err
}

func parseURL(address secret.Text) (*pgxpool.Config, error) {
	scheme, rest, ok := strings.Cut(address.Reveal(), "://")
	switch {
	case !ok || scheme != "postgres" && scheme != "postgresql":
		return nil, errURLScheme
	case !urlForm.MatchString(rest):
		return nil, errURLForm
	case passwordParameter.MatchString(rest):
		return nil, errURLPassword
	}
	cfg, err := pgxpool.ParseConfig(address.Reveal())
	if err != nil {
		return nil, errURLUnusable
	}
	return cfg, nil
}
