#!/usr/bin/env bash
# Makes the virtual environment of this project: .venv, from requirements.lock.
# With uv where it is installed, else with venv and pip. Called by make.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "Error: $*" >&2
  exit 1
}

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3.11 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
        2>/dev/null; then
      python=$candidate
      break
    fi
  done
fi
[ -n "$python" ] || fail "This project needs Python 3.11, for which its pinned" \
  "versions were made. Received: $(python3 --version 2>&1 || echo none)." \
  "Install it, or pass one: make PYTHON=/path/to/python3.11 demo"
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
  fail "PYTHON must be Python 3.11. Received: $("$python" --version 2>&1)."

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64 | Linux-aarch64) ;;
  *) fail "TensorFlow Text has packages for Linux on x86-64 and arm64." \
    "Received: $(uname -s) on $(uname -m). Use such a machine or a container." ;;
esac

free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1048576)}')
[ "$free" -ge 6 ] ||
  fail "The environment needs 6 GB of disk. Received: $free GB free in $PWD."

if command -v uv >/dev/null; then
  [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
  uv pip sync --quiet --python .venv/bin/python requirements.lock
  uv pip install --quiet --python .venv/bin/python --no-deps -e .
else
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    -r requirements.lock
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --no-deps -e .
fi
