package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestScreenshots takes the pictures of the README, of the demo's pages. make
// screenshots runs it.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv("VIBN_SCREENSHOTS")
	if dir == "" {
		t.Skip("VIBN_SCREENSHOTS names no folder for the pictures; make screenshots does")
	}
	d := readDemo(t, begin(t, nil, "demo", "--json", "--listen", "127.0.0.1:0"))
	w := d.Workspaces[0]
	for _, request := range [][2]string{
		{"envs", `{"set":{"GREETING":"hello","API_TOKEN":"not for the page"}}`}, {"deploy", `{"wait_seconds":20}`},
	} {
		method := http.MethodPost
		if request[0] == "envs" {
			method = http.MethodPatch
		}
		if status, body, err := call(t.Context(), w.Key, method, d.URL+"/api/workspaces/"+w.Slug+"/apps/web/"+request[0], request[1]); err != nil || status != 200 {
			t.Fatalf("%s: %d %s %v", request[0], status, body, err)
		}
	}
	b := newTab(t, 1440, 900)
	b.goTo(w.Page)
	picture := func(name string) {
		t.Helper()
		for _, scheme := range []string{"light", "dark"} {
			b.scheme(scheme)
			b.tall(1440)
			b.shoot(filepath.Join(dir, name+"-"+scheme+".png"))
			b.tall(375)
			b.shoot(filepath.Join(dir, "phone", name+"-"+scheme+".png"))
		}
		b.do(chromedp.EmulateViewport(1440, 900))
	}
	picture("link")
	b.click(`form[action="/link"] button`)
	home := d.URL + "/w/" + w.Slug
	picture("access")
	b.goTo(home + "/keys")
	picture("keys")
	b.do(chromedp.SetValue(chromedp.CSS("#name"), "cursor on my laptop"))
	b.click(`form[data-once] button`)
	picture("minted")
	b.goTo(home + "/workspace")
	picture("workspace")
	b.goTo(home + "/apps/" + w.Apps[0].UUID)
	picture("app")
	b.goTo(home + "/people")
	picture("people")
	b.goTo(home + "/activity")
	picture("activity")
	b.goTo(d.URL + "/account")
	picture("account")
	b.click(`form[action="/logout"] .button`)
	picture("login")
}
