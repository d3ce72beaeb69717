package sidecar_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

const (
	benchRole   = "VIBN_BENCH_ROLE"
	benchRounds = 5
	benchCall   = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"workspace_describe","arguments":{},"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	benchList = `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
)

// TestBenchServer is a server in a process of its own, for TestPerformance: it
// prints its address and a key, and serves until its input ends.
func TestBenchServer(t *testing.T) {
	role := os.Getenv(benchRole)
	if role == "" {
		t.Skip("only TestPerformance starts this, in a process of its own")
	}
	if role == "bare" {
		fmt.Printf("\nserving %s none\n", bareServer(t))
	} else {
		debug.SetGCPercent(800) // as main does
		s := newServer(t, tenancytest.Config{Database: role})
		fmt.Printf("\nserving %s %s\n", s.url, s.A.Key)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// bareServer is the SDK with one tool that does nothing, on its default settings
// but for what the protocol's newest version asks: no sessions.
func bareServer(t *testing.T) string {
	srv := sdk.NewServer(&sdk.Implementation{Name: "bare", Version: "1"}, nil)
	sdk.AddTool(srv, &sdk.Tool{Name: "workspace_describe", Description: "does nothing"},
		func(context.Context, *sdk.CallToolRequest, struct{}) (*sdk.CallToolResult, struct{}, error) {
			return nil, struct{}{}, nil
		})
	h := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return srv }, &sdk.StreamableHTTPOptions{Stateless: true}))
	t.Cleanup(h.Close)
	return h.URL
}

// A subject is a server under measurement.
type subject struct {
	role, url, key string
	pid            int
	client         *http.Client
}

func startSubject(t *testing.T, role string) *subject {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBenchServer$", "-test.timeout=30m")
	cmd.Env = append(os.Environ(), benchRole+"="+role)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 3 && f[0] == "serving" {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			transport := &http.Transport{MaxIdleConnsPerHost: 64}
			return &subject{role, f[1], f[2], cmd.Process.Pid, &http.Client{Transport: transport}}
		}
	}
	t.Fatalf("%s did not start", role)
	return nil
}

func (s *subject) path() string {
	if s.role == "bare" {
		return s.url
	}
	return s.url + "/mcp"
}

func (s *subject) do(body, method, name string) error {
	req, err := http.NewRequest(http.MethodPost, s.path(), strings.NewReader(body))
	if err != nil {
		return err
	}
	for k, v := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": "Bearer " + s.key,
		"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, "Mcp-Name": name,
	} {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !bytes.Contains(raw, []byte(`"result"`)) || bytes.Contains(raw, []byte(`"isError":true`)) {
		return fmt.Errorf("%s: %d %s %w", s.role, resp.StatusCode, raw, err)
	}
	return nil
}

// A figure is what one round measured.
type figure struct {
	perSecond, p50, p99, cpu float64 // times in milliseconds
}

// load sends n requests from c clients at once.
func (s *subject) load(t *testing.T, n, c int, body, method, name string) figure {
	t.Helper()
	took := make([]time.Duration, n)
	cpu, began := cpuTime(t, s.pid), time.Now()
	var wg sync.WaitGroup
	for w := range c {
		wg.Go(func() {
			for i := w; i < n; i += c {
				at := time.Now()
				if err := s.do(body, method, name); err != nil {
					t.Error(err)
					return
				}
				took[i] = time.Since(at)
			}
		})
	}
	wg.Wait()
	all, used := time.Since(began), cpuTime(t, s.pid)-cpu
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return figure{float64(n) / all.Seconds(), ms(took[n/2]), ms(took[n*99/100]), ms(used) / float64(n)}
}

// cpuTime reads what a process has used, from the kernel, in ticks of 10 ms.
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory reads what a process has resident, in MB.
func memory(t *testing.T, pid int) float64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, _ := strconv.Atoi(strings.Fields(string(raw))[1])
	return float64(pages*os.Getpagesize()) / 1e6
}

// TestPerformance measures this server beside a bare one of the same SDK, in the
// same run, and prints a table. It judges nothing: figures of a busy machine are
// no reason to fail.
func TestPerformance(t *testing.T) {
	if os.Getenv("VIBN_BENCH") == "" {
		t.Skip("make bench sets VIBN_BENCH")
	}
	subjects := []*subject{startSubject(t, "bare"), startSubject(t, "sqlite"), startSubject(t, "postgres")}
	idle := map[string]float64{}
	for _, s := range subjects {
		s.load(t, 200, 4, benchCall, "tools/call", "workspace_describe") // warm
		idle[s.role] = memory(t, s.pid)
	}
	var out strings.Builder
	out.WriteString("| call | clients | server | requests/s | against bare | p50 ms | p99 ms | CPU ms |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range []int{1, 8, 64} {
		compare(t, &out, subjects, "tools/call", "workspace_describe", benchCall, c)
	}
	compare(t, &out, subjects, "tools/list", "", benchList, 8)
	out.WriteString("\n| server | MB idle | MB after 10,000 calls |\n|---|---|---|\n")
	for _, s := range subjects {
		s.load(t, 10_000, 8, benchCall, "tools/call", "workspace_describe")
		fmt.Fprintf(&out, "| %s | %.0f | %.0f |\n", s.role, idle[s.role], memory(t, s.pid))
	}
	fmt.Println(out.String())
	page := "# Performance\n\nWritten by `make bench`: a bare server of the same SDK with one tool that does nothing, on its default settings, beside this\n" +
		"one with `workspace_describe` behind a real key. Medians of " + strconv.Itoa(benchRounds) + " rounds in turns, one machine for both sides.\n\n" + out.String()
	if err := os.WriteFile("../docs/performance.md", []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compare measures the servers in turns, so that a busy moment hits all of them,
// and writes the medians.
func compare(t *testing.T, out *strings.Builder, subjects []*subject, method, name, body string, c int) {
	t.Helper()
	rounds := map[string][]figure{}
	for range benchRounds {
		for _, s := range subjects {
			rounds[s.role] = append(rounds[s.role], s.load(t, 1500, c, body, method, name))
		}
	}
	bare := median(rounds["bare"], func(f figure) float64 { return f.perSecond })
	for _, s := range subjects {
		r := rounds[s.role]
		rate := median(r, func(f figure) float64 { return f.perSecond })
		fmt.Fprintf(out, "| %s | %d | %s | %.0f | %.2f | %.2f | %.2f | %.2f |\n", method, c, s.role, rate, rate/bare,
			median(r, func(f figure) float64 { return f.p50 }), median(r, func(f figure) float64 { return f.p99 }), median(r, func(f figure) float64 { return f.cpu }))
	}
}

func median(rounds []figure, of func(figure) float64) float64 {
	var v []float64
	for _, r := range rounds {
		v = append(v, of(r))
	}
	slices.Sort(v)
	return v[len(v)/2]
}
