"""Lists, counts and suggestions, each with the viewer's rights inside.

The unfiltered list and an author's list are rows in key order.  Everything else comes from the search index, and its
rows are asked again with ``visible_to``: the index may lag, the rights may not (T35, T36).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.core.cache import cache
from django.db import connection
from django.db.models import Max, Q, QuerySet, TextField
from django.db.models.functions import Cast

from hub.accounts.auth import Viewer
from hub.accounts.enums import Action, NamespaceKind
from hub.accounts.models import Namespace
from hub.accounts.permissions import roles_of
from hub.catalog import search_index
from hub.catalog.filters import RepoFilters
from hub.catalog.models import LookAlike, LookAlikeVerdict, RepoIndex
from hub.catalog.search_index import FACET_FIELDS, Reader, Scope
from hub.catalog.sort_keys import Sort, repo_pk_of
from hub.catalog.words import without_nul
from hub.core.errors import BadRequest
from hub.core.ids import RepoType, fold
from hub.core.taxonomy import LICENSES, LicenseClass, license_class, license_ids_of, pipeline_label
from hub.repos.enums import Visibility
from hub.repos.permissions import visible_to
from hub.repos.urls import RepoUrls

MAX_LIMIT: Final = 1000
#: Without an index SQL looks at so many rows at most: correct for small hubs, bounded for large ones.
SQL_SCAN_LIMIT: Final = 5_000
_FACET_CACHE_S: Final = 300
_COUNT_CACHE_S: Final = 60
_FACET_SIZE: Final = 200

_ROW_FIELDS: Final = (
    "repo_id", "full_id", "visibility", "gated", "pipeline_tag", "library_name", "license", "languages", "summary",
    "parameters", "updated_at", "created_at", "likes", "downloads", "rating", "rating_count", "trending_score",
    "is_servable", "tags", "head_oid", "repo__object_id", "namespace__kind", "namespace__user__avatar",
    "namespace__organization__avatar",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RepoRow:
    """One repo in a list, with no object of the ORM behind it."""

    pk: int
    object_id: str
    repo_type: RepoType
    full_id: str
    is_private: bool
    gated: str
    pipeline_tag: str
    library_name: str
    license: str
    languages: list[str]
    tags: list[str]
    summary: str
    parameters: int | None
    updated_at: datetime
    created_at: datetime
    likes: int
    downloads: int
    rating: float
    rating_count: int
    trending_score: float
    is_servable: bool
    head_oid: str
    avatar: str  # file name of the owner's picture
    is_owner_organization: bool

    @property
    def namespace(self) -> str:
        return self.full_id.partition("/")[0]

    @property
    def name(self) -> str:
        return self.full_id.partition("/")[2]

    @property
    def urls(self) -> RepoUrls:
        return RepoUrls(self.repo_type, self.namespace, self.name)

    @property
    def href(self) -> str:
        return self.urls.page

    @property
    def owner(self) -> str:
        return self.namespace

    @property
    def avatar_url(self) -> str:
        return f"/avatars/{self.avatar}" if self.avatar else ""

    @property
    def task_label(self) -> str:
        return str(pipeline_label(self.pipeline_tag)) if self.pipeline_tag else ""


@dataclass(frozen=True, slots=True)
class RepoPage:
    """A keyset page.  Cursors are opaque; ``total`` is None where counting is not worth its cost."""

    items: list[RepoRow]
    next_cursor: str | None = None
    prev_cursor: str | None = None
    total: int | None = None


# --- lists -----------------------------------------------------------------------------------------------------------


def most_used_servable() -> dict[str, list[str]]:
    """The most downloaded open model that this hub runs, by pipeline tag; tags without one are left out."""
    open_to_all = RepoIndex.objects.filter(
        visible_to(Viewer(), "repo__"),
        repo_type=RepoType.MODEL.value,
        visibility=Visibility.PUBLIC,
        gated="",
        is_listed=True,
        is_servable=True,
    ).exclude(pipeline_tag="")
    best = open_to_all.order_by().values("pipeline_tag").annotate(key=Max("s_downloads")).values_list("key", flat=True)
    rows = RepoIndex.objects.filter(repo_id__in=[repo_pk_of(key) for key in best])
    return {row["pipeline_tag"]: [row["full_id"]] for row in rows.values("pipeline_tag", "full_id")}


def list_repos(viewer: Viewer, filters: RepoFilters, *, after: str | None = None, limit: int = 30) -> RepoPage:
    """A page of repos that the viewer may see; ``after`` is a cursor of an earlier page.

    Raises:
        BadRequest: the cursor is not one of ours.
    """
    limit = max(1, min(limit, MAX_LIMIT))
    key, is_backward = _parse_cursor(after)
    author = _author(filters)
    if filters.author and author is None:
        return RepoPage([], total=0)
    is_for_rows = filters.is_unfiltered or filters.is_name_search_of_author
    reader = None if is_for_rows else search_index.open_reader()
    if reader is None:
        keys, rows = _page_from_rows(viewer, filters, author, key, is_backward, limit + 1)
        total = None
    else:
        hits = search_index.search(
            reader,
            filters,
            scope_of(viewer),
            author_pk=author,
            after=None if is_backward else key,
            before=key if is_backward else None,
            limit=limit + 1,
        )
        keys, total = hits.keys, hits.total
        rows = _rows_by_keys(viewer, filters, keys)
    return _page(keys, rows, total=total, limit=limit, key=key, is_backward=is_backward)


def _page(
    keys: list[int], rows: dict[int, RepoRow], *, total: int | None, limit: int, key: int | None, is_backward: bool
) -> RepoPage:
    """Cut to ``limit``, put in order, and say whether there is more on either side."""
    has_more = len(keys) > limit
    keys = keys[:limit]
    if is_backward:
        keys.reverse()
    items = [rows[repo_pk_of(item)] for item in keys if repo_pk_of(item) in rows]
    has_next = is_backward or has_more
    has_previous = has_more if is_backward else key is not None
    return RepoPage(
        items=items,
        next_cursor=_cursor("a", keys[-1]) if keys and has_next else None,
        prev_cursor=_cursor("b", keys[0]) if keys and has_previous else None,
        total=total,
    )


def _cursor(direction: str, key: int) -> str:
    return f"{direction}{key:x}"


def _parse_cursor(text: str | None) -> tuple[int | None, bool]:
    if not text:
        return None, False
    try:
        key = int(text[1:], 16)
    except ValueError as error:
        raise BadRequest("Invalid cursor", param="cursor") from error
    if text[0] not in "ab" or not 0 <= key < 2**63:
        raise BadRequest("Invalid cursor", param="cursor")
    return key, text[0] == "b"


def _author(filters: RepoFilters) -> int | None:
    if not filters.author:
        return None
    named = Namespace.objects.filter(name_folded=fold(filters.author), retired_at__isnull=True)
    return named.values_list("pk", flat=True).first()


def _visible_rows(viewer: Viewer, repo_type: RepoType) -> QuerySet[RepoIndex]:
    return RepoIndex.objects.filter(visible_to(viewer, "repo__"), repo_type=repo_type.value, is_listed=True)


def _page_from_rows(
    viewer: Viewer, filters: RepoFilters, author: int | None, key: int | None, is_backward: bool, limit: int
) -> tuple[list[int], dict[int, RepoRow]]:
    column = filters.sort.column
    rows = _filtered_rows(viewer, filters, author)
    if key is not None:
        rows = rows.filter(**{f"{column}__{'gt' if is_backward else 'lt'}": key})
    ordered = rows.order_by(column if is_backward else f"-{column}").values(column, *_ROW_FIELDS)[:limit]
    found = list(ordered)
    return [row[column] for row in found], {row["repo_id"]: _row(filters.repo_type, row) for row in found}


def _rows_by_keys(viewer: Viewer, filters: RepoFilters, keys: Iterable[int]) -> dict[int, RepoRow]:
    pks = [repo_pk_of(key) for key in keys]
    found = _visible_rows(viewer, filters.repo_type).filter(pk__in=pks).values(*_ROW_FIELDS) if pks else []
    return {row["repo_id"]: _row(filters.repo_type, row) for row in found}


def _row(repo_type: RepoType, row: dict[str, Any]) -> RepoRow:
    is_organization = row["namespace__kind"] == NamespaceKind.ORGANIZATION
    avatar = row["namespace__organization__avatar"] if is_organization else row["namespace__user__avatar"]
    return RepoRow(
        pk=row["repo_id"],
        object_id=row["repo__object_id"],
        repo_type=repo_type,
        is_private=row["visibility"] != "public",
        avatar=avatar or "",
        is_owner_organization=is_organization,
        **{name: row[name] for name in _PLAIN_FIELDS},
    )


_PLAIN_FIELDS: Final = tuple(name for name in _ROW_FIELDS if "__" not in name and name not in {"repo_id", "visibility"})


# --- SQL, where there is no index or no need for one -----------------------------------------------------------------


def _filtered_rows(viewer: Viewer, filters: RepoFilters, author: int | None) -> QuerySet[RepoIndex]:
    rows = _visible_rows(viewer, filters.repo_type)
    if author is not None:
        rows = rows.filter(namespace_id=author)
    if filters.library:
        rows = rows.filter(library_name=filters.library)
    if filters.license:
        rows = rows.filter(license=filters.license)
    if filters.is_gated is not None:
        rows = rows.filter(gated="") if not filters.is_gated else rows.exclude(gated="")
    rows = _with_json_filters(rows, filters)
    if filters.license_class:
        rows = rows.filter(_license_class_condition(LicenseClass(filters.license_class)))
    if filters.is_servable:
        rows = rows.filter(is_servable=True)
    if filters.min_parameters is not None:
        rows = rows.filter(parameters__gte=filters.min_parameters)
    if filters.max_parameters is not None:
        rows = rows.filter(parameters__lte=filters.max_parameters)
    return _with_words(rows, filters)


def _with_json_filters(rows: QuerySet[RepoIndex], filters: RepoFilters) -> QuerySet[RepoIndex]:
    if filters.pipeline_tag and filters.repo_type is RepoType.MODEL:
        rows = rows.filter(pipeline_tag=filters.pipeline_tag)
    elif filters.pipeline_tag:
        rows = _holding(rows, "tags", f"task_categories:{filters.pipeline_tag}")
    for tag in filters.tags:
        rows = _holding(rows, "tags", tag)
    return _holding(rows, "languages", filters.language) if filters.language else rows


def _holding(rows: QuerySet[RepoIndex], column: str, value: str) -> QuerySet[RepoIndex]:
    """Rows whose JSON list holds ``value``, found in the list's text: the one way that both databases share."""
    alias = f"{column}_text"
    written = json.dumps(value, ensure_ascii=connection.vendor == "sqlite")
    if alias not in rows.query.annotations:
        rows = rows.annotate(**{alias: Cast(column, TextField())})
    return rows.filter(**{f"{alias}__contains": written})


