package tenancy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Code is the class of a failure. Every door uses the same word; see [Code.HTTPStatus]
// for its HTTP status.
type Code string

// The codes, with the HTTP status that each has in REST.
const (
	Unauthorized Code = "unauthorized" // 401
	Forbidden    Code = "forbidden"    // 403
	NotFound     Code = "not_found"    // 404
	Conflict     Code = "conflict"     // 409
	Invalid      Code = "invalid"      // 422
	RateLimited  Code = "rate_limited" // 429
	Internal     Code = "internal"     // 500
	Unavailable  Code = "unavailable"  // 503
	Timeout      Code = "timeout"      // 504
)

// Codes lists the codes by their HTTP status.
func Codes() []Code {
	return slices.SortedFunc(maps.Keys(statuses), func(a, b Code) int { return cmp.Compare(statuses[a], statuses[b]) })
}

var statuses = map[Code]int{
	Unauthorized: 401, Forbidden: 403, NotFound: 404, Conflict: 409, Invalid: 422,
	RateLimited: 429, Internal: 500, Unavailable: 503, Timeout: 504,
}

// HTTPStatus returns the status that REST answers with. An unknown code is 500.
func (c Code) HTTPStatus() int {
	if s, ok := statuses[c]; ok {
		return s
	}
	return statuses[Internal]
}

// An Error is a failure that the caller may read. Msg and Hint are sentences of this
// program; Err is the cause, for the log only.
type Error struct {
	Code       Code
	Msg        string        // one sentence, says what is wrong
	Hint       string        // says what to do about it; may be empty
	Retryable  bool          // the same call may succeed later
	RetryAfter time.Duration // how long to wait first; 0 = not known
	Confirm    *Confirmation // a person has to agree; nil = no confirmation needed
	Err        error         // cause, never shown to a tenant
}

// A Confirmation is the question for a person before something is destroyed.
type Confirmation struct {
	Name string // what the person has to type
	What string // what is destroyed, as the start of a sentence: "this deletes …"
	// Thing is the uuid of what is destroyed, even if the caller gave a name. It is
	// filled in when the call has ended.
	Thing string
}

// NeedsConfirmation returns an error that asks for a person's confirmation.
func NeedsConfirmation(name, what string) *Error {
	return &Error{
		Code: Conflict, Msg: what,
		Hint:    fmt.Sprintf("ask a person; if they agree, call again with confirm set to %q", name),
		Confirm: &Confirmation{Name: name, What: what},
	}
}

// Error returns Msg and, for the log, the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Msg
	}
	return e.Msg + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Public returns the *Error in err. Any other error becomes [Internal], with a text that
// does not reveal the cause.
func Public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{
		Code: Internal, Msg: "an internal error occurred",
		Hint: "try again; if it happens again, tell the operator the time of this call", Retryable: true, Err: err,
	}
}

// A [Store] returns ErrNotFound for a row that is not in the workspace asked for, and
// ErrConflict for a row that exists already. A row too many is ErrFull or ErrTooMany.
var (
	ErrNotFound     = errors.New("not found")
	ErrConflict     = errors.New("already exists")
	ErrFull         = errors.New("the workspace has the most that it may have")
	ErrTooMany      = errors.New("the workspace made too many lately")
	ErrProjectTaken = errors.New("another workspace has this Coolify project") // and is not deleted
)

// IsNotFound reports whether an error has the code [NotFound].
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == NotFound
}

// StoreError turns an error of vibn-mcp's own database into one that the caller may read.
// doing says for the log what was tried, as in "list the apps". It returns nil for nil.
func StoreError(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{
		Code: Unavailable, Msg: "the server's database did not answer", Retryable: true, RetryAfter: 2 * time.Second,
		Hint: "try again in a moment", Err: &storeFailure{doing, err},
	}
}

// IsStoreError reports whether an error comes from vibn-mcp's own database. It is for
// steps that may also fail upstream.
func IsStoreError(err error) bool {
	_, ok := errors.AsType[*storeFailure](err)
	return ok
}

// A storeFailure is the cause of a StoreError.
type storeFailure struct {
	doing string
	err   error
}

func (e *storeFailure) Error() string { return e.doing + ": " + e.err.Error() }
func (e *storeFailure) Unwrap() error { return e.err }
