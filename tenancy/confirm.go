package tenancy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// confirmTime is how long a person may take to answer.
const confirmTime = 10 * time.Minute

// A question is what was put to a person, as the client carries it.
type question struct {
	Name  string    `json:"n"` // what they have to type
	Thing string    `json:"t"` // uuid of what it is about
	Args  string    `json:"a"` // digest of the arguments of the call
	Ends  time.Time `json:"e"`
}

// SealQuestion seals what a person is asked before a call of a tool is carried
// out. args is a digest of the call's arguments. What it returns goes through the
// client, and opens for the same principal, workspace and tool only.
func (s *Scope) SealQuestion(tool string, c Confirmation, args string) (string, error) {
	return s.SealCursor(questionsOf(tool), question{c.Name, c.Thing, args, s.guard.now().Add(confirmTime)})
}

// Confirmed returns what a person has agreed to, if the question was put for this
// call and not long ago. [Invalid] if it was not; [Conflict] if the time is over or
// they typed something else.
func (s *Scope) Confirmed(tool, sealed, args, typed string) (Confirmation, error) {
	if s.guard == nil {
		return Confirmation{}, ErrUnauthorized
	}
	var q question
	if err := s.OpenCursor(questionsOf(tool), sealed, &q); err != nil || q.Args != args {
		return Confirmation{}, &Error{
			Code: Invalid, Msg: "this answer is not one to a question about this call; nothing was changed",
			Hint: "call again without inputResponses and requestState, and send both back as they are with the same arguments", Err: err,
		}
	}
	if !s.guard.now().Before(q.Ends) {
		return Confirmation{}, &Error{Code: Conflict, Msg: "the answer came too late; nothing was changed", Hint: "call again to be asked anew"}
	}
	if typed != q.Name {
		return Confirmation{}, &Error{Code: Conflict, Msg: "what was typed is not the name that was asked for; nothing was changed", Hint: "call again to be asked anew"}
	}
	return Confirmation{Name: q.Name, Thing: q.Thing}, nil
}

func questionsOf(tool string) string { return "question about " + tool }

// ErrDeclined says that a person was asked and did not agree.
var ErrDeclined = &Error{
	Code: Forbidden, Msg: "the person who was asked did not agree; nothing was changed", Hint: "do not ask again unless they want it",
}

// ClaimKey keeps a caller's idempotency key for a tool with a digest of the
// arguments that it came with. [Conflict] if it came with others before.
func (s *Scope) ClaimKey(ctx context.Context, tool, key, args string) error {
	if err := s.Require(s.call.need); err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(key))       // whatever it is, it is in no row
	bound := hmac.New(sha256.New, []byte(key)) // so that who reads the row cannot try out what the arguments were
	bound.Write([]byte(args))
	err := s.guard.store.ClaimKey(ctx, s.grant.workspace.ID, tool, hex.EncodeToString(digest[:]), hex.EncodeToString(bound.Sum(nil)), s.guard.now())
	if errors.Is(err, ErrConflict) {
		return &Error{
			Code: Conflict, Msg: "this idempotency_key was used with other arguments",
			Hint: "use another key for another call; the same call again has the same arguments",
		}
	}
	if err != nil {
		return StoreError("keep an idempotency key", err)
	}
	return nil
}