def _license_class_condition(wanted: LicenseClass) -> Q:
    if wanted is LicenseClass.UNKNOWN:
        return Q(license__in=license_ids_of(wanted)) | ~Q(license__in=list(LICENSES))
    return Q(license__in=license_ids_of(wanted))


def _with_words(rows: QuerySet[RepoIndex], filters: RepoFilters) -> QuerySet[RepoIndex]:
    for word in filters.search:
        condition = Q(full_id_folded__contains=word)
        if not filters.is_id_search:
            condition |= Q(summary__icontains=word) | Q(title__icontains=word) | Q(card_text__icontains=word)
        rows = rows.filter(condition)
    return rows


# --- who sees what ---------------------------------------------------------------------------------------------------


def scope_of(viewer: Viewer) -> Scope:
    """The index's side of ``visible_to``; results are asked again with the real one."""
    if viewer.service is not None:
        return Scope(repo_pk=viewer.service.repo_pk)
    if viewer.token is not None and not viewer.allows(Action.REPO_READ):
        return Scope()
    return Scope(namespaces=tuple(sorted(roles_of(viewer))))


def _cache_key(kind: str, filters: RepoFilters, scope: Scope, generation: str, *more: Any) -> str:
    identity = json.dumps([asdict(filters), asdict(scope), generation, more], default=str)
    return f"{kind}:{hashlib.sha256(identity.encode()).hexdigest()}"


