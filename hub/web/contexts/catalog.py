"""What the list, search and home pages are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final

from django.urls import reverse
from django.utils.translation import gettext as _

from hub.accounts.auth import Viewer
from hub.catalog.filters import RepoFilters
from hub.catalog.queries import Facets, RepoPage, RepoRow, Suggestion, count_repos, facet_counts, list_repos
from hub.catalog.sort_keys import Sort
from hub.core.ids import RepoType
from hub.core.taxonomy import (
    PIPELINE_TAGS,
    LicenseClass,
    Modality,
    language_label,
    library_label,
    license_label,
    pipeline_icon,
    pipeline_label,
    pipeline_tags_by_modality,
)

PAGE_SIZE: Final = 30
_SHORT: Final = 8
_MAX_HINTS: Final = 3
_MILLION: Final = 10**6
_BILLION: Final = 10**9
#: Steps of the parameter filter: from what runs on a phone to what needs several accelerators.
_SIZES: Final[tuple[tuple[int | None, int | None], ...]] = (
    (None, 100 * _MILLION),
    (100 * _MILLION, _BILLION),
    (_BILLION, 7 * _BILLION),
    (7 * _BILLION, 30 * _BILLION),
    (30 * _BILLION, None),
)


@dataclass(frozen=True, slots=True)
class FacetItem:
    label: str
    href: str
    count: int | None = None
    active: bool = False
    icon: str = ""


@dataclass(frozen=True, slots=True)
class FacetGroup:
    title: str
    items: list[FacetItem]
    is_open: bool = True
    more_href: str = ""
    has_size_form: bool = False  # free bounds below the steps


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is on; ``filters`` is the list without it."""

    key: str
    label: str
    filters: RepoFilters
    remove_href: str


@dataclass(frozen=True, slots=True)
class Hint:
    """For an empty list: what dropping one filter would bring."""

    label: str
    href: str
    count: int


@dataclass(frozen=True, slots=True)
class SortChoice:
    label: str
    href: str
    active: bool


@dataclass(frozen=True, slots=True)
class RepoListContext:
    """templates/catalog/list.html"""

    nav: str
    title: str
    path: str
    filters: RepoFilters
    search_text: str
    hidden_fields: list[tuple[str, str]]
    size_fields: list[tuple[str, str]]
    rows: list[RepoRow]
    total: int
    next_href: str
    previous_href: str
    sorts: list[SortChoice]
    sort_label: str
    groups: list[FacetGroup]
    chips: list[Chip]
    clear_href: str
    hints: list[Hint]


@dataclass(frozen=True, slots=True)
class SearchContext:
    """templates/catalog/search.html"""

    text: str
    people: list[Suggestion]
    models: RepoPage
    datasets: RepoPage
    models_href: str
    datasets_href: str


@dataclass(frozen=True, slots=True)
class HomeContext:
    """templates/web/home.html"""

    recent: list[RepoRow]
    models: list[RepoRow]
    datasets: list[RepoRow]
    model_count: int
    dataset_count: int
    callable_count: int
    tasks: list[FacetItem]
    snippet: str


def values_of(context: Any) -> dict[str, Any]:
    """A context's fields for ``render``: shallow, so that rows stay what they are."""
    return {item.name: getattr(context, item.name) for item in fields(context)}


# --- list pages ------------------------------------------------------------------------------------------------------


def repo_list(viewer: Viewer, filters: RepoFilters, *, cursor: str, show: str) -> RepoListContext:
    """All of a list page.  ``show`` names the facet group that is shown whole."""
    is_model = filters.repo_type is RepoType.MODEL
    path = reverse("web:model_list" if is_model else "web:dataset_list")
    page = list_repos(viewer, filters, after=cursor or None, limit=PAGE_SIZE)
    total = page.total if page.total is not None else count_repos(viewer, filters)
    chips = _chips(filters, path)
    return RepoListContext(
        nav="models" if is_model else "datasets",
        title=_("Models") if is_model else _("Datasets"),
        path=path,
        filters=filters,
        search_text=" ".join(filters.search),
        hidden_fields=_hidden_fields(filters.change(search=())),
        size_fields=_hidden_fields(filters.change(min_parameters=None, max_parameters=None)),
        rows=page.items,
        total=total,
        next_href=_page_href(path, filters, page.next_cursor),
        previous_href=_page_href(path, filters, page.prev_cursor),
        sorts=[_sort_choice(filters, path, sort) for sort in Sort if is_model or sort is not Sort.PARAMETERS],
        sort_label=_sort_labels()[filters.sort],
        groups=_groups(filters, path, facet_counts(viewer, filters), show),
        chips=chips,
        clear_href=path,
        hints=_hints(viewer, chips) if not page.items and not cursor else [],
    )


