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
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// lastAnswers is how long the end of input is held back for what is in flight:
// the longest call.
const lastAnswers = callTime + 5*time.Second

// ServeStdio serves the registry's tools to one client, a message a line, with
// the rights that the key has at each request. It returns when the input has
// ended and everything in flight is answered, or when ctx is done.
func ServeStdio(ctx context.Context, r *Registry, guard *tenancy.Guard, key secret.Text, version string, log *slog.Logger, in io.Reader, out io.Writer) error {
	srv := newServer(r, version, quiet(log))
	srv.AddReceivingMiddleware(withKey(guard, key))
	lines := newLineCounter(in, out)
	err := srv.Run(ctx, &sdk.IOTransport{Reader: lines, Writer: lines.writer(), MaxLineLength: MaxBody})
	if errors.Is(err, io.EOF) || ctx.Err() != nil {
		return nil
	}
	return err
}

// withKey opens the key's Scope for each request anew, so that a revoked key is
// refused at the next one.
func withKey(guard *tenancy.Guard, key secret.Text) sdk.Middleware {
	return func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
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

// A lineCounter hands the SDK its input and holds back the end of it until every
// request has its answer: the SDK ends the session at the end of input, and what
// is in flight would never be answered.
type lineCounter struct {
	in   *bufio.Reader
	out  io.Writer
	rest []byte // of a line that was read and not handed on yet

	mu   sync.Mutex
	open map[string]int // requests without an answer, by id
	idle chan struct{}  // holds a value when open has just become empty
}

func newLineCounter(in io.Reader, out io.Writer) *lineCounter {
	return &lineCounter{in: bufio.NewReader(in), out: out, open: map[string]int{}, idle: make(chan struct{}, 1)}
}

// Read hands on the input, and its end only when nothing is in flight.
func (c *lineCounter) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		line, err := c.readLine()
		if len(line) == 0 && err != nil {
			c.drain()
			return 0, err
		}
		c.count(line, 1)
		c.rest = line
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

var errLongLine = errors.New("mcp: a message is longer than the limit")

// readLine reads one line of at most MaxBody bytes.
func (c *lineCounter) readLine() ([]byte, error) {
	var line []byte
	for {
		part, err := c.in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > MaxBody {
			return nil, errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// drain waits until every request is answered, but not for ever.
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

// count adds a request's id to what is open, or takes an answer's away.
func (c *lineCounter) count(line []byte, by int) {
	var m struct {
		ID     any    `json:"id"`
		Method string `json:"method"`
	}
	if json.Unmarshal(line, &m) != nil || m.ID == nil || (m.Method != "") != (by > 0) {
		return
	}
	id := fmt.Sprintf("%T %v", m.ID, m.ID)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[id] += by; c.open[id] <= 0 {
		delete(c.open, id)
	}
	if len(c.open) == 0 {
		select {
		case c.idle <- struct{}{}:
		default:
		}
	}
}

// Close ends the input.
func (c *lineCounter) Close() error { return nil }

func (c *lineCounter) writer() io.WriteCloser { return answers{c} }

// answers is the output side of a lineCounter. The SDK writes a message at once.
type answers struct{ *lineCounter }

func (a answers) Write(p []byte) (int, error) {
	n, err := a.out.Write(p)
	for line := range bytes.Lines(p) {
		a.count(line, -1)
	}
	return n, err
}
