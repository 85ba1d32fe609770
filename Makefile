# The commands people use; the build itself is meson.build.
SHELL := /bin/bash
BUILD ?= build
PORT ?= 3000
ROUNDS ?= 200

.DEFAULT_GOAL := help
.PHONY: help run build deps models test test-sanitize crash golden bench check fuzz format generate clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install libraries (Debian packages; libvips and OpenVINO into deps/)
	@tools/deps

models: ## Fetch and convert the network weights into deps/models
	@tools/deps
	@tools/models

build: deps ## Build build/limner
	@tools/build $(BUILD)

run: models build ## Build, start the gateway, send it a photo, and keep serving
	@tools/demo $(BUILD)/limner $(PORT)

test: ## Everything CI runs: checks, unit, simulator, end to end, sanitizers
	@tools/test all

test-sanitize: ## The sanitizer builds alone
	@tools/test sanitize

crash: build ## Kill it ROUNDS times at moments that SEED chooses; jobs and money are counted (test/crash)
	@tools/deps --dev
	@LIMNER_BIN=$(CURDIR)/$(BUILD)/limner deps/venv/bin/python test/crash/rounds.py --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) $(if $(DATABASE),--database)

golden: deps ## Draw the comic pages of test/golden anew; look at them before you commit
	@tools/build $(BUILD) -- unit-imaging-test_page_golden
	@LIMNER_GOLDEN=renew $(BUILD)/unit-imaging-test_page_golden

bench: models ## Measure, beside the bare bounds; prints a table and writes bench.json
	@tools/bench

check: ## Format, clang-tidy, layers, generated files, documents
	@tools/check

fuzz: ## Run each fuzzer for 20 s (tools/fuzz SECONDS NAME for more)
	@tools/fuzz

format: ## Format the C files in place
	@tools/sources src test bench | xargs clang-format -i
	@find src test bench -name '*.h' | xargs clang-format -i

generate: build ## Write the generated files anew (.env.example, docs/OPTIONS.md, docs/METRICS.md, the tables of docs/API.md)
	@tools/generate $(BUILD)/limner

clean: ## Remove build folders (not deps/ or data/)
	@rm -rf build build-*
