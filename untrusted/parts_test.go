package untrusted

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/secret"
)

// TestPartsOfValues: what stands in a value under a name of its own, and is logged alone.
func TestPartsOfValues(t *testing.T) {
	const in, out = true, false
	for _, tc := range []struct {
		value, part string
		secret      bool
	}{
		{`{"user":"web","password":"ab12x","port":3000}`, "ab12x", in},
		{`{"user":"web","password":"ab12x","port":3000}`, "3000", out},
		{`{"pin":4711,"host":"localhost"}`, "4711", in},
		{`{"pin":4711,"host":"localhost"}`, "localhost", out},
		{`{"a":[{"b":["deep in there"]}]}`, "deep in there", in},
		{`[{"tokens":["ab12x","cd34y"]}]`, "cd34y", in},
		{`{"url":"postgres://web:p%40ss9@db/web?sslpassword=xy98z"}`, "p@ss9", in},
		{`{"url":"postgres://web:p%40ss9@db/web?sslpassword=xy98z"}`, "xy98z", in},
		{`{"inner":"{\"apiKey\":\"qw12e\"}"}`, "qw12e", in},
		{`{"n":123456789012}`, "123456789012", in},
		{`{"line":"one of many\ntwo of many"}`, "two of many", in},
		{`{"not json": "hunter2hunter2"`, "hunter2hunter2", out},
		{"Server=tcp:db,1433;Database=web;User Id=web;Password=ab12x;Encrypt=true", "ab12x", in},
		{"Server=tcp:db,1433;Database=web;User Id=web;Pwd='a,b;12'", "a,b;12", in},
		{"Server=db;Password=long,with=all&of it;", "long,with=all&of it", in},
		{"Password=ab12x", "ab12x", in},
		{"Server=db;Port=5432;Timeout=3000", "3000", out},
		{"cache:6379,password=ab12x,ssl=True,abortConnect=False", "ab12x", in},
		{"host=db user=web password=ab12x sslmode=require", "ab12x", in},
		{"host=db user=web password=ab12x sslmode=require", "require", out},
		{"Server=db;Custom=://why?not;Port=1", "://why?not", in},
		{"https://api.example.org/v1?token=ab%2B2x&mode=fast", "ab+2x", in},
		{"jdbc:postgresql://db/web?password=ab12x&ssl=true", "ab12x", in},
		{"https://api.example.org/v1?token=ab%2B2x&mode=fast", "fast", out},
		{"https://api.example.org/v1?token=ab12x", "ab12x", in},
		{"postgres://web:with/slash@db/web", "with/slash", in},
		{"postgres://web:4711@db/web", "4711", in},
		{"postgres://web:p%40ssw0rd%2F9@db/web", "p@ssw0rd/9", in},
		{"postgres://web:p%40ssw0rd%2F9@db/web", "p%40ssw0rd%2F9", in},
		{"postgres://web:long%5Ctail%20word@db/web", "long\\tail word", in},
		{"postgres://web:long%5Ctail%20word@db/web", "long\tail word", in},
	} {
		s := knowing(tc.value)
		text := "is " + tc.part + " it"
		if got := scrubbed(t, s, text) != text; got != tc.secret {
			t.Errorf("with %q, Scrub(%q) hides it: %v, want %v", tc.value, text, got, tc.secret)
		}
	}
}

func TestHides(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		want        bool
	}{
		{"VALUE", "hunter2hunter2", true},
		{"PORT", "3000", false},
		{"NODE_ENV", "production", false},
		{"PIN", "4711", true},
		{"VALUE", `{"pin":"4711"}`, true},
		{"VALUE", strings.Repeat("x", MaxValueLen+1), true},
	} {
		if got := Hides(tc.name, secret.NewText(tc.value)); got != tc.want {
			t.Errorf("Hides(%q, %.20q) = %v, want %v", tc.name, tc.value, got, tc.want)
		}
	}
}

