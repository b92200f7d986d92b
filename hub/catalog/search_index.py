"""The tantivy index over ``RepoIndex`` rows: filters, text, counts, facets and sorts (design D5).

rows → IndexChange feed → apply_changes (one writer, a worker) → readers reopen.  It lies under ``HUB_DATA_DIR/index``,
which web and worker machines share; a lost or foreign one is built anew from the rows, and SQL answers meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
import tantivy
from django.conf import settings
from tantivy import Occur, Query

from hub.catalog.filters import RepoFilters
from hub.catalog.models import IndexChange, RepoIndex
from hub.catalog.sort_keys import Sort
from hub.catalog.words import is_cjk, pinyin, terms, trigrams
from hub.core.taxonomy import license_class
from hub.repos.enums import Visibility

log = structlog.get_logger("hub.catalog")

#: A change of the schema below changes the directory: old code keeps its index while new code builds another.
SCHEMA_VERSION: Final = 2
_HEAP_BYTES: Final = 64_000_000
_BATCH: Final = 2_000
_STATE: Final = "applied.json"
_MAX_PREFIX_CHARS: Final = 40
FACET_FIELDS: Final = ("task", "library", "license", "license_class", "language")


# --- schema and documents --------------------------------------------------------------------------------------------


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    for name in ("id", "namespace", "parameters", *(sort.column for sort in Sort)):
        builder.add_unsigned_field(name, indexed=True, fast=True)
    for name in ("repo_type", "visibility", "gated", "servable", "tag", "name_word"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in FACET_FIELDS:
        builder.add_text_field(f"f_{name}", fast=True, tokenizer_name="raw", index_option="basic")
    for name in ("id_grams", "pinyin_grams", "body"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    return builder.build()


SCHEMA: Final = _schema()

_ROW_FIELDS: Final = (
    "repo_id", "repo_type", "namespace_id", "full_id_folded", "visibility", "gated", "pipeline_tag", "library_name",
    "license", "languages", "tags", "title", "summary", "card_text", "parameters", "is_servable",
    *(sort.column for sort in Sort),
)  # fmt: skip


def _document(row: dict[str, Any]) -> tantivy.Document:
    document = tantivy.Document()
    # add_unsigned, not keywords: those become signed and kill the writer (platform §3.6).
    document.add_unsigned("id", row["repo_id"])
    document.add_unsigned("namespace", row["namespace_id"])
    if row["parameters"]:
        document.add_unsigned("parameters", row["parameters"])
    for sort in Sort:
        document.add_unsigned(sort.column, row[sort.column])
    document.add_text("repo_type", row["repo_type"])
    document.add_text("visibility", row["visibility"])
    document.add_text("gated", "yes" if row["gated"] else "no")
    document.add_text("servable", "yes" if row["is_servable"] else "no")
    for tag in row["tags"]:
        document.add_text("tag", tag)
    for name, values in _facet_values(row):
        for value in values:
            document.add_text(f"f_{name}", value)
    _add_words(document, row)
    return document


def _facet_values(row: dict[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    yield "task", [row["pipeline_tag"]] if row["pipeline_tag"] else task_categories(row["tags"])
    yield "library", [row["library_name"]] if row["library_name"] else []
    yield "license", [row["license"]] if row["license"] else []
    yield "license_class", [license_class(row["license"]).value]
    yield "language", row["languages"]


def task_categories(tags: Iterable[str]) -> list[str]:
    """The tasks that a dataset names; they stand in its tags."""
    prefix = "task_categories:"
    return [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)]


def _add_words(document: tantivy.Document, row: dict[str, Any]) -> None:
    full_id = row["full_id_folded"]
    for word in {full_id, full_id.rpartition("/")[2], *terms(full_id)}:
        document.add_text("name_word", word[:_MAX_PREFIX_CHARS])
    document.add_text("id_grams", " ".join(trigrams(full_id)))
    described = f"{row['title']} {row['summary']}"
    latin = pinyin(described)
    if latin:
        document.add_text("pinyin_grams", " ".join(gram for run in latin.split() for gram in trigrams(run)))
    body = terms(f"{full_id} {described} {' '.join(row['tags'])} {row['card_text']}")
    document.add_text("body", " ".join(body))


# --- writing ---------------------------------------------------------------------------------------------------------


def index_path() -> Path:
    return Path(settings.HUB_DATA_DIR) / "index" / f"repos-{SCHEMA_VERSION}"


def apply_changes() -> int:
    """Bring the index up to date with the rows; return how many repos were written.

    One process of a machine writes at a time: the others wait briefly and then leave it to the one that is at work.
    """
    path = index_path()
    path.mkdir(parents=True, exist_ok=True)
    with _writer_lock(path) as is_mine:
        if not is_mine:
            return 0
        applied = _applied(path)
        if applied is None or not tantivy.Index.exists(str(path)):
            return _rebuild(path)
        return _catch_up(path, applied)


def rebuild() -> int:
    """Throw the index away and build it from the rows."""
    path = index_path()
    path.mkdir(parents=True, exist_ok=True)
    with _writer_lock(path) as is_mine:
        return _rebuild(path) if is_mine else 0


@contextmanager
def _writer_lock(path: Path) -> Iterator[bool]:
    with (path.parent / f"{path.name}.lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _rebuild(path: Path) -> int:
    # Noted first: a row that changes meanwhile is written again by the next catch-up.
    upto = IndexChange.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    building = path.with_name(f"{path.name}.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    index = tantivy.Index(SCHEMA, path=str(building))
    written = 0
    writer = index.writer(_HEAP_BYTES, 1)
    rows = RepoIndex.objects.filter(is_listed=True).order_by("pk").values(*_ROW_FIELDS)
    for row in rows.iterator(chunk_size=_BATCH):
        writer.add_document(_document(row))
        written += 1
    writer.commit()
    writer.wait_merging_threads()
    _write_applied(building, upto)
    shutil.rmtree(path, ignore_errors=True)
    building.rename(path)
    log.info("index_rebuilt", repos=written)
    return written


def _catch_up(path: Path, applied: int) -> int:
    written = 0
    index = tantivy.Index.open(str(path))
    writer = None
    while True:
        changes = list(IndexChange.objects.filter(pk__gt=applied).order_by("pk").values_list("pk", "repo_pk")[:_BATCH])
        if not changes:
            break
        writer = writer or index.writer(_HEAP_BYTES, 1)
        pks = {repo_pk for _, repo_pk in changes}
        _write_batch(writer, pks)
        applied = changes[-1][0]
        # After the commit: a crash between the two writes the same rows again, which changes nothing.
        _write_applied(path, applied)
        written += len(pks)
    if writer is not None:
        writer.wait_merging_threads()
    return written


def _write_batch(writer: tantivy.IndexWriter, pks: set[int]) -> None:
    # By query: the deletion by term takes ints as signed and finds nothing in an unsigned field.
    writer.delete_documents_by_query(Query.term_set_query(SCHEMA, "id", sorted(pks)))
    for row in RepoIndex.objects.filter(pk__in=pks, is_listed=True).values(*_ROW_FIELDS):
        writer.add_document(_document(row))
    writer.commit()


def _applied(path: Path) -> int | None:
    try:
        return int(json.loads((path / _STATE).read_text())["change"])
    except (OSError, ValueError, KeyError):
        return None


def _write_applied(path: Path, change: int) -> None:
    temporary = path / f"{_STATE}.tmp"
    temporary.write_text(json.dumps({"change": change}))
    temporary.rename(path / _STATE)


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reader:
    """The index at one moment; ``generation`` changes with every commit."""

    searcher: tantivy.Searcher
    generation: str


@dataclass(slots=True)
class _Opened:
    path: Path
    stamp: tuple[int, int]
    inode: int
    index: tantivy.Index
    reader: Reader


_opened: _Opened | None = None
_open_lock: Final = threading.Lock()


def open_reader() -> Reader | None:
    """The newest committed state, or None while there is no index (SQL answers then)."""
    path = index_path()
    try:
        state, folder = (path / _STATE).stat(), path.stat()
    except OSError:
        return None
    stamp = (state.st_mtime_ns, state.st_ino)
    known = _opened
    if known is not None and known.path == path and known.stamp == stamp:
        return known.reader
    with _open_lock:
        return _reopen(path, stamp, folder.st_ino)


def _reopen(path: Path, stamp: tuple[int, int], inode: int) -> Reader | None:
    global _opened  # noqa: PLW0603 -- one open index per process
    try:
        if _opened is not None and _opened.path == path and _opened.inode == inode:
            index = _opened.index
            index.reload()
        else:
            index = tantivy.Index.open(str(path))
            index.config_reader("manual")
            index.reload()
    except ValueError as error:
        log.warning("index_not_opened", reason=str(error)[:200])
        return None
    reader = Reader(index.searcher(), f"{stamp[0]}-{stamp[1]}")
    _opened = _Opened(path, stamp, inode, index, reader)
    return reader


@dataclass(frozen=True, slots=True)
class Scope:
    """What a viewer may see: public repos and those of these namespaces.  Part of every cache key (T36)."""

    namespaces: tuple[int, ...] = ()
    repo_pk: int | None = None  # a worker's token: this repo alone


def build_query(filters: RepoFilters, scope: Scope, *, author_pk: int | None) -> Query:
    """All conditions joined by "and".  ``author_pk`` belongs to ``filters.author``."""
    must = [_term("repo_type", filters.repo_type.value), _visible(scope)]
    if author_pk is not None:
        must.append(_term("namespace", author_pk))
    must += [_term("tag", tag) for tag in filters.tags]
    for name in FACET_FIELDS:
        if value := filters.facet(name):
            must.append(_term(f"f_{name}", value))
    if filters.is_servable:
        must.append(_term("servable", "yes"))
    if filters.is_gated is not None:
        must.append(_term("gated", "yes" if filters.is_gated else "no"))
    if filters.min_parameters is not None or filters.max_parameters is not None:
        must.append(_range("parameters", filters.min_parameters, filters.max_parameters))
    must += [_word(word, id_only=filters.is_id_search) for word in filters.search]
    return Query.boolean_query([(Occur.Must, query) for query in must])


def _term(field: str, value: Any) -> Query:
    return Query.term_query(SCHEMA, field, value, index_option="basic")


def _range(field: str, lower: int | None, upper: int | None, *, inclusive: bool = True) -> Query:
    return Query.range_query(
        SCHEMA,
        field,
        tantivy.FieldType.Unsigned,
        lower_bound=lower,
        upper_bound=upper,
        include_lower=inclusive or lower is None,
        include_upper=inclusive or upper is None,
    )


def _any(queries: list[Query]) -> Query:
    return queries[0] if len(queries) == 1 else Query.boolean_query([(Occur.Should, query) for query in queries])


def _visible(scope: Scope) -> Query:
    if scope.repo_pk is not None:
        return _term("id", scope.repo_pk)
    public = _term("visibility", Visibility.PUBLIC.value)
    if not scope.namespaces:
        return public
    return _any([public, Query.term_set_query(SCHEMA, "namespace", list(scope.namespaces))])


def _word(word: str, *, id_only: bool) -> Query:
    """One word of a search: a piece of the id; unless ``id_only``, also a word of the card or its pinyin."""
    choices = [_substring("id_grams", word, short=_name_prefix)]
    if not id_only:
        choices.append(_body(word))
        if len(word) > 3 and word.isascii() and word.isalpha():
            choices.append(_substring("pinyin_grams", word, short=_name_prefix))
    return _any(choices)


def _substring(field: str, word: str, *, short: Callable[[str], Query]) -> Query:
    grams = trigrams(word)
    if not grams:
        return short(word)
    if len(grams) == 1:
        return Query.term_query(SCHEMA, field, grams[0])
    return Query.phrase_query(SCHEMA, field, list[str | tuple[int, str]](grams))


def _name_prefix(word: str) -> Query:
    return Query.regex_query(SCHEMA, "name_word", f"{_escape(word[:_MAX_PREFIX_CHARS])}.*")


def _escape(text: str) -> str:
    """By number: a backslash before what is no ASCII punctuation is an error of its own in this dialect."""
    return "".join(character if character.isalnum() else f"\\x{{{ord(character):x}}}" for character in text)


def _body(word: str) -> Query:
    pieces = terms(word)
    if not pieces:
        return Query.empty_query()
    if len(pieces) == 1:
        piece = pieces[0]
        if is_cjk(piece) and len(piece) == 1:
            return Query.regex_query(SCHEMA, "body", f"{piece}.*")
        return Query.term_query(SCHEMA, "body", piece)
    return Query.phrase_query(SCHEMA, "body", list(pieces))


@dataclass(frozen=True, slots=True)
class Hits:
    """Sort keys in list order, and how many repos match in all."""

    keys: list[int]
    total: int


def search(
    reader: Reader,
    filters: RepoFilters,
    scope: Scope,
    *,
    author_pk: int | None,
    after: int | None = None,
    before: int | None = None,
    limit: int,
) -> Hits:
    """A page of matches behind sort key ``after``, or before ``before`` (then nearest first)."""
    query = build_query(filters, scope, author_pk=author_pk)
    total = reader.searcher.search(query, 1, count=True).count  # type: ignore[attr-defined]  # missing in the stubs
    paged = query
    if after is not None:
        paged = Query.boolean_query(
            [(Occur.Must, query), (Occur.Must, _range(filters.sort.column, None, after, inclusive=False))]
        )
    elif before is not None:
        paged = Query.boolean_query(
            [(Occur.Must, query), (Occur.Must, _range(filters.sort.column, before, None, inclusive=False))]
        )
    order = tantivy.Order.Asc if before is not None else tantivy.Order.Desc
    result = reader.searcher.search(paged, limit, count=False, order_by_field=filters.sort.column, order=order)
    return Hits([int(key) for key, _ in result.hits], total)


def count(reader: Reader, filters: RepoFilters, scope: Scope, *, author_pk: int | None) -> int:
    query = build_query(filters, scope, author_pk=author_pk)
    return reader.searcher.search(query, 1, count=True).count  # type: ignore[attr-defined]  # missing in the stubs


def facet_values(
    reader: Reader, filters: RepoFilters, scope: Scope, field: str, *, author_pk: int | None, limit: int
) -> dict[str, int]:
    """Value → repos for one facet, most frequent first; give ``filters`` without that facet's own value."""
    query = build_query(filters, scope, author_pk=author_pk)
    answer = reader.searcher.aggregate(query, {"values": {"terms": {"field": f"f_{field}", "size": limit}}})
    return {str(bucket["key"]): int(bucket["doc_count"]) for bucket in answer["values"]["buckets"]}


def names_with_prefix(reader: Reader, prefix: str, scope: Scope, *, limit: int) -> list[int]:
    """Ids of the repos one of whose name words begins so, most trending first."""
    query = Query.boolean_query([(Occur.Must, _visible(scope)), (Occur.Must, _name_prefix(prefix))])
    column = Sort.TRENDING.column
    result = reader.searcher.search(query, limit, count=False, order_by_field=column)
    return [int(key) for key, _ in result.hits]
