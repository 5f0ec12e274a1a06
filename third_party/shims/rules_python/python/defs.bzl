"""Bazel 4 has these rules itself; rules_python's own need a download."""

py_binary = native.py_binary
py_library = native.py_library
py_runtime = native.py_runtime
py_test = native.py_test
