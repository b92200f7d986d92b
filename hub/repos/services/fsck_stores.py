"""The part of fsck that looks at bytes: whole files and xorbs, against the rows that name them (T184, T191)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from hub.core.errors import EntryNotFound, HubError, Unprocessable
from hub.repos.services.findings import Finding, holders_of
from hub.storage import blobs
from hub.storage.blobs import ObjectCorrupt
from hub.storage.lfs.objects import iter_object, record_object
from hub.storage.models import LfsObject, XetFile, Xorb
from hub.storage.xet.hashing import hash_text, parse_hash
from hub.storage.xet.recipe import Recipe
from hub.storage.xet.store import get_xorb_store

_BATCH: Final = 500

#: (where to go on from, what was found up to there)
Step = tuple[str, list[Finding]]


def object_steps(after: str, *, deep: bool) -> Iterator[Step]:
    """Indexed large files: are the bytes there? With ``deep`` every byte is hashed."""
    while rows := list(LfsObject.objects.filter(sha256__gt=after).order_by("sha256")[:_BATCH]):
        for row in rows:
            after = row.sha256
            yield after, list(_check_object(row, deep))


def _check_object(row: LfsObject, deep: bool) -> Iterator[Finding]:
    if not row.is_whole:
        yield from _check_recipe(row, deep)
        return
    store = blobs.get_blob_store()
    try:
        stat = store.verify(row.sha256) if deep else store.stat(row.sha256)
    except EntryNotFound:
        yield Finding("blob_missing", row.sha256, _used(row) or "indexed, but not stored")
    except ObjectCorrupt:
        yield Finding("blob_corrupt", row.sha256, f"the bytes changed and are not served; {_used(row)}")
    else:
        if stat.size_bytes != row.size_bytes:
            yield Finding("blob_size", row.sha256, f"{stat.size_bytes} bytes are stored, {row.size_bytes} indexed")


def _check_recipe(row: LfsObject, deep: bool) -> Iterator[Finding]:
    """A file that exists in xorbs only."""
    assert row.xet_file is not None  # the table's own constraint
    if row.xet_file.size_bytes != row.size_bytes:
        text = f"its recipe makes {row.xet_file.size_bytes} bytes, {row.size_bytes} are indexed; {_used(row)}"
        yield Finding("recipe_size", row.sha256, text)
        return
    if not deep:
        return
    digest = hashlib.sha256()
    try:
        for block in iter_object(row.sha256):
            digest.update(block)
    except HubError as error:
        yield Finding("recipe_unreadable", row.sha256, f"{error.message} {_used(row)}".strip())
        return
    if digest.hexdigest() != row.sha256:
        yield Finding("recipe_corrupt", row.sha256, f"its recipe makes other bytes; {_used(row)}")


def _used(row: LfsObject) -> str:
    return holders_of(row.sha256, row.size_bytes)


def stored_steps(after: str, *, repair: bool) -> Iterator[Step]:
    """Stored whole files that no row names: a process died between the two, or rows were lost."""
    store = blobs.get_blob_store()

    def known(names: list[str]) -> set[str]:
        return set(LfsObject.objects.filter(sha256__in=names).values_list("sha256", flat=True))

    for sha256 in _unknown(store.iter_sha256(), after, known):
        findings = []
        if sha256 not in known([sha256]):  # recorded meanwhile: the upload was still on its way
            is_repaired = False
            try:
                if repair:
                    record_object(store.verify(sha256))
                    is_repaired = True
            except ObjectCorrupt:
                findings.append(Finding("blob_corrupt", sha256, "stored under a name that is not its hash"))
            findings.append(Finding("blob_unindexed", sha256, "stored, but not indexed", is_repaired))
        yield sha256, findings


def _unknown(names: Iterator[str], after: str, known: Callable[[list[str]], set[str]]) -> Iterator[str]:
    batch: list[str] = []
    for name in names:
        if name > after:
            batch.append(name)
        if len(batch) >= _BATCH:
            yield from sorted(set(batch) - known(batch))
            batch = []
    yield from sorted(set(batch) - known(batch))


# --- xorbs -----------------------------------------------------------------------------------------------------------


def xorb_steps(after: str, *, deep: bool) -> Iterator[Step]:
    """Indexed xorbs: are they there? With ``deep`` each chunk is unpacked and hashed."""
    while rows := list(Xorb.objects.filter(xorb_hash__gt=after).order_by("xorb_hash").defer("index")[:_BATCH]):
        for row in rows:
            after = row.xorb_hash
            yield after, list(_check_xorb(row, deep))


def _check_xorb(row: Xorb, deep: bool) -> Iterator[Finding]:
    store = get_xorb_store()
    raw = parse_hash(row.xorb_hash)
    try:
        store.blobs.stat(row.xorb_hash)
        if not deep:
            return
        store.blobs.verify(row.xorb_hash)
        index = store.read_index(raw)
    except EntryNotFound:
        yield Finding("xorb_missing", row.xorb_hash, _files_of(row) or "indexed, but not stored")
        return
    except ObjectCorrupt:
        yield Finding("xorb_corrupt", row.xorb_hash, f"the bytes changed and are not served; {_files_of(row)}")
        return
    if index.to_bytes() != bytes(Xorb.objects.values_list("index", flat=True).get(pk=row.pk)):
        yield Finding("xorb_index", row.xorb_hash, f"the row describes other bytes; {_files_of(row)}")


def _files_of(row: Xorb) -> str:
    objects = LfsObject.objects.filter(xet_file__xorbs=row)[:5]
    return "; ".join(filter(None, (f"{item.sha256}: {_used(item)}" for item in objects)))


def stored_xorb_steps(after: str, *, repair: bool) -> Iterator[Step]:
    """Stored xorbs without a row; a row without a holder is what garbage collection then takes."""
    store = get_xorb_store()

    def known(names: list[str]) -> set[str]:
        return set(Xorb.objects.filter(xorb_hash__in=names).values_list("xorb_hash", flat=True))

    for name in _unknown(store.blobs.iter_sha256(), after, known):
        findings = []
        if name not in known([name]):
            findings.append(Finding("xorb_unindexed", name, "stored, but not indexed", repair and _index_xorb(name)))
        yield name, findings


def _index_xorb(name: str) -> bool:
    try:
        index = get_xorb_store().read_index(parse_hash(name))
    except (ObjectCorrupt, EntryNotFound, Unprocessable):
        return False
    facts = {
        "size_bytes": index.size_bytes,
        "unpacked_bytes": index.unpacked_bytes,
        "chunk_count": index.chunk_count,
        "index": index.to_bytes(),
    }
    Xorb.objects.get_or_create(xorb_hash=name, defaults=facts)
    return True


def recipe_steps(after: str) -> Iterator[Step]:
    """Recipes: every xorb that one names has a row, and is held for it against garbage collection."""
    last_pk = int(after or 0)
    while rows := list(XetFile.objects.filter(pk__gt=last_pk).order_by("pk")[:_BATCH]):
        for row in rows:
            last_pk = row.pk
            yield str(last_pk), list(_check_file(row))


def _check_file(row: XetFile) -> Iterator[Finding]:
    recipe = Recipe.from_bytes(bytes(row.recipe))
    named = {hash_text(raw) for raw in recipe.xorb_hashes}
    held = set(row.xorbs.values_list("xorb_hash", flat=True))
    if named != held:
        text = f"its recipe names {len(named)} xorbs, {len(named & held)} of them are kept for it"
        yield Finding("recipe_xorbs", row.file_hash, text)
    if recipe.size_bytes != row.size_bytes:
        yield Finding("recipe_size", row.file_hash, f"its recipe makes {recipe.size_bytes} bytes, not {row.size_bytes}")
