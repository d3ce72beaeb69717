package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// get probes an address.
func get(t *testing.T, cfg Config, address string) Result {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return New(cfg).Get(t.Context(), u)
}

// to connects every name to a server of the test.
func to(server net.Addr) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.String())
	}
}

// says is a server that answers each connection with a text, and then does more.
func says(t *testing.T, more func(net.Conn)) net.Addr {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var open sync.WaitGroup
	open.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			open.Go(func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					more(conn)
				}
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		open.Wait()
	})
	return ln.Addr()
}

// TestAnswers: a plain site is asked once, with nothing that says more than it
// has to, and whatever it answers is an answer.
func TestAnswers(t *testing.T) {
	asked := make(chan *http.Request, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		switch r.Host {
		case "away.example.com":
			w.Header().Set("Location", "http://169.254.169.254/latest/meta-data/")
			w.WriteHeader(http.StatusFound)
		case "home.example.com":
			w.Header().Set("Location", "https://WWW.home.example.com:8443/x")
			w.WriteHeader(http.StatusPermanentRedirect)
		case "odd.example.com":
			w.Header().Set("Location", "http://[::1")
			w.WriteHeader(http.StatusFound)
		case "gone.example.com":
			w.WriteHeader(http.StatusNotFound)
		case "broken.example.com":
			w.WriteHeader(http.StatusBadGateway)
		case "web.example.com":
		default:
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
	}))
	defer srv.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	p := New(Config{Dial: to(srv.Listener.Addr())})
	for host, want := range map[string]Result{
		"web.example.com": {Status: 200}, "away.example.com": {Status: 302, Redirect: "169.254.169.254"},
		"home.example.com": {Status: 308, Redirect: "www.home.example.com"}, "odd.example.com": {Status: 302},
		"gone.example.com": {Status: 404}, "broken.example.com": {Status: 502},
	} {
		for range 2 { // the second one brings back no cookie
			got := p.Get(t.Context(), &url.URL{Scheme: "http", Host: host, Path: "/secret", RawQuery: "a=b", User: url.UserPassword("u", "p")})
			if got != want {
				t.Errorf("%s: %+v, want %+v", host, got, want)
			}
			r := <-asked
			if want.Answered() { // the other question is as bare
				other := <-asked
				if label, rest, _ := strings.Cut(other.Host, "."); len(label) != 31 || rest != "example.com:80" || len(other.Header) != 2 || !other.Close {
					t.Errorf("%s: also asked %q with %v", host, other.Host, other.Header)
				}
			}
			if r.URL.String() != "/" || r.Method != "GET" || len(r.Header) != 2 || r.Header.Get("User-Agent") != "vibn-mcp" || !r.Close {
				t.Errorf("%s was asked %s %s with %v", host, r.Method, r.URL, r.Header)
			}
		}
	}
	if len(asked) > 0 {
		t.Error("a redirect was followed")
	}
}

// TestAsProxy: an answer that the same address gives for a name that cannot exist is
// told from one that it does not give.
func TestAsProxy(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		switch host {
		case "web.example.com":
			_, _ = io.WriteString(w, "web")
		case "own.example.com":
			http.Error(w, "nothing here", http.StatusNotFound)
		case "away.example.com":
			http.Redirect(w, r, "https://login.example.com/", http.StatusFound)
		case "down.example.com":
			w.WriteHeader(http.StatusBadGateway)
		case "named.example.net", strings.TrimSuffix(host, ".example.net") + ".example.net":
			_, _ = io.WriteString(w, "nothing is known of "+host)
		default:
			http.NotFound(w, r)
		}
	})
	plain, secure := httptest.NewServer(handler), httptest.NewUnstartedServer(handler)
	secure.Config.ErrorLog = log.New(t.Output(), "", 0)
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	for address, want := range map[string]bool{
		"http://web.example.com": false, "http://own.example.com": false, "http://away.example.com": false, "http://down.example.com": false,
		"http://api.example.com": true, "http://named.example.net": true, "http://example.com": true, "http://8.8.8.8": true,
		"https://example.com": true,
	} {
		var mu sync.Mutex
		var dialled []string
		srv := plain
		if strings.HasPrefix(address, "https") {
			srv = secure
		}
		cfg := Config{RootCAs: roots, Dial: func(ctx context.Context, address string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			dialled = append(dialled, address)
			return to(srv.Listener.Addr())(ctx, address)
		}}
		if got := get(t, cfg, address); got.AsProxy != want || got.Problem != "" {
			t.Errorf("%s: %+v, want as the proxy: %v", address, got, want)
		}
		if len(dialled) > 1 && dialled[1] != srv.Listener.Addr().String() {
			t.Errorf("%s: connected to %q, want the second one to the address of the first", address, dialled)
		}
	}
}

