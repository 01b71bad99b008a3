# Leasehold: build, test, lint. The tools are pinned here, so that go.mod has
# only what the program needs.
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

FUZZTIME ?= 60s

.PHONY: build platforms reproducible image test-image packages test-packages test test-newest test-browser screenshots flaky soak fleet operators model bench capacity deps deps-debian deps-newest lint vuln fuzz rename-module

# Without cgo the program needs no library of the host's, and its bytes don't
# depend on a C compiler.
BUILD := CGO_ENABLED=0 go build -trimpath

build:
	$(BUILD) -o bin/leasehold ./cmd/leasehold

# Builds in two folders, with a cache each, and compares the bytes.
reproducible:
	BUILD="$(BUILD)" scripts/reproducible

# The container image, as an OCI archive in dist/, and what runs in it (docs/containers.md).
VERSION ?= $(shell git describe --always --dirty)
image: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
image:
	for arch in amd64 arm64; do GOARCH=$$arch $(BUILD) -o dist/image/$$arch ./cmd/leasehold || exit; done
	cd image && go run . $(VERSION) ../dist/leasehold-image.tar amd64=../dist/image/amd64 arm64=../dist/image/arm64

test-image:
	cd image && go test -count=1 .

# deb, rpm and apk of the commit that is checked out, into dist/.
packages: deps-packages
	NFPM=$(NFPM) scripts/packages

# Builds the packages twice, and tries them in a Debian system of their own. It needs root.
test-packages: deps-test-packages
	go vet -tags packages ./packaging
	NFPM=$(NFPM) go test -tags packages -count=1 -timeout 20m ./packaging/...

# Modules of their own, so that go.mod has none of what they are for: $(call in,FOLDERS,COMMAND)
in = @for m in $(1); do echo "$$m: $(2)"; (cd $$m && $(2)) || exit; done

# The tests run on a real ZooKeeper and beside real kazoo. LEASEHOLD_TEST_PAIR says
# which: debian (the default) or newest. Most of their time is spent waiting, hence
# more of them at once than there are processors.
export GOTESTFLAGS := -race -parallel 8 -timeout 10m
PAIR := $(or $(LEASEHOLD_TEST_PAIR),debian)

test: deps-$(PAIR)
	go test $(GOTESTFLAGS) ./...
	$(call in,adapters/*/,go test $(GOTESTFLAGS) ./...)

# The packages that talk to a server or to kazoo, on the newest of both.
test-newest: deps-newest
	LEASEHOLD_TEST_PAIR=newest go test $(GOTESTFLAGS) . ./kazoo ./zookeeper/... ./interop/... ./internal/... ./cmd/... ./soak/...

# The page of leasehold serve in a real browser, Debian's chromium.
test-browser: deps-debian
	scripts/deps browser
	cd cmd/leasehold/browser && go test -parallel 4 -timeout 10m ./...

# Those of the documents.
screenshots:
	scripts/deps browser
	cd cmd/leasehold/browser && go test -run '^TestScreenshots$$' -count=1 . -args -screenshots $(CURDIR)/docs/page

# The whole suite RUNS times on one processor that is busy, and a table of what failed.
RUNS ?= 10
flaky: deps-$(PAIR)
	scripts/flaky $(RUNS) $(PACKAGES)

# The fault laboratory for longer than in make test: make soak MINUTES=30
MINUTES ?= 30
soak: deps-$(PAIR)
	SOAK_MINUTES=$(MINUTES) go test -run '^TestSoak$$' -count=1 -v -timeout $$(($(MINUTES) + 15))m ./soak

# Five hosts that fire a schedule as cron does, for as many minutes: make fleet TICKS=15
TICKS ?= 15
fleet: deps-$(PAIR)
	FLEET_TICKS=$(TICKS) go test -run '^TestFleet$$' -count=1 -v -timeout $$(($(TICKS) + 15))m ./soak

# 200 jobs that ten processes run, and whether all that shows them agrees: make operators MINUTES=10
operators: deps-$(PAIR)
	OPERATORS_MINUTES=$(MINUTES) go test -run '^TestOperators$$' -count=1 -v -timeout $$(($(MINUTES) + 15))m ./soak

# The protocol, and what is broken of it, checked by spin: about ten minutes.
model:
	scripts/deps model
	cd model && ./check.sh

# Leasehold beside its peers: figures, and whether what must hold does
# (docs/performance.md). About ten minutes, on a machine that does nothing else.
# QUICK=1 only tries whether all can be measured.
bench: deps-$(PAIR)
	scripts/deps bench
	cd bench && go run ./performance $(if $(QUICK),-quick)

# What an ensemble carries at cron's top of the hour (docs/capacity.md). About three minutes, on a
# machine that does nothing else.
capacity: deps-$(PAIR)
	cd bench && go run ./capacity

deps: deps-debian

deps-debian deps-newest deps-packages deps-test-packages:
	scripts/deps $(@:deps-%=%)

lint:
	@out=$$(go run $(GOFUMPT) -l .) && test -z "$$out" || \
		{ echo "gofumpt would change: $$out" >&2; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	go mod tidy -diff
	cd bench && go vet ./... && go test ./...
	$(call in,adapters/*/ image/,go vet ./... && go run $(STATICCHECK) ./... && go mod tidy -diff)
	cd cmd/leasehold/browser && go vet ./... && go mod tidy -diff

# Other systems and processors: what docs/platforms.md names. To vet is to build the
# tests, too, of which the processors need none of their own.
platforms:
	for os in darwin freebsd openbsd; do GOOS=$$os CGO_ENABLED=0 go vet ./... || exit; done
	for arch in arm64 386 riscv64; do GOARCH=$$arch $(BUILD) ./... || exit; done

# Needs the vulnerability database, over the network. Where that can't be
# reached, nothing is checked, and nothing has failed.
vuln:
	GOVULNCHECK=$(GOVULNCHECK) scripts/vuln

# Every fuzz target for FUZZTIME. What fails goes to testdata/fuzz, which has also
# a selection of what was found before, for every test run; all the rest is in
# Go's cache.
fuzz:
	FUZZTIME=$(FUZZTIME) scripts/fuzz

# make rename-module MODULE=example.com/new/path
rename-module:
	scripts/rename-module $(MODULE)
