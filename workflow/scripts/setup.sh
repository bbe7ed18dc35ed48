#!/usr/bin/env bash
# Make the virtual environment: PYTHON VENV. Everything pinned; nothing outside VENV is touched.
set -euo pipefail
python=$1
venv=$2
"$python" - <<'PY' || { echo "Babelmix needs Python 3.11 or newer; set PYTHON=python3.11, say." >&2; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
echo "Setting up $venv (once; a few minutes on a slow line)"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
# uv is quick; where it cannot find a package that pip can (a private index in pip's own settings),
# pip does the work.
export UV_FIND_LINKS=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}
if ! "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" -r requirements.lock; then
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.lock
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