def count_repos(viewer: Viewer, filters: RepoFilters) -> int:
    """How many repos the viewer's list has; for an unfiltered list up to a minute old."""
    author = _author(filters)
    if filters.author and author is None:
        return 0
    reader = search_index.open_reader()
    scope = scope_of(viewer)
    if reader is not None and not filters.is_unfiltered:
        return search_index.count(reader, filters, scope, author_pk=author)
    key = _cache_key("repo-count", filters.change(sort=Sort.TRENDING), scope, reader.generation if reader else "rows")
    known = cache.get(key)
    if known is None:
        known = _filtered_rows(viewer, filters, author).count()
        cache.set(key, known, _COUNT_CACHE_S)
    return known


# --- facets ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Facets:
    """Value → repos per facet, most frequent first; each counted without its own choice, so that one can change it."""

    task: dict[str, int]
    library: dict[str, int]
    license: dict[str, int]
    license_class: dict[str, int]
    language: dict[str, int]
    servable: int


def facet_counts(viewer: Viewer, filters: RepoFilters) -> Facets:
    """Counts beside the filters; cached until the index changes, per set of readable namespaces (T36)."""
    author = _author(filters)
    if filters.author and author is None:
        return Facets({}, {}, {}, {}, {}, 0)
    reader = search_index.open_reader()
    scope = scope_of(viewer)
    if reader is None:
        return _facets_from_rows(viewer, filters, author)
    key = _cache_key("facets", filters.change(sort=Sort.TRENDING), scope, reader.generation)
    known = cache.get(key)
    if known is None:
        known = _facets_from_index(reader, filters, scope, author)
        cache.set(key, known, _FACET_CACHE_S)
    return Facets(**known)


def _facets_from_index(reader: Reader, filters: RepoFilters, scope: Scope, author: int | None) -> dict[str, Any]:
    counts: dict[str, Any] = {
        name: search_index.facet_values(
            reader, filters.without_facet(name), scope, name, author_pk=author, limit=_FACET_SIZE
        )
        for name in FACET_FIELDS
    }
    counts["servable"] = search_index.count(reader, filters.change(is_servable=True), scope, author_pk=author)
    return counts


