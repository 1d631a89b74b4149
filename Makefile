# Each target is one thing a person does here; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.NOTPARALLEL:
.DEFAULT_GOAL := help

PYTHON ?= $(shell scripts/find-python 3.13 3.12 3.11 3.14)
# Python 3.11 is where pip resolves the old line of Chaos Toolkit; the contract tests run on both lines.
PYTHON_OLD_LINE ?= $(shell scripts/find-python 3.11 2>/dev/null)
SPEC ?= as-incident
PYTEST_ARGS ?=
# Most tests wait more than they compute, so there are more workers than cores. Some begin with what needs a testbed, and
# two play the storms after all the rest (tests/scaffold/lanes.py).
IN_PARALLEL ?= --numprocesses=5 --dist=loadgroup --no-loadscope-reorder
BIN := .venv/bin
# ip, nft and friends live in sbin, which an ordinary user's PATH may lack.
export PATH := $(PATH):/usr/sbin:/sbin
# A folder for temporary files that is not there would stop every mktemp.
ifeq ($(wildcard $(TMPDIR)/.),)
unexport TMPDIR
endif

.PHONY: help demo up down test prove check bench proto clean system system-dev venv venv-dev venv-old-line programs

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 18

demo: system venv ## the whole incident on this machine, then everything down again
	@scripts/demo

up: system venv ## bring a testbed up and leave it up (SPEC=as-incident)
	@$(BIN)/chaos cp up $(SPEC)

down: venv ## take that testbed away
	@$(BIN)/chaos cp down

check: venv-dev ## format, lint, types, layers
	@$(BIN)/ruff format --check --quiet . || { echo "run: $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@layers=$$($(BIN)/lint-imports --no-logo) || { echo "$$layers"; exit 1; }

test: system-dev venv-dev venv-old-line check programs ## check, then all tests in one go, long proofs in part
	@$(BIN)/pytest $(IN_PARALLEL) $(PYTEST_ARGS)

prove: system-dev venv-dev venv-old-line programs ## play all proofs in full and write docs/reliability.md: hours
	@$(BIN)/python -m tests.bench reliability

bench: system venv-dev programs ## measure the figures of docs/benchmarks.md again
	@$(BIN)/python -m tests.bench

proto: venv ## generate the CRI stubs again from chaoslib_cp/testbed/cri/api.proto
	@scripts/generate-stubs

clean: ## remove what make made here (not the programs in your cache folder)
	@rm -rf .venv .venv-3.11 .venv.lock .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@rm -rf build dist *.egg-info chaostoolkit.log
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

system:
	@scripts/system-packages

system-dev: # with a DNS cache and a C library that only tests want
	@scripts/system-packages dev

venv:
	@scripts/make-venv .venv "$(PYTHON)"

venv-dev: # with the tools for checks and tests, which a demo does not need
	@scripts/make-venv .venv "$(PYTHON)" dev

venv-old-line:
	@if [ -n "$(PYTHON_OLD_LINE)" ]; then scripts/make-venv .venv-3.11 "$(PYTHON_OLD_LINE)" dev; \
	elif [ "$${CI:-}" = true ]; then echo "CI must test both lines of Chaos Toolkit, but Python 3.11 was not found" >&2; exit 1; \
	else echo "Python 3.11 was not found: the contract tests of the old line are skipped"; fi

programs: venv
	@$(BIN)/chaos cp programs
