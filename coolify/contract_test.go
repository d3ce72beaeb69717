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
var sendNothing = []string{
	"Client.Metered", "Client.App", "Client.Database", "Client.Deployment", "Client.Project", "Client.Server", "Client.PrivateKey",
	"Client.Destination", "Client.Service", "ServiceClient.UUID", "AppClient.UUID", "DatabaseClient.UUID", "DeploymentClient.UUID", "ProjectClient.UUID",
	"Sensitive.Metered", "Sensitive.App", "Sensitive.Deployment", "Sensitive.Database",
}

// clientTypes are the clients: those of everything, and those that are bound to one
// thing.
var clientTypes = []reflect.Type{
	reflect.TypeFor[*coolify.Client](), reflect.TypeFor[*coolify.Sensitive](), reflect.TypeFor[coolify.AppClient](),
	reflect.TypeFor[coolify.DatabaseClient](), reflect.TypeFor[coolify.DeploymentClient](), reflect.TypeFor[coolify.ProjectClient](),
	reflect.TypeFor[coolify.ServerClient](), reflect.TypeFor[coolify.KeyClient](), reflect.TypeFor[coolify.DestinationClient](),
	reflect.TypeFor[coolify.ServiceClient](),
	reflect.TypeFor[coolify.SensitiveApp](), reflect.TypeFor[coolify.SensitiveDeployment](), reflect.TypeFor[coolify.SensitiveDatabase](),
}

// clientName is the name of a client's type.
func clientName(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

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
	recv := fn.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	name, ok := recv.(*ast.Ident)
	if ok && slices.ContainsFunc(clientTypes, func(t reflect.Type) bool { return clientName(t) == name.Name }) {
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
	for _, typ := range clientTypes {
		for m := range typ.Methods() {
			got = append(got, clientName(typ)+"."+m.Name)
		}
	}
	want := append(slices.Collect(maps.Keys(directives(t))), sendNothing...)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exported methods (-source +types):\n%s", diff)
	}
	var sensitive []string
	for _, m := range got {
		if strings.HasPrefix(m, "Sensitive") && !slices.Contains(sendNothing, m) {
			sensitive = append(sensitive, m)
		}
	}
	if diff := cmp.Diff([]string{
		"Sensitive.MayDeploy", "Sensitive.MayWrite", "SensitiveApp.EnvValues", "SensitiveDatabase.URL", "SensitiveDeployment.Get", "SensitiveDeployment.Logs",
	}, sensitive); diff != "" {
		t.Errorf("methods of Sensitive (-want +got):\n%s", diff)
	}
}
