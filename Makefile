# Leasehold: build, test, lint. The tools are pinned here, so that go.mod has
# only what the program needs.
GOFUMPT     := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4

# Installs Debian packages, as root or with sudo.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
APT  := $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0

FUZZTIME ?= 60s
SHELL    := /bin/bash

.PHONY: build test soak model deps lint vuln fuzz rename-module

build:
	go build -trimpath -o bin/leasehold ./cmd/leasehold

# The tests run on a real ZooKeeper and beside real kazoo. Most of their time
# is spent waiting, hence more of them at once than there are processors.
test: deps
	go test -race -parallel 8 -timeout 10m ./...

# The fault laboratory for longer than in make test: make soak MINUTES=30
MINUTES ?= 30
soak: deps
	SOAK_MINUTES=$(MINUTES) go test -run '^TestSoak$$' -count=1 -v -timeout $$(($(MINUTES) + 15))m ./soak

# The protocol, and what is broken of it, checked by spin: about ten minutes.
model:
	@command -v spin >/dev/null && command -v gcc >/dev/null || { $(APT) spin gcc libc6-dev; }
	cd model && ./check.sh

# What the tests need of Debian: a ZooKeeper with its Java, kazoo for the
# system's Python, faketime for servers whose clocks are off, network namespaces and
# firewalls for the fault laboratory, a C compiler for -race.
deps:
	@missing=; \
	test -e /usr/share/java/zookeeper.jar && command -v java >/dev/null || missing="$$missing zookeeper default-jre-headless"; \
	/usr/bin/python3 -c 'import kazoo' 2>/dev/null || missing="$$missing python3 python3-kazoo"; \
	ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$$missing faketime"; \
	command -v gcc >/dev/null || missing="$$missing gcc libc6-dev"; \
	command -v unshare >/dev/null || missing="$$missing util-linux"; \
	PATH=$$PATH:/usr/sbin:/sbin; \
	command -v ip >/dev/null || missing="$$missing iproute2"; \
	command -v nft >/dev/null || missing="$$missing nftables"; \
	test -z "$$missing" && exit 0; \
	command -v apt-get >/dev/null || { echo "missing:$$missing; there is no apt-get here to install them with" >&2; exit 1; }; \
	echo "installing$$missing"; $(APT) $$missing

lint:
	@out=$$(go run $(GOFUMPT) -l .) && test -z "$$out" || { echo "gofumpt would change: $$out" >&2; exit 1; }
	go vet ./...
	GOOS=darwin go vet ./...
	go run $(STATICCHECK) ./...
	go mod tidy -diff

# Needs the vulnerability database, over the network.
vuln:
	@go run $(GOVULNCHECK) ./... || { echo "not checked, or not clean: see above" >&2; exit 1; }

# Every fuzz target for FUZZTIME.
fuzz:
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

# make rename-module MODULE=example.com/new/path
rename-module:
	@test -n "$(MODULE)" || { echo "say which: make rename-module MODULE=example.com/new/path" >&2; exit 2; }
	@old=$$(go list -m) && git grep -lIF "$$old" | xargs sed -i "s|$$old|$(MODULE)|g" && go build ./... && echo "$$old is now $(MODULE)"
