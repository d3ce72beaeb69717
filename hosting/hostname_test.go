package hosting_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// The platform of these tests: what it is reached by, and where apps get names.
var (
	appsDomain = tenancy.AppDomain{Scheme: "http", Host: "apps.example.net"}
	platformIs = []string{"vibn.platform.com", "Git.Platform.com:3000", "coolify.platform.co.uk.", "127.0.0.1"}
)

func judge(asked string) (host, address string, own bool, err error) {
	return hosting.JudgeHostname(appsDomain, platformIs, "acme", asked)
}

func TestHostnames(t *testing.T) {
	for asked, want := range map[string]struct {
		url string
		own bool
	}{
		"web.acme.apps.example.net":           {"http://web.acme.apps.example.net", true},
		"WEB.Acme.APPS.example.net":           {"http://web.acme.apps.example.net", true},
		"0.acme.apps.example.net":             {"http://0.acme.apps.example.net", true},
		"xn--bcher-kva.acme.apps.example.net": {"http://xn--bcher-kva.acme.apps.example.net", true},
		"www.shop.com":                        {"https://www.shop.com", false},
		"a.b.c.shop.co.uk":                    {"https://a.b.c.shop.co.uk", false},
		"XN--BCHER-KVA.shop.com":              {"https://xn--bcher-kva.shop.com", false},
		"shop.somebody.github.io":             {"https://shop.somebody.github.io", false},
		"1.2.3.4.shop.com":                    {"https://1.2.3.4.shop.com", false},
		"www.example.net":                     {"https://www.example.net", false}, // beside the domain of apps
		"other.platform.com":                  {"https://other.platform.com", false},
		"vibn-platform.shop.com":              {"https://vibn-platform.shop.com", false},
		"xvibn.platform.com":                  {"https://xvibn.platform.com", false},
		strings.Repeat("a", 63) + ".shop.com": {"https://" + strings.Repeat("a", 63) + ".shop.com", false},
	} {
		host, address, own, err := judge(asked)
		if err != nil || address != want.url || own != want.own || !strings.HasSuffix(address, "://"+host) {
			t.Errorf("%q = %q, %q, own %t, %v, want %q, own %t", asked, host, address, own, err, want.url, want.own)
		}
	}
}

