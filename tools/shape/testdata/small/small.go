// Package small has something of each kind that is measured.
package small

import "io"

// Kinds of a thing.
const (
	First = iota
	Second
	third
)

var Bare, hidden int

var Trailing int // a comment behind a name is one

// A Reader embeds an interface of this package and one of another.
type Reader interface {
	part
	io.Closer
	Read() error
	Same()
}

type part interface {
	Same()
	Other()
}

/*
A Thing is commented
in a block.
*/
type Thing[T any] struct{}

// Do is a method of an exported type.
func (t *Thing[T]) Do() {
	// one line
	_ = t
}

//go:noinline
func Undocumented() {}

type inner struct{}

// Method is out of reach, as its type is.
func (inner) Method() {}
