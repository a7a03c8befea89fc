# Everything a developer needs. `make help` lists the targets.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT   ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
DIST     ?= dist
EPOCH    ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
AUTHOR   ?= $(shell git log -1 --format='%an <%ae>' 2>/dev/null)
LDFLAGS   = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
E2E_FLAGS ?= -timeout 30m
FUZZTIME ?= 30s
SOAK     ?= 30m
BASE     ?= HEAD^
BENCH    ?= .
BENCHTIME ?= 100ms
COUNT    ?= 6
# The race detector needs a C compiler, which a machine with Go may not have.
RACE      = $(if $(shell command -v $$($(GO) env CC)),-race,$(warning no C compiler: the race detector is left out))
PLAYER    = replay/player
BROWSER  ?= chromium
TAGS      = $(if $(wildcard $(PLAYER)/*.js),-tags player)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/spliceway, static; with the player, if make player has fetched it
	CGO_ENABLED=0 $(GO) build -trimpath $(TAGS) -ldflags '$(LDFLAGS)' -o bin/spliceway ./cmd/spliceway

.PHONY: player
player: ## fetch the asciinema player with npm, for sessions export --format html
	@dir=$$(mktemp -d) && trap "rm -r $$dir" EXIT && mkdir -p $(PLAYER) && \
		npm pack --silent --pack-destination $$dir asciinema-player@3.18.0 && \
		echo "18d9703510fae9209da9e26ce3d13c59f083b4abcff003a3bba958e03918a862  $$dir/asciinema-player-3.18.0.tgz" | sha256sum --quiet -c && tar -xzf $$dir/*.tgz -C $$dir && \
		cp $$dir/package/dist/bundle/asciinema-player.min.js $$dir/package/dist/bundle/asciinema-player.css $$dir/package/LICENSE $$dir/package/package.json $(PLAYER)

.PHONY: docs
docs: manuals ## write docs/configuration.md and docs/metrics.md anew, and the manual pages and completions to dist
	$(GO) test ./config ./metrics -run '^TestDocument$$' -update

.PHONY: manuals
manuals:
	SOURCE_DATE_EPOCH=$(EPOCH) $(GO) run -tags docs -ldflags '$(LDFLAGS)' ./cmd/spliceway generate --man $(DIST)/man --completions $(DIST)/completions

PACK      = cd deploy/pack && $(GO) run . -root ../.. -dist '$(abspath $(DIST))' -version '$(VERSION)' -epoch $(EPOCH) -author '$(AUTHOR)'

.PHONY: chart
chart: ## write the chart's schema of config, README and alerts anew, and test it
	cd deploy/helm && $(GO) test -run '^Test(ConfigSchema|Readme|AlertsCopy)$$' . -update && $(GO) test .

.PHONY: binaries
binaries: manuals ## static binaries for amd64 and arm64, with manual pages, licences and bills of materials, in dist
	for arch in amd64 arm64; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch $(GO) build -trimpath -buildvcs=false $(TAGS) -ldflags '$(LDFLAGS)' -o $(DIST)/spliceway-linux-$$arch ./cmd/spliceway || exit 1; done
	$(PACK) bills

.PHONY: package
package: binaries ## dist/*.deb and dist/*.rpm for amd64 and arm64
	rm -f $(DIST)/*.deb $(DIST)/*.rpm
	$(PACK) packages

.PHONY: image
image: binaries ## dist/spliceway-image.tar, an OCI image for both, without a daemon
	$(PACK) image

# The second build has a cache, a folder, a time zone and a umask of its own.
.PHONY: reproducible
reproducible: ## build packages and image of HEAD twice and compare them
	@dir=$$(mktemp -d) && trap "git worktree remove --force $$dir/one; git worktree remove --force $$dir/the/other; chmod -R u+w $$dir; rm -rf $$dir" EXIT && \
		for side in one the/other; do git worktree add --quiet --detach $$dir/$$side HEAD || exit 1; done && \
		$(MAKE) -C $$dir/one package image && \
		(umask 077 && TZ=Asia/Tokyo GOCACHE=$$dir/cache $(MAKE) -C $$dir/the/other package image) && \
		for side in one the/other; do (cd $$dir/$$side/dist && find . -type f | LC_ALL=C sort | xargs sha256sum) > $$dir/$$(basename $$side).sums || exit 1; done && \
		diff $$dir/one.sums $$dir/other.sums && cat $$dir/one.sums

.PHONY: package-test
package-test: ## as root: install, upgrade and remove the packages in a Debian that is bootstrapped and booted
	@test $$(id -u) = 0 || { echo "make package-test needs root, to bootstrap and to boot a system"; exit 1; }
	$(MAKE) package DIST=bin/package-old VERSION=v0.0.1
	$(MAKE) package DIST=bin/package-new VERSION=v0.0.2
	cd e2e && E2E_PACKAGES="$(CURDIR)/bin/package-old $(CURDIR)/bin/package-new" $(GO) test -v -count 1 -timeout 30m ./packages

.PHONY: demo
demo: ## start a real cluster, the gateway, issuer and helper; tour them with kubectl
	cd e2e && $(GO) run ./demo

.PHONY: test
test: vet race e2e ## everything that must pass: vet, packages under the race detector, end to end, fuzzing for a moment
	@dir=$$(mktemp -d) && trap "rm -rf $$dir" EXIT && $(MAKE) fuzz FUZZTIME=2000x CORPUS=$$dir

.PHONY: unit
unit: ## package tests, without the race detector
	$(GO) test ./...

.PHONY: race
race: ## package tests under the race detector; without it, allocation limits and exhaustive walks
	$(GO) test $(RACE) ./...
	$(GO) test -run 'Alloc|Everywhere$$' ./...
	cd deploy/pack && $(GO) test ./...
	cd deploy/monitoring && $(GO) test ./...
	cd deploy/helm && $(GO) test ./...

.PHONY: e2e
e2e: ## real kubectl through the real binaries to a real API server
	cd e2e && $(GO) test $(E2E_FLAGS) ./...

.PHONY: e2e-long
e2e-long: ## what e2e does a little of, in full: 100 kills for each fsync, 100 MiB, 500 sessions at once
	cd e2e && E2E_LONG=1 $(GO) test -v -timeout 60m -run '^TestRecording(Killed|Large|Many)$$' .

.PHONY: browser
browser: player build ## play recordings in Chromium and asciinema; BROWSER=chromium, pictures go to bin
	cd e2e && E2E_BROWSER=$(BROWSER) E2E_PICTURES=$(CURDIR)/bin E2E_BINARY=$(CURDIR)/bin/spliceway \
		$(GO) test -v -count 1 -run '^TestRecordingPlayers$$' .

# Go before 1.27 can report the end of FUZZTIME as a failure (go.dev/issue/75804):
# that one, and no other, is passed over. What is found goes to Go's cache, from
# which each run first repeats everything, or to CORPUS.
.PHONY: fuzz
fuzz: ## look for faults with every fuzz target, FUZZTIME=30s each
	@mkdir -p bin; for package in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n 1 dirname | sort -u); do \
		for target in $$($(GO) test -list '^Fuzz' ./$$package | grep '^Fuzz'); do \
			echo "== $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x ./$$package $(if $(CORPUS),-args -test.fuzzcachedir=$(CORPUS)/$$package) 2>&1 | tee bin/fuzz.log; \
			if grep -q '^FAIL' bin/fuzz.log; then \
				grep -q '^ *context deadline exceeded' bin/fuzz.log && ! grep -q 'Failing input\|failure while testing\|panic' bin/fuzz.log || exit 1; \
			fi; \
		done; \
	done

.PHONY: vet
vet: ## gofmt, go vet and staticcheck over all modules; builds for macOS and Windows
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt would change:"; echo "$$files"; exit 1; }
	$(GO) build -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	$(GO) vet ./... && bin/staticcheck ./...
	for system in darwin windows; do CGO_ENABLED=0 GOOS=$$system $(GO) build ./... || exit 1; done
	$(GO) vet -tags docs ./cmd/spliceway && bin/staticcheck -tags docs ./cmd/spliceway
	cd e2e && $(GO) vet ./... && ../bin/staticcheck ./...
	cd deploy/pack && $(GO) vet ./... && ../../bin/staticcheck ./...
	cd deploy/monitoring && $(GO) vet ./... && ../../bin/staticcheck ./...
	cd deploy/helm && $(GO) vet ./... && ../../bin/staticcheck ./...

.PHONY: bench
bench: ## cost of every kind of work, beside the limit of TLS and a net/http reverse proxy
	$(GO) run ./bench -results bench/results

.PHONY: performance
performance: bench ## the same, how it grows, and docs/performance.md
	$(GO) run ./bench -scale -rounds 1 -results bench/results
	$(GO) run ./bench document bench/results docs/performance.md

# The two take turns, so that a drift of the machine hits both.
.PHONY: benchstat
benchstat: ## benchmarks of HEAD and of the commit before, compared; BASE=v1.0 BENCH=Parse COUNT=10
	@dir=$$(mktemp -d) && trap "git worktree remove --force $$dir/base; git worktree remove --force $$dir/head; rm -rf $$dir" EXIT && \
		git worktree add --quiet --detach $$dir/base $(BASE) && git worktree add --quiet --detach $$dir/head HEAD && \
		for side in base head; do (cd $$dir/$$side && mkdir $$dir/$$side.tests && \
			$(GO) test -c -o $$dir/$$side.tests/ $$(git grep -l '^func Benchmark' '*_test.go' | xargs -n 1 dirname | sort -u | sed 's|^|./|')) || exit 1; done && \
		for round in $$(seq $(COUNT)); do for side in base head; do for test in $$dir/$$side.tests/*.test; do \
			(cd $$dir/$$side/$$(basename $$test .test) && $$test -test.run '^$$' -test.bench '$(BENCH)' -test.benchtime $(BENCHTIME) | sed '/^PASS/d') >> $$dir/$$side.txt || exit 1; \
		done; done; done && $(GO) tool benchstat $$dir/base.txt $$dir/head.txt

.PHONY: soak
soak: ## faults for SOAK=30m on the real binary; a million requests that must stay apart
	$(GO) test ./soak -count 1 -v -timeout 0 -duration $(SOAK) -rounds 4 -idle 10000
	SPLICEWAY_ISOLATION_REQUESTS=1000000 $(GO) test $(RACE) ./gateway -count 1 -v -timeout 0 -run '^TestIsolation$$'

.PHONY: vuln
vuln: ## known vulnerabilities; needs the vulnerability database on the network
	$(GO) run golang.org/x/vuln/cmd/govulncheck@latest ./...
