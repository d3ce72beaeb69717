package tenancy

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A Code is the class of a failure. It is the same word through every door;
// see [Code.HTTPStatus] for its HTTP status.
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

// An Error is a failure that the caller may read. Msg and Hint are sentences of
// ours; Err is the cause, for the log only.
type Error struct {
	Code       Code
	Msg        string        // one sentence, says what is wrong
	Hint       string        // what to do about it; may be empty
	Retryable  bool          // the same call may succeed later
	RetryAfter time.Duration // how long to wait first; 0 = not known
	Confirm    *Confirmation // a person has to say yes; nil = nobody has
	Err        error         // cause, never shown to a tenant
}

// A Confirmation is what a person has to be asked before something is destroyed.
type Confirmation struct {
	Name string // what they have to type
	What string // what is destroyed, as a sentence without its end: "this deletes …"
	// Thing is the uuid of what goes, however the caller named it; filled in when the
	// call has ended.
	Thing string
}

// NeedsConfirmation asks for a person's word.
func NeedsConfirmation(name, what string) *Error {
	return &Error{
		Code: Conflict, Msg: what, Hint: fmt.Sprintf("ask a person; if they agree, call again with confirm set to %q", name),
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

// Public returns the *Error in err. Any other error becomes [Internal] with a
// text that says nothing of the cause.
func Public(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{
		Code: Internal, Msg: "something went wrong on our side",
		Hint: "try again; if it goes on, give the operator the time of this call", Retryable: true, Err: err,
	}
}

// ErrNotFound and ErrConflict are what a [Store] returns for a row that is not
// in the workspace asked for, and for one that is there already.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("already exists")
	// ErrProjectTaken is what [Store.CreateWorkspace] returns for a Coolify
	// project that another living workspace has.
	ErrProjectTaken = errors.New("another workspace has this Coolify project")
)

// IsNotFound reports whether an error is one of [NotFound].
func IsNotFound(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == NotFound
}

// StoreError turns an error of our own database into what the caller may read; doing
// says for the log what was tried, as in "list the apps". It returns nil for nil.
func StoreError(doing string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{
		Code: Unavailable, Msg: "the server's database did not answer", Retryable: true, RetryAfter: 2 * time.Second,
		Hint: "try again in a moment", Err: &storeFailure{doing, err},
	}
}

// IsStoreError reports whether an error is one of our own database, in a step that may
// also fail upstream.
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
