#!/bin/sh
# Runs every fuzz target of every package for FUZZTIME (5s) each.
set -eu

fuzztime=${FUZZTIME:-5s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() { # package target
	if ! go test -run '^$' -fuzz "^$2\$" -fuzztime "$fuzztime" "$1" >"$log" 2>&1; then
		cat "$log"
		return 1
	fi
	tail -n 1 "$log"
}

# Go before 1.27 sometimes reports the end of -fuzztime itself as a failure
# (go.dev/issue/75804). A real one has written its input.
deadline_only() {
	grep -q '^ *context deadline exceeded$' "$log" && ! grep -q 'Failing input written' "$log"
}

# go test prints a package's targets and then "ok <package> <time>".
listed=$(go test -list '^Fuzz' ./...)
targets=$(printf '%s\n' "$listed" | awk '
	/^Fuzz/    { names[++n] = $1 }
	$1 == "ok" { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }')
if [ -z "$targets" ]; then
	echo "error: there is no fuzz target" >&2
	exit 1
fi

printf '%s\n' "$targets" | while read -r package target; do
	echo "$target for $fuzztime"
	fuzz "$package" "$target" || { deadline_only && fuzz "$package" "$target"; } || exit 1
done
