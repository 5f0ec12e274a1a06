#!/usr/bin/env bash
# Makes the virtual environment of this project: .venv, from requirements.lock.
# With uv where it works, else with venv and pip. Called by make.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "Error: $*" >&2
  exit 1
}

# The versions of Python that the pinned packages were tried on.
fits() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' \
    2>/dev/null
}

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64 | Linux-aarch64 | Darwin-arm64) ;;
  *) fail "TensorFlow Text has packages for Linux on x86-64 and arm64, and for" \
    "macOS on arm64. Received: $(uname -s) on $(uname -m). Use such a machine" \
    "or a container." ;;
esac

# A version manager may leave a command on PATH that only says it is missing.
uv=
if uv --version >/dev/null 2>&1; then uv=yes; fi

python=${PYTHON:-}
if [ -n "$python" ]; then
  fits "$python" || fail "PYTHON must be Python 3.11 or 3.12." \
    "Received: $python, $("$python" --version 2>&1 || true)."
else
  for candidate in python3.11 python3.12 python3 python; do
    if fits "$candidate"; then
      python=$candidate
      break
    fi
  done
fi
# uv knows of Pythons outside PATH, and fetches one where it may.
if [ -z "$python" ] && [ -n "$uv" ] && uv python install --quiet 3.11; then
  python=$(uv python find 3.11)
fi
[ -n "$python" ] || fail "This project needs Python 3.11 or 3.12, for which" \
  "its pinned versions were made." \
  "Received: $(python3 --version 2>&1 || echo none)." \
  "Install it, or pass one: make PYTHON=/path/to/python3.11 demo"

if [ -x .venv/bin/python ]; then
  fits .venv/bin/python || fail ".venv must be of Python 3.11 or 3.12." \
    "Received: $(.venv/bin/python --version 2>&1). Run make clean first."
else
  free=$(df -Pk . | awk 'END {print int($(NF - 2) / 1048576)}')
  [ "$free" -ge 6 ] || fail "The environment needs 6 GB of disk." \
    "Received: $free GB free in $PWD. Make room, and run the command again."
fi

# Both ways go on from a set-up that was stopped halfway.
if [ -n "$uv" ]; then
  echo "Setting up .venv with uv: about a minute, once." >&2
  [ -x .venv/bin/python ] ||
    uv venv --quiet --allow-existing --python "$python" .venv
  # As pip does. Where Python may write no bytecode itself, each start of
  # TensorFlow would take ten seconds longer.
  install=(uv pip install --quiet --compile-bytecode --python .venv/bin/python)
else
  echo "Setting up .venv with pip: three to seven minutes, once." >&2
  "$python" -m venv .venv
  install=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
fi
"${install[@]}" -r requirements.lock
# hatchling, which builds the project, is in the lock.
"${install[@]}" --no-build-isolation --no-deps -e .
touch .venv/.ready
