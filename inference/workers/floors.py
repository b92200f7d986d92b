"""The oldest libraries that may load a stranger's weights: below these a worker hosts nothing (T126).

Read from package metadata, since the worker's own process never imports a model library (T130).
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

# Older ones ran code from files that they called safe (CVE-2025-32434, CVE-2026-4372 and their like).
FLOORS = {"torch": "2.10", "transformers": "5.3"}


def outdated_libraries(floors: dict[str, str] = FLOORS) -> dict[str, str]:
    """Return what is too old or missing, as `{"torch": "2.9.1, needs 2.10"}`; empty when all is well."""
    found = {}
    for name, floor in floors.items():
        installed = _version(name)
        if installed is None or Version(installed) < Version(floor):
            found[name] = f"{installed or 'not installed'}, needs {floor}"
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
