# `make help` lists the targets. Nothing here needs root but what `make interop` installs.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: help setup build check test e2e interop soak bench demo run docs format clean

NPM := npm --no-update-notifier
CONFIG ?= sidegate.yaml
INSTALLED := node_modules/.installed
BUILT := dist/.built
TESTS := build/.compiled
SOURCES := $(shell find src -name '*.ts' 2>/dev/null) tsconfig.json
TEST_SOURCES := $(shell find test bench -name '*.ts' 2>/dev/null) test/tsconfig.json

help: ## list the targets
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-9s %s\n", $$1, $$2 }'

# The lockfile decides: what is installed is newer than it, or is installed again.
$(INSTALLED): package-lock.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); if (a < 20 || (a === 20 && b < 19)) { console.error("Node 20.19 or later is needed, found " + process.version); process.exit(1) }'
	$(NPM) ci --no-fund --no-audit --loglevel=error
	@touch $@

$(BUILT): $(INSTALLED) $(SOURCES)
	$(NPM) run -s build
	@touch $@

$(TESTS): $(INSTALLED) $(SOURCES) $(TEST_SOURCES)
	$(NPM) run -s build:tests
	@touch $@

setup: $(INSTALLED) ## install what the lockfile names, where that is not done

build: $(BUILT) ## compile src into dist

demo: $(BUILT) ## the main job on embedded upstreams, with commands to paste
	node dist/main.js demo

run: $(BUILT) ## serve CONFIG (sidegate.yaml)
	node dist/main.js serve --config $(CONFIG)

check: $(BUILT) ## types, lint, format, direction of imports, generated pages, names and words
	$(NPM) run -s typecheck
	$(NPM) run -s lint
	$(NPM) run -s format:check
	$(NPM) run -s architecture
	$(NPM) run -s docs:check
	$(NPM) run -s house

test: $(BUILT) $(TESTS) ## unit and end-to-end tests
	$(NPM) run -s test

e2e: $(BUILT) $(TESTS) ## end-to-end tests alone
	$(NPM) run -s test:e2e

interop: $(BUILT) $(TESTS) ## servers and clients that nobody here wrote; installs them as root
	node scripts/install-interop.mjs
	$(NPM) run -s test:interop

soak: $(BUILT) $(TESTS) ## what takes long: soaks and long fuzzing
	$(NPM) run -s test:soak

bench: $(BUILT) $(TESTS) ## Sidegate beside others: cost, latency, memory; PAGE=docs/performance.md writes the page
	node scripts/install-interop.mjs nginx wrk squid openssl cntlm mitmdump apache2 winbindd ntlm_auth smbpasswd mod_auth_gssapi gss-ntlmssp python3-gssapi
	$(NPM) run -s bench -- $(if $(PAGE),--page $(PAGE))

docs: $(BUILT) ## write the pages that are made from code
	$(NPM) run -s docs

format: $(INSTALLED) ## let prettier lay out the code
	$(NPM) run -s format

clean: ## remove what was built
	rm -rf dist build coverage .tap
