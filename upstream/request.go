package upstream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"

	"github.com/vibnai/vibn-mcp/secret"
)

// MaxBody is the usual limit of an answer, in bytes. A longer answer is an error; it is
// never cut.
const MaxBody = 8 << 20

// A Request is one call to be made.
type Request struct {
	Op         Operation
	Path       string // below the server's base, with the ids; each segment is escaped
	Query      url.Values
	Header     http.Header // beyond what every request has; may be nil
	Body       any         // sent as JSON; nil = none
	Credential Credential
	Secret     bool  // the body holds a secret, which the server's text may repeat
	Max        int64 // longest answer in bytes
}

// A Credential identifies the caller to the server. Nothing is sent for the zero
// Credential.
type Credential struct {
	header secret.Text
	hidden []secret.Text // removed from the texts of errors
}

// Token returns the credential "scheme token". hidden is the part of the token that no
// error may show, as another part may be public.
func Token(scheme string, token, hidden secret.Text) Credential {
	return Credential{secret.NewText(scheme + " " + token.Reveal()), []secret.Text{hidden}}
}

// Basic returns the credential of a user and a password.
func Basic(user string, password secret.Text) Credential {
	pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + password.Reveal()))
	return Credential{secret.NewText("Basic " + pair), []secret.Text{secret.NewText(pair), password}}
}

// Withheld returns a credential for which nothing is sent. Errors still hide what c
// holds.
func (c Credential) Withheld() Credential { return Credential{hidden: c.hidden} }

// An Answer is a complete answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most 64 KiB if the answer is not a success

	exchange *exchange
}

// The usual reasons for calling [Answer.Unusable].
var (
	ErrOther  = errors.New("the answer is about something other than what was requested")
	ErrAnswer = errors.New("the answer is not what the API promises")
)

// Decode reads JSON into out. Its error is [ErrAnswer]; unlike that of encoding/json, it
// never quotes the answer.
func (a *Answer) Decode(out any) error {
	if err := json.Unmarshal(a.Body, out); err != nil {
		return ErrAnswer
	}
	return nil
}

// Unusable returns the error of a call that succeeded with an unusable answer.
func (a *Answer) Unusable(err error) *Error {
	e := a.exchange.failure(ErrUnavailable, err)
	e.Status, e.Unknown = a.Status, e.Op.changes()
	return e
}

// Send makes a call, and returns its answer if it is a success. The error is an *[Error].
func (s *Server) Send(ctx context.Context, meter Meter, r Request) (*Answer, error) {
	x := &exchange{server: s, meter: meter, request: r}
	if meter == nil {
		return nil, x.failure(ErrUnmetered, nil)
	}
	timeout := s.cfg.Timeout
	if r.Op.Slow {
		timeout = s.cfg.SlowTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return x.run(ctx)
}

// Refuse returns the error of a call that was not made.
func (s *Server) Refuse(op Operation, path string, kind, err error) *Error {
	return &Error{Server: s.cfg.Name, Op: op, Path: path, Kind: kind, Err: err}
}
