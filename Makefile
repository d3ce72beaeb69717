# Packages that the lint targets look at, and how long each fuzz target runs.
PKGS = ./...
FUZZTIME = 5s

# What make quick tests: packages that take seconds, of tenancy the proofs of
# ownership, and of the wall one door. Go reuses results of what has not changed.
QUICK = . ./coolify/... ./gitea/... ./mcp ./once ./probe ./secret ./tools/shape ./untrusted ./verdict
QUICK_TENANCY = ^Test(CheckSlug|FindApp|Makers|NoDoorProvisions|Proof|Rights|Twins|Verdicts|ZeroScope)$$
QUICK_WALL = ^TestWall$$/^mcp$$/^owner$$

# The tools have go.mod files of their own, so that what they need never moves
# what the program needs.
GOFUMPT = go tool -modfile=tools/check.mod gofumpt
STATICCHECK = go tool -modfile=tools/check.mod staticcheck
GOLANGCI = go tool -modfile=tools/golangci.mod golangci-lint

# The race detector, without what takes most of its time and finds nothing; RACE=-race
# instruments all. The program's own code, its dependencies and the rest of the
# standard library are instrumented, and sync announces the order that it makes
# wherever it is called from. Less of that order could only report too much.
#
# SQLite is C translated to Go, with the C library and the C heap below it. It works
# on memory of its own. The driver, modernc.org/sqlite, copies our values in and out
# and is instrumented: a value that changes while the database reads it is reported.
#
# encoding/json reads and writes our values by way of reflect, which is instrumented
# as long as it is not inlined into json: hence -l. So a field, element or map entry
# that changes while it is encoded or decoded is reported. What is not: the bytes of
# a json.RawMessage, or of a text that json.Valid looks at, that change meanwhile.
# findings/race-detector-without-json.sh shows it.
RACE = -race -gcflags='modernc.org/sqlite/lib=-race=false' -gcflags='modernc.org/libc/...=-race=false' \
	-gcflags='modernc.org/memory=-race=false' -gcflags='encoding/json=-race=false -l'

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: build ## Run the program against simulated servers, with nothing to set up
	bin/vibn-mcp demo

build: toolchain ## Build the static binary bin/vibn-mcp
	CGO_ENABLED=0 go build -trimpath -o bin/vibn-mcp ./cmd/vibn-mcp

dist: toolchain ## Build what a release has, into dist: binaries, bundles, an image, checksums; VERSION=1.2.3
	go run ./tools/dist $(if $(VERSION),-version $(VERSION))

quick: fmt-check vet ## Run what takes less than a minute, on each save: format, vet, imports, quick tests, one door of the wall
	go test $(QUICK)
	go test -run='$(QUICK_TENANCY)' ./tenancy/...
	go test -run='$(QUICK_WALL)' ./sidecar

test: toolchain ## Run every test with the race detector; installs what they need and is missing
	@scripts/install-test-tools.sh
	go test $(RACE) -count=1 -timeout=60m ./...

test-live: toolchain ## Try a real Gitea and a real Coolify, as far as VIBN_TEST_* name them; see CONTRIBUTING.md
	go test -count=1 -timeout=60m -run='^TestLive' -v ./gitea ./tenancy ./cmd/vibn-mcp

conformance: toolchain ## Run the protocol's conformance suite; installs it with npm
	@scripts/install-node-tools.sh
	VIBN_CONFORMANCE='$(CURDIR)/tools/node' go test $(RACE) -count=1 -timeout=30m -run='^TestConformance$$' -v ./mcp

interop: toolchain ## Let clients that are not ours use the program; installs them with npm
	@scripts/install-node-tools.sh
	VIBN_INTEROP='$(CURDIR)/tools/node' go test $(RACE) -count=1 -timeout=30m -run='^TestInterop$$' -v ./cmd/vibn-mcp

browser: toolchain ## Let a real browser go through the settings page; installs Chromium and axe-core
	@scripts/install-test-tools.sh browser
	@scripts/install-node-tools.sh
	VIBN_BROWSER='$(CURDIR)/tools/node' go test $(RACE) -count=1 -timeout=30m -run='^TestPage' -v ./cmd/vibn-mcp

screenshots: toolchain ## Take the README's pictures of the settings page; writes docs/screenshots
	@scripts/install-test-tools.sh browser
	VIBN_SCREENSHOTS='$(CURDIR)/docs/screenshots' go test -count=1 -timeout=5m -run='^TestScreenshots$$' ./cmd/vibn-mcp

bench: toolchain ## Measure the server beside a bare one of its SDK; writes docs/performance.md; BASE=commit compares and prints
ifdef BASE
	VIBN_BENCH_BASE='$(BASE)' go test -count=1 -timeout=30m -run '^TestPerformanceAgainst$$' -v ./cmd/vibn-mcp
else
	VIBN_BENCH=1 go test -count=1 -timeout=30m -run '^TestPerformance$$' -v ./cmd/vibn-mcp
endif

shape: toolchain ## Print the shape of each package; go run ./tools/shape --help for checks of it
	go run ./tools/shape

lint: fmt-check vet staticcheck golangci shape-check ## Run every linter; PKGS=./tenancy/... for some packages

fmt: toolchain ## Format the code
	$(GOLANGCI) fmt

fuzz: toolchain ## Run every fuzz target for FUZZTIME (5s) each
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

check: toolchain ## Run every check: what CI runs
	@scripts/check.sh

clean: ## Remove what was built
	rm -rf bin dist

fmt-check: toolchain
	@set -e; files=$$($(GOFUMPT) -l .); \
	test -z "$$files" || { echo "error: not formatted:"; echo "$$files"; echo "hint: make fmt"; exit 1; } >&2

vet: toolchain
	go vet $(PKGS)

staticcheck: toolchain
	$(STATICCHECK) $(PKGS)

shape-check: toolchain
	go run ./tools/shape --check

golangci: toolchain
	$(GOLANGCI) config verify
	$(GOLANGCI) run $(PKGS)

# Says in plain words what an old or missing Go would say in a hundred lines.
toolchain:
	@command -v go >/dev/null || { echo "error: Go is not installed"; echo "hint: Go 1.26 or newer, https://go.dev/dl"; exit 1; } >&2
	@go list -m >/dev/null || { echo "hint: this needs Go 1.26 or newer, https://go.dev/dl"; exit 1; } >&2

.PHONY: help demo build dist quick test bench shape conformance interop browser screenshots lint fmt fuzz check clean fmt-check vet staticcheck golangci shape-check toolchain
