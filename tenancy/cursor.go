package tenancy

import (
	"encoding/json"

	"github.com/vibnai/vibn-mcp/secret"
)

var errCursor = &Error{
	Code: Invalid, Msg: "this cursor did not come from this tool",
	Hint: "leave cursor out to start again, or pass next_cursor of the last answer unchanged",
}

// SealCursor makes an opaque cursor of v. It opens only for the same principal, workspace
// and tool.
func (s *Scope) SealCursor(tool string, v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return s.guard.box.Seal(secret.NewText(string(raw)), s.cursorPlace(tool))
}

// OpenCursor reads a cursor into v. It returns [Invalid] for one that was not sealed for
// this use.
func (s *Scope) OpenCursor(tool, cursor string, v any) error {
	raw, err := s.guard.box.Open(cursor, s.cursorPlace(tool))
	if err != nil {
		return errCursor
	}
	if err := json.Unmarshal([]byte(raw.Reveal()), v); err != nil {
		return errCursor
	}
	return nil
}

func (s *Scope) cursorPlace(tool string) secret.Place {
	return secret.Place{Table: "cursor", Column: tool, Row: s.grant.workspace.ID + "/" + s.grant.who}
}
