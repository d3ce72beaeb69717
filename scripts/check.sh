#!/usr/bin/env bash
# Runs every check, the fastest first, and stops at the first that fails. Ends
# with how long each took and go test's own line for each package.
set -euo pipefail
cd "$(dirname "$0")/.."

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
durations=

heading() { printf '\n== %s\n' "$1"; }

step() { # target
	heading "$1"
	local start=$SECONDS
	if ! make --no-print-directory "$1" | tee "$logs/$1"; then
		echo "error: $1 failed after $((SECONDS - start))s" >&2
		exit 1
	fi
	durations+=$(printf '%6ds  %s' $((SECONDS - start)) "$1")$'\n'
}

step fmt-check
step vet
step build
step test
step staticcheck
step golangci
step shape-check
step conformance
step interop
step browser
step fuzz

heading durations
printf '%s%6ds  in all\n' "$durations" "$SECONDS"
heading 'go test'
grep -E '^(ok|FAIL|\?)' "$logs/test"
