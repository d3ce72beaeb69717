package giteatest

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

const (
	defaultPage = 30
	maxPage     = 50
)

// How a list is paged.
type paging struct {
	pageless bool // before 1.27, without page the limit does not count
	links    bool // it has a Link header
	untotal  bool // it has no X-Total-Count
}

// window returns the part of n items that a request asks for.
func (c *call) window(n int, p paging) (from, to int) {
	page, limit := number(c.query.Get("page")), number(c.query.Get("limit"))
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	if page <= 0 {
		if p.pageless && !c.s.since(V127) {
			return 0, n
		}
		page = 1
	}
	from = min((page-1)*limit, n)
	return from, min(from+limit, n)
}

// list answers with one page of items.
func list[T any](c *call, items []T, p paging, show func(T) any) answer {
	return wrapped(c, items, p, show, func(page []any) any { return page })
}

// wrapped is list for lists that are in something.
func wrapped[T any](c *call, items []T, p paging, show func(T) any, wrap func([]any) any) answer {
	from, to := c.window(len(items), p)
	page := []any{}
	for _, item := range items[from:to] {
		if v := show(item); v != nil {
			page = append(page, v)
		}
	}
	a := reply(http.StatusOK, wrap(page))
	if !p.untotal {
		a.Header.Set("X-Total-Count", strconv.Itoa(len(items)))
		a.Header.Set("Access-Control-Expose-Headers", "X-Total-Count")
	}
	if p.links {
		c.link(a, len(items))
	}
	return a
}

func (c *call) link(a answer, total int) {
	limit := number(c.query.Get("limit"))
	if limit <= 0 {
		limit = defaultPage
	}
	limit = min(limit, maxPage)
	page, last := max(number(c.query.Get("page")), 1), max((total+limit-1)/limit, 1)
	var links []string
	add := func(to int, rel string) { links = append(links, fmt.Sprintf(`<%s>; rel="%s"`, c.pageURL(to), rel)) }
	if page < last {
		add(page+1, "next")
		add(last, "last")
	}
	if page > 1 {
		add(1, "first")
		add(min(page-1, last), "prev")
	}
	if len(links) > 0 {
		a.Header.Set("Link", strings.Join(links, ","))
		a.Header.Set("Access-Control-Expose-Headers", "X-Total-Count, Link")
	}
}

func (c *call) pageURL(page int) string {
	query := maps.Clone(c.query)
	query.Set("page", strconv.Itoa(page))
	return c.s.root() + c.r.URL.EscapedPath() + "?" + query.Encode()
}
