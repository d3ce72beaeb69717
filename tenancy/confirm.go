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

// A question is what a person was asked, sealed so that the client can carry it.
type question struct {
	Name  string    `json:"n"` // what the person has to type
	Thing string    `json:"t"` // uuid of the thing to be destroyed
	Args  string    `json:"a"` // digest of the call's arguments
	Ends  time.Time `json:"e"`
}

// SealQuestion seals the question that a person must answer before a tool's call is
// carried out. args is a digest of the call's arguments. The result goes through the
// client, and opens for the same principal, workspace and tool only.
func (s *Scope) SealQuestion(tool string, c Confirmation, args string) (string, error) {
	return s.SealCursor(questionsOf(tool), question{c.Name, c.Thing, args, s.guard.now().Add(confirmTime)})
}

// Confirmed returns what a person has agreed to. It returns [Invalid] if the question was
// not asked about this call, and [Conflict] if the time is over or the person typed
// another name.
func (s *Scope) Confirmed(tool, sealed, args, typed string) (Confirmation, error) {
	if s.guard == nil {
		return Confirmation{}, ErrUnauthorized
	}
	var q question
	if err := s.OpenCursor(questionsOf(tool), sealed, &q); err != nil || q.Args != args {
		return Confirmation{}, &Error{
			Code: Invalid, Msg: "this answer does not belong to a question about this call; nothing was changed",
			Hint: "call again without inputResponses and requestState, and send both back as they are with the same " +
				"arguments", Err: err,
		}
	}
	if !s.guard.now().Before(q.Ends) {
		return Confirmation{}, &Error{
			Code: Conflict, Msg: "the answer came too late; nothing was changed", Hint: "call again for a new question",
		}
	}
	if typed != q.Name {
		return Confirmation{}, &Error{
			Code: Conflict, Msg: "the typed name is not the one that was asked for; nothing was changed",
			Hint: "call again for a new question",
		}
	}
	return Confirmation{Name: q.Name, Thing: q.Thing}, nil
}

func questionsOf(tool string) string { return "question about " + tool }

// ErrDeclined says that a person was asked and did not agree.
var ErrDeclined = &Error{
	Code: Forbidden, Msg: "the person who was asked did not agree; nothing was changed",
	Hint: "do not ask again unless they want it",
}

// ClaimKey stores a caller's idempotency key for a tool, with a digest of the call's
// arguments. It returns [Conflict] if the key was used with other arguments before.
func (s *Scope) ClaimKey(ctx context.Context, tool, key, args string) error {
	if err := s.Require(s.call.need); err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(key))       // the key itself is stored in no row
	bound := hmac.New(sha256.New, []byte(key)) // keyed, so that a reader of the row cannot guess the arguments
	bound.Write([]byte(args))
	err := s.guard.store.ClaimKey(
		ctx, s.grant.workspace.ID, tool, hex.EncodeToString(digest[:]), hex.EncodeToString(bound.Sum(nil)),
		s.guard.now(),
	)
	if errors.Is(err, ErrConflict) {
		return &Error{
			Code: Conflict, Msg: "this idempotency_key was used with other arguments",
			Hint: "use a new key for a different call; a repeated call must have the same arguments",
		}
	}
	if err != nil {
		return StoreError("keep an idempotency key", err)
	}
	return nil
}
