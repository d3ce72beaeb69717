#!/bin/sh
# Installs what tools/node/package-lock.json names, if it is not there already:
# the conformance suite, clients that are not ours, and the Node that runs them.
set -eu
cd "$(dirname "$0")/../tools/node"

cmp -s package-lock.json node_modules/.installed && exit 0

if ! command -v npm >/dev/null; then
	echo "error: npm is not installed" >&2
	echo "hint: install Node.js with npm; a version of its own is fetched for the checks" >&2
	exit 1
fi
npm ci
if ! node_modules/.bin/node --version; then
	echo "error: tools/node/package.json has no Node for this machine" >&2
	exit 1
fi
cp package-lock.json node_modules/.installed
