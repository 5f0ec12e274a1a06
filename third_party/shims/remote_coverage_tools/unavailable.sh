#!/bin/sh
echo "Error: bazel coverage needs Bazel's own coverage tools." >&2
exit 1
