package coolify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// A Sensitive is a client whose token has read:sensitive. That token can also read the
// SSH keys of every server. So this is a separate type, which cannot replace a [Client]
// and only reads three things, besides checking its abilities. It is safe for concurrent
// use. It refuses every request until [Sensitive.Metered] gives it a meter.
type Sensitive struct {
	conn  *conn
	meter Meter
}

// NewSensitive returns a Sensitive that still needs a meter. It sends nothing.
// The token's user must be an admin of its team.
func NewSensitive(cfg Config) (*Sensitive, error) {
	c, err := newConn(cfg)
	if err != nil {
		return nil, err
	}
	return &Sensitive{conn: c}, nil
}

// Metered returns a copy of the client that asks m before every request.
func (s *Sensitive) Metered(m Meter) *Sensitive { return &Sensitive{s.conn, m} }

// maxLogs limits the answer with the log of one deployment, in bytes.
const maxLogs = 16 << 20

// errNotSensitive is the error for an answer without the sensitive fields: Coolify omits
// what a token may not read.
var errNotSensitive = errors.New("the token lacks read:sensitive, or its user is not an admin of the team")

// A LogEntry is one piece of a deployment's log, as Coolify stored it. It contains values
// of variables in the clear.
type LogEntry struct {
	Output    string
	Stderr    bool
	Timestamp time.Time // zero if it cannot be parsed
	Hidden    bool      // Coolify shows it only in its debug view
	Order     int       // from 1; 0 = not reported, as for the first entry
}

// Logs returns the log of a deployment, oldest first, including hidden entries; none if
// the deployment has not begun. It never reads the commands that were run. [ErrForbidden]
// if the token may not read logs. At most 16 MiB.
//
//api:op GET /deployments/{uuid}
func (d SensitiveDeployment) Logs(ctx context.Context) ([]LogEntry, error) {
	logged, err := d.Get(ctx)
	return logged.Log, err
}

// A LoggedDeployment is a deployment with its log.
type LoggedDeployment struct {
	Deployment
	Log []LogEntry
}

// Get returns a deployment and its application, as [DeploymentClient.Get] does, and its
// log, as Logs does.
//
//api:op GET /deployments/{uuid}
func (d SensitiveDeployment) Get(ctx context.Context) (LoggedDeployment, error) {
	r := newRequest("GET", "/deployments/{uuid}", d.id)
	r.max = maxLogs
	var w wireLogged
	if err := d.s.conn.do(ctx, d.s.meter, r, &w); err != nil {
		return LoggedDeployment{}, err
	}
	return LoggedDeployment{w.deployment(), w.entries}, nil
}

type wireLogged struct {
	wireDeployment
	Logs    json.RawMessage `json:"logs"` // nil = the token may not read it
	entries []LogEntry
}

// wireEntry leaves out "command", which contains the platform's commands.
type wireEntry struct {
	Output    text   `json:"output"`
	Type      text   `json:"type"`
	Timestamp moment `json:"timestamp"`
	Hidden    *flag  `json:"hidden"`
	Order     number `json:"order"`
}

func (w *wireLogged) check(asked []UUID) error {
	if err := w.wireDeployment.check(asked); err != nil {
		return err
	}
	if w.Logs == nil {
		return errNotSensitive
	}
	// The log is JSON inside a JSON string.
	var inner text
	var entries list[wireEntry]
	if err := json.Unmarshal(w.Logs, &inner); err != nil {
		return err
	}
	if len(bytes.TrimSpace([]byte(inner))) == 0 {
		return nil
	}
	if err := json.Unmarshal([]byte(inner), &entries); err != nil {
		return ErrBrokenLog
	}
	for _, e := range entries {
		w.entries = append(w.entries, LogEntry{
			Output: string(e.Output), Stderr: e.Type == "stderr", Timestamp: e.Timestamp.Time,
			Hidden: e.Hidden.OrTrue(), Order: int(e.Order),
		})
	}
	return nil
}

// An EnvValue is an environment variable of an application with its value.
type EnvValue struct {
	Env
	Value     secret.Text // zero if locked
	RealValue secret.Text // with shared variables resolved, then quoted or escaped; zero if locked
}

// EnvValues lists an application's environment variables with their values: first those of
// production, then those of previews. A key may occur more than once. [ErrForbidden] if
// the token may not read values.
//
//api:op GET /applications/{uuid}/envs
func (a SensitiveApp) EnvValues(ctx context.Context) ([]EnvValue, error) {
	var w wireValues
	if err := a.s.conn.do(ctx, a.s.meter, newRequest("GET", "/applications/{uuid}/envs", a.id), &w); err != nil {
		return nil, err
	}
	values := make([]EnvValue, 0, len(w.list))
	for i := range w.list {
		e := &w.list[i]
		values = append(values, EnvValue{Env: e.env(), Value: e.Value.secret(), RealValue: e.RealValue.secret()})
	}
	return values, nil
}

type wireValue struct {
	wireEnv
	Value     rawText `json:"value"`
	RealValue rawText `json:"real_value"`
}

type wireValues struct{ list[wireValue] }

// check refuses an answer in which values are missing, which must not be read as
// complete.
func (w *wireValues) check([]UUID) error {
	for _, e := range w.list {
		if e.Value == nil && !bool(e.ShownOnce) {
			return errNotSensitive
		}
	}
	return nil
}

// A rawText distinguishes an absent value (nil) from null.
type rawText json.RawMessage

// UnmarshalJSON stores b unchanged.
func (r *rawText) UnmarshalJSON(b []byte) error {
	*r = bytes.Clone(b)
	return nil
}

func (r rawText) secret() secret.Text {
	var t text
	if r != nil {
		_ = json.Unmarshal(r, &t) // text accepts any JSON
	}
	return secret.NewText(string(t))
}

// URL returns the URL of a database for use inside its network, with the password.
// [ErrForbidden] if the token may not read it.
//
//api:op GET /databases/{uuid}
func (d SensitiveDatabase) URL(ctx context.Context) (secret.Text, error) {
	var w wireDatabaseURL
	if err := d.s.conn.do(ctx, d.s.meter, newRequest("GET", "/databases/{uuid}", d.id), &w); err != nil {
		return secret.Text{}, err
	}
	return w.URL.secret(), nil
}

// wireDatabaseURL leaves out the passwords and the external URL.
type wireDatabaseURL struct {
	UUID uid     `json:"uuid"`
	URL  rawText `json:"internal_db_url"`
}

func (w *wireDatabaseURL) check(asked []UUID) error {
	switch {
	case w.UUID.UUID != asked[0]:
		return errOther
	case w.URL == nil:
		return errNotSensitive
	case w.URL.secret().IsZero():
		return errAnswer
	}
	return nil
}
