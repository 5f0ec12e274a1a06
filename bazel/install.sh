#!/usr/bin/env bash
# Makes sure that there is a Bazel: the one on PATH, else Debian's package.
# Called by make.
set -euo pipefail

if command -v bazel >/dev/null; then exit 0; fi

sudo=
if [ "$(id -u)" != 0 ]; then sudo="sudo -n"; fi
if command -v apt-get >/dev/null && $sudo true 2>/dev/null; then
  echo "Installing Bazel from bazel-bootstrap: half a minute, once." >&2
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -qq -y \
    --no-install-recommends bazel-bootstrap >/dev/null
else
  echo "Error: a command bazel must be on PATH. Received: none, and apt-get" \
    "cannot be run as root here. Install Bazel 4, 7 or 8, for instance" \
    "Bazelisk under the name bazel, and run the command again." >&2
  exit 1
fi