def _page_href(path: str, filters: RepoFilters, cursor: str | None) -> str:
    if cursor is None:
        return ""
    query = filters.query_string()
    return f"{path}{query}{'&' if query else '?'}cursor={cursor}"


def _hidden_fields(filters: RepoFilters) -> list[tuple[str, str]]:
    """What a form must carry along so that the other filters stay."""
    return [(name, value) for name, value in filters.pairs() if value]


def _sort_labels() -> dict[Sort, str]:
    return {
        Sort.TRENDING: _("Trending"),
        Sort.DOWNLOADS: _("Most downloads"),
        Sort.LIKES: _("Most likes"),
        Sort.UPDATED: _("Recently updated"),
        Sort.CREATED: _("Newest"),
        Sort.PARAMETERS: _("Most parameters"),
        Sort.RATING: _("Best rated"),
    }


def _sort_choice(filters: RepoFilters, path: str, sort: Sort) -> SortChoice:
    href = path + filters.change(sort=sort).query_string()
    return SortChoice(_sort_labels()[sort], href, sort is filters.sort)


# --- facets ----------------------------------------------------------------------------------------------------------


def _groups(filters: RepoFilters, path: str, facets: Facets, show: str) -> list[FacetGroup]:
    def group(title: str, name: str, counts: dict[str, int], label: Callable[[str], Any], **options: Any) -> FacetGroup:
        return _value_group(filters, path, title, name, counts, label, is_whole=show == name, **options)

    groups = _task_groups(filters, path, facets.task)
    if filters.repo_type is RepoType.MODEL:
        groups = [_callable_group(filters, path, facets.servable), *groups]
        groups.append(group(_("Library"), "library", facets.library, library_label))
        groups.append(_size_group(filters, path))
    classes = {name.value: facets.license_class.get(name.value, 0) for name in LicenseClass}
    classes = {name: count for name, count in classes.items() if count or name == filters.license_class}
    groups.append(
        group(_("Commercial use"), "license_class", classes, lambda value: LicenseClass(value).label, keep_order=True)
    )
    groups.append(group(_("Licence"), "license", facets.license, license_label, is_open=bool(filters.license)))
    groups.append(group(_("Language"), "language", facets.language, language_label))
    return [item for item in groups if item.items]


def _value_group(
    filters: RepoFilters,
    path: str,
    title: str,
    name: str,
    counts: dict[str, int],
    label: Callable[[str], Any],
    *,
    is_whole: bool,
    is_open: bool = True,
    keep_order: bool = False,
) -> FacetGroup:
    chosen = getattr(filters, name)
    counts = dict(counts)
    if chosen:
        counts.setdefault(chosen, 0)
    order = list(counts) if keep_order else sorted(counts, key=lambda value: (value != chosen, -counts[value], value))
    shown = order if is_whole else order[:_SHORT]
    items = [
        FacetItem(str(label(value)), _toggled(filters, path, name, value), counts[value], value == chosen)
        for value in shown
    ]
    query = filters.query_string()
    more = "" if len(shown) == len(order) else f"{path}{query}{'&' if query else '?'}show={name}"
    return FacetGroup(title, items, is_open or is_whole, more)


def _toggled(filters: RepoFilters, path: str, name: str, value: Any) -> str:
    empty = False if isinstance(value, bool) else ""
    changed = filters.change(**{name: empty if getattr(filters, name) == value else value})
    return path + changed.query_string()


def _task_groups(filters: RepoFilters, path: str, counts: dict[str, int]) -> list[FacetGroup]:
    """Tasks by modality; only those that lead somewhere."""
    chosen = filters.pipeline_tag
    groups = []
    for modality, tags in pipeline_tags_by_modality().items():
        known = [tag.id for tag in tags if counts.get(tag.id) or tag.id == chosen]
        if modality is Modality.OTHER:
            known += [tag_id for tag_id in counts if tag_id not in PIPELINE_TAGS]
        known.sort(key=lambda tag_id: -counts.get(tag_id, 0))
        items = [
            FacetItem(
                str(pipeline_label(tag_id)),
                _toggled(filters, path, "pipeline_tag", tag_id),
                counts.get(tag_id, 0),
                tag_id == chosen,
                pipeline_icon(tag_id),
            )
            for tag_id in known
        ]
        groups.append(FacetGroup(_("Tasks · %(modality)s") % {"modality": modality.label}, items))
    return groups


