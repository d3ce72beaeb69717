package main

import (
	"cmp"
	"go/ast"
	"maps"
	"path"
	"slices"
)

// A shape is what is measured of a package, or of all packages together. Tests
// and generated files are not part of it.
type shape struct {
	name         string // folder below the root
	lines        int
	comments     int    // lines that hold nothing but a comment
	files        []item // sized in lines
	funcs        []item // declared functions and methods, sized in lines without the comment
	interfaces   []item // declared ones, sized in methods
	exported     int    // functions, types, methods of exported types, constants, variables
	undocumented []item // those of the exported that have no comment

	declared map[string]*ast.InterfaceType // by name
}

// An item is a part of a package, and its size.
type item struct {
	name string
	size int
}

// measure returns the shape of each package, by name.
func measure(sources []source) []*shape {
	shapes := map[string]*shape{}
	for _, s := range sources {
		if s.isTest() {
			continue
		}
		name := path.Dir(s.path)
		if shapes[name] == nil {
			shapes[name] = &shape{name: name, declared: map[string]*ast.InterfaceType{}}
		}
		shapes[name].add(s)
	}
	for _, p := range shapes {
		p.sizeInterfaces()
	}
	return slices.SortedFunc(maps.Values(shapes), func(a, b *shape) int { return cmp.Compare(a.name, b.name) })
}

// sum returns the shape of all packages together.
func sum(shapes []*shape) *shape {
	all := &shape{name: "all"}
	for _, p := range shapes {
		all.lines += p.lines
		all.comments += p.comments
		all.exported += p.exported
		all.files = append(all.files, p.files...)
		all.funcs = append(all.funcs, p.funcs...)
		all.interfaces = append(all.interfaces, p.interfaces...)
		all.undocumented = append(all.undocumented, p.undocumented...)
	}
	return all
}

func (p *shape) add(s source) {
	lines := s.set.File(s.file.FileStart).LineCount()
	p.lines += lines
	p.comments += s.comments()
	p.files = append(p.files, item{s.path, lines})
	for _, decl := range s.file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			p.addFunc(s, d)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				p.addSpec(spec, d.Doc)
			}
		}
	}
}

func (p *shape) addFunc(s source, d *ast.FuncDecl) {
	name, open := d.Name.Name, d.Name.IsExported()
	if d.Recv != nil {
		of := receiver(d.Recv.List[0].Type)
		name, open = of+"."+name, open && ast.IsExported(of)
	}
	p.funcs = append(p.funcs, item{p.name + "." + name, s.lines(d)})
	if open {
		p.addExported(name, d.Doc)
	}
}

// receiver returns the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// addSpec adds what one line or paragraph of a declaration declares. The comment
// of a whole group counts for each name in it.
func (p *shape) addSpec(spec ast.Spec, group *ast.CommentGroup) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if i, ok := spec.Type.(*ast.InterfaceType); ok {
			p.declared[spec.Name.Name] = i
		}
		if spec.Name.IsExported() {
			p.addExported(spec.Name.Name, spec.Doc, spec.Comment, group)
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() {
				p.addExported(name.Name, spec.Doc, spec.Comment, group)
			}
		}
	}
}

// addExported adds an exported name. Directives are no comment.
func (p *shape) addExported(name string, comments ...*ast.CommentGroup) {
	p.exported++
	if !slices.ContainsFunc(comments, func(c *ast.CommentGroup) bool { return c.Text() != "" }) {
		p.undocumented = append(p.undocumented, item{p.name + "." + name, 1})
	}
}

func (p *shape) sizeInterfaces() {
	for _, name := range slices.Sorted(maps.Keys(p.declared)) {
		methods := map[string]bool{}
		p.collect(p.declared[name], methods)
		p.interfaces = append(p.interfaces, item{p.name + "." + name, len(methods)})
	}
}

// collect adds an interface's methods, and those of the interfaces of its own
// package that it embeds. What other packages declare is not seen.
func (p *shape) collect(i *ast.InterfaceType, methods map[string]bool) {
	for _, field := range i.Methods.List {
		for _, name := range field.Names {
			methods[name.Name] = true
		}
		if embedded := p.declared[receiver(field.Type)]; len(field.Names) == 0 && embedded != nil {
			p.collect(embedded, methods)
		}
	}
}
