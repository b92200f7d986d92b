"""What the pages of a repo are given: its head (address, tags, tabs, state) and the facts beside the card."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from community.permissions import can_contribute
from community.queries import repo_summary
from hub.accounts.auth import Viewer
from hub.accounts.models import Organization, User
from hub.catalog.models import RepoIndex
from hub.core.error_words import in_words_of_reader
from hub.core.ids import RepoType
from hub.core.taxonomy import (
    LICENSES,
    language_label,
    library_label,
    license_label,
    pipeline_icon,
    pipeline_label,
)
from hub.repos.content import Snapshot
from hub.repos.enums import AccessState
from hub.repos.gates import count_requests
from hub.repos.models import Repo
from hub.repos.permissions import can_admin, can_write
from hub.repos.provenance import pull_request_of
from hub.repos.queries import downloads_by_day
from hub.web.contexts.notices import WatchControl, watch_control
from inference.queries import LiveState

_TREND_DAYS: Final = 30
_MAX_TAGS: Final = 14
# Derived tags that say what is said elsewhere on the page, or nothing to a reader.
_HIDDEN_TAGS: Final = frozenset({"region:us", "endpoints_compatible", "model-index", "library:datasets"})


@dataclass(frozen=True, slots=True)
class Tab:
    label: str
    href: str
    current: bool
    icon: str
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """A fact that leads to the list of what shares it."""

    label: str
    href: str
    key: str = ""
    icon: str = ""


@dataclass(frozen=True, slots=True)
class RepoHead:
    """What layouts/repo.html reads; ``repo`` and the rights serve the pages themselves."""

    repo: Repo
    owner: str
    name: str
    repo_type: str
    url: str
    owner_url: str
    avatar_url: str
    owner_is_org: bool
    is_private: bool
    is_gated: bool
    like_url: str
    likes: int
    is_liked: bool
    can_write: bool
    can_admin: bool
    can_propose: bool
    watch: WatchControl | None = None
    collect_url: str = ""
    state: str = ""
    state_reason: str = ""
    tags: list[Tag] = field(default_factory=list)
    tabs: list[Tab] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PullLink:
    number: int
    href: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A row of the facts: a term, what it is, and links where the values lead somewhere."""

    term: str
    text: str = ""
    links: tuple[tuple[str, str], ...] = ()
    note: str = ""


def repo_url(repo: Repo, route: str, **kwargs: Any) -> str:
    """The address of a page of ``repo`` by route name, for those that ``RepoUrls`` does not know."""
    return reverse(
        f"web:{route}",
        kwargs={"repo_type": repo.type, "namespace": repo.namespace.name, "name": repo.name, **kwargs},
    )


def revision_url(repo: Repo, verb: str, revision: str, path: str = "") -> str:
    """``/ns/name/{verb}/{revision}/{path}``; revisions keep their slashes."""
    base = f"{repo.urls.page}/{verb}/{quote(revision, safe='/')}"
    return f"{base}/{quote(path, safe='/')}" if path else base


def pull_link(snapshot: Snapshot) -> PullLink | None:
    """The pull request that alone holds what is shown; pages say so wherever they show it (T196)."""
    number = pull_request_of(snapshot)
    return PullLink(number, f"{snapshot.repo.urls.page}/discussions/{number}") if number is not None else None


def index_of(repo: Repo) -> RepoIndex | None:
    """The catalogue's row; None in the seconds before a new repo is indexed."""
    return RepoIndex.objects.filter(repo=repo).first()


def repo_head(
    request: HttpRequest,
    repo: Repo,
    tab: str,
    *,
    index: RepoIndex | None = None,
    live: LiveState | None = None,
    show_tags: bool = False,
) -> RepoHead:
    """Build the head; ``tab`` is card, files, history, discussions, reviews or settings."""
    viewer: Viewer = request.viewer
    summary = repo_summary(viewer, repo)
    rights = {
        "can_write": can_write(viewer, repo),
        "can_admin": can_admin(viewer, repo),
        "can_propose": can_contribute(viewer, repo),
    }
    return RepoHead(
        repo=repo,
        owner=repo.namespace.name,
        name=repo.name,
        repo_type=repo.repo_type,
        url=repo.urls.page,
        owner_url=reverse("web:profile", args=[repo.namespace.name]),
        avatar_url=_owner_avatar(repo),
        owner_is_org=repo.namespace.is_organization,
        is_private=repo.is_private,
        is_gated=bool(repo.gated),
        like_url=repo_url(repo, "like"),
        likes=summary.likes,
        is_liked=summary.is_liked,
        collect_url=f"{reverse('web:collection_add')}?{urlencode({'item': f'{repo.type.plural}/{repo.repo_id}'})}",
        watch=watch_control(viewer, repo, repo_url(repo, "watch")),
        state=live.state if live else "",
        state_reason=in_words_of_reader(live.reason) if live else "",
        tags=_tags(index, repo.type) if index and show_tags else [],
        tabs=_tabs(repo, tab, file_count=index.file_count if index else None, is_admin=rights["can_admin"]),
        **rights,
    )