def _facets_from_rows(viewer: Viewer, filters: RepoFilters, author: int | None) -> Facets:
    counters: dict[str, Counter[str]] = {}
    for name in FACET_FIELDS:
        rows = _filtered_rows(viewer, filters.without_facet(name), author)
        fields = ("pipeline_tag", "library_name", "license", "languages", "tags")
        counters[name] = Counter()
        for row in rows.order_by("-s_trending").values(*fields)[:SQL_SCAN_LIMIT]:
            counters[name].update(_values_of(name, row))
    servable = _filtered_rows(viewer, filters.change(is_servable=True), author).count()
    return Facets(
        **{name: dict(counter.most_common(_FACET_SIZE)) for name, counter in counters.items()}, servable=servable
    )


def _values_of(name: str, row: dict[str, Any]) -> Sequence[str]:
    if name == "task":
        return [row["pipeline_tag"]] if row["pipeline_tag"] else search_index.task_categories(row["tags"])
    if name == "license_class":
        return [license_class(row["license"]).value]
    if name == "language":
        return row["languages"]
    value = row["library_name"] if name == "library" else row["license"]
    return [value] if value else []


# --- small lists -----------------------------------------------------------------------------------------------------


def look_alike_of(repo_pk: int) -> LookAlike | None:
    """Why a repo is kept from trending (T49); None where it is not."""
    held = LookAlike.objects.filter(repo_id=repo_pk).exclude(verdict=LookAlikeVerdict.CLEARED)
    return held.first()


def trending(viewer: Viewer, repo_type: RepoType = RepoType.MODEL, *, limit: int = 6) -> list[RepoRow]:
    return list_repos(viewer, RepoFilters(repo_type=repo_type), limit=limit).items


def recent_of(viewer: Viewer, *, limit: int = 6) -> list[RepoRow]:
    """The viewer's own repos of all kinds (their organizations' included), last changed first."""
    namespaces = list(roles_of(viewer))
    if not namespaces:
        return []
    rows = (
        RepoIndex.objects.filter(visible_to(viewer, "repo__"), namespace_id__in=namespaces)
        .order_by("-s_updated")
        .values("repo_type", *_ROW_FIELDS)[:limit]
    )
    return [_row(RepoType(row["repo_type"]), row) for row in rows]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line under the search box: ``kind`` is model, dataset, space, user or org."""

    kind: str
    label: str
    href: str
    summary: str = ""


def suggest(viewer: Viewer, text: str, *, limit: int = 8) -> list[Suggestion]:
    """Repos and people whose names begin with ``text``; private ones for those who may see them alone (T35)."""
    word = without_nul(text).strip().lower()[:140]
    if not word:
        return []
    repos = _suggested_repos(viewer, word, limit)
    return [*repos, *suggest_people(word, limit=max(2, limit - len(repos)))][:limit]


def _suggested_repos(viewer: Viewer, word: str, limit: int) -> list[Suggestion]:
    reader = search_index.open_reader()
    visible = RepoIndex.objects.filter(visible_to(viewer, "repo__"), is_listed=True)
    fields = ("repo_id", "repo_type", "full_id", "summary")
    if reader is None:
        named = visible.filter(full_id_folded__contains=word).order_by("-s_trending")
        rows = list(named.values(*fields)[: limit - 2])
    else:
        keys = search_index.names_with_prefix(reader, word, scope_of(viewer), limit=limit - 2)
        order = {repo_pk_of(key): place for place, key in enumerate(keys)}
        found = visible.filter(pk__in=order).values(*fields) if order else []
        rows = sorted(found, key=lambda row: order[row["repo_id"]])
    return [_repo_suggestion(row) for row in rows]


def _repo_suggestion(row: dict[str, Any]) -> Suggestion:
    namespace, _, name = row["full_id"].partition("/")
    urls = RepoUrls(RepoType(row["repo_type"]), namespace, name)
    return Suggestion(row["repo_type"], row["full_id"], urls.page, row["summary"][:100])


def suggest_people(text: str, *, limit: int) -> list[Suggestion]:
    """Users and organizations whose names begin with ``text``."""
    word = fold(without_nul(text).strip())
    if not word:
        return []
    namespaces = (
        Namespace.objects.filter(name_folded__startswith=word, retired_at__isnull=True)
        .order_by("name_folded")
        .values("name", "kind", "user__full_name", "organization__full_name")[:limit]
    )
    return [
        Suggestion(
            row["kind"], row["name"], f"/{row['name']}", row["organization__full_name"] or row["user__full_name"] or ""
        )
        for row in namespaces
    ]
