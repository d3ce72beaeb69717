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
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// lastAnswers is how long the end of input is held back for requests in flight: the
// longest call.
const lastAnswers = callTime + 5*time.Second

// ServeStdio serves the registry's tools to one client, one message per line. It reads
// the key's rights again at each request. It returns when the input has ended and every
// request in flight is answered, or when ctx is done.
func ServeStdio(
	ctx context.Context, r *Registry, guard *tenancy.Guard, key secret.Text, version string, log *slog.Logger,
	in io.Reader, out io.Writer,
) error {
	srv := newServer(r, version, quietLogger(log))
	srv.AddReceivingMiddleware(withKey(ctx, guard, key))
	lines := newLineCounter(in, out)
	err := srv.Run(ctx, &sdk.IOTransport{Reader: lines, Writer: lines.writer(), MaxLineLength: MaxBody})
	if err != nil && !errors.Is(err, io.EOF) && ctx.Err() == nil {
		return err
	}
	return nil
}

// withKey opens the key's Scope again for each request, so that a revoked key is refused
// at the next one. It cancels requests when serving ends; the SDK would let them run and
// wait for them.
func withKey(serving context.Context, guard *tenancy.Guard, key secret.Text) sdk.Middleware {
	return func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(serving, cancel)()
			scope, err := guard.OpenKey(ctx, key.Reveal())
			if err == nil {
				err = scope.Admit()
			}
			if err != nil {
				f := FailureOf(err)
				return nil, &jsonrpc.Error{Code: int64(f.Code.HTTPStatus()), Message: f.Message, Data: f.JSON()}
			}
			return next(withScope(ctx, scope), method, req)
		}
	}
}

// A lineCounter passes the input to the SDK. It holds back two things at which the SDK
// would end the session without answering the requests in flight: the end of input, until
// every request is answered, and every line that is not a message.
type lineCounter struct {
	in   *bufio.Reader
	rest []byte // the part of a line that has not been passed on yet

	writing sync.Mutex // keeps each line of output whole
	out     io.Writer

	mu   sync.Mutex
	open map[jsonrpc.ID]json.RawMessage // requests without an answer, with their ids as received
	idle chan struct{}                  // holds a value when open has just become empty
}

func newLineCounter(in io.Reader, out io.Writer) *lineCounter {
	return &lineCounter{
		in: bufio.NewReader(in), out: out, open: map[jsonrpc.ID]json.RawMessage{}, idle: make(chan struct{}, 1),
	}
}

// Read passes on the input, and its end only when no request is in flight.
func (c *lineCounter) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		line, err := c.next()
		if err != nil {
			c.drain()
			return 0, err
		}
		c.rest = line
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// next returns the next line that is a message. It answers other lines with an error.
func (c *lineCounter) next() ([]byte, error) {
	for {
		line, err := readLine(c.in)
		if len(line.text) == 0 && err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(line.text)) == 0 {
			continue
		}
		id, refused := c.judge(line)
		if refused == nil {
			return line.text, nil
		}
		c.refuse(id, refused)
	}
}

// judge counts a line's request as open, or refuses the line, with its id if it has one.
func (c *lineCounter) judge(line inputLine) (id json.RawMessage, refused *jsonrpc.Error) {
	switch {
	case len(line.text) > MaxBody:
		return line.id, errLongLine
	case !json.Valid(line.text):
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeParseError, Message: "the line is not JSON"}
	case !isExactID(line.id):
		return line.id, errInexactID
	}
	msg, err := jsonrpc.DecodeMessage(line.text)
	if err != nil {
		return line.id, &jsonrpc.Error{
			Code: jsonrpc.CodeInvalidRequest, Message: "the line is not a single JSON-RPC message",
		}
	}
	return c.begin(msg, line.id)
}

// An inputLine is one line of input. It keeps at most MaxBody+1 bytes of the text, and
// the id of the request in the whole line.
type inputLine struct {
	text []byte
	id   json.RawMessage
}

// readLine reads one line. Of a line longer than MaxBody it keeps MaxBody+1 bytes.
func readLine(in *bufio.Reader) (inputLine, error) {
	var line []byte
	var scan idScanner
	for {
		part, err := in.ReadSlice('\n')
		_, _ = scan.Write(part)
		line = append(line, part[:min(len(part), MaxBody+1-len(line))]...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return inputLine{line, scan.found()}, err
		}
	}
}

var errLongLine = &jsonrpc.Error{
	Code: jsonrpc.CodeInvalidRequest, Message: fmt.Sprintf("the message is larger than %d bytes", MaxBody),
}

// refuse answers a line with an error; id is nil if the line has none. The request was
// not counted as open.
func (c *lineCounter) refuse(id json.RawMessage, e *jsonrpc.Error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.out.Write(append(errorMessage(id, e), '\n')) // it fails only if the client is gone
}

// drain waits until every request is answered, for at most lastAnswers.
func (c *lineCounter) drain() {
	end := time.NewTimer(lastAnswers)
	defer end.Stop()
	for {
		c.mu.Lock()
		left := len(c.open)
		c.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-c.idle:
		case <-end.C:
			return
		}
	}
}

// begin counts a request as open. It refuses an unknown method, whose name the SDK would
// repeat, and a request whose id is in use, which the SDK would drop.
func (c *lineCounter) begin(msg jsonrpc.Message, id json.RawMessage) (json.RawMessage, *jsonrpc.Error) {
	req, ok := msg.(*jsonrpc.Request)
	if !ok || !req.IsCall() {
		return nil, nil
	}
	if !slices.Contains(served, req.Method) {
		return id, errNoMethod
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, running := c.open[req.ID]; running {
		return nil, &jsonrpc.Error{
			Code: jsonrpc.CodeInvalidRequest, Message: "a request with this id is still running",
		}
	}
	c.open[req.ID] = id
	return nil, nil
}

// end counts an answered request as closed, and returns its id as received; nil if there
// is none.
func (c *lineCounter) end(line []byte) json.RawMessage {
	msg, err := jsonrpc.DecodeMessage(line)
	answer, ok := msg.(*jsonrpc.Response)
	if err != nil || !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.open[answer.ID]
	delete(c.open, answer.ID)
	if len(c.open) == 0 {
		select {
		case c.idle <- struct{}{}:
		default:
		}
	}
	return id
}

// Close ends the input.
func (c *lineCounter) Close() error { return nil }

func (c *lineCounter) writer() io.WriteCloser { return answers{c} }

// answers is the output side of a lineCounter. The SDK writes each message with one call.
type answers struct{ *lineCounter }

// Write first counts the answered request as closed, because a client that has read an
// answer may use its id again. The SDK does not end before the answer is written.
func (a answers) Write(p []byte) (int, error) {
	var out []byte
	for line := range bytes.Lines(p) {
		out = append(out, reply(line, a.end(line))...)
	}
	a.writing.Lock()
	defer a.writing.Unlock()
	if _, err := a.out.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
