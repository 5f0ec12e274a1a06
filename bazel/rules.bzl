"""Tests that pytest runs, and programs as pip installs them."""

load("@rules_python//python:defs.bzl", "py_binary", "py_test")

_START = """\
import os
import sys

from {module} import {function}

# Paths among the flags are those of the user's folder.
os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
# Usage and errors call the program by its installed name.
sys.argv[0] = "{installed_name}"
sys.exit({function}())
"""

def pytest_test(name, srcs, deps, data = [], size = "medium", **kwargs):
    """A test file, run by pytest; tests marked as slow are left out.

    Args:
      name: the file's, without `.py`.
      srcs: the file alone.
      deps: what it imports.
      data: files that it reads.
      size: of Bazel's sizes; it decides how long the test may take.
      **kwargs: other attributes of py_test.
    """
    py_test(
        name = name,
        size = size,
        srcs = srcs + ["//bazel:pytest_main.py"],
        args = ["$(rootpath {})".format(srcs[0])],
        # It has pytest's settings.
        data = data + ["//:pyproject.toml"],
        # Packages are those that the source tree has, no others.
        legacy_create_init = 0,
        main = "//bazel:pytest_main.py",
        deps = deps + ["//bazel:pytest_main"],
        **kwargs
    )

def _start_impl(ctx):
    module, _, function = ctx.attr.entry_point.partition(":")
    ctx.actions.write(ctx.outputs.out, _START.format(
        function = function,
        installed_name = ctx.attr.installed_name,
        module = module,
    ))

_start = rule(
    implementation = _start_impl,
    attrs = {
        "entry_point": attr.string(mandatory = True),
        "installed_name": attr.string(mandatory = True),
        # rules_python wants a target for what is `main`.
        "out": attr.output(mandatory = True),
    },
)

def program(name, entry_point, installed_name, deps):
    """A program that pyproject.toml declares.

    Args:
      name: of the target.
      entry_point: `module:function`.
      installed_name: what pip installs it as.
      deps: has the module.
    """
    start = name + "_start.py"
    _start(
        name = name + "_start",
        entry_point = entry_point,
        installed_name = installed_name,
        out = start,
    )
    py_binary(
        name = name,
        srcs = [start],
        legacy_create_init = 0,
        main = start,
        deps = deps,
    )
