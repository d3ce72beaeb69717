#!/usr/bin/env bash
# Go's race detector and -gcflags for single packages, seen on 2026-11-30 with Go 1.26.
#
# go test -race can leave a package uninstrumented: -gcflags='PACKAGE=-race=false'. Of
# encoding/json that makes tests which parse much JSON twice as fast. But with the
# package's own accesses it hides some of its caller's: json reads a field through
# reflect.Value.Int, which is inlined into json and so loses its instrumentation too.
# With -l as well, which forbids inlining, each such race is reported again, and the
# tests stay as fast. Only bytes that json itself scans, such as those of a
# json.RawMessage, are not watched.
#
# Prints which races are reported in each way, and fails if that is not what was seen.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf 'module finding\ngo 1.26\n' >go.mod
cat >race_test.go <<'GO'
package finding

import (
	"encoding/json"
	"sync"
	"testing"
)

type thing struct {
	N    int
	Name string
	List []int
	Raw  json.RawMessage
}

func race(a, b func()) {
	var both sync.WaitGroup
	both.Go(a)
	both.Go(b)
	both.Wait()
}

func encode(x *thing) func() { return func() { _, _ = json.Marshal(x) } }

func decode(x *thing, text string) func() {
	return func() { _ = json.Unmarshal([]byte(text), x) }
}

func TestEncodeNumber(*testing.T)  { x := &thing{}; race(encode(x), func() { x.N++ }) }
func TestEncodeText(*testing.T)    { x := &thing{}; race(encode(x), func() { x.Name = "a" }) }
func TestEncodeElement(*testing.T) { x := &thing{List: []int{1}}; race(encode(x), func() { x.List[0]++ }) }
func TestEncodeRaw(*testing.T)     { x := &thing{Raw: []byte("1")}; race(encode(x), func() { x.Raw[0]++ }) }
func TestDecodeNumber(*testing.T)  { x := &thing{}; race(decode(x, `{"N":1}`), func() { x.N++ }) }
func TestDecodeText(*testing.T)    { x := &thing{}; race(decode(x, `{"Name":"b"}`), func() { x.Name = "a" }) }
GO

reported() { # flags for encoding/json
	{ go test -race -gcflags="encoding/json=$1" -count=5 . 2>&1 || true; } | sed -n 's/^--- FAIL: Test\([A-Za-z]*\).*/\1/p' | sort -u | tr '\n' ' '
}

status=0
check() { # flags, what was seen
	found=$(reported "$1")
	echo "$1: $found"
	[ "$found" = "$2 " ] || { echo "  want $2" >&2; status=1; }
}

check '-race=true' 'DecodeNumber DecodeText EncodeElement EncodeNumber EncodeRaw EncodeText'
check '-race=false' 'DecodeNumber DecodeText'
check '-race=false -l' 'DecodeNumber DecodeText EncodeElement EncodeNumber EncodeText'
exit $status
