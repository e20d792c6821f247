# `make` alone lists what there is. Every target sets up what it needs by itself.
# Needed beforehand: a Rust toolchain and Python 3.11 or newer (as python3, or PYTHON=...).

PYTHON ?= python3
VENV ?= .venv
CARGO ?= cargo
# Arguments for the tools underneath: make test PYTEST="-k routing", make demo DEMO="--json".
PYTEST ?=
DEMO ?=
BENCH ?=
MICRO ?=
UPDATE ?=
FUZZ_SECONDS ?= 60
SOAK_ITERATIONS ?= 10000000
SOAK_SEED ?= 1
SIM_HOURS ?= 24
SIM_SEEDS ?= 5000

BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check
STAMPS := $(VENV)/.stamps

PURE_CRATES := shardlane-wire shardlane-routing shardlane-proto
# A platform without sockets, threads or libc: what compiles there brings none of them along.
PURE_TARGET := wasm32-unknown-unknown
CRATES := $(PURE_CRATES) shardlane-io shardlane-server shardlane-python shardlane-oracle

# The extension is built again when one of these changed; directories are listed so that a removed
# file counts as a change.
RUST_SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find crates \( -name '*.rs' -o -name Cargo.toml -o -type d \) 2>/dev/null)

# pyo3 looks for an interpreter at build time: always the same one, or it builds everything twice.
export PYO3_PYTHON := $(abspath $(PY))
export CARGO_TERM_PROGRESS_WHEN ?= never
MAKEFLAGS += --no-builtin-rules
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Use

.PHONY: demo
demo: $(STAMPS)/demo $(STAMPS)/extension ## see requests reach the right node and shard (DEMO="--json")
	@$(PY) -m shardlane demo $(DEMO)

.PHONY: build
build: $(STAMPS)/extension ## build the extension and install the package into .venv
	@echo "shardlane is installed in $(VENV)"

# Leaves the stamp alone: the next `make test` builds with all optimisations again.
.PHONY: quick
quick: $(STAMPS)/build ## build the extension faster and slower-running, while working on it
	@VIRTUAL_ENV=$(abspath $(VENV)) PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$(BIN)/maturin develop --profile quick --quiet --locked --group build
	@touch -d @0 $(STAMPS)/extension 2>/dev/null || true

.PHONY: wheel
wheel: $(STAMPS)/build ## build a wheel for this Python into dist/
	@$(BIN)/maturin build --release --quiet --interpreter $(PY) --out dist && ls dist

##@ Prove

.PHONY: test
test: test-rust test-fuzz test-python ## all test rings: units, oracles, properties, fuzz, faces, adversity, foreign drivers

# The Python crate has no Rust tests: its test binary would need a shared libpython, which many
# Pythons do not come with. It is tested from Python.
.PHONY: test-rust
test-rust: $(STAMPS)/venv ## the Rust part of it
	@echo "cargo test: all crates and oracles"
	@$(CARGO) test --quiet --locked --workspace --exclude shardlane-python --no-fail-fast
	@$(CARGO) test --quiet --manifest-path benchmarks/micro/Cargo.toml
	@$(CARGO) test --quiet --manifest-path benchmarks/native/Cargo.toml --bins

.PHONY: test-fuzz
test-fuzz: ## a short run of `make fuzz`
	@echo "fuzz: a million mutations"
	@$(CARGO) test --quiet --release --manifest-path fuzz/Cargo.toml
	@$(MAKE) --no-print-directory fuzz SOAK_ITERATIONS=1000000

.PHONY: test-python
test-python: $(STAMPS)/dev $(STAMPS)/extension ## the Python part of it (PYTEST="-k paging -x")
	@$(PY) -m pytest $(PYTEST)

