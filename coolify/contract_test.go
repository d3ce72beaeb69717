package coolify_test

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

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// sendNothing are the exported methods that make no request.
var sendNothing = []string{"Client.Metered", "Sensitive.Metered"}

// directives reads the api:op lines of each exported method of both clients.
func directives(t *testing.T) map[string][]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	ops := map[string][]string{}
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
					ops[m] = directivesOf(fn.Doc)
				}
			}
		}
	}
	return ops
}

// methodName is "Client.Version", or "" for what is no method of a client.
func methodName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) != 1 {
		return ""
	}
	star, ok := fn.Recv.List[0].Type.(*ast.StarExpr)
	if !ok {
		return ""
	}
	if name, ok := star.X.(*ast.Ident); ok && (name.Name == "Client" || name.Name == "Sensitive") {
		return name.Name + "." + fn.Name.Name
	}
	return ""
}

func directivesOf(doc *ast.CommentGroup) []string {
	var ops []string
	if doc == nil {
		return nil
	}
	for _, c := range doc.List {
		if op, ok := strings.CutPrefix(c.Text, "//api:op "); ok {
			ops = append(ops, op)
		}
	}
	return ops
}

// TestOperations proves that every method names its operations, that the
// published document has them, and that the method does what it names.
func TestOperations(t *testing.T) {
	ops := directives(t)
	ran := map[string][]string{}
	for _, tc := range calls {
		c := connect(t, serve(t, answer(tc.status, tc.answer)))
		if _, err := tc.run(t.Context(), c); err != nil {
			t.Errorf("%s: %v", tc.method, err)
		}
		if op := (<-c.meter.ops).String(); !slices.Contains(ran[tc.method], op) {
			ran[tc.method] = append(ran[tc.method], op)
		}
	}
	if diff := cmp.Diff(ops, ran); diff != "" {
		t.Errorf("operations of methods (-comments +calls in the tests):\n%s", diff)
	}
	d := publishedDocument(t)
	if d == nil {
		documenttest.SkipWithout(t, "the published document")
	}
	for method, named := range ops {
		for _, op := range named {
			if _, err := documenttest.Lookup(d.API, op); err != nil {
				t.Errorf("%s: %v", method, err)
			}
		}
	}
}

// TestMethodSets proves that the source was read whole, and that the sensitive
// client has no fourth thing that it can do, beside telling what it may.
func TestMethodSets(t *testing.T) {
	var got []string
	for _, typ := range []reflect.Type{reflect.TypeFor[*coolify.Client](), reflect.TypeFor[*coolify.Sensitive]()} {
		for m := range typ.Methods() {
			got = append(got, typ.Elem().Name()+"."+m.Name)
		}
	}
	want := append(slices.Collect(maps.Keys(directives(t))), sendNothing...)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exported methods (-source +types):\n%s", diff)
	}
	var sensitive []string
	for m := range reflect.TypeFor[*coolify.Sensitive]().Methods() {
		sensitive = append(sensitive, m.Name)
	}
	if diff := cmp.Diff([]string{"DatabaseURL", "DeploymentLogs", "EnvValues", "MayDeploy", "MayWrite", "Metered"}, sensitive); diff != "" {
		t.Errorf("methods of Sensitive (-want +got):\n%s", diff)
	}
}
