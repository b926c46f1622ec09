# What a developer does here. "make" alone says what there is.
.DEFAULT_GOAL := help
.PHONY: help install demo test check bench lock clean
export PATH := $(PATH):/usr/sbin:/usr/bin:/sbin:/bin
VENV := .venv
BIN := $(VENV)/bin

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: ## packages, virtual environment; leaves .venv/bin/tercel and .venv/bin/tercel-agent
	@requirements/install.sh

demo: install ## three simulated hosts, one attack, one answer
	@$(BIN)/python -m demo

test: install root ## every test, live ones and simulated hosts included
	$(BIN)/pytest

check: install root ## formatting, lint, types, import directions, then every test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest

bench: install root ## cost and latency, as ratios in one run
	@code=0; for each in predicates latency overhead; do \
		echo "== bench/$$each.py"; $(BIN)/python bench/$$each.py || code=1; done; exit $$code

lock: ## pin the newest pip packages that pyproject.toml allows
	@requirements/lock.sh

clean: ## remove the environment, caches, and what killed demos left
	@if [ "$$(id -u)" = 0 ] && [ -x $(BIN)/python ]; then $(BIN)/python -m demo --clean; fi
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: root
root:
	@[ "$$(id -u)" = 0 ] || { echo "make test needs root: it loads eBPF programs and makes hosts out of namespaces." \
		"Without root: $(BIN)/pytest -m 'not live and not fleet'" >&2; exit 1; }
	@[ -r /sys/kernel/btf/vmlinux ] || { echo "this kernel has no BTF (/sys/kernel/btf/vmlinux): the live tests cannot run." \
		"Use a kernel with CONFIG_DEBUG_INFO_BTF=y (Debian's own has it)" >&2; exit 1; }