// TestUnknownIsJudged: the second question is not sent to an address that is not public
// either, wherever the first one went.
func TestUnknownIsJudged(t *testing.T) {
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for _, address := range []string{ln.Addr().String(), "127.0.0.1:80", "169.254.169.254:80", "[::1]:443"} {
		_, err := New(Config{}).dial(t.Context(), "tcp", address)
		if !errors.Is(err, errRefusedAddress) {
			t.Errorf("%s: %v, want it refused", address, err)
		}
		if got := New(Config{}).unknown(t.Context(), &url.URL{Scheme: "http", Host: "web.example.com"}, address); got != (page{}) {
			t.Errorf("%s: %+v, want nothing", address, got)
		}
	}
}

func TestUnknownName(t *testing.T) {
	for host, suffix := range map[string]string{
		"web.shop.example.com": ".shop.example.com", "web.example.com": ".example.com", "example.com": ".example.com", "localhost": ".localhost",
		"10.0.0.1": ".invalid", "::1": ".invalid", "web.example.com.": ".example.com.", strings.Repeat("a", 253): "." + strings.Repeat("a", 221),
	} {
		one, two := unknownName(host), unknownName(host)
		if one == two || !strings.HasSuffix(one, suffix) || len(one) != 31+len(suffix) {
			t.Errorf("%s: %q and %q, want two different names below %s", host, one, two, suffix)
		}
	}
}

// TestTLS: certificates are checked as a browser does, and what is wrong is said.
func TestTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(t.Output(), "", 0)
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	dial := to(srv.Listener.Addr())
	issuer, ends := srv.Certificate().Issuer.Organization[0], srv.Certificate().NotAfter.UTC()
	for _, tc := range []struct {
		cfg    Config
		host   string
		status int
		reason string
	}{
		{Config{Dial: dial, RootCAs: roots}, "example.com", 404, ""},
		{Config{Dial: dial, RootCAs: roots}, "other.example.net", 0, "the certificate is for another name"},
		{Config{Dial: dial, RootCAs: x509.NewCertPool()}, "example.com", 0, "the certificate's issuer is not trusted"},
	} {
		got := get(t, tc.cfg, "https://"+tc.host)
		if got.Status != tc.status || got.Reason != tc.reason || (got.Problem == BadCertificate) != (tc.status == 0) {
			t.Errorf("%s: %+v, want %d %q", tc.host, got, tc.status, tc.reason)
		}
		if got.Certificate == nil || got.Certificate.Issuer != issuer || !got.Certificate.Ends.Equal(ends) {
			t.Errorf("%s: the certificate is %+v", tc.host, got.Certificate)
		}
	}
	expired := certificateProblem(&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}})
	if expired.Reason != "the certificate has expired, or is not valid yet" || expired.Certificate != nil {
		t.Errorf("an expired certificate: %+v", expired)
	}
	if got := get(t, Config{Dial: to(says(t, func(net.Conn) {}))}, "https://plain.example.com"); got.Problem != NoAnswer {
		t.Errorf("TLS with a server that breaks off: %+v", got)
	}
}

