package mcp

import "github.com/vibnai/vibn-mcp/tenancy"

// from is what a cursor over a whole list holds.
type from struct {
	Index int `json:"i"`
}

// pageOf cuts a page out of a list that is in a stable order. The cursor is
// sealed to the tool and the principal.
func pageOf[T any](s *tenancy.Scope, tool, cursor string, limit int, all []T) (page []T, next string, err error) {
	start, err := openIndex(s, tool, cursor)
	if err != nil {
		return nil, "", err
	}
	start = min(start, len(all))
	end := min(start+limit, len(all))
	page = append([]T{}, all[start:end]...)
	if end < len(all) {
		next, err = s.SealCursor(tool, from{end})
	}
	return page, next, err
}

// openIndex reads a cursor that holds an index; without one it is 0.
func openIndex(s *tenancy.Scope, tool, cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	var f from
	if err := s.OpenCursor(tool, cursor, &f); err != nil {
		return 0, err
	}
	return max(f.Index, 0), nil
}