// holders put a secret into a value, as apps are told of them.
var holders = []struct {
	name string
	hold func(v string) string
}{
	{"alone", func(v string) string { return v }},
	{"field", func(v string) string { return jsonOf(map[string]any{"a": map[string]any{"b": []string{"x", v}}}) }},
	{"JSON in JSON", func(v string) string { return jsonOf(map[string]string{"a": jsonOf([]string{v})}) }},
	{"setting", func(v string) string { return "Server=db;Custom=" + noSeparators.Replace(v) + ";Port=1" }},
	{"password", func(v string) string { return "redis://web:" + url.QueryEscape(v) + "@cache/0" }},
	{"parameter", func(v string) string { return "https://example.org/?a=1&b=" + url.QueryEscape(v) }},
	{"address in JSON", func(v string) string { return jsonOf([]string{"amqp://u:" + url.QueryEscape(v) + "@mq"}) }},
}

var noSeparators = strings.NewReplacer(";", ".", "=", "-")

func jsonOf(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // not of texts
	}
	return string(raw)
}

// checkPart tells a Scrubber of a value that holds a secret, and looks for the secret alone.
func checkPart(t *testing.T, held string, holder int, e encoding, sp split, at int) {
	t.Helper()
	h := holders[holder%len(holders)]
	if h.name == "setting" {
		held = noSeparators.Replace(held)
	}
	checkPlanted(t, knowing(h.hold(held)), held, e, sp, at, "log: ", " done\nnext line")
	if t.Failed() {
		t.Logf("held as %s: %q", h.name, h.hold(held))
	}
}

// TestScrubRandomParts: no secret of eight bytes or more survives, wherever it is held and
// however it is logged.
func TestScrubRandomParts(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(9, 10))
	for range 1500 {
		held := randomText(r, 10+r.IntN(40))
		if kept, _ := skeleton([]byte(held)); len(kept) < minSecret {
			continue
		}
		checkPart(t, held, r.IntN(len(holders)), encodings[r.IntN(len(encodings))], splits[r.IntN(len(splits))], r.IntN(1000))
		if t.Failed() {
			return
		}
	}
}

func FuzzScrubParts(f *testing.F) {
	for i, value := range sampleSecrets {
		f.Add(value, uint8(i), uint8(i), uint8(i+1), uint16(i))
	}
	f.Fuzz(func(t *testing.T, held string, holder, e, sp uint8, at uint16) {
		held = plainText(held)
		kept, _ := skeleton([]byte(held))
		trimmed := strings.Trim(held, around) == held && strings.TrimSpace(held) == held
		if len(kept) < minSecret || len(held) > 2048 || !trimmed || strings.Contains(redacted, string(kept)) || ordinary[strings.ToLower(held)] {
			t.Skip("not a secret that is always found")
		}
		checkPart(t, held, int(holder), encodings[int(e)%len(encodings)], splits[int(sp)%len(splits)], int(at))
	})
}

// TestLogsStayReadable: what every app is told may stand in every line of its log.
func TestLogsStayReadable(t *testing.T) {
	s := NewScrubber()
	for name, value := range map[string]string{
		"PORT": "3000", "NODE_ENV": "production", "DEBUG": "true", "AUTH_PORT": "3000", "SESSION_TTL": "3600", "COOKIE_MAX_AGE": "86400",
		"SALT_ROUNDS": "12", "KEY_SIZE": "2048", "SHIPPING_MODE": "express", "ENCODING": "utf-16", "SESSION_DRIVER": "database",
		"COOKIE_SAMESITE": "strict", "TOKEN_VERSION": "2026", "OPINION": "42000", "NODE_OPTIONS": "--max-old-space-size=4096 --trace",
		"CONFIG": `{"port":3000,"mode":"fast","debug":true,"env":"production","timeout":30000}`, "DB": "Server=db;Port=5432;Timeout=3000",
		"REDIS_HOST": "cache", "LOG_LEVEL": "info", "WORKERS": "4", "BASE_PATH": "/v1",
	} {
		s.Add(name, secret.NewText(value))
	}
	log := strings.Repeat(`listening on 3000 in production, debug=true; express mode, database ok, pid 42000, took 3600 ms of 86400
{"level":"info","port":3000,"timeout":30000,"heap":4096,"ok":true,"since":2026,"store":"database","same":"strict"}
`, 50) + ordinaryLog
	if got := scrubbed(t, s, log); got != log {
		for i, line := range strings.Split(got, "\n") {
			if want := strings.Split(log, "\n")[i]; line != want {
				t.Fatalf("line %d of a log became %q, was %q", i, line, want)
			}
		}
	}
}
