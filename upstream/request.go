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

// MaxBody is what an answer may have at the most as a rule, in bytes. A longer
// one is an error, never cut.
const MaxBody = 8 << 20

// A Request is one call to be made.
type Request struct {
	Op         Operation
	Path       string // below the server's base, with the ids; each segment is escaped
	Query      url.Values
	Header     http.Header // beyond what every request has; may be nil
	Body       any         // sent as JSON; nil = none
	Credential Credential
	Secret     bool  // the body holds a secret, which the server's words may repeat
	Max        int64 // longest answer in bytes
}

// A Credential proves who asks. The zero Credential proves nothing, and nothing
// is sent for it.
type Credential struct {
	header secret.Text
	hidden []secret.Text // kept out of what an error shows
}

// Token returns the credential "scheme token". What of the token no error may
// show is given as well: a part of it may be public.
func Token(scheme string, token, hidden secret.Text) Credential {
	return Credential{secret.NewText(scheme + " " + token.Reveal()), []secret.Text{hidden}}
}

// Basic returns the credential of a user and a password.
func Basic(user string, password secret.Text) Credential {
	pair := base64.StdEncoding.EncodeToString([]byte(user + ":" + password.Reveal()))
	return Credential{secret.NewText("Basic " + pair), []secret.Text{secret.NewText(pair), password}}
}

// Withheld returns a credential that proves nothing. Errors still do not show
// what the other one holds.
func (c Credential) Withheld() Credential { return Credential{hidden: c.hidden} }

// An Answer is a whole answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // of an answer that is no success at most 64 KiB

	exchange *exchange
}

// The reasons for which [Answer.Unusable] is called, as a rule.
var (
	ErrOther  = errors.New("the answer is about something else than was asked for")
	ErrAnswer = errors.New("the answer is not what the API promises")
)

// Decode reads JSON into out. Its error is [ErrAnswer] and does not quote the
// answer, as that of encoding/json may.
func (a *Answer) Decode(out any) error {
	if err := json.Unmarshal(a.Body, out); err != nil {
		return ErrAnswer
	}
	return nil
}

// Unusable is the error of a call that succeeded with an answer that cannot be
// used.
func (a *Answer) Unusable(err error) *Error {
	e := a.exchange.failure(ErrUnavailable, err)
	e.Status, e.Unknown = a.Status, e.Op.changes()
	return e
}

// Send makes a call, and returns an answer that is a success. The error is an
// *[Error].
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

// Refuse is the error of a call that was not made.
func (s *Server) Refuse(op Operation, path string, kind, err error) *Error {
	return &Error{Server: s.cfg.Name, Op: op, Path: path, Kind: kind, Err: err}
}
