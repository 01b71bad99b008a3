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

.PHONY: build reproducible test soak model bench bench-deps capacity deps lint vuln fuzz rename-module

# Without cgo the program needs no library of the host's, and its bytes don't
# depend on a C compiler.
BUILD := CGO_ENABLED=0 go build -trimpath

build:
	$(BUILD) -o bin/leasehold ./cmd/leasehold

# Builds in two folders, with a cache each, and compares the bytes.
reproducible:
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	mkdir "$$dir/a" "$$dir/another"; \
	git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$$dir/a"; cp -r "$$dir/a" "$$dir/another/one"; \
	for copy in a another/one; do \
		(cd "$$dir/$$copy" && GOCACHE="$$dir/cache/$$copy" $(BUILD) -o leasehold ./cmd/leasehold); \
	done; \
	cmp "$$dir/a/leasehold" "$$dir/another/one/leasehold"; sha256sum <"$$dir/a/leasehold"

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

# Leasehold beside its peers: figures, tables and plots, and whether what must
# hold does (docs/performance.md). About ten minutes, on a machine that does nothing
# else. QUICK=1 takes one and writes no page; RESUME=1 goes on with a run that was broken off.
bench: bench-deps
	@cd bench && held=0; \
	go run ./cmd/bench $(if $(QUICK),-quick) $(if $(RESUME),-resume) || held=1; \
	$(if $(QUICK),,go run ./cmd/report &&) exit $$held

# What an ensemble carries at cron's top of the hour (docs/capacity.md). About three minutes, on a
# machine that does nothing else.
capacity: deps
	cd bench && go run ./capacity

# What the benchmark needs of Debian: ZooKeeper, and the peers; a JDK, since Curator's
# driver is compiled when it starts.
JARS := curator-recipes curator-framework curator-client guava zookeeper zookeeper-jute slf4j-api slf4j-nop \
	slf4j-simple netty-handler netty-transport-native-epoll jackson-databind jackson-core jackson-annotations
bench-deps:
	@missing=; \
	{ command -v java && java --list-modules | grep -q '^jdk.compiler'; } >/dev/null || missing="$$missing default-jdk-headless"; \
	for jar in $(JARS); do test -e /usr/share/java/$$jar.jar || jars="zookeeper libcurator-recipes-java libcurator-framework-java \
		libcurator-client-java libguava-java libslf4j-java libnetty-java libjackson2-core-java libjackson2-databind-java libjackson2-annotations-java"; done; \
	missing="$$missing $$jars"; \
	/usr/bin/python3 -c 'import kazoo' 2>/dev/null || missing="$$missing python3 python3-kazoo"; \
	command -v etcd >/dev/null || missing="$$missing etcd-server"; \
	command -v etcdctl >/dev/null || missing="$$missing etcd-client"; \
	test -z "$${missing// /}" && exit 0; \
	command -v apt-get >/dev/null || { echo "missing:$$missing; there is no apt-get here to install them with" >&2; exit 1; }; \
	echo "installing$$missing"; $(APT) $$missing

# What the tests need of Debian: a ZooKeeper with its Java, kazoo with SASL
# for the system's Python, faketime for servers whose clocks are off, network namespaces and
# firewalls for the fault laboratory, openssl for docs/security.md, a C compiler for -race.
deps:
	@missing=; \
	test -e /usr/share/java/zookeeper.jar && command -v java >/dev/null || missing="$$missing zookeeper default-jre-headless"; \
	/usr/bin/python3 -c 'import kazoo, puresasl' 2>/dev/null || missing="$$missing python3 python3-kazoo python3-pure-sasl"; \
	ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 || missing="$$missing faketime"; \
	command -v gcc >/dev/null || missing="$$missing gcc libc6-dev"; \
	command -v openssl >/dev/null || missing="$$missing openssl"; \
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
	cd bench && go vet ./... && go test ./...

# Needs the vulnerability database, over the network. Where that can't be
# reached, nothing is checked, and nothing has failed.
vuln:
	@out=$$(go run $(GOVULNCHECK) ./... 2>&1) && code=0 || code=$$?; printf '%s\n' "$$out"; \
	case $$code,$$out in \
	*"govulncheck: fetching vulnerabilities: "*) echo "not checked: the vulnerability database can't be reached";; \
	0,*) ;; \
	*) exit 1;; \
	esac

# Every fuzz target for FUZZTIME. What fails goes to testdata/fuzz, which has also
# a selection of what was found before, for every test run; all the rest is in
# Go's cache.
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
