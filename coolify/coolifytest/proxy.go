package coolifytest

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
)

// DialApp connects to the proxies of the hosts as if every name led to them:
// address is host:port, and with port 443 they speak TLS. They answer one request
// of each connection for the host that it names, as [Server.Serving] says. No network is
// used.
func (s *Server) DialApp(_ context.Context, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	browser, proxy := net.Pipe()
	if port == "443" {
		proxy = tls.Server(proxy, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.authority.Certificate(cmp.Or(h.ServerName, host))
		}})
	}
	go s.proxy(proxy, port == "443") //nolint:contextcheck // the connection outlives the call that makes it
	return browser, nil
}

// notFound is what Traefik answers plain HTTP for a name that nothing runs for, and what
// a server in Go answers where it has no page.
const notFound = "404 page not found\n"

// proxy answers one request. Whoever hangs up ends it.
func (s *Server) proxy(conn net.Conn, overTLS bool) {
	defer func() { _ = conn.Close() }()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	commit, status := s.Serving(host)
	body, header := commit+"\n", ""
	if commit == "" && status == http.StatusServiceUnavailable && !overTLS {
		status = http.StatusNotFound
	}
	if status == http.StatusNotFound && (commit == "" || s.answersAsGo(host)) {
		body, header = notFound, "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
	}
	_, _ = io.WriteString(
		conn,
		fmt.Sprintf(
			"HTTP/1.1 %d %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, http.StatusText(status),
			header, len(body), body,
		),
	)
}

// answersAsGo reports whether the application of a host has no page.
func (s *Server) answersAsGo(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, _ := s.latestUp(host)
	return a != nil && a.NoPage
}

// Roots are what has to be trusted to believe the certificates of the proxies.
func (s *Server) Roots() *x509.CertPool { return s.authority.Pool() }