// TestHostnamesRefused holds what each refusal says: who reads it knows what is
// wrong.
func TestHostnamesRefused(t *testing.T) {
	long := strings.Repeat("a.", 120)
	for says, list := range map[string][]string{
		"is empty":              {""},
		"253 characters":        {strings.Repeat("a.", 126) + "com"},
		"name of the record":    {long + "shop.com"},
		"63 characters":         {strings.Repeat("a", 64) + ".shop.com", "x." + strings.Repeat("b", 64) + ".acme.apps.example.net"},
		"ASCII":                 {"b\u00fccher.shop.com", "www\uff0eshop\uff0ecom", "www\u3002shop.com", "sh\u200bop.shop.com", "\u0430pple.shop.com", "\ufeffwww.shop.com", "www.shop.com\u202e", "\uff57eb.acme.apps.example.net", "www.\xff.shop.com", "\u212aelvin.shop.com"},
		"is a list":             {"www.shop.com,https://vibn.platform.com", "web.acme.apps.example.net,www.shop.com", ","},
		"wildcard":              {"*.shop.com", "*.acme.apps.example.net", "www.*.com"},
		"names a user":          {"user@www.shop.com", "web.acme.apps.example.net@evil.com"},
		"scheme, a path":        {"https://www.shop.com", "http://web.acme.apps.example.net", "www.shop.com/", "www.shop.com/admin", "www.shop.com?x", "www.shop.com#x", `www.shop.com\x`, "//www.shop.com", "javascript://x"},
		"has a port":            {"www.shop.com:8080", "web.acme.apps.example.net:80", "::1", "fe80::1"},
		"character that":        {"www.`shop`.com", "www.shop.com`)", "www shop.com", " www.shop.com", "www.shop.com\n", "www.shop.com\t", "www.shop.com\x00", "www_1.shop.com", "www.shop.com;x", "www.$x.com", "www.{{a}}.com", "www.%73hop.com", "'www.shop.com", "www.shop.com|x", "www.shop.com\x7f", "www.shop.com\x1bM"},
		"dot":                   {"www.shop.com.", ".www.shop.com", "www..shop.com", ".", "..", "web.acme.apps.example.net."},
		"hyphen":                {"-www.shop.com", "www-.shop.com", "www.-shop.com", "www.shop.com-", "xn--.shop.com", "xn--abc-.shop.com", "-.acme.apps.example.net"},
		"no international":      {"xn--a.shop.com", "xn--99999999.shop.com", "xn--www-hn0a.-.com", "xn--zzzzzzzzzzzz.acme.apps.example.net"},
		"IP address":            {"127.0.0.1", "10.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "1.2.3.0x4", "a.0x", "www.shop.1", "[::1]", "[fe80::1%25eth0]", "999.999.999.999"},
		"one part only":         {"localhost", "intranet", "web", "com", "xn--p1ai"},
		"not a public name":     {"web.localhost", "printer.local", "db.internal", "metadata.google.internal", "a.b.invalid", "a.b.test", "a.b.example", "x.y.onion", "1.0.0.127.in-addr.arpa", "0.0.ip6.arpa", "x.home.arpa", "nas.lan", "a.corp", "localhost.localdomain"},
		"register their own":    {"com.au", "github.io", "s3.amazonaws.com"},
		"whole of a registered": {"shop.com", "SHOP.com", "shop.co.uk", "somebody.github.io", "platform.unknowntld", "nip.unknown"},
		"belongs to the platform": {
			"vibn.platform.com", "VIBN.platform.com", "platform.com", "api.vibn.platform.com", "a.b.git.platform.com", "git.platform.com",
			"coolify.platform.co.uk", "platform.co.uk", "co.uk",
		},
		"no others": {
			"apps.example.net", "example.net", "acme.apps.example.net", "a.web.acme.apps.example.net", "web.beta.apps.example.net", "web.gone.apps.example.net",
			"web.acm.apps.example.net", "web.acme-1.apps.example.net", "web.xacme.apps.example.net", "acme.acme.acme.apps.example.net", "web-acme.apps.example.net", "web.apps.example.net",
		},
	} {
		for _, asked := range list {
			host, address, _, err := judge(asked)
			e := tenancy.Public(err)
			if err == nil || host != "" || address != "" || !strings.Contains(e.Msg, says) {
				t.Errorf("%q = %q, %v, want a refusal that says %q", asked, address, err, says)
			}
			forbidden := says == "belongs to the platform" || says == "no others"
			if err != nil && (e.Code == tenancy.Forbidden) != forbidden || e.Hint == "" || asked != "" && strings.ContainsFunc(e.Msg, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q: %s %q (hint %q)", asked, e.Code, e.Msg, e.Hint)
			}
		}
	}
}

// TestAppsBelowThePlatform: where the operator has put the apps below a name of
// the platform's, workspaces have their names there, and nothing else.
func TestAppsBelowThePlatform(t *testing.T) {
	own := []string{"platform.com"}
	apps := tenancy.AppDomain{Scheme: "https", Host: "apps.platform.com"}
	if _, address, _, err := hosting.JudgeHostname(apps, own, "acme", "web.acme.apps.platform.com"); address != "https://web.acme.apps.platform.com" || err != nil {
		t.Errorf("own name = %q, %v", address, err)
	}
	for _, asked := range []string{"www.platform.com", "web.beta.apps.platform.com", "apps.platform.com"} {
		if _, address, _, err := hosting.JudgeHostname(apps, own, "acme", asked); err == nil {
			t.Errorf("%s = %q, want it refused", asked, address)
		}
	}
	for _, asked := range []string{"admin.acme.apps.example.net", "acme.apps.example.net", "apps.example.net"} {
		if _, address, _, err := hosting.JudgeHostname(appsDomain, []string{"admin.acme.apps.example.net"}, "acme", asked); err == nil {
			t.Errorf("%s = %q, want it refused: a part of the platform is there", asked, address)
		}
	}
	if _, address, own, err := hosting.JudgeHostname(tenancy.AppDomain{}, nil, "", "www.shop.com"); address != "https://www.shop.com" || own || err != nil {
		t.Errorf("without a domain of apps: %q, own %t, %v", address, own, err)
	}
}

func TestParseAppDomain(t *testing.T) {
	for text, want := range map[string]string{
		"apps.example.com": "https://apps.example.com", "https://apps.example.com": "https://apps.example.com", "http://apps.localhost": "http://apps.localhost",
		"": "", "Apps.example.com": "", "apps": "", "https://": "", "ftp://apps.example.com": "", "apps.example.com:80": "", "apps.example.com/": "", "1.2.3.4": "",
		"*.example.com": "", "apps.example.com.": "", "apps.example.com,b.example.com": "", "://apps.example.com": "", "http://http://a.b": "",
	} {
		got, err := hosting.ParseAppDomain(text)
		if got.String() != want || (err == nil) != (want != "") || got.IsZero() != (want == "") {
			t.Errorf("%q = %q, %v, want %q", text, got, err, want)
		}
	}
}

var ldhName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// FuzzHostname: whatever is accepted is a plain name in lower case, of which an
// address is made that says this name and nothing else. It is own only where it is
// one label under the workspace's part, and never the platform's.
func FuzzHostname(f *testing.F) {
	for _, seed := range []string{
		"www.shop.com", "web.acme.apps.example.net", "a,b.com", "https://a.b", "xn--bcher-kva.shop.com", "127.0.0.1", "[::1]", "www.shop.com:80", "u@a.b.com", "`a`.b.com", "a.b.com.", "\uff41.b.com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		host, address, own, err := judge(asked)
		if err != nil {
			if host != "" || address != "" {
				t.Fatalf("%q refused, and yet %q", asked, address)
			}
			return
		}
		u, err := url.Parse(address)
		if err != nil || u.Host != host || u.Hostname() != host || u.Port() != "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q = %q, which reads %#v (%v)", asked, address, u, err)
		}
		if !ldhName.MatchString(host) || len(host) > 253 || strings.ToLower(asked) != host || strings.ContainsAny(address, ",` ") {
			t.Fatalf("%q = %q", asked, address)
		}
		if label, rest, _ := strings.Cut(host, "."); own != (rest == "acme.apps.example.net" && label != "") || own != (u.Scheme == "http") {
			t.Fatalf("%q = %q, own %t", asked, address, own)
		}
		if !own && strings.HasSuffix(host, ".apps.example.net") || strings.HasSuffix("."+host, ".vibn.platform.com") {
			t.Fatalf("%q = %q, which is not the workspace's", asked, address)
		}
	})
}
