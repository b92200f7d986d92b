"""A copy of everything that cannot be derived: database, git, large files, pictures; and the way back (T186, T187).

    DIR/database.sqlite3 | database.pgdump    first: every later row is caught up from git by the reconciler
    DIR/git/…                                 refs before objects: what a copied ref names is copied too
    DIR/blobs/ab/<sha256>                     hashed while copied; kept between backups into the same DIR
    DIR/xorbs/ab/<xorb hash>                  likewise, by the hash over their chunks
    DIR/media/…
    DIR/manifest.json                         last: a directory without it is no backup

The secret key is not in it: keep it apart.  The manifest holds its fingerprint.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import connection, connections
from django.utils import timezone

from hub.core.errors import Conflict, ServiceUnavailable, Unprocessable
from hub.storage import blobs
from hub.storage.xet.store import get_xorb_store

FORMAT: Final = 1
_MANIFEST: Final = "manifest.json"


@contextlib.contextmanager
def maintenance() -> Iterator[None]:
    """Keep garbage collection and backups apart. Raises: Conflict while the other one runs."""
    path = Path(settings.HUB_DATA_DIR) / "maintenance.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict("A backup or garbage collection is running. Please try again later.") from error
        yield


# --- backup ----------------------------------------------------------------------------------------------------------


def create_backup(target: Path) -> dict[str, Any]:
    """Write a backup into ``target`` and return its manifest. The hub may go on serving meanwhile.

    Raises: Conflict (garbage collection runs), ServiceUnavailable (no pg_dump), ObjectCorrupt (a damaged file)
    """
    target.mkdir(parents=True, exist_ok=True)
    with maintenance():
        (target / _MANIFEST).unlink(missing_ok=True)
        database = _dump_database(target)
        repositories = _copy_repositories(target / "git")
        objects, size_bytes = _copy_blobs(blobs.get_blob_store(), target / "blobs")
        xorbs, xorbs_bytes = _copy_blobs(get_xorb_store().blobs, target / "xorbs")
        _copy_tree(Path(settings.MEDIA_ROOT), target / "media")
    manifest = {
        "format": FORMAT,
        "created_at": timezone.now().isoformat(),
        "database": database.name,
        "database_sha256": _sha256_of(database),
        "repositories": repositories,
        "objects": objects,
        "objects_bytes": size_bytes,
        "xorbs": xorbs,
        "xorbs_bytes": xorbs_bytes,
        "key_fingerprint": _key_fingerprint(),
    }
    _write_durably(target / _MANIFEST, json.dumps(manifest, indent=2).encode())
    return manifest


def _dump_database(target: Path) -> Path:
    if connection.vendor == "sqlite":
        path = target / "database.sqlite3"
        path.unlink(missing_ok=True)
        connection.ensure_connection()
        with contextlib.closing(sqlite3.connect(path)) as copy:
            connection.connection.backup(copy)
        return path
    path = target / "database.pgdump"
    _run_postgres_tool("pg_dump", "--format=custom", f"--file={path}")
    return path


def _run_postgres_tool(program: str, *arguments: str) -> None:
    if shutil.which(program) is None:
        raise ServiceUnavailable(f"{program} is not installed on this machine.")
    database = settings.DATABASES["default"]
    names = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGDATABASE": "NAME"}
    environment = {variable: str(database[key]) for variable, key in names.items() if database.get(key)}
    done = subprocess.run(
        [program, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ServiceUnavailable(f"{program} failed: {done.stderr.strip()[:500]}")


def _copy_repositories(target: Path) -> int:
    root = Path(settings.HUB_DATA_DIR) / "git"
    count = 0
    for source in sorted(root.glob("[0-9a-f][0-9a-f]/*.git")):
        copy = target / source.relative_to(root)
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(parents=True)
        # Refs first: objects only ever grow while maintenance is held, so what these refs name is there.
        for name in ("HEAD", "config", "packed-refs"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(source / name, copy / name)
        _copy_tree(source / "refs", copy / "refs")
        _copy_tree(source / "objects", copy / "objects")
        count += 1
    return count


def _copy_tree(source: Path, target: Path) -> None:
    """Copy a folder that may change meanwhile: a file that vanishes was temporary."""
    target.mkdir(parents=True, exist_ok=True)
    for folder, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not name.startswith(("tmp_objdir-", "incoming-"))]
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        for name in names:
            if not name.endswith(".lock") and not name.startswith("tmp_"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy2(Path(folder, name), there / name)


def _copy_blobs(store: blobs.BlobStore, target: Path) -> tuple[int, int]:
    count = size_bytes = 0
    for name in store.iter_sha256():
        path = target / name[:2] / name
        size = store.stat(name).size_bytes
        if not path.exists() or path.stat().st_size != size:
            _copy_blob(store, name, path)
        count, size_bytes = count + 1, size_bytes + size
    return count, size_bytes


def _copy_blob(store: blobs.BlobStore, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    check = store.new_check(sha256=name, size_bytes=None)
    try:
        with partial.open("wb") as file:
            for block in blobs.iter_range(store, name):
                check.update(block)
                file.write(block)
            check.finish()
            file.flush()
            os.fsync(file.fileno())
    except Unprocessable as error:
        partial.unlink()
        raise blobs.ObjectCorrupt(sha256=name) from error
    partial.rename(path)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _key_fingerprint() -> str:
    return hashlib.sha256(b"agora backup key:" + settings.SECRET_KEY.encode()).hexdigest()[:16]


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


# --- restore ---------------------------------------------------------------------------------------------------------


def read_manifest(source: Path) -> dict[str, Any]:
    """Raises: Unprocessable when ``source`` is no complete backup of a known format, or its database was changed."""
    try:
        manifest: dict[str, Any] = json.loads((source / _MANIFEST).read_bytes())
    except (OSError, ValueError) as error:
        raise Unprocessable(f"{source} holds no complete backup: {_MANIFEST} cannot be read.") from error
    if manifest.get("format") != FORMAT:
        raise Unprocessable(f"This backup has format {manifest.get('format')}; this hub reads format {FORMAT}.")
    if _sha256_of(source / str(manifest["database"])) != manifest["database_sha256"]:
        raise Unprocessable("The database in this backup is damaged: its hash differs from the manifest.")
    return manifest


def restore_backup(source: Path) -> dict[str, Any]:
    """Bring a backup back onto an empty hub; every large file is hashed on its way. Stop the hub first.

    Raises: Unprocessable (no backup, damaged), Conflict (this hub holds data)
    """
    manifest = read_manifest(source)
    _require_empty()
    _restore_database(source / str(manifest["database"]))
    _copy_tree(source / "git", Path(settings.HUB_DATA_DIR) / "git")
    restored = _restore_blobs(source / "blobs", blobs.get_blob_store())
    if restored != manifest["objects"]:
        raise Unprocessable(f"The backup names {manifest['objects']} large files, {restored} were found.")
    restored = _restore_blobs(source / "xorbs", get_xorb_store().blobs)
    if restored != manifest.get("xorbs", 0):
        raise Unprocessable(f"The backup names {manifest['xorbs']} xorbs, {restored} were found.")
    _copy_tree(source / "media", Path(settings.MEDIA_ROOT))
    return {**manifest, "is_key_the_same": manifest["key_fingerprint"] == _key_fingerprint()}


def _require_empty() -> None:
    git = Path(settings.HUB_DATA_DIR) / "git"
    tables = connection.introspection.table_names()
    is_used = False
    if "repos_repo" in tables:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT 1 FROM repos_repo) OR EXISTS (SELECT 1 FROM accounts_user)")
            is_used = bool(cursor.fetchone()[0])
    if is_used or any(git.glob("[0-9a-f][0-9a-f]/*.git")):
        raise Conflict("This hub holds data already. Restore onto an empty HUB_DATA_DIR and database.")


def _restore_database(path: Path) -> None:
    if connection.vendor == "sqlite":
        if path.suffix != ".sqlite3":
            raise Unprocessable("This backup was made on PostgreSQL; set DATABASE_URL to a PostgreSQL database.")
        connection.ensure_connection()
        with contextlib.closing(sqlite3.connect(path)) as copy:
            copy.backup(connection.connection)
        connections.close_all()
        return
    if path.suffix != ".pgdump":
        raise Unprocessable("This backup was made on SQLite; set DATABASE_URL to an SQLite file.")
    name = str(settings.DATABASES["default"]["NAME"])
    _run_postgres_tool("pg_restore", "--clean", "--if-exists", "--no-owner", f"--dbname={name}", str(path))


def _restore_blobs(source: Path, store: blobs.BlobStore) -> int:
    count = 0
    for path in sorted(source.glob("??/*")):
        if len(path.name) != 64:
            continue
        if not store.exists(path.name):
            with path.open("rb") as file:
                blobs.put(store, iter(lambda: file.read(1 << 20), b""), sha256=path.name)
        count += 1
    return count
