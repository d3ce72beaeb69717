package tenancy_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// careless has, for each package of testdata/careless, what the compiler says of it. A
// function that trusts an id of the caller's cannot be written in a room; careful is
// one that does it right, so that a test which refuses everything is noticed.
var careless = map[string]string{
	"app":     "type tenancy.Inside has no field or method App",
	"handle":  "cannot refer to unexported field id in struct literal",
	"other":   "too many arguments in call to app.Calls.Delete",
	"project": "p.Database undefined",
	"gitea":   "too many arguments in call to tenancy.Open(room.Pass{}, s).Org().Repo",
	"pass":    "cannot use struct{}{} (value of type struct{}) as room.Pass value",
	"careful": "",
}

// TestCareless compiles them.
func TestCareless(t *testing.T) {
	dirs, err := os.ReadDir("testdata/careless")
	if err != nil || len(dirs) != len(careless) {
		t.Fatalf("%d packages, %d expectations: %v", len(dirs), len(careless), err)
	}
	for _, d := range dirs {
		t.Run(d.Name(), func(t *testing.T) {
			t.Parallel()
			want, ok := careless[d.Name()]
			if !ok {
				t.Fatal("no expectation")
			}
			out, err := exec.CommandContext(t.Context(), "go", "build", "./testdata/careless/"+d.Name()).CombinedOutput()
			if (err == nil) != (want == "") || !strings.Contains(string(out), want) {
				t.Errorf("compiled: %t, want %t with %q; the compiler says\n%s", err == nil, want == "", want, out)
			}
		})
	}
}