.PHONY: simulate
simulate: ## the machines in virtual time: SIM_HOURS of a cluster's life, and SIM_SEEDS storms
	@echo "simulation: $(SIM_HOURS) h, and $(SIM_SEEDS) storms"
	@SHARDLANE_SIM_HOURS=$(SIM_HOURS) SHARDLANE_SIM_SEEDS=$(SIM_SEEDS) \
		$(CARGO) test --quiet --locked --release -p shardlane-proto --test simulation -- a_long_life storms

.PHONY: soak
soak: simulate fuzz $(STAMPS)/dev $(STAMPS)/extension ## much of all that in some minutes: simulation, fuzzing, real sockets
	@SHARDLANE_KILL_ROUNDS=100 SHARDLANE_SOAK_STATEMENTS=1000000 \
		$(PY) -m pytest tests/adversity/test_rolling_kill.py tests/adversity/test_soak.py --log-cli-level=INFO $(PYTEST)

.PHONY: test-live
test-live: $(STAMPS)/dev $(STAMPS)/extension ## a real Cassandra, of one and of three nodes; `make test` skips it without Java 17 and Maven
	@SHARDLANE_LIVE=1 $(PY) -m pytest tests/live $(PYTEST)

.PHONY: check
check: lint units ## formatting, lints, types, arrows, documentation, and the units of the pure crates
	@echo "check passed"

.PHONY: bench
bench: $(STAMPS)/extension ## measure beside other drivers, each in an environment of its own (BENCH="--quick --html bench.html")
	@$(PY) -m benchmarks $(BENCH)

.PHONY: bench-micro
bench-micro: ## time of the core's functions, by criterion (MICRO="engine")
	@$(CARGO) bench --quiet --manifest-path benchmarks/micro/Cargo.toml --features time --bench micro -- $(MICRO)

# Only what concerns Python values needs the extension.
.PHONY: bench-check
bench-check: $(if $(MICRO),,$(STAMPS)/extension) ## their instructions and allocations beside the committed ones (UPDATE=1 writes these; needs valgrind)
	@$(CARGO) build --quiet --release --manifest-path benchmarks/micro/Cargo.toml
	@MICRO_PYTHON=$(abspath $(PY)) benchmarks/micro/target/release/micro $(if $(UPDATE),update,check) $(MICRO)

.PHONY: fuzz
fuzz: ## mutations of captured traffic, and operations on the engine, SOAK_ITERATIONS of them (SOAK_SEED=n repeats a run)
	@$(CARGO) run --quiet --release --manifest-path fuzz/Cargo.toml --bin soak -- \
		--iterations $(SOAK_ITERATIONS) --seed $(SOAK_SEED)

.PHONY: fuzz-coverage
fuzz-coverage: ## libFuzzer, each target for FUZZ_SECONDS (needs cargo-fuzz and a nightly toolchain)
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz"; exit 1; }
	@cd fuzz && for target in $$($(CARGO) +nightly fuzz list | grep -v '^soak$$'); do \
		echo "fuzz $$target for $(FUZZ_SECONDS) s"; \
		$(CARGO) +nightly fuzz run --features libfuzzer "$$target" -- -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1; \
	done

##@ Write

.PHONY: fmt
fmt: $(STAMPS)/dev ## format Rust and Python, sort imports
	@$(CARGO) fmt --all
	@$(BIN)/ruff check --quiet --select I --fix .
	@$(BIN)/ruff format --quiet .

.PHONY: docs
docs: $(STAMPS)/docs ## build the documentation into docs/_build, warnings are errors
	@$(PY) -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

.PHONY: clean
clean: ## remove everything that was built, and .venv
	@$(CARGO) clean --quiet
	@rm -rf $(VENV) .venv-bench benchmarks/native/target dist build docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find python -name '*.so' -delete

##@ Pieces of `make check`

.PHONY: lint
lint: fmt-check clippy ruff arrows tidy rustdoc types ## all static checks

.PHONY: units
units: $(STAMPS)/venv ## unit and property tests of the pure crates only
	@echo "cargo test: units of the pure crates"
	@$(CARGO) test --quiet --locked --lib $(addprefix -p ,$(PURE_CRATES))

