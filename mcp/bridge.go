package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A Bridge carries MCP between one client's standard input and output and a remote
// vibn-mcp server, in both eras of the protocol. Its only state is the version that an
// older client has agreed on, so it survives a restart of the server.
type Bridge struct {
	endpoint string
	key      secret.Text
	client   *http.Client
	log      *slog.Logger

	mu      sync.Mutex // guards the fields below, and keeps each line of output whole
	out     io.Writer
	version string                        // agreed on by an older client in initialize
	flying  map[string]context.CancelFunc // cancels the unanswered requests, by id
}

// NewBridge returns a bridge to the server with the root URL base. It refuses a URL that
// is neither https nor on this machine, because it sends the key there.
func NewBridge(base *url.URL, key secret.Text, log *slog.Logger) (*Bridge, error) {
	if err := CheckServer(base); err != nil {
		return nil, err
	}
	endpoint := base
	if !strings.HasSuffix(strings.TrimRight(base.Path, "/"), "/mcp") {
		endpoint = base.JoinPath("mcp")
	}
	return &Bridge{
		endpoint: endpoint.String(), key: key, log: log, flying: map[string]context.CancelFunc{},
		client: KeyClient(lastAnswers),
	}, nil
}

// CheckServer refuses a server to which a key must not be sent.
func CheckServer(base *url.URL) error {
	if base.Scheme != "https" && (base.Scheme != "http" || !isLoopback(base.Hostname())) {
		return errors.New("the key would cross the network unencrypted: the URL must be https, or of this machine")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return errors.New("the URL must have no user, query or fragment")
	}
	return nil
}

