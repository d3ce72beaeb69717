package mcp

import "github.com/vibnai/vibn-mcp/tenancy"

// from is the content of a cursor into a list.
type from struct {
	Index int `json:"i"`
}

// maxPage limits the items in an answer, in bytes, so that the answer with everything
// else stays below MaxAnswer.
const maxPage = MaxAnswer - 8_000

// fit cuts a list to the items that fit into size bytes of JSON. It keeps at least one
// item, so that a client that reads page by page reaches the end.
func fit[T any](items []T, size int) []T {
	for i, item := range items {
		raw, err := encode(item)
		if size -= len(raw) + len(","); err != nil || size < 0 {
			return items[:max(i, 1)]
		}
	}
	return items
}

// pageOf returns a page of a list that has a stable order. The cursor is sealed to the
// tool and the principal.
func pageOf[T any](s *tenancy.Scope, tool, cursor string, limit int, all []T) (page []T, next string, err error) {
	start, err := openIndex(s, tool, cursor)
	if err != nil {
		return nil, "", err
	}
	start = min(start, len(all))
	page = fit(append([]T{}, all[start:min(start+limit, len(all))]...), maxPage)
	if end := start + len(page); end < len(all) {
		next, err = s.SealCursor(tool, from{end})
	}
	return page, next, err
}

// openIndex returns the index in a cursor; 0 without a cursor.
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
