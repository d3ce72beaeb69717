#!/bin/sh
# Installs what the tests need besides Go and is missing: a C compiler (for the
# race detector), curl, git, the PostgreSQL server programs, a Docker engine with a
# busybox to make images of, and for bootstrap.sh the shells and awks that people have,
# and shellcheck; with "browser" also Chromium, and fonts to take pictures with. Where it cannot install, it says what to install and
# succeeds: tests without their program skip themselves, or fail when CI=true.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }

have_postgres() {
	have initdb && return 0
	for initdb in /usr/lib/postgresql/*/bin/initdb; do
		[ -x "$initdb" ] && return 0
	done
	return 1
}

# busybox and busybox-static exclude each other; the latter serves every test.
have_static_busybox() { have busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1; }

packages=
have "$(go env CC)" || packages="$packages gcc libc6-dev"
have curl || packages="$packages curl ca-certificates"
have git || packages="$packages git"
for program in bash dash gawk ksh mawk mksh original-awk shellcheck zsh; do
	have "$program" || packages="$packages $program"
done
have_postgres || packages="$packages postgresql"
have_static_busybox || packages="$packages busybox-static"
[ -n "${VIBN_TEST_DOCKER-}" ] || have dockerd || packages="$packages docker.io"
if [ "${1-}" = browser ]; then
	have chromium || have chromium-browser || have google-chrome || packages="$packages chromium"
	[ -d /usr/share/fonts/opentype/inter ] || packages="$packages fonts-inter fonts-liberation2"
fi
[ -n "$packages" ] || exit 0

give_up() {
	echo "warning: the tests want these packages, and $1:$packages" >&2
	echo "hint: install them (names as in Debian); without them some tests are skipped" >&2
	exit 0
}

have apt-get || give_up "there is no apt-get here"
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif have sudo && sudo -n true 2>/dev/null; then
	sudo="sudo -n"
else
	give_up "installing them takes root"
fi

echo "Installing what the tests want and is missing:$packages"
apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"; }
apt update || echo "warning: apt-get update failed; trying with the lists that are here" >&2
# shellcheck disable=SC2086 # a list of names
apt install -y --no-install-recommends $packages || give_up "apt-get could not install them"
