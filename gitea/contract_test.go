package gitea_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// sendNothing are the exported methods that make no request.
var sendNothing = []string{"Admin.Metered", "Admin.Bot", "Admin.TokensOf", "Bot.Metered", "Admin.Repo", "Admin.Org", "OrgClient.Repo"}

// asWell has what a method does beside the operation that it names.
var asWell = map[string][]string{
	"Admin.UserByID": {"GET /admin/users"},
	"Tokens.Create":  {"PATCH /admin/users/{username}"},
	"Tokens.List":    {"PATCH /admin/users/{username}"},
	"Tokens.Delete":  {"PATCH /admin/users/{username}", "GET /users/{username}/tokens"},
}

// directives reads the api:op line of each exported method of the clients.
func directives(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Name.IsExported() {
				if m := methodName(fn); m != "" && !slices.Contains(sendNothing, m) {
					ops[m] = directive(fn.Doc)
				}
			}
		}
	}
	return ops
}

// methodName is "Admin.Version", or "" for what is no method of a client.
func methodName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) != 1 {
		return ""
	}
	recv := fn.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if name, ok := recv.(*ast.Ident); ok && slices.Contains([]string{"Admin", "Bot", "Tokens", "RepoClient", "OrgClient"}, name.Name) {
		return name.Name + "." + fn.Name.Name
	}
	return ""
}

func directive(doc *ast.CommentGroup) string {
	if doc == nil {
		return ""
	}
	for _, c := range doc.List {
		if op, ok := strings.CutPrefix(c.Text, "//api:op "); ok {
			return op
		}
	}
	return ""
}

// TestOperations proves that every method names its operation, that the
// published document has it, and that the method does what it names and nothing
// that is not said here.
func TestOperations(t *testing.T) {
	ops := directives(t)
	ran := map[string]bool{}
	for _, tc := range calls {
		ran[tc.method] = true
		var sent []step
		c := connect(t, serve(t, tc.play(&sent)))
		if _, err := tc.run(t.Context(), c); err != nil {
			t.Errorf("%s: %v", tc.method, err)
		}
		close(c.meter.ops)
		did := map[string]bool{}
		for op := range c.meter.ops {
			did[op.String()] = true
			if op.String() != ops[tc.method] && !slices.Contains(asWell[tc.method], op.String()) {
				t.Errorf("%s does %s, but its comment says %q", tc.method, op, ops[tc.method])
			}
		}
		if !did[ops[tc.method]] {
			t.Errorf("%s does not do %s, as its comment says", tc.method, ops[tc.method])
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(ops)), slices.Sorted(maps.Keys(ran))); diff != "" {
		t.Errorf("methods and calls in the tests (-methods +calls):\n%s", diff)
	}
	d := publishedDocument(t)
	if d == nil {
		documenttest.SkipWithout(t, "the published document")
	}
	for method, op := range ops {
		for _, op := range append(asWell[method], op) {
			if err := published(d, op); err != nil {
				t.Errorf("%s: %v", method, err)
			}
		}
	}
}

// TestMethodSets proves that the source was read whole, and that a bot has
// nothing of the admin's.
func TestMethodSets(t *testing.T) {
	var got []string
	for _, typ := range []reflect.Type{
		reflect.TypeFor[*gitea.Admin](), reflect.TypeFor[*gitea.Bot](), reflect.TypeFor[*gitea.Tokens](),
		reflect.TypeFor[gitea.RepoClient](), reflect.TypeFor[gitea.OrgClient](),
	} {
		for m := range typ.Methods() {
			got = append(got, strings.TrimPrefix(strings.TrimPrefix(typ.String(), "*"), "gitea.")+"."+m.Name)
		}
	}
	want := append(slices.Collect(maps.Keys(directives(t))), sendNothing...)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exported methods (-source +types):\n%s", diff)
	}
	var bot []string
	for m := range reflect.TypeFor[*gitea.Bot]().Methods() {
		bot = append(bot, m.Name)
	}
	if diff := cmp.Diff([]string{
		"Alive", "Assignees", "Branch", "Contains", "CreateFile", "CreateStatus", "MayFork", "Metered", "Owner", "Repository",
		"RepositoryByID", "Statuses",
	}, bot); diff != "" {
		t.Errorf("methods of Bot (-want +got):\n%s", diff)
	}
}
