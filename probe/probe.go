// Package probe asks an address that somebody else chose whether it answers,
// without lending that person this machine's place in the network.
//
// The address that a name stands for is judged when the connection is made, not
// when the name is looked up, so a name that changes its answer in between gains
// nothing. Only the public internet and what the operator allows is connected to,
// on ports 80 and 443. No redirect is followed, no proxy is used, and what the
// server says is thrown away but for its status, where it points to, its
// certificate, and whether it says the same for a name that cannot exist.
package probe

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	defaultTimeout = 5 * time.Second
	maxHeader      = 16 << 10 // of the answer, in bytes
	maxBody        = 4 << 10  // read before the connection is closed, in bytes
	maxWord        = 100      // of what a certificate says, in bytes
	maxHost        = 253      // of a name in the DNS
)

// Config changes a [Prober]. The zero value is fit for use.
type Config struct {
	Allow    []netip.Prefix // networks that may be connected to though they are not public
	Timeout  time.Duration  // of a probe in all; 0 = 5 s
	Resolver *net.Resolver  // nil = the system's
	RootCAs  *x509.CertPool // nil = the system's
	// Dial connects to an address (host:port, as the URL has it) in the place of
	// the network, and nobody judges where that leads: for the demo and for tests,
	// whose apps run nowhere. It returns nil and no error for what it leaves to the
	// network.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// A Prober probes. It is safe for concurrent use and keeps no connection.
type Prober struct {
	cfg       Config
	transport *http.Transport
}

// New returns a Prober.
func New(cfg Config) *Prober {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	p := &Prober{cfg: cfg}
	p.transport = &http.Transport{ // without Proxy: the environment's would be asked to look the name up
		DialContext: p.dial, TLSClientConfig: &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
	}
	return p
}

// A Problem is why there was no answer.
type Problem string

// The problems.
const (
	InvalidURL     Problem = "invalid_url"     // not http or https, or another port than 80 and 443
	DNS            Problem = "dns"             // the name stands for no address
	RefusedAddress Problem = "refused_address" // the address is not public
	Refused        Problem = "refused"         // nobody listens there, or no way leads there
	Timeout        Problem = "timeout"
	BadCertificate Problem = "certificate"
	NoAnswer       Problem = "no_answer" // the connection broke, or what came is not HTTP
)

// A Result is what came of a probe.
type Result struct {
	Status      int          // of the answer; 0 = none
	Redirect    string       // host that the answer points to, as the server wrote it; empty = none
	Certificate *Certificate // what the server showed; nil without TLS
	Problem     Problem      // empty if there was an answer
	Reason      string       // words of ours for the problem; empty if there is none
	// AsProxy says that the same address answers the same for a name that cannot exist: it
	// may be the proxy's own answer, or that of a site which has no better one.
	AsProxy bool
}

// Certificate is what may be told of a server's certificate.
type Certificate struct {
	Ends   time.Time
	Issuer string // as the certificate has it
}

// Get sends one GET to the root of a URL's host and tells what came of it. If that counts
// as an answer (see [Result.Answered]) it sends a second one, to the same address, for a
// name that cannot exist there, so that a proxy's own answer can be told from the site's.
func (p *Prober) Get(ctx context.Context, u *url.URL) Result {
	if (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || len(u.Hostname()) > maxHost ||
		!mayPort(u.Port()) {
		return failed(InvalidURL)
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.Timeout)
	defer cancel()
	target := &url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/"}
	var to string // where the site's answer came from
	trace := &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { to = i.Conn.RemoteAddr().String() }}
	first, r := p.ask(httptrace.WithClientTrace(ctx, trace), p.transport, target)
	if r.Answered() {
		r.AsProxy = first == p.unknown(ctx, target, to)
	}
	return r
}

// Answered reports whether the site answered a visitor. A redirect and "not found" count.
func (r Result) Answered() bool { return r.Status > 0 && r.Status < http.StatusInternalServerError }

// A page is what is compared of two answers. The host's name in them is left out.
type page struct {
	status                              int
	kind, sniffing, location, beginning string
}

// ask sends one GET.
func (p *Prober) ask(ctx context.Context, transport *http.Transport, target *url.URL) (page, Result) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return page{}, failed(InvalidURL)
	}
	req.Header.Set("User-Agent", "vibn-mcp")
	resp, err := transport.RoundTrip(req) // a client would read redirects
	if err != nil {
		return page{}, problemOf(err)
	}
	defer func() { _ = resp.Body.Close() }()
	// who closes at once is taken for broken by some servers
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	r := Result{Status: resp.StatusCode}
	if to, err := resp.Location(); err == nil && resp.StatusCode >= 300 && resp.StatusCode < 400 {
		r.Redirect = cut(strings.ToLower(to.Hostname()), maxHost)
	}
	if resp.TLS != nil {
		r.Certificate = shown(resp.TLS.PeerCertificates)
	}
	nameless := strings.NewReplacer(target.Hostname(), "")
	return page{
		resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("X-Content-Type-Options"),
		nameless.Replace(resp.Header.Get("Location")), nameless.Replace(string(body)),
	}, r
}