// piped connects every name to a server at the other end of a pipe, which serves
// its one connection and closes it.
func piped(serve func(net.Conn)) func(context.Context, string) (net.Conn, error) {
	return func(context.Context, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
				serve(theirs)
			}
		}()
		return ours, nil
	}
}

// TestHostileServers: no server keeps a probe for longer than its time, or makes
// it read more than a little. Time passes only where all wait, so that a server
// that sends without end is not mistaken for a slow one.
func TestHostileServers(t *testing.T) {
	const within = 200 * time.Millisecond
	var sent atomic.Int64 // by an endless server
	endless := func(line string) func(net.Conn) {
		return func(c net.Conn) {
			for {
				n, err := io.WriteString(c, line)
				if sent.Add(int64(n)); err != nil {
					return
				}
			}
		}
	}
	const head = "HTTP/1.1 200 OK\r\n"
	for name, tc := range map[string]struct {
		serve   func(net.Conn)
		status  int
		problem Problem
	}{
		"says nothing":     {func(c net.Conn) { _, _ = io.ReadAll(c) }, 0, Timeout},
		"slow head":        {func(c net.Conn) { _, _ = io.WriteString(c, head+"A: b"); _, _ = io.ReadAll(c) }, 0, Timeout},
		"slow body":        {func(c net.Conn) { _, _ = io.WriteString(c, head+"\r\nx"); _, _ = io.ReadAll(c) }, 200, ""},
		"endless body":     {func(c net.Conn) { _, _ = io.WriteString(c, head+"\r\n"); endless("xxxxxxxx")(c) }, 200, ""},
		"endless head":     {func(c net.Conn) { _, _ = io.WriteString(c, head); endless("A: b\r\n")(c) }, 0, NoAnswer},
		"endless line":     {endless("HTTP"), 0, NoAnswer},
		"endless 1xx":      {endless("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"), 0, NoAnswer},
		"breaks off":       {func(net.Conn) {}, 0, NoAnswer},
		"another protocol": {func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n") }, 0, NoAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got := get(t, Config{Dial: piped(tc.serve), Timeout: within}, "http://web.example.com")
				if got.Status != tc.status || got.Problem != tc.problem || (got.Reason == "") != (tc.problem == "") {
					t.Errorf("%+v, want %d %q", got, tc.status, tc.problem)
				}
				if took := time.Since(began); took > within {
					t.Errorf("it took %v", took)
				}
			})
			if sent.Load() > 1<<20 {
				t.Errorf("%d bytes were taken", sent.Load())
			}
			sent.Store(0)
		})
	}
}

// TestURLs: only web sites at their usual ports are asked.
func TestURLs(t *testing.T) {
	none := Config{Dial: func(context.Context, string) (net.Conn, error) { return nil, errors.New("dialed") }}
	for address, want := range map[string]Problem{
		"http://a.example.com": NoAnswer, "https://a.example.com:443": NoAnswer, "http://a.example.com:80/": NoAnswer,
		"http://a.example.com:8080": InvalidURL, "http://a.example.com:22": InvalidURL, "ftp://a.example.com": InvalidURL, "file:///etc/passwd": InvalidURL,
		"http://": InvalidURL, "//a.example.com": InvalidURL, "http://" + strings.Repeat("a", 254): InvalidURL,
	} {
		if got := get(t, none, address); got.Problem != want {
			t.Errorf("%s: %+v, want %q", address, got, want)
		}
	}
}

