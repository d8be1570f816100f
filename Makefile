# `make demo` and `make test` are all a newcomer needs; both set everything up first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# What only the tests of other engines need, and a demo can do without.
ENGINES := $(VENV)/.installed-engines
# Photographs for `make bench`, in GLDv2's layout: make bench PHOTOS=../photos/gldv2_mini
PHOTOS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-browser test-postgres axe review-picture report-picture lint types format bench browser docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: $(INSTALLED)  ## make .venv with everything in the versions of constraints.txt

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[cloud,dev,exports,postgres,review,train]'
	touch $@

$(ENGINES): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[dask,gcp]'
	touch $@

demo: $(INSTALLED)  ## the whole job on an embedded miniature data set, into demo/
	$(BIN)/cleanmark demo --out demo

# Two tests at a time, each with one thread for its products of matrices: with more, they wait for
# each other.
test: $(ENGINES)  ## the tests that run anywhere in minutes
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(ENGINES)  ## the tests that take minutes each
	$(BIN)/python -m pytest -m slow

test-browser: $(INSTALLED)  ## review app and report in real Chromium (see `make browser`, `make axe`)
	$(BIN)/python -m pytest tests/browser -m browser
	$(BIN)/python -m pytest tests/cleanmark/reporting -m browser

test-postgres: $(INSTALLED)  ## the review's store on a PostgreSQL from Debian (needs root)
	apt-get update -qq && apt-get install -y -qq postgresql
	tests/with_postgres.sh $(BIN)/python -m pytest tests/review_ui -k postgresql

axe:  ## axe-core from the npm registry, for the browser tests
	npm install --silent --no-save --no-package-lock --ignore-scripts \
		--prefix tests/browser axe-core@4.14.1

review-picture: $(INSTALLED)  ## docs/review.png, from the run of `make demo`
	test -f demo/run/manifests/manifest.json || $(BIN)/cleanmark demo --out demo
	PYTHONPATH=.:tests $(BIN)/python -m take_review_picture demo/run docs/review.png

report-picture: $(INSTALLED)  ## docs/report.png, from the run of `make demo`
	test -f demo/run/manifests/manifest.json || $(BIN)/cleanmark demo --out demo
	PYTHONPATH=.:tests $(BIN)/python -m take_report_picture demo/run docs/report.png

lint: $(INSTALLED)  ## style, import rules and generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(ENGINES)  ## static types, strict
	$(BIN)/mypy

format: $(INSTALLED)  ## rewrite the files in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)  ## regenerate the generated documents
	$(BIN)/python -m manifests.data_dictionary docs/data_dictionary.md
	$(BIN)/python -m pipelines.config_reference docs/configuration.md

bench: $(INSTALLED)  ## measure everything, JSON into benchmarks/results/; PHOTOS=DIR for real photographs
	mkdir -p benchmarks/results
	test -f demo/run/manifests/manifest.json || $(BIN)/cleanmark demo --out demo
	for script in benchmarks/bench_*.py benchmarks/attention_boxes.py benchmarks/leak_effect.py; do \
		photos="$(PHOTOS)"; grep -q -- --photos $$script || photos=; \
		name=$$(basename $$script .py); echo $$name; \
		$(BIN)/python $$script $${photos:+--photos "$$photos"} \
			> benchmarks/results/$$name.json || exit 1; \
	done

browser:  ## Debian packages for the browser tests (needs root)
	apt-get update -qq && apt-get install -y -qq chromium chromium-driver

clean:  ## delete the environment and what demo and tests left
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
