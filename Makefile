# The commands of every day; CMakePresets.json says how each build is configured.
#   make demo | serve | test | bench | quality | goldens | lint | count | asan | tsan | neon | fuzz | cuda | cuda-release | cuda-check | build | setup | clean | help
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory
# Rust installed by its own installer is found without a new login.
export PATH := $(PATH):$(HOME)/.cargo/bin

JOBS ?= $(shell nproc)
MODEL ?= smollm2-135m-instruct
PROMPT ?= Why is the sky blue?
PORT ?= 8080
BENCH_MODELS ?= smollm2-135m-instruct qwen2.5-coder-0.5b-instruct qwen2.5-coder-1.5b-instruct
wring := build/release/wring
# $(call build,PRESET,TARGET...): configured once; after that ninja asks CMake again only when something changed.
build = { [ -f build/$(1)/build.ninja ] || cmake --preset $(1) $(quiet); } && cmake --build --preset $(1) -j $(JOBS) $(if $(2),--target $(2))
quiet := --log-level=NOTICE

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

.PHONY: setup
setup: ## install the system packages that are missing
	@tools/setup

.PHONY: build
build: setup ## Release build in build/release
	@$(call build,release)

# The prompt travels in the environment: a quotation mark in it must not become the shell's.
.PHONY: demo
demo: export DEMO_PROMPT := $(value PROMPT)
demo: setup ## build, fetch MODEL, serve it, ask it PROMPT, end the server
	@$(call build,release,wring_cli)
	@model=$$(tools/fetch-model $(MODEL)) && WRING=$(wring) tools/demo "$$model" "$$DEMO_PROMPT"

.PHONY: serve
serve: setup ## build, fetch MODEL, serve it at http://127.0.0.1:PORT until Ctrl-C
	@$(call build,release,wring_cli)
	@model=$$(tools/fetch-model $(MODEL)) && exec $(wring) serve "$$model" --port $(PORT)

.PHONY: test
test: setup ## every test; WRING_SKIP_BROWSER=1 installs no Chromium for the page's
	@if [ -z "$(WRING_SKIP_BROWSER)" ]; then tools/setup web; fi
	@$(call build,release)
	@tools/fetch-model smollm2-135m-instruct all-minilm-l6-v2 >/dev/null
	@tests/clients/prepare || echo "make test: the tests with real clients will be skipped." >&2
	@ctest --preset release -j $(JOBS)

.PHONY: bench
bench: setup ## speed beside the roof and llama.cpp, interleaved, for BENCH_MODELS
	@$(call build,release,wring_cli)
	@bench/peers/build llama.cpp
	@tools/fetch-model $(BENCH_MODELS) >/dev/null
	@for model in $(BENCH_MODELS); do bench/peers/compare --wring $(wring) "$$(tools/fetch-model --where $$model)" || exit 1; done

# Only these two install torch and transformers (4 GB, in .venv). The stamp carries the lock file's hash.
venv := .venv/.$(shell sha256sum requirements/goldens.txt 2>/dev/null | cut -c1-16)
$(venv): requirements/goldens.txt | setup
	@echo "installing the pinned packages of $< into .venv (1.5 GB to download)"
	@rm -rf .venv && python3 -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes -r $< \
	  || { echo "goldens: pip could not install $<; connect to the network, free 5 GB and try again." >&2; exit 1; }
	@touch $@

.PHONY: goldens
goldens: $(venv) ## make the committed goldens again and fail on any difference
	@for script in $$(grep -l __main__ tools/goldens/*.py); do echo "== $$script"; .venv/bin/python $$script --check || exit 1; done

.PHONY: quality
quality: $(venv) ## KL divergence, perplexity and exactness on real weights
	@$(call build,release,wring_cli)
	@tools/fetch-model smollm2-135m-instruct qwen2.5-coder-0.5b-instruct >/dev/null
	.venv/bin/python tools/quality/refdec.py
	.venv/bin/python tools/quality/smollm2_exact.py
	.venv/bin/python tools/quality/kl_vs_llamacpp.py smollm2-135m-instruct
	.venv/bin/python tools/quality/kl_vs_llamacpp.py qwen2.5-coder-0.5b-instruct

.PHONY: cuda
cuda: setup ## Release build with kernels for NVIDIA GPUs in build/cuda; brings CUDA's compiler where there is none
	@tools/cuda-toolkit
	@$(call build,cuda)

.PHONY: cuda-release
cuda-release: setup ## the same for every NVIDIA GPU from Ampere on, in build/cuda-release
	@tools/cuda-toolkit
	@$(call build,cuda-release)

.PHONY: cuda-check
cuda-check: setup ## of make cuda the engine and its GPU tests, a kernel of each family for the GPUs that it leaves out, and the tests that need no GPU
	@tools/cuda-toolkit
	@$(call build,cuda,wring_cli cuda_test quant_test wring_cuda_families)
	@ctest --preset cuda -R '^(StepTables|Workspace|Fragments)' --no-tests=error

.PHONY: lint
lint: ## clang-format, clang-tidy, cppcheck, cargo clippy, shellcheck
	@tools/setup lint
	@$(call build,release) >/dev/null
	@tools/lint

.PHONY: count
count: setup ## the bytes that kernels touch, counted in a build for that, beside the bytes that analyze prices
	@$(call build,count)
	@ctest --preset count --no-tests=error

.PHONY: asan
asan: setup ## every test under the address and undefined-behaviour sanitizers
	@$(call build,asan)
	@ctest --preset asan -j $(JOBS)

# g++ 12's runtime wants its shadow at fixed addresses, which kernels with wide address randomisation may have taken.
.PHONY: tsan
tsan: setup ## the threaded tests under the thread sanitizer
	@$(call build,tsan)
	@if setarch -R true 2>/dev/null; then setarch -R ctest --preset tsan -j $(JOBS); else ctest --preset tsan -j $(JOBS); fi

.PHONY: neon
neon: ## kernels and formats built for aarch64, tests under qemu
	@tools/setup cross
	@$(call build,aarch64)
	@ctest --preset aarch64 -j $(JOBS)

FUZZ_SECONDS ?= 60
.PHONY: fuzz
fuzz: ## each parser for FUZZ_SECONDS
	@tools/setup fuzz
	@$(call build,fuzz)
	@tests/fuzz/run build/fuzz/tests/fuzz $(FUZZ_SECONDS)

.PHONY: clean
clean: ## remove what was built; models, peers and CUDA's compiler stay
	rm -rf build bridge/target
