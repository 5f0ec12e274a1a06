"""Python packages of the environment, under the labels of a pip hub."""

_LIBRARY = """\
load("@rules_python//python:defs.bzl", "py_library")

py_library(
    name = "{name}",
    # Another version is a reason to test again.
    data = ["version.txt"],
    visibility = ["//visibility:public"],
)
"""

_INSTALLED = """
import importlib.metadata
for found in importlib.metadata.distributions():
  print(found.metadata['Name'] + '==' + found.version)
"""

def _normalized(name):
    return name.lower().replace("-", "_").replace(".", "_")

def _versions(text):
    """Versions by normalized name, of lines like `etils[enp]==1.15 ; marker`."""
    versions = {}
    for line in text.splitlines():
        name, equals, version = line.partition(";")[0].partition("==")
        if equals and not line.startswith("#"):
            name = name.partition("[")[0].strip()
            versions[_normalized(name)] = version.strip()
    return versions

def _environment_packages_impl(repository_ctx):
    python = repository_ctx.which("python3")
    if not python:
        fail("Bazel must find python3 on PATH. Received: none.")
    ran = repository_ctx.execute([python, "-c", _INSTALLED])
    if ran.return_code:
        fail("python3 must list its packages. Received: " + ran.stderr)
    installed = _versions(ran.stdout)
    lock = repository_ctx.read(repository_ctx.attr.lock)
    for line in lock.splitlines():
        for name, version in _versions(line).items():
            found = installed.get(name)
            if found != version and ";" in line:
                # It may be for another machine or Python.
                continue
            if found != version:
                fail((
                    "The environment must have the versions of {}. Received: " +
                    "{} {} instead of {}, in that of {}. Run make install " +
                    "and put .venv/bin first on PATH."
                ).format(
                    repository_ctx.attr.lock.name,
                    name,
                    found or "not installed",
                    version,
                    python,
                ))
            repository_ctx.file(name + "/version.txt", version + "\n")
            repository_ctx.file(
                name + "/BUILD.bazel",
                _LIBRARY.format(name = name),
            )
    repository_ctx.file("BUILD.bazel")

environment_packages = repository_rule(
    implementation = _environment_packages_impl,
    attrs = {
        "lock": attr.label(
            mandatory = True,
            allow_single_file = True,
            doc = "The lock file: lines like `etils[enp]==1.15 ; marker`.",
        ),
    },
    doc = """A hub with a py_library `@NAME//PACKAGE` for each locked package.

The libraries are empty: python3, the first on PATH, has the packages. It is an
error when it has another version than the lock.""",
    environ = ["PATH"],
    local = True,
)