// TestControl judges what is connected to. That of an allowed address says
// "refused", as nobody listens there.
func TestControl(t *testing.T) {
	p := New(Config{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}})
	for address, want := range map[string]bool{
		"1.1.1.1:80": true, "1.1.1.1:443": true, "[2a00::1]:443": true, "10.1.9.9:80": true, "[fd00::1]:443": true,
		"1.1.1.1:22": false, "10.2.0.1:80": false, "10.1.9.9:8080": false, "[fe80::1%lo]:80": false, "[fd00::1%lo]:80": false,
		"127.0.0.1:80": false, "[::ffff:10.1.9.9]:80": false, "a.example.com:80": false, "": false,
	} {
		if err := p.control("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v, want allowed: %v", address, err, want)
		}
	}
	for address, want := range map[string]Problem{
		"http://127.0.0.1": RefusedAddress, "http://[::1]": RefusedAddress, "https://169.254.169.254": RefusedAddress, "http://10.0.0.1": RefusedAddress,
		"http://0.0.0.0": RefusedAddress, "http://[::ffff:127.0.0.1]": RefusedAddress, "http://[fe80::1%25lo]": RefusedAddress, "http://[64:ff9b::7f00:1]": RefusedAddress,
	} {
		if got := get(t, Config{}, address); got.Problem != want || got.Status != 0 {
			t.Errorf("%s: %+v, want %q", address, got, want)
		}
	}
	for _, err := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH} {
		if got := problemOf(&net.OpError{Err: err}); got.Problem != Refused {
			t.Errorf("%v: %+v", err, got)
		}
	}
}

// A nameServer answers for every name what the test wants of its n-th look-up.
type nameServer struct {
	mu      sync.Mutex
	answers [][]string // of the first look-up, the second …; the last one stays
	asked   []string   // A questions
}

// TestRebinding: a name is looked up once for each probe, and what it stands for
// at that moment is judged. What it stood for before, or will afterwards, counts
// for nothing.
func TestRebinding(t *testing.T) {
	allow := Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.77.0.0/16")}}
	for name, tc := range map[string]struct {
		answers [][]string
		want    []Problem // of one probe after the other
	}{
		"to this machine": {[][]string{{"127.77.0.1"}, {"127.0.0.1"}}, []Problem{Refused, RefusedAddress, RefusedAddress}},
		"to metadata":     {[][]string{{"127.77.0.1"}, {"169.254.169.254"}}, []Problem{Refused, RefusedAddress}},
		"and back":        {[][]string{{"10.0.0.1"}, {"127.77.0.1"}, {"192.168.0.1"}}, []Problem{RefusedAddress, Refused, RefusedAddress}},
		"none is public":  {[][]string{{"10.0.0.1", "127.0.0.1", "169.254.169.254"}}, []Problem{RefusedAddress}},
		"no such name":    {[][]string{{}}, []Problem{DNS}},
	} {
		ns := &nameServer{answers: tc.answers}
		cfg := allow
		cfg.Resolver = ns.resolver(t)
		p := New(cfg)
		for i, want := range tc.want {
			got := p.Get(t.Context(), &url.URL{Scheme: "http", Host: "rebind.example.com"})
			if got.Problem != want {
				t.Errorf("%s: probe %d: %+v, want %q", name, i+1, got, want)
			}
		}
		if asked := ns.questions(); len(asked) != len(tc.want) || asked[0] != "rebind.example.com." {
			t.Errorf("%s: looked up %q, want once for each of %d probes", name, asked, len(tc.want))
		}
	}
}

func (n *nameServer) questions() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

// resolver asks this server over UDP.
func (n *nameServer) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			reply, err := n.answer(buf[:size])
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.WriteTo(reply, from)
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-served
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (n *nameServer) answer(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil, fmt.Errorf("a bad question: %w", err)
	}
	q := m.Questions[0]
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}, Questions: m.Questions}
	n.mu.Lock()
	defer n.mu.Unlock()
	addresses := n.answers[min(len(n.asked), len(n.answers)-1)]
	if len(addresses) == 0 {
		reply.RCode = dnsmessage.RCodeNameError
	}
	if q.Type == dnsmessage.TypeA {
		n.asked = append(n.asked, q.Name.String())
		for _, a := range addresses {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
			})
		}
	}
	return reply.Pack()
}
