.PHONY: install test check clean
VENV := .venv
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	ln -sfn /usr/lib/python3/dist-packages/bcc $$($(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/bcc
	touch $@

test: install
	$(VENV)/bin/pytest

check: install
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pytest

clean:
	rm -rf $(VENV)
