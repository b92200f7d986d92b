"""The query string of a list as one typed value, for pages and for the API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from django.http import QueryDict

from hub.catalog.sort_keys import Sort
from hub.catalog.words import query_words, without_nul
from hub.core.errors import BadRequest
from hub.core.ids import RepoType
from hub.core.taxonomy import LicenseClass

_MAX_TAGS: Final = 20
_MAX_VALUE_CHARS: Final = 140
_NUMBER: Final = re.compile(r"(\d{1,12}(?:\.\d{1,4})?)\s*([kmbt]?)", re.IGNORECASE)
_SCALE: Final = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
#: What clients of the Hub send (hub-api §8.1) → ours.
SORT_NAMES: Final[dict[str, Sort]] = {
    **{sort.value: sort for sort in Sort},
    "trendingScore": Sort.TRENDING,
    "lastModified": Sort.UPDATED,
    "last_modified": Sort.UPDATED,
    "createdAt": Sort.CREATED,
    "created_at": Sort.CREATED,
    "likes30d": Sort.LIKES,
    "likes7d": Sort.LIKES,
    "downloadsAllTime": Sort.DOWNLOADS,
    "trending_score": Sort.TRENDING,
    "num_parameters": Sort.PARAMETERS,
    "modified": Sort.UPDATED,
}
_TRUE: Final = frozenset({"1", "true", "on", "yes"})


@dataclass(frozen=True, slots=True)
class RepoFilters:
    """What a list shows.  Empty values do not filter; several tags must all match."""

    repo_type: RepoType = RepoType.MODEL
    search: tuple[str, ...] = ()
    is_id_search: bool = False  # the API looks into ids only, pages also into cards
    author: str = ""
    tags: tuple[str, ...] = ()
    pipeline_tag: str = ""
    library: str = ""
    license: str = ""
    license_class: str = ""
    language: str = ""
    min_parameters: int | None = None
    max_parameters: int | None = None
    is_servable: bool = False
    is_gated: bool | None = None
    sort: Sort = Sort.TRENDING

    @classmethod
    def from_query(
        cls, query: QueryDict, repo_type: RepoType = RepoType.MODEL, *, for_api: bool = False
    ) -> RepoFilters:
        """Read a query string; what is not about filters is ignored.

        Raises:
            BadRequest: unknown sort or licence class, a malformed number, too many tags.
        """
        low, high = _parameter_range(query)
        text = " ".join(query.getlist("search") or query.getlist("q"))
        return cls(
            repo_type=repo_type,
            search=query_words(text),
            is_id_search=for_api,
            author=_value(query, "author"),
            tags=_tag_list(query),
            pipeline_tag=_value(query, "pipeline_tag"),
            library=_value(query, "library"),
            license=_value(query, "license").removeprefix("license:"),
            license_class=_license_class(query),
            language=_value(query, "language"),
            min_parameters=low,
            max_parameters=high,
            is_servable=query.get("callable", "").lower() in _TRUE or query.get("inference", "") == "warm",
            is_gated=query.get("gated", "").lower() in _TRUE if query.get("gated") else None,
            sort=parse_sort(query.get("sort", "")),
        )

    def facet(self, name: str) -> str:
        """The chosen value of a facet by its short name: task, library, license, license_class or language."""
        return getattr(self, _FACET_ATTRIBUTES[name])

    def without_facet(self, name: str) -> RepoFilters:
        return self.change(**{_FACET_ATTRIBUTES[name]: ""})

    def change(self, **changes: Any) -> RepoFilters:
        return replace(self, **changes)

    @property
    def is_unfiltered(self) -> bool:
        """Nothing narrows the list but kind and (perhaps) author: rows answer it best."""
        return self == RepoFilters(
            repo_type=self.repo_type, author=self.author, sort=self.sort, is_id_search=self.is_id_search
        )

    @property
    def is_name_search_of_author(self) -> bool:
        """Names within one namespace: few rows, and people look there for what they have just made."""
        return self.is_id_search and bool(self.author) and self.change(search=()).is_unfiltered

    def query_string(self) -> str:
        """The canonical query string, "" or beginning with "?": equal filters give equal addresses."""
        pairs = [(name, value) for name, value in self.pairs() if value]
        return f"?{urlencode(pairs)}" if pairs else ""

    def pairs(self) -> Iterable[tuple[str, str]]:
        """Names and values of the query string, empty ones too."""
        yield "q", " ".join(self.search)
        yield "author", self.author
        for name in ("pipeline_tag", "library", "license", "license_class", "language"):
            yield name, getattr(self, name)
        for tag in self.tags:
            yield "filter", tag
        yield "params_min", _short(self.min_parameters)
        yield "params_max", _short(self.max_parameters)
        yield "callable", "1" if self.is_servable else ""
        yield "gated", "" if self.is_gated is None else "1" if self.is_gated else "0"
        yield "sort", "" if self.sort is Sort.TRENDING else self.sort.value


_FACET_ATTRIBUTES: Final = {
    "task": "pipeline_tag",
    "library": "library",
    "license": "license",
    "license_class": "license_class",
    "language": "language",
}


def parse_sort(text: str) -> Sort:
    """Raises BadRequest on an unknown order."""
    if not text:
        return Sort.TRENDING
    sort = SORT_NAMES.get(text)
    if sort is None:
        raise BadRequest(f"Invalid sort parameter. Use one of: {', '.join(Sort)}.", param="sort")
    return sort


def _value(query: QueryDict, name: str) -> str:
    return without_nul(query.get(name, "")).strip()[:_MAX_VALUE_CHARS]


def _tag_list(query: QueryDict) -> tuple[str, ...]:
    """``filter`` repeated or joined with commas, and its old spelling ``tags``."""
    texts = [without_nul(text) for text in [*query.getlist("filter"), *query.getlist("tags")]]
    pieces = [piece.strip() for text in texts for piece in text.split(",")]
    tags = tuple(dict.fromkeys(piece[:_MAX_VALUE_CHARS] for piece in pieces if piece))
    if len(tags) > _MAX_TAGS:
        raise BadRequest(f"At most {_MAX_TAGS} tags can be combined.", param="filter")
    return tags


def _license_class(query: QueryDict) -> str:
    value = _value(query, "license_class")
    if value and value not in list(LicenseClass):
        raise BadRequest(f"Invalid license_class. Use one of: {', '.join(LicenseClass)}.", param="license_class")
    return value


def _parameter_range(query: QueryDict) -> tuple[int | None, int | None]:
    """From ``num_parameters=min:6B,max:128B`` or the form's two fields."""
    low, high = parse_count(query.get("params_min", "")), parse_count(query.get("params_max", ""))
    for part in query.get("num_parameters", "").split(","):
        bound, _, text = part.strip().partition(":")
        if bound == "min":
            low = parse_count(text)
        elif bound == "max":
            high = parse_count(text)
        elif part.strip():
            raise BadRequest("num_parameters has the form min:6B,max:128B.", param="num_parameters")
    return low, high


def parse_count(text: str) -> int | None:
    """``7B`` → 7_000_000_000; empty → None. Raises BadRequest."""
    if not text.strip():
        return None
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise BadRequest("Numbers of parameters are written like 500M or 7B.", param="num_parameters")
    return min(int(float(match[1]) * _SCALE[match[2].lower()]), 2**62)


def _short(value: int | None) -> str:
    """The inverse of ``parse_count`` for round numbers."""
    if value is None:
        return ""
    for suffix in ("T", "B", "M", "K"):
        scale = _SCALE[suffix.lower()]
        if value and value % scale == 0:
            return f"{value // scale}{suffix}"
    return str(value)