// unknown returns the answer for a name that cannot exist, from the same address, port and
// scheme. to is that address; where it is no address of the network, p's own Dial leads
// there again. The address is judged as any other is. The certificate is not, as a proxy
// has none for such a name, and nothing of the answer is told but whether it is the same.
func (p *Prober) unknown(ctx context.Context, target *url.URL, to string) page {
	if _, err := netip.ParseAddrPort(to); err != nil {
		to = net.JoinHostPort(target.Hostname(), cmp.Or(target.Port(), ports[target.Scheme]))
	}
	transport := p.transport.Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return p.dial(ctx, network, to)
	}
	transport.TLSClientConfig.InsecureSkipVerify = true // nothing is said to it, and nothing believed
	other := *target
	other.Host = net.JoinHostPort(unknownName(target.Hostname()), cmp.Or(target.Port(), ports[target.Scheme]))
	answer, _ := p.ask(ctx, transport, &other)
	return answer
}

var ports = map[string]string{"http": "80", "https": "443"}

// unknownName returns a name that cannot exist: a random label below the suffix of a name.
func unknownName(host string) string {
	label := "vibn-" + strings.ToLower(rand.Text())
	if _, err := netip.ParseAddr(host); err == nil {
		return label + ".invalid"
	}
	if _, suffix, ok := strings.Cut(host, "."); ok && strings.Contains(strings.Trim(suffix, "."), ".") {
		host = suffix
	}
	return label + "." + cut(host, maxHost-len(label)-1)
}

func mayPort(port string) bool { return port == "" || port == "80" || port == "443" }

// dial connects to what the URL names. A name is looked up as it is: the search
// list of this machine would make it one of the platform's own.
func (p *Prober) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if p.cfg.Dial != nil {
		if conn, err := p.cfg.Dial(ctx, address); conn != nil || err != nil {
			return conn, err
		}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err != nil && !strings.HasSuffix(host, ".") {
		address = net.JoinHostPort(host+".", port)
	}
	d := net.Dialer{Resolver: p.cfg.Resolver, Control: p.control}
	return d.DialContext(ctx, network, address)
}

var errRefusedAddress = errors.New("the address may not be connected to")

// control judges the address of each connection just before it is made.
func (p *Prober) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || (to.Port() != 80 && to.Port() != 443) {
		return errRefusedAddress
	}
	if !Public(to.Addr()) && !within(p.cfg.Allow, to.Addr()) {
		return errRefusedAddress
	}
	return nil
}

// reasons are words of ours: a server's own would be anybody's.
var reasons = map[Problem]string{
	InvalidURL:     "this is no address of a web site",
	DNS:            "the name could not be looked up",
	RefusedAddress: "the name resolves to an address that is not public, so it was not contacted",
	Refused:        "nothing listens at the address, or it cannot be reached",
	Timeout:        "there was no answer in time",
	BadCertificate: "the certificate is not valid",
	NoAnswer:       "the connection broke before an answer arrived",
}

func failed(p Problem) Result { return Result{Problem: p, Reason: reasons[p]} }

func problemOf(err error) Result {
	if errors.Is(err, errRefusedAddress) {
		return failed(RefusedAddress)
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		r := failed(DNS)
		if e.IsNotFound {
			r.Reason = "the name is not in the DNS"
		}
		return r
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificateProblem(e)
	}
	var late interface{ Timeout() bool }
	switch {
	case errors.Is(
		err, syscall.ECONNREFUSED,
	), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return failed(Refused)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &late) &&
		late.Timeout():
		return failed(Timeout)
	}
	return failed(NoAnswer)
}

// certificateProblem says what is wrong with a certificate, which is often the whole
// answer: that of another name is what a proxy shows until it has the right one.
func certificateProblem(e *tls.CertificateVerificationError) Result {
	r := failed(BadCertificate)
	r.Certificate = shown(e.UnverifiedCertificates)
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](e.Err); ok && invalid.Reason == x509.Expired {
		r.Reason = "the certificate has expired, or is not valid yet"
	} else if _, ok := errors.AsType[x509.HostnameError](e.Err); ok {
		r.Reason = "the certificate is for another name"
	} else if _, ok := errors.AsType[x509.UnknownAuthorityError](e.Err); ok {
		r.Reason = "the certificate's issuer is not trusted"
	}
	return r
}

func shown(chain []*x509.Certificate) *Certificate {
	if len(chain) == 0 {
		return nil
	}
	issuer := chain[0].Issuer.CommonName
	if org := chain[0].Issuer.Organization; len(org) > 0 {
		issuer = org[0]
	}
	return &Certificate{Ends: chain[0].NotAfter.UTC(), Issuer: cut(issuer, maxWord)}
}

func cut(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "") }
