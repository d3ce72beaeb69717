package sidecar_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestKeyNamesAreClean: a key's name is stored as lists and terminals show it, whoever
// mints it.
func TestKeyNamesAreClean(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	owner, _ := s.AddKey(t, s.A, "owner", 0)
	const dirty, clean = "\x1b[2Jci\u202e \u200b\tbot", "ci bot"
	body := encode(t, map[string]any{"name": dirty})
	r := s.ask(t, question{method: "POST", path: "/api/workspaces/" + s.A.Slug + "/keys", key: owner, body: body})
	var k people.KeyInfo
	if err := json.Unmarshal([]byte(r.body), &k); r.status != http.StatusOK || err != nil {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if _, _, err := s.Operator.CreateKey(t.Context(), s.A.Workspace, dirty, 1, 0); err != nil {
		t.Fatal(err)
	}
	keys, err := s.DB.Keys(t.Context(), s.A.ID, people.KeyQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) < 2 || keys[0].Name != clean || keys[1].Name != clean {
		t.Errorf("names of the newest keys: %+v", keys)
	}
	r = s.ask(t, question{method: "POST", path: "/api/workspaces/" + s.A.Slug + "/keys", key: owner, body: encode(t, map[string]any{"name": "\u202e\u200b"})})
	if r.status != http.StatusUnprocessableEntity {
		t.Errorf("a name that shows nothing: %d %s", r.status, r.body)
	}
}

// keyPage is an answer that lists keys.
type keyPage struct {
	Keys      []mintedKey `json:"keys"`
	Truncated bool        `json:"truncated"`
	Cursor    string      `json:"next_cursor"`
}

// TestKeysInPages: whoever may see the keys reads them in pages, through every door, and
// nothing that is no cursor of theirs lists anything.
func TestKeysInPages(t *testing.T) {
	s := newOperated(t, "sqlite")
	key, id := s.AddKey(t, s.A, "owner", 0)
	want := []string{id}
	for i := range 6 {
		k, _, err := s.Operator.CreateKey(t.Context(), s.A.Workspace, fmt.Sprint("key ", i), tenancy.Read, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, k.ID)
	}
	theirs, b := s.AddKey(t, s.B, "owner", 0)
	browser := s.signedIn(t, s.A, owner(s.A))
	path := "/api/workspaces/" + s.A.Slug + "/keys"
	for door, get := range map[string]func(query string) reply{
		"a key":       func(query string) reply { return s.ask(t, question{path: path + query, key: key}) },
		"a session":   func(query string) reply { return browser.get(t, path+query) },
		"an operator": func(query string) reply { return s.operate(t, "GET", "/workspaces/"+s.A.Slug+"/keys"+query, "") },
	} {
		var got []string
		for query := "?limit=2"; query != ""; {
			page := read[keyPage](t, get(query))
			if len(page.Keys) > 2 || page.Truncated != (page.Cursor != "") {
				t.Fatalf("%s: a page of %d keys, truncated %v, cursor %q", door, len(page.Keys), page.Truncated, page.Cursor)
			}
			for _, k := range page.Keys {
				got = append(got, k.ID)
			}
			if query = ""; page.Truncated {
				query = "?limit=2&cursor=" + page.Cursor
			}
		}
		slices.Reverse(got)
		if diff := cmp.Diff(want, got[len(got)-len(want):]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", door, diff)
		}
		for _, query := range []string{"?limit=0", "?limit=201", "?limit=many", "?cursor=x", "?state=none", "?cursor=" + key[:36]} {
			if r := get(query); r.status != http.StatusUnprocessableEntity {
				t.Errorf("%s%s: %d %s", door, query, r.status, r.body)
			}
		}
		if r := get("?cursor=" + b); r.status != http.StatusOK || strings.Contains(r.body, b) || strings.Contains(r.body, theirs[len(theirs)-4:]) {
			t.Errorf("%s: after a key of another workspace: %d %s", door, r.status, r.body)
		}
		if page := read[keyPage](t, get("?state=ended")); len(page.Keys) != 0 {
			t.Errorf("%s: ended keys: %+v", door, page.Keys)
		}
	}
}

// TestPageOfEndedKeys: the page lists ended keys some at a time, for 90 days; the activity
// names them for longer.
func TestPageOfEndedKeys(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for i := range 60 {
		k, _, err := s.Operator.CreateKey(t.Context(), s.A.Workspace, fmt.Sprintf("ended %d.", i), tenancy.Read, time.Hour)
		if err == nil {
			err = s.Operator.RevokeKey(t.Context(), s.A.Workspace, k.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, home := regexp.MustCompile(`ended \d+\.`), "/w/"+s.A.Slug
	browser := s.signedIn(t, s.A, owner(s.A))
	first := browser.get(t, home+"/keys")
	older := regexp.MustCompile(`href="([^"]*\?ended=[^"]*)"`).FindStringSubmatch(first.body)
	if got := keys.FindAllString(first.text(), -1); len(got) != 50 || got[0] != "ended 59." || older == nil {
		t.Fatalf("the first page shows %d ended keys, from %v; older ones: %q", len(got), got[:1], older)
	}
	second := browser.get(t, html.UnescapeString(older[1]))
	if got := keys.FindAllString(second.text(), -1); len(got) != 10 || got[0] != "ended 9." || strings.Contains(second.body, "?ended=") {
		t.Errorf("the second page shows %v", got)
	}
	browser.get(t, home+"/keys?ended=x").says(t, http.StatusUnprocessableEntity)

	if err := s.DB.DropExpired(t.Context(), time.Now().Add(91*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	browser = s.signedIn(t, s.A, owner(s.A))
	if text := browser.get(t, home+"/keys").text(); strings.Contains(text, "ended 5") {
		t.Errorf("after 91 days: %s", text)
	}
	browser.get(t, home+"/activity").says(t, http.StatusOK, "keys.revoke", "ended 59.")
	browser.get(t, home+"/activity/export.jsonl").says(t, http.StatusOK, "keys.revoke")
}