// KeyClient returns a client for requests that carry a key. It follows no redirects, so
// the key goes only to the named server.
func KeyClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
			DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, MaxIdleConnsPerHost: 8,
			IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       timeout,
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// Run carries messages until the input has ended and every request in flight is answered,
// or ctx is done.
func (b *Bridge) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	b.out = out
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines, ended := make(chan inputLine), make(chan error, 1)
	go func() { ended <- readLines(ctx, in, lines) }()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		select {
		case line := <-lines:
			b.take(ctx, &wg, line)
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// readLines sends the input's lines to the channel, until the input ends.
func readLines(ctx context.Context, in io.Reader, lines chan<- inputLine) error {
	for r := bufio.NewReader(in); ; {
		line, err := readLine(r)
		if line.text = bytes.TrimSpace(line.text); len(line.text) > 0 {
			select {
			case lines <- line:
			case <-ctx.Done():
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// A message holds the parts of an MCP message that the bridge reads.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params params          `json:"params"`
}

type params struct {
	Name      string          `json:"name"`
	URI       string          `json:"uri"`
	RequestID json.RawMessage `json:"requestId"`
	Meta      struct {
		Version string `json:"io.modelcontextprotocol/protocolVersion"`
	} `json:"_meta"`
}

// UnmarshalJSON accepts any JSON: the server validates it.
func (p *params) UnmarshalJSON(raw []byte) error {
	type plain params
	_ = json.Unmarshal(raw, (*plain)(p))
	return nil
}

func (m message) isRequest() bool { return len(m.ID) > 0 && m.Method != "" }

// take starts to handle one message of the client.
func (b *Bridge) take(ctx context.Context, wg *sync.WaitGroup, line inputLine) {
	var m message
	if len(line.text) > MaxBody {
		b.fail(line.id, int(errLongLine.Code), errLongLine.Message, "")
		return
	}
	if err := json.Unmarshal(line.text, &m); err != nil {
		b.fail(nil, -32700, "the line is not a JSON-RPC message", "")
		return
	}
	if m.Method == "notifications/cancelled" {
		b.cancel(m.Params.RequestID)
	}
	ctx, done := b.begin(ctx, m)
	wg.Go(func() {
		defer done()
		b.forward(ctx, m, line.text)
	})
}

// begin registers a request so that it can be cancelled.
func (b *Bridge) begin(ctx context.Context, m message) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	if !m.isRequest() {
		return ctx, cancel
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flying[string(m.ID)] = cancel
	return ctx, func() {
		cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.flying, string(m.ID))
	}
}

// cancel cancels a request: over HTTP, it closes the connection.
func (b *Bridge) cancel(id json.RawMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if cancel, ok := b.flying[string(id)]; ok {
		cancel()
	}
}

// forward sends one message and writes every answer to it.
func (b *Bridge) forward(ctx context.Context, m message, line []byte) {
	resp, err := b.post(ctx, m, line)
	if ctx.Err() != nil {
		return // cancelled: the client expects nothing more
	}
	if err != nil {
		b.log.WarnContext(ctx, "the server did not answer", "err", withoutURL(err))
		b.fail(
			m.ID, 503, "the server at VIBN_URL did not answer; a call may have been carried out",
			"is it running, and can this machine reach it?",
		)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	answered := false
	for raw := range messagesOf(resp) {
		answered = b.relay(m, raw) || answered
	}
	if m.isRequest() && !answered && ctx.Err() == nil {
		b.log.WarnContext(ctx, "the server did not answer in MCP", "status", resp.StatusCode)
		b.fail(
			m.ID, 503, fmt.Sprintf("the server answered with status %d and no message", resp.StatusCode),
			"is VIBN_URL the address of a vibn-mcp?",
		)
	}
}

// post sends a message with the headers of its era. It retries a failed connection for
// some seconds, because the server may be starting.
func (b *Bridge) post(ctx context.Context, m message, line []byte) (*http.Response, error) {
	for wait := 250 * time.Millisecond; ; wait *= 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.endpoint, bytes.NewReader(line))
		if err != nil {
			return nil, err
		}
		b.setHeaders(req, m)
		resp, err := b.client.Do(req)
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "dial" || wait > 4*time.Second {
			return resp, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *Bridge) setHeaders(req *http.Request, m message) {
	req.Header.Set("Authorization", "Bearer "+b.key.Reveal())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if m.Method != "tools/call" {
		// With this key net/http repeats the request if a restart of the server cuts the
		// connection. The header itself is not sent, because it has no value.
		req.Header["X-Idempotency-Key"] = nil
	}
	if v := m.Params.Meta.Version; v != "" {
		req.Header.Set("MCP-Protocol-Version", v)
		req.Header.Set("Mcp-Method", m.Method)
		if name := m.Params.Name + m.Params.URI; name != "" {
			req.Header.Set("Mcp-Name", headerValue(name))
		}
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.version != "" && m.Method != "initialize" {
		req.Header.Set("MCP-Protocol-Version", b.version)
	}
}

// relay writes one message of the server as a line, and reports whether it is the answer
// to m. An older server may send an error without an id: relay adds the request's id, or
// drops the error if m expects no answer.
func (b *Bridge) relay(m message, raw []byte) (answer bool) {
	var got map[string]json.RawMessage
	if err := json.Unmarshal(raw, &got); err != nil {
		return false
	}
	_, isResult := got["result"]
	_, isError := got["error"]
	answer = isResult || isError
	if id := string(got["id"]); answer && (id == "" || id == "null") {
		if !m.isRequest() {
			return true
		}
		got["id"] = m.ID
	}
	if isResult && m.Method == "initialize" {
		b.rememberVersion(got["result"])
	}
	b.write(got)
	return answer
}

// rememberVersion stores the version that an older client and the server agreed on.
func (b *Bridge) rememberVersion(result json.RawMessage) {
	var r struct {
		ProtocolVersion string `json:"protocolVersion"`
	}
	if json.Unmarshal(result, &r) == nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.version = r.ProtocolVersion
	}
}

// fail answers a request with an error of the bridge itself.
func (b *Bridge) fail(id json.RawMessage, code int, msg, hint string) {
	if id == nil {
		id = json.RawMessage("null")
	}
	b.write(
		map[string]any{
			"jsonrpc": "2.0", "id": id,
			"error": map[string]any{"code": code, "message": msg, "data": map[string]string{"hint": hint}},
		},
	)
}

// write writes one message as one line, and keeps the server's values unchanged.
func (b *Bridge) write(v any) {
	raw, err := encode(v)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := b.out.Write(append(raw, '\n')); err != nil {
		b.log.Warn("the client is gone", "err", err)
	}
}

// Call calls one tool on the server and returns its answer. A failure of the tool, the
// server or the connection is a [*tenancy.Error].
func (b *Bridge) Call(
	ctx context.Context, tool string, args json.RawMessage, client, version string,
) (json.RawMessage, error) {
	line, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": map[string]any{
		"name": tool, "arguments": args, "_meta": map[string]any{
			"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
			"io.modelcontextprotocol/clientCapabilities": map[string]any{},
			"io.modelcontextprotocol/clientInfo":         map[string]string{"name": client, "version": version},
		},
	}})
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := b.Run(ctx, bytes.NewReader(line), &out); err != nil {
		return nil, err
	}
	var answer struct {
		Result struct {
			IsError bool `json:"isError"`
			Content []struct {
				Text string `json:"text"`
			} `json:"content"`
		} `json:"result"`
		Error *struct {
			Code    int64   `json:"code"`
			Message string  `json:"message"`
			Data    Failure `json:"data"`
		} `json:"error"`
	}
	if err := json.Unmarshal(out.Bytes(), &answer); err != nil {
		return nil, &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "the server did not answer", Retryable: true, Err: err,
		}
	}
	switch {
	case answer.Error != nil && answer.Error.Data.Code != "":
		return nil, answer.Error.Data.Error()
	case answer.Error != nil && answer.Error.Code == errLongLine.Code:
		return nil, &tenancy.Error{Code: tenancy.Invalid, Msg: answer.Error.Message}
	case answer.Error != nil:
		return nil, &tenancy.Error{Code: tenancy.Unavailable, Msg: answer.Error.Message, Hint: answer.Error.Data.Hint}
	case len(answer.Result.Content) == 0:
		return nil, &tenancy.Error{Code: tenancy.Unavailable, Msg: "the server's answer is empty"}
	}
	text := json.RawMessage(answer.Result.Content[0].Text)
	if !answer.Result.IsError {
		return text, nil
	}
	var f Failure
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, &tenancy.Error{Code: tenancy.Internal, Msg: "the answer is not from a vibn-mcp server", Err: err}
	}
	return nil, f.Error()
}
