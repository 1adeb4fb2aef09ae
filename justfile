# `just` is what CI runs; `just --list` shows the parts.
bin := ".venv/bin"

# everything that must pass
all:
    .ci/run

# the virtual environment
setup:
    python3 -m venv .venv && .venv/bin/pip install -q -e '.[local,dev]'

lint:
    {{bin}}/ruff check
    {{bin}}/ruff format --check
    {{bin}}/lint-imports

types:
    {{bin}}/mypy

# are the generated pages up to date?
docs:
    {{bin}}/python -m scripts.docs_cli --check
    {{bin}}/python -m scripts.docs_schema --check
    {{bin}}/python -m scripts.docs_headers --check
    {{bin}}/python -m scripts.docs_examples --check

# write the generated pages
docs-write:
    {{bin}}/python -m scripts.docs_cli
    {{bin}}/python -m scripts.docs_schema
    {{bin}}/python -m scripts.docs_headers
    {{bin}}/python -m scripts.docs_examples

test *arguments:
    {{bin}}/pytest -q -n auto {{arguments}}

# a first look, of every room
test-quick *arguments:
    {{bin}}/pytest -q -n auto -m "not slow" {{arguments}}

# rewrite golden files
golden:
    {{bin}}/pytest -q --update-golden
    git diff --stat tests

bench *arguments:
    {{bin}}/python -m benchmarks {{arguments}}