.PHONY: fmt-check
fmt-check: $(STAMPS)/dev ## is everything formatted?
	@echo "format"
	@$(CARGO) fmt --all --check
	@$(BIN)/ruff format --quiet --check .

# Each package alone, so that a feature switched on by another one hides nothing. The pure crates
# carry a clippy.toml of their own, and must not depend on the order of a hash map.
.PHONY: clippy
clippy: $(STAMPS)/venv ## clippy for each package alone, warnings are errors
	@for crate in $(CRATES); do \
		echo "clippy $$crate"; \
		case " $(PURE_CRATES) " in *" $$crate "*) extra="-D clippy::iter_over_hash_type";; *) extra="";; esac; \
		$(CARGO) clippy --quiet --locked -p $$crate --all-targets -- -D warnings -D clippy::todo -D clippy::unimplemented -D clippy::dbg_macro $$extra; \
	done

.PHONY: ruff
ruff: $(STAMPS)/dev ## Python lints
	@echo "ruff"
	@$(BIN)/ruff check --quiet .

.PHONY: arrows
arrows: $(STAMPS)/dev ## the dependency arrows that must never exist (docs/architecture.md)
	@echo "arrows"
	@$(PY) tools/check_arrows.py
	@out=$$(PYTHONPATH=python $(BIN)/lint-imports --no-cache --no-logo 2>&1) || { echo "$$out"; exit 1; }
	@if [ -d "$$(rustc --print target-libdir --target $(PURE_TARGET))" ]; then \
		$(CARGO) check --quiet --locked --target $(PURE_TARGET) $(addprefix -p ,$(PURE_CRATES)); \
	else \
		echo "skipped: pure crates on $(PURE_TARGET) (rustup target add $(PURE_TARGET))"; \
	fi

.PHONY: tidy
tidy: $(STAMPS)/venv ## sizes of files, machine paths, links of the documentation
	@echo "tidy"
	@$(PY) tools/check_tidy.py

.PHONY: rustdoc
rustdoc: $(STAMPS)/venv ## documentation of the crates, private items too, warnings are errors
	@echo "rustdoc"
	@RUSTDOCFLAGS="-D warnings" $(CARGO) doc --quiet --locked --workspace --no-deps --document-private-items

.PHONY: types
types: $(STAMPS)/dev $(STAMPS)/extension ## mypy, pyright, and the stub against the built extension
	@echo "mypy"
	@$(BIN)/mypy --no-error-summary
	@echo "pyright"
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(PY) --level error
	@echo "stubtest"
	@MYPYPATH=python $(BIN)/stubtest shardlane._core --concise

.PHONY: versions
versions: $(STAMPS)/venv ## what this runs on
	@uname -sm; rustc --version; $(CARGO) --version; $(PY) --version; make --version | sed -n 1p

##@ Set-up

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install 'pip==26.3'
	@mkdir -p $(STAMPS) && touch $@

# One stamp for each dependency group in pyproject.toml.
$(STAMPS)/build $(STAMPS)/dev $(STAMPS)/docs: $(STAMPS)/venv pyproject.toml
	@echo "installing the tools: $(notdir $@)"
	@$(PIP) install --group $(notdir $@)
	@touch $@

$(STAMPS)/demo: $(STAMPS)/venv pyproject.toml
	@$(PIP) install 'rich>=13.7'
	@touch $@

# `--group build` is installed already; without it maturin installs the group `dev` of its own accord.
$(STAMPS)/extension: $(STAMPS)/build $(RUST_SOURCES)
	@echo "building the extension (the first time takes a few minutes)"
	@out=$$(VIRTUAL_ENV=$(abspath $(VENV)) PIP_QUIET=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$(BIN)/maturin develop --release --quiet --locked --group build 2>&1) || { echo "$$out"; exit 1; }
	@touch $@
