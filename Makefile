PYTHON ?= python3
# uv does not read pip's own setting of extra wheel folders.
export UV_FIND_LINKS := $(or $(UV_FIND_LINKS),$(PIP_FIND_LINKS))
PYTEST = OMP_NUM_THREADS=1 .venv/bin/pytest -q -n auto --maxprocesses 4 --dist worksteal
# The generator of clients asks for an older typer than ours, with which it works too; its other needs are in [dev].
GENERATOR = openapi-python-client==0.29.1 ruamel-yaml==0.19.1
.PHONY: demo up page test test-fast check bench chaos gpu docs examples screenshots constraints

demo: .venv/.home page   # train two recipes and show them; nothing stays behind
	@.venv/bin/bakehouse demo
up: .venv/.home page     # Redis, service and workers until Ctrl-C; state in .bakehouse/
	@.venv/bin/bakehouse up
test: check page         # everything that is checked
	@$(PYTEST)
test-fast: check         # checks, policies, and the tests of the packages that neither train nor serve: three minutes
	@$(PYTEST) tests/test_repository.py tests/advice tests/data tests/plan tests/recipe tests/runs
check: .venv/.dev        # what needs no running code
	@.venv/bin/ruff format --check --quiet . && .venv/bin/ruff check --quiet . && .venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports > .venv/imports.log || { cat .venv/imports.log; exit 1; }
	@.venv/bin/python -m tools.openapi && .venv/bin/python web/build.py --check
	@.venv/bin/hadolint Dockerfile && BAKEHOUSE_REDIS_PASSWORD=none .venv/bin/docker-compose --profile gpu config -q
bench: .venv/.dev        # measure beside a plain PyTorch loop
	@.venv/bin/python -m bench
chaos: .venv/.dev        # 500 faults from CHAOS_SEED while runs train, negative controls, 10,000 requests; half an hour
	@.venv/bin/python -m tests.chaos
	@BAKEHOUSE_FUZZ_CASES=10000 .venv/bin/pytest -q tests/service/test_fuzz.py
gpu: .venv/.dev          # test and measure on a GPU, in at most eight minutes; the tables go into gpu.md
	@.venv/bin/python -m bench.gpu
docs: .venv/.dev         # the pages of docs/ that describe classes of the program
	@.venv/bin/python -m tools.ingredients
	@.venv/bin/python -m tools.problems
	@.venv/bin/python -m tools.settings
examples: .venv/.dev     # the answers that /docs shows, by asking a running home
	@.venv/bin/python -m tools.response_examples
screenshots: .venv/.dev page  # pictures of all pages, in docs/images/
	@.venv/bin/python -m tools.screenshots
constraints: .venv/.dev  # pin the newest versions; torch stays free for the host's own build
	@.venv/bin/uv pip compile -qU --universal --python-version 3.11 --all-extras --no-emit-index-url --no-annotate \
	    --no-header pyproject.toml | grep -Ev '^(torch|triton|nvidia-|cuda-)' > constraints.txt
	@printf '%s\n' $(GENERATOR) >> constraints.txt

# Without the page the API works, and `/` says how to build it.
page: web/dist/index.html
web/dist/index.html: $(shell find web/src web/index.html web/package-lock.json web/vite.config.ts) | .venv/.home
	@.venv/bin/python web/build.py || true

.venv/.%: pyproject.toml constraints.txt
	@echo "Installing Bakehouse [$*] into .venv: about half a minute"
	@test -x .venv/bin/pip || $(PYTHON) -m venv .venv
	@.venv/bin/pip install -qq -c constraints.txt uv && .venv/bin/uv pip install -q -p .venv -c constraints.txt -e '.[$*]' \
	    || { echo "uv could not; trying pip"; .venv/bin/pip install -qq -c constraints.txt -e '.[$*]'; }
	@test $* != dev || .venv/bin/pip install -qq --no-deps $(GENERATOR)
	@touch $@
