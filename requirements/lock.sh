#!/bin/sh
# make lock: write requirements/lock.txt anew, the newest versions that pyproject.toml allows.
set -eu
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
trap 'exit 130' INT TERM
/usr/bin/python3 -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"
# The build backend is pinned as well, so that installing needs no isolated, unpinned environment.
$pip install -qq --upgrade $("$venv/bin/python" -c '
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
$pip install -qq --editable '.[dev]'
{
    echo "# Every pip package of .venv, pinned. Made by \"make lock\"; do not edit."
    $pip freeze --all --exclude-editable | grep -vi '^pip=='
} >requirements/lock.txt.new
mv requirements/lock.txt.new requirements/lock.txt
