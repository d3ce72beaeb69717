package gitea_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/gitea"
)

// pages serves a list of users in pages of a size, with what it says of their
// number.
func pages(number, size int, total string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var page int
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
		var users []string
		for i := (page - 1) * size; i < min(page*size, number); i++ {
			users = append(users, fmt.Sprintf(`{"id":%d,"login":"u%d"}`, i+1, i+1))
		}
		var header []string
		if total != "" {
			header = []string{"X-Total-Count", total}
		}
		answer(200, "["+strings.Join(users, ",")+"]", header...)(w, r)
	}
}

// TestPages: a list is read whole, in as few requests as it takes, or not at
// all.
func TestPages(t *testing.T) {
	for _, tc := range []struct {
		name         string
		number, size int
		total        string
		requests     int64
		ok           bool
	}{
		{"none", 0, 50, "0", 1, true},
		{"none, not told", 0, 50, "", 1, true},
		{"one page", 50, 50, "50", 1, true},
		{"two pages", 51, 50, "51", 2, true},
		{"two pages, not told", 51, 50, "", 3, true},
		{"a server with small pages", 30, 10, "30", 3, true},
		{"nonsense told", 30, 50, "-1", 2, true},
		{"a server that gives all at once", 120, 120, "120", 1, true},
		{"the most", 10_000, 50, "10000", 200, true},
		{"too many", 10_001, 50, "10001", 200, false},
		{"endless", 20_000, 50, "", 200, false},
		{"more told than there are", 50, 50, "51", 2, false},
		{"a count of what is not shown", 0, 50, "7", 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := connect(t, serve(t, pages(tc.number, tc.size, tc.total)))
			got, err := c.TeamMembers(t.Context(), 1)
			if (err == nil) != tc.ok || c.meter.admitted.Load() != tc.requests {
				t.Fatalf("TeamMembers() = %d users, %v after %d requests; want ok = %v after %d", len(got), err, c.meter.admitted.Load(), tc.ok, tc.requests)
			}
			if !tc.ok {
				if !errors.Is(err, gitea.ErrUnavailable) || got != nil {
					t.Errorf("TeamMembers() = %d users, %v, want none and %v", len(got), err, gitea.ErrUnavailable)
				}
				return
			}
			if len(got) != tc.number || got == nil {
				t.Errorf("TeamMembers() = %d users, want %d", len(got), tc.number)
			}
			for i, u := range got {
				if u.ID != int64(i+1) {
					t.Fatalf("user %d has id %d", i+1, u.ID)
				}
			}
		})
	}
}

// TestNullList: null is a list of nothing only if it is said that there is
// nothing.
func TestNullList(t *testing.T) {
	for total, ok := range map[string]bool{"0": true, "1": false, "": false} {
		c := connect(t, overWire(func(*http.Request) (*http.Response, error) { return reply(200, `null`, "X-Total-Count", total), nil }))
		if got, err := c.Org("a").Teams(t.Context()); (err == nil) != ok || len(got) != 0 {
			t.Errorf("Teams() of null with a count of %q = %v, %v, want ok = %v", total, got, err, ok)
		}
	}
}

// TestForksAreRead to the end: some versions count them by a number that may be
// stale.
func TestForksAreRead(t *testing.T) {
	for _, total := range []string{"0", "1", "7"} {
		c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page") != "1" {
				answer(200, `[]`, "X-Total-Count", total)(w, r)
				return
			}
			answer(200, `[`+siteJSON+`,`+siteJSON+`]`, "X-Total-Count", total)(w, r)
		}))
		if got, err := c.Repo("a", "b").Forks(t.Context()); err != nil || len(got) != 2 {
			t.Errorf("Forks() with a count of %s = %d, %v, want 2", total, len(got), err)
		}
	}
}

// TestUserByID: nobody else is taken for the user.
func TestUserByID(t *testing.T) {
	for name, search := range map[string]http.HandlerFunc{
		"nobody":        answer(200, `{"ok":true,"data":[]}`),
		"null":          answer(200, `{"ok":true,"data":null}`),
		"somebody else": answer(200, `{"ok":true,"data":[{"id":8,"login":"eve"}]}`),
		"not searched":  pages(3, 50, "3"),
	} {
		c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			if name == "not searched" && strings.HasSuffix(r.URL.Path, "/search") {
				answer(403, `{"message":"no"}`)(w, r)
				return
			}
			search(w, r)
		}))
		if got, err := c.UserByID(t.Context(), 9); !errors.Is(err, gitea.ErrNotFound) || got != (gitea.User{}) {
			t.Errorf("%s: UserByID() = %+v, %v, want %v", name, got, err, gitea.ErrNotFound)
		}
	}
	c := connect(t, serve(t, answer(200, `{"ok":false,"error":"x"}`)))
	if _, err := c.UserByID(t.Context(), 9); !errors.Is(err, gitea.ErrUnavailable) {
		t.Errorf("UserByID() of a search that failed: %v", err)
	}
	if _, err := c.UserByID(t.Context(), 0); !errors.Is(err, gitea.ErrInvalid) {
		t.Errorf("UserByID(0): %v", err)
	}
}
