#!/bin/sh
# Makes the virtual environment for running from a checkout; `setup.sh dev` adds what testing needs.
# The Makefile calls it.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}"

say() { printf '%s\n' "$*" >&2; }

# Debian's packages, where this user may install them.
apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || return 1
        as_root=sudo
    fi
    say "Installing $* …"
    $as_root apt-get update -qq &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2
}

if [ "${1:-}" = dev ]; then
    say "Installing the tools for tests in $VENV …"
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python "$VENV/bin/python" --editable . --group dev
    else
        "$VENV/bin/python" -m pip install --quiet --upgrade 'pip>=25.1'
        "$VENV/bin/python" -m pip install --quiet --editable . --group dev
    fi
    exit 0
fi

if command -v uv >/dev/null 2>&1; then
    say "Setting up $VENV with uv …"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || PYTHON='>=3.11'
    uv venv --quiet --clear --python "$PYTHON" "$VENV"
    uv pip install --quiet --python "$VENV/bin/python" --editable .
else
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "llm-studio needs Python 3.11 or newer; '$PYTHON' is not. Set PYTHON=…, or install uv."
        exit 1
    fi
    # Debian keeps pip for virtual environments in a package of its own.
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null && ! apt_install python3-venv; then
        say "Python's venv module is missing. As root:  apt-get install python3-venv; or install uv."
        exit 1
    fi
    say "Setting up $VENV with $PYTHON: a minute or two, some 60 MB to download …"
    "$PYTHON" -m venv --clear "$VENV"
    "$VENV/bin/python" -m pip install --quiet --editable .
fi

# The embedded llama.cpp computes with GCC's OpenMP library, which minimal systems leave out.
if "$VENV/bin/python" -c 'import xllamacpp' 2>&1 | grep -q libgomp && ! apt_install libgomp1; then
    say "llama.cpp inside the Python package needs libgomp, which is not installed."
    say "As root:  apt-get install libgomp1  (Fedora, Alpine: libgomp; Arch: gcc-libs)"
fi