def _owner_avatar(repo: Repo) -> str:
    if repo.namespace.is_organization:
        owner: Organization | User | None = Organization.objects.filter(namespace_id=repo.namespace_id).first()
    else:
        owner = User.objects.filter(namespace_id=repo.namespace_id).first()
    return owner.avatar_url if owner else ""


def _tabs(repo: Repo, tab: str, *, file_count: int | None, is_admin: bool) -> list[Tab]:
    first = _("Model card") if repo.type is RepoType.MODEL else _("Dataset card")
    if repo.type in (RepoType.SPACE, RepoType.KERNEL):
        first = _("About")
    tabs = [
        Tab(first, repo.urls.page, tab == "card", "book-open"),
        Tab(_("Files"), repo.urls.tree(repo.default_branch), tab == "files", "folder", file_count),
        Tab(_("History"), repo.urls.commits(repo.default_branch), tab == "history", "history"),
    ]
    if tab == "discussions" or repo.last_discussion_num or not repo.are_discussions_disabled:
        talk = f"{repo.urls.page}/discussions"
        tabs.append(Tab(_("Discussions"), talk, tab == "discussions", "message-square", repo.discussions_open))
    tabs.append(Tab(_("Reviews"), repo_url(repo, "reviews"), tab == "reviews", "star", repo.rating_count))
    if is_admin:
        waiting = count_requests(repo).get(AccessState.PENDING) if repo.gated else None
        tabs.append(Tab(_("Settings"), repo.urls.settings, tab == "settings", "settings", waiting))
    return tabs


def settings_nav(repo: Repo, current: str) -> list[dict[str, Any]]:
    """The pages of a repo's settings, with the present one marked."""
    pages = [
        (_("General"), repo.urls.settings, "repo_settings"),
        (_("Access"), repo_url(repo, "repo_access"), "repo_access"),
        (_("Storage"), repo_url(repo, "repo_storage"), "repo_storage"),
        (_("Downloads"), repo_url(repo, "repo_stats"), "repo_stats"),
    ]
    return [{"label": label, "href": href, "current": route == current} for label, href, route in pages]


# --- tags ------------------------------------------------------------------------------------------------------------


def list_href(repo_type: RepoType, **query: str) -> str:
    """The list of models (or datasets) filtered by ``query``."""
    route = "web:dataset_list" if repo_type is RepoType.DATASET else "web:model_list"
    return f"{reverse(route)}?{urlencode(query)}"


def _tags(index: RepoIndex, repo_type: RepoType) -> list[Tag]:
    tags = list(_typed_tags(index, repo_type))
    shown = {index.pipeline_tag, index.library_name, *index.languages}
    for tag in index.tags:
        if tag in shown or tag in _HIDDEN_TAGS or tag.startswith(("license:", "language:", "base_model:")):
            continue
        tags.append(_plain_tag(tag, repo_type))
    return tags[:_MAX_TAGS]


def _plain_tag(tag: str, repo_type: RepoType) -> Tag:
    """``format:csv`` reads "Format csv"; the link keeps the tag as the Hub writes it."""
    kind, separator, value = tag.partition(":")
    words = {
        "task_categories": _("Task"),
        "task_ids": _("Task"),
        "size_categories": _("Rows"),
        "format": _("Format"),
        "modality": _("Kind"),
        "dataset": _("Dataset"),
        "arxiv": "arXiv",
        "doi": "DOI",
    }
    href = list_href(repo_type, tags=tag)
    if not separator or kind not in words:
        return Tag(tag, href)
    label = str(pipeline_label(value)) if kind == "task_categories" else value
    return Tag(label, href, key=words[kind])


