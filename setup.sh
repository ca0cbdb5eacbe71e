#!/bin/sh
# Makes the virtual environment for running and testing from a checkout. The Makefile calls it.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}"

say() { printf '%s\n' "$*" >&2; }

if command -v uv >/dev/null 2>&1; then
    say "Setting up $VENV with uv …"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || PYTHON='>=3.11'
    uv venv --quiet --clear --python "$PYTHON" "$VENV"
    uv pip install --quiet --python "$VENV/bin/python" --editable . --group dev
    exit 0
fi

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "llm-studio needs Python 3.11 or newer; '$PYTHON' is not. Set PYTHON=…, or install uv."
    exit 1
fi

# Debian keeps pip for virtual environments in a package of its own.
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    if ! command -v apt-get >/dev/null 2>&1; then
        say "Python's venv module is missing. Install it (python3-venv), or install uv."
        exit 1
    fi
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    if [ -n "$as_root" ] && ! command -v sudo >/dev/null 2>&1; then
        say "Python's venv module is missing. As root:  apt-get install python3-venv"
        exit 1
    fi
    say "Installing python3-venv …"
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >&2
fi

say "Setting up $VENV with $PYTHON …"
"$PYTHON" -m venv --clear "$VENV"
"$VENV/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
"$VENV/bin/python" -m pip install --quiet --editable . --group dev
