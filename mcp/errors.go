package mcp

import (
	"encoding/json"
	"math"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// A Failure is an error in the form that MCP and REST clients receive.
type Failure struct {
	Code       tenancy.Code `json:"code"`
	Message    string       `json:"message"`
	Hint       string       `json:"hint,omitempty"`
	Retryable  bool         `json:"retryable"`
	RetryAfter int          `json:"retry_after_seconds,omitempty"`
}

// FailureOf returns what the caller may see of an error.
func FailureOf(err error) Failure {
	e := tenancy.Public(err)
	return Failure{e.Code, e.Msg, e.Hint, e.Retryable, int(math.Ceil(e.RetryAfter.Seconds()))}
}

// lostRights reports whether a wait failed because its principal may not see the end of it
// any more. What was begun before goes on.
func lostRights(err error) bool {
	code := tenancy.Public(err).Code
	return err != nil && (code == tenancy.Unauthorized || code == tenancy.Forbidden)
}

// JSON encodes the failure.
func (f Failure) JSON() []byte {
	raw, err := json.Marshal(f)
	if err != nil { // a Failure has only strings, a bool and an int
		return []byte(`{"code":"internal","message":"an internal error occurred","retryable":true}`)
	}
	return raw
}
