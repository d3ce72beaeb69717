#!/usr/bin/env bash
# Docker Compose's reader of .env files, github.com/compose-spec/compose-go/v2/dotenv
# v2.13.0, seen on 2026-11-30 with Go 1.26.
#
# Single quotes look like those of a POSIX shell, where nothing is special but the
# closing quote. They are not:
#   - \' inside is a single quote, so a value that has one can be written at all;
#   - but \\ inside stays two backslashes, so a value that ends in a backslash cannot
#     be written in single quotes, nor can one that has a backslash before a quote;
#   - $NAME inside is left alone, as expected.
# Whoever writes such a file for others has to escape quotes, must not escape
# backslashes, and has to refuse what then cannot be expressed.
#
# Prints what each line becomes, and fails if that is not what was seen.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >go.mod <<'MOD'
module finding
go 1.26
require github.com/compose-spec/compose-go/v2 v2.13.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

func main() {
	for _, line := range []string{`A='it\'s'`, `A='C:\\dir'`, `A='C:\dir'`, `A='$HOME'`, `A='x\\'`} {
		values, err := dotenv.Parse(strings.NewReader(line + "\n"))
		if err != nil {
			fmt.Printf("%s is an error\n", line)
			continue
		}
		fmt.Printf("%s is %s\n", line, values["A"])
	}
}
GO
export GOFLAGS=-mod=mod GOWORK=off
go mod tidy >/dev/null 2>&1
go run . | tee seen
cat >expected <<'SEEN'
A='it\'s' is it's
A='C:\\dir' is C:\\dir
A='C:\dir' is C:\dir
A='$HOME' is $HOME
A='x\\' is x\\
SEEN
diff -u expected seen
