package dockertest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/internal/dockertest"
)

func TestMain(m *testing.M) { dockertest.Main(m) }

// TestEngine: there is an engine, and a container runs on it. .ci/run asks it whether the
// other tests have to run.
func TestEngine(t *testing.T) {
	e := dockertest.Get(t)
	name := e.Run(t, e.Image(t, "echo one; echo two >&2; exit 3"), "no")
	e.Await(t, name, "die", 1)
	state, err := e.Inspect(name)
	if err != nil || state.Status != "exited" || state.ExitCode != 3 || state.Restarts != 0 {
		t.Errorf("the container is %+v, %v", state, err)
	}
	if log, err := e.Logs(name, 10); err != nil || !strings.Contains(log, "one\n") || !strings.Contains(log, "two\n") {
		t.Errorf("its log is %q, %v", log, err)
	}
	if err := e.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Inspect(name); !errors.Is(err, dockertest.ErrNotFound) {
		t.Errorf("after its removal: %v", err)
	}
}
