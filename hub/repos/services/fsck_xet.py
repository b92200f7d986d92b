"""The part of fsck that looks at what Xet rows claim: terms against indexes, mappings against content (T191)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.db.models import Exists, F, OuterRef

from hub.core.errors import EntryNotFound
from hub.repos.services.findings import Finding, holders_of
from hub.repos.services.fsck_stores import Step
from hub.storage.models import LfsObject, XetFile, XetFileXorb, XetRegistration, Xorb, XorbHolding
from hub.storage.xet import registry
from hub.storage.xet.hashing import MerkleTree, file_hash_of_root, hash_text
from hub.storage.xet.recipe import Recipe, Term
from hub.storage.xet.xorb import XorbIndex

_BATCH: Final = 200


def term_steps(after: str) -> Iterator[Step]:
    """Recipes: their terms lie within the indexes of their xorbs, and make the file they are named for."""
    last_pk = int(after or 0)
    while rows := list(XetFile.objects.filter(pk__gt=last_pk).order_by("pk")[:_BATCH]):
        for row in rows:
            last_pk = row.pk
            problem = _recipe_problem(row)
            found = [Finding("recipe_broken", row.file_hash, f"{problem}; {_readers(row)}")] if problem else []
            yield str(last_pk), found


def _recipe_problem(row: XetFile) -> str:
    tree = MerkleTree()
    for term in Recipe.from_bytes(bytes(row.recipe)).terms:
        try:
            index = registry.get_index(term.xorb_hash)
        except (EntryNotFound, ValueError):
            return f"it needs the xorb {hash_text(term.xorb_hash)}, which is not known"
        if not _fits(term, index):
            return f"it names chunks that the xorb {hash_text(term.xorb_hash)} does not have"
        tree.add(index.chunks(term.first, term.end), index.lengths(term.first, term.end))
    found = hash_text(file_hash_of_root(tree.root()))
    return "" if found == row.file_hash else f"its terms make the file {found}"


def _fits(term: Term, index: XorbIndex) -> bool:
    if not 0 <= term.first < term.end <= index.chunk_count:
        return False
    start, stop = index.unpacked_span(term.first, term.end)
    return stop - start == term.unpacked_bytes


def _readers(row: XetFile) -> str:
    objects = row.lfs_objects.all()[:5]
    return "; ".join(filter(None, (holders_of(item.sha256, item.size_bytes) for item in objects))) or "used nowhere"


def mapping_steps(after: str, *, repair: bool) -> Iterator[Step]:
    """What maps one name to another: SHA-256 to Xet file, repo to what it was sent, domain to what it may refer to."""
    if not after:
        yield "done", [*_check_mappings(repair), *_check_registrations(repair), *_check_holdings()]


def _check_mappings(repair: bool) -> Iterator[Finding]:
    rows = LfsObject.objects.select_related("xet_file").filter(xet_file__isnull=False)
    wrong = rows.exclude(xet_file__sha256=F("sha256"), xet_file__size_bytes=F("size_bytes"))
    for row in wrong.defer("xet_file__recipe").iterator():
        assert row.xet_file is not None  # by the filter
        # A whole copy is the content by its name; without one nothing tells which side is right.
        can_repair = repair and row.is_whole
        if can_repair:
            LfsObject.objects.filter(pk=row.pk).update(xet_file=None, converted_at=None)
        text = f"mapped to {row.xet_file.file_hash}, whose content is {row.xet_file.sha256 or 'not known'}"
        yield Finding("mapping_differs", row.sha256, text, can_repair)


def _check_registrations(repair: bool) -> Iterator[Finding]:
    wrong = XetRegistration.objects.exclude(sha256=F("file__sha256"), size_bytes=F("file__size_bytes"))
    for row in wrong.select_related("file").defer("file__recipe").iterator():
        if repair:
            row.delete()
        text = f"{row.repo_key} was sent {row.file.file_hash}, which is another content"
        yield Finding("registration_differs", row.sha256, text, repair)


def _check_holdings() -> Iterator[Finding]:
    """Xorbs that files use and no domain holds: clients that remember them are refused until they send them again."""
    used = XetFileXorb.objects.filter(xorb_id=OuterRef("pk"))
    held = XorbHolding.objects.filter(xorb_id=OuterRef("pk"))
    for row in Xorb.objects.filter(Exists(used), ~Exists(held)).defer("index").iterator():
        yield Finding("xorb_unheld", row.xorb_hash, "files use it, and no domain may refer to it")