def _typed_tags(index: RepoIndex, repo_type: RepoType) -> Iterable[Tag]:
    if index.pipeline_tag:
        yield Tag(
            str(pipeline_label(index.pipeline_tag)),
            list_href(repo_type, pipeline_tag=index.pipeline_tag),
            icon=pipeline_icon(index.pipeline_tag),
        )
    if index.library_name:
        yield Tag(library_label(index.library_name), list_href(repo_type, library=index.library_name), icon="package")
    if index.license:
        yield Tag(index.license, list_href(repo_type, license=index.license), key=_("Licence"), icon="scale")
    for code in index.languages[:4]:
        yield Tag(language_label(code), list_href(repo_type, language=code), icon="languages")


# --- facts -----------------------------------------------------------------------------------------------------------


def facts_of(repo: Repo, index: RepoIndex | None) -> list[Fact]:
    """What the files and the card say, in the order in which people decide."""
    if index is None:
        return []
    return [fact for fact in _facts(repo, index) if fact.text or fact.links]


def _facts(repo: Repo, index: RepoIndex) -> Iterable[Fact]:
    from hub.web.templatetags.hub_ui import human_count, human_size  # noqa: PLC0415 -- tags load after apps

    if repo.type is RepoType.MODEL:
        yield Fact(_("Parameters"), human_count(index.parameters) if index.parameters else "")
        yield Fact(_("Number type"), _dtypes(index.parameters_by_dtype))
        yield Fact(_("Architecture"), _architecture(index))
        yield Fact(_("Context"), _context(index))
    yield Fact(_("Size"), human_size(index.size_bytes) if index.file_count else "")
    yield Fact(_("Task"), links=_task_links(repo, index))
    yield Fact(_("Library"), links=_library_links(repo, index))
    yield Fact(_("Licence"), links=_license_links(repo, index), note=_license_note(index))
    yield Fact(_("Languages"), links=_language_links(repo, index))
    yield Fact(_("Base model"), links=tuple(_base_links(index)))
    yield Fact(_("Trained on"), links=tuple((name, f"/datasets/{quote(name)}") for name in index.datasets[:6]))


def _dtypes(by_dtype: dict[str, int]) -> str:
    """The dtypes by their share, the largest first: ``BF16 92 %, F32 8 %``; what rounds to nothing is left out."""
    total = sum(by_dtype.values())
    ordered = sorted(((dtype, n) for dtype, n in by_dtype.items() if 200 * n >= total), key=lambda item: -item[1])
    if len(ordered) == 1:
        return ordered[0][0]
    return ", ".join(f"{dtype} {100 * count / total:.0f}\u202f%" for dtype, count in ordered[:3] if total)


def _architecture(index: RepoIndex) -> str:
    names = index.config.get("architectures")
    return str(names[0]) if isinstance(names, list) and names else str(index.inspection.get("architecture") or "")


def _context(index: RepoIndex) -> str:
    length = index.inspection.get("context_length")
    return _("%(count)s tokens") % {"count": f"{length:,}"} if isinstance(length, int) and length else ""


def _task_links(repo: Repo, index: RepoIndex) -> tuple[tuple[str, str], ...]:
    tag = index.pipeline_tag
    return ((str(pipeline_label(tag)), list_href(repo.type, pipeline_tag=tag)),) if tag else ()


def _library_links(repo: Repo, index: RepoIndex) -> tuple[tuple[str, str], ...]:
    name = index.library_name
    return ((library_label(name), list_href(repo.type, library=name)),) if name else ()


def _license_links(repo: Repo, index: RepoIndex) -> tuple[tuple[str, str], ...]:
    return ((license_label(index.license), list_href(repo.type, license=index.license)),) if index.license else ()


def _license_note(index: RepoIndex) -> str:
    known = LICENSES.get(index.license)
    return str(known.license_class.label) if known else ""


def _language_links(repo: Repo, index: RepoIndex) -> tuple[tuple[str, str], ...]:
    return tuple((language_label(code), list_href(repo.type, language=code)) for code in index.languages[:8])


def _base_links(index: RepoIndex) -> Iterable[tuple[str, str]]:
    for base in index.base_models[:6]:
        name = str(base.get("id", ""))
        if name.count("/") == 1:
            yield name, f"/{quote(name)}"


# --- downloads -------------------------------------------------------------------------------------------------------


def download_trend(repo: Repo, *, today: date | None = None) -> list[int]:
    """Downloads a day over the last 30 days, oldest first."""
    return [row.count for row in downloads_by_day(repo, _TREND_DAYS, today=today)]