def _callable_group(filters: RepoFilters, path: str, count: int) -> FacetGroup:
    item = FacetItem(
        _("Callable now"), _toggled(filters, path, "is_servable", value=True), count, filters.is_servable, "zap"
    )
    return FacetGroup(_("On this hub"), [item] if count or filters.is_servable else [])


def _size_group(filters: RepoFilters, path: str) -> FacetGroup:
    chosen = (filters.min_parameters, filters.max_parameters)
    items = []
    for low, high in _SIZES:
        is_on = chosen == (low, high)
        new_low, new_high = (None, None) if is_on else (low, high)
        href = path + filters.change(min_parameters=new_low, max_parameters=new_high).query_string()
        items.append(FacetItem(_size_label(low, high), href, None, is_on))
    return FacetGroup(_("Parameters"), items, has_size_form=True)


def _size_label(low: int | None, high: int | None) -> str:
    if low is None:
        return _("up to %(high)s") % {"high": _short_count(high or 0)}
    if high is None:
        return _("from %(low)s") % {"low": _short_count(low)}
    return f"{_short_count(low)}–{_short_count(high)}"


def _short_count(value: int) -> str:
    for scale, suffix in ((_BILLION, "B"), (_MILLION, "M"), (1000, "k")):
        if value >= scale:
            return f"{value / scale:g}{suffix}"
    return str(value)


# --- chips and hints -------------------------------------------------------------------------------------------------


def _chips(filters: RepoFilters, path: str) -> list[Chip]:
    return [
        Chip(key, label, without, path + without.query_string()) for key, label, without in _active_filters(filters)
    ]


def _active_filters(filters: RepoFilters) -> Iterable[tuple[str, str, RepoFilters]]:
    for name, key, label in _named_values():
        if value := getattr(filters, name):
            yield key, str(label(value)), filters.change(**{name: ""})
    for tag in filters.tags:
        yield _("Tag"), tag, filters.change(tags=tuple(item for item in filters.tags if item != tag))
    if filters.search:
        yield _("Search"), " ".join(filters.search), filters.change(search=())
    if filters.min_parameters is not None or filters.max_parameters is not None:
        size = _size_label(filters.min_parameters, filters.max_parameters)
        yield _("Parameters"), size, filters.change(min_parameters=None, max_parameters=None)
    if filters.is_servable:
        yield _("On this hub"), _("Callable now"), filters.change(is_servable=False)
    if filters.is_gated is not None:
        yield _("Access"), _("on request") if filters.is_gated else _("open"), filters.change(is_gated=None)


def _named_values() -> list[tuple[str, str, Callable[[str], Any]]]:
    """Filters that hold one word: field, what it is called, and how its value is said."""
    return [
        ("author", _("Owner"), str),
        ("pipeline_tag", _("Task"), pipeline_label),
        ("library", _("Library"), library_label),
        ("license_class", _("Commercial use"), lambda value: LicenseClass(value).label),
        ("license", _("Licence"), license_label),
        ("language", _("Language"), language_label),
    ]


def _hints(viewer: Viewer, chips: list[Chip]) -> list[Hint]:
    """The filters whose removal brings most."""
    found = [Hint(f"{chip.key}: {chip.label}", chip.remove_href, count_repos(viewer, chip.filters)) for chip in chips]
    return sorted((hint for hint in found if hint.count), key=lambda hint: -hint.count)[:_MAX_HINTS]


def client_snippet(hub_url: str, example: str) -> str:
    """Shell lines that fetch a model of this hub with the stock client."""
    return f"pip install -U huggingface_hub\nexport HF_ENDPOINT={hub_url}\nhf download {example}"


def task_links(counts: dict[str, int], *, limit: int) -> list[FacetItem]:
    """The most frequent tasks as links into the model list."""
    path = reverse("web:model_list")
    order = sorted(counts, key=lambda tag_id: -counts[tag_id])[:limit]
    return [
        FacetItem(
            str(pipeline_label(tag_id)),
            path + RepoFilters(pipeline_tag=tag_id).query_string(),
            counts[tag_id],
            icon=pipeline_icon(tag_id),
        )
        for tag_id in order
    ]
