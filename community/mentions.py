"""Names that people write in comments: ``@person``, ``ns/name``, ``#12``, ``ns/name#12``.

comment → safe HTML (hub.core.markdown) → names in its text → one query a kind → links        (``link_mentions``)
                                         → people outside of quotes → whom to tell             (``mentioned_users``)

Names are read where the reader will see them as text: not in code, nor inside other links. What is linked is what is
there and what this reader may see; all else stays the plain text that it is, so a link tells nothing (T94).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Final

from django.db.models import Q
from django.urls import reverse

from community.models import Discussion
from hub.accounts.auth import Viewer
from hub.accounts.enums import NamespaceKind
from hub.accounts.models import Namespace, User
from hub.core.ids import RepoType, fold
from hub.core.markdown import render_markdown
from hub.repos.models import Repo
from hub.repos.permissions import visible_to

#: More names than these in one text are not read: who is called with twenty others is not called.
MAX_PEOPLE: Final = 20
_MAX_OF_PAGE: Final = 500

_TAG: Final = re.compile(r"(<[^>]*>)")
_OPENING: Final = re.compile(r"<(/?)([a-z][a-z0-9]*)")
#: What stands in these is not prose.
_CLOSED: Final = frozenset({"a", "code", "pre", "math", "kbd", "samp"})
_QUOTE: Final = "blockquote"
_VOID: Final = frozenset({"br", "hr", "img", "input", "wbr", "col"})

_PERSON: Final = r"(?<![A-Za-z0-9_@./-])@(?P<person>[A-Za-z0-9][A-Za-z0-9_-]{0,40}[A-Za-z0-9])(?![A-Za-z0-9_/@])"
_REPO: Final = (
    r"(?<![A-Za-z0-9_@./#-])(?:(?P<plural>models|datasets|spaces|kernels)/)?"
    r"(?P<namespace>[A-Za-z0-9][A-Za-z0-9_-]{1,41})/(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?)"
    r"(?:#(?P<repo_num>[1-9][0-9]{0,8}))?(?![A-Za-z0-9_/@#])"
)
_NUMBER: Final = r"(?<![A-Za-z0-9_&/#])#(?P<num>[1-9][0-9]{0,8})(?![A-Za-z0-9_#])"
_NAME: Final = re.compile(f"{_PERSON}|{_REPO}|{_NUMBER}")

RepoKey = tuple[str, str, str]  # type, folded namespace, folded name


@dataclass(slots=True)
class _Names:
    """What a page's texts name, each once."""

    people: set[str] = field(default_factory=set)
    repos: set[RepoKey] = field(default_factory=set)
    numbers: set[int] = field(default_factory=set)
    far_numbers: set[tuple[RepoKey, int]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Targets:
    """Addresses of what was found; a name that is missing here has none."""

    people: dict[str, str]
    repos: dict[RepoKey, str]
    numbers: dict[int, tuple[str, str]]  # address, title
    far_numbers: dict[tuple[RepoKey, int], tuple[str, str]]


def mentioned_users(text: str) -> list[User]:
    """The active people whom a comment calls by name, in order; quotes and code call nobody."""
    names: list[str] = []
    for piece, is_quoted in _prose(render_markdown(text).html if "@" in text else ""):
        if not is_quoted:
            names += [fold(match["person"]) for match in _NAME.finditer(piece) if match["person"]]
    ordered = list(dict.fromkeys(names))[:MAX_PEOPLE]
    if not ordered:
        return []
    rows = User.objects.select_related("namespace").filter(namespace__name_folded__in=ordered, is_active=True)
    found = {user.namespace.name_folded: user for user in rows if user.namespace}
    return [found[name] for name in ordered if name in found]


def link_mentions(viewer: Viewer, repo: Repo, htmls: Sequence[str]) -> list[str]:
    """The same HTML with links to what it names and ``viewer`` may see; ``#12`` is of ``repo``. A query a kind."""
    names = _Names()
    for html in htmls:
        for piece, _is_quoted in _prose(html):
            _collect(piece, names)
    targets = _find(viewer, repo, names)
    return [_with_links(html, targets) for html in htmls]


# --- reading ---------------------------------------------------------------------------------------------------------


def _tokens(html: str) -> Iterator[tuple[str, bool, bool]]:
    """(token, is it prose, is it quoted) in order; joined they are ``html``, which is the sanitiser's: well formed."""
    closed = quoted = 0
    for token in _TAG.split(html):
        if not token.startswith("<"):
            if token:
                yield token, closed == 0, quoted > 0
            continue
        tag = _OPENING.match(token)
        if tag is not None and tag[2] not in _VOID:
            step = -1 if tag[1] else 1
            closed += step * (tag[2] in _CLOSED)
            quoted += step * (tag[2] == _QUOTE)
        yield token, False, False


def _prose(html: str) -> Iterator[tuple[str, bool]]:
    return ((token, is_quoted) for token, is_prose, is_quoted in _tokens(html) if is_prose)


def _key(match: re.Match[str]) -> RepoKey:
    repo_type = RepoType.from_plural(match["plural"]) if match["plural"] else RepoType.MODEL
    return repo_type.value, fold(match["namespace"]), fold(match["name"])


def _collect(piece: str, names: _Names) -> None:
    for match in _NAME.finditer(piece):
        if match["person"]:
            names.people.add(fold(match["person"]))
        elif match["num"]:
            names.numbers.add(int(match["num"]))
        elif match["repo_num"]:
            names.far_numbers.add((_key(match), int(match["repo_num"])))
        else:
            names.repos.add(_key(match))


# --- looking up ------------------------------------------------------------------------------------------------------


def _find(viewer: Viewer, repo: Repo, names: _Names) -> _Targets:
    repos = _repos(viewer, names.repos | {key for key, _num in names.far_numbers})
    return _Targets(
        people=_people(names.people),
        repos={key: found.urls.page for key, found in repos.items()},
        numbers={row.num: (row.page, row.title) for row in _discussions(repo, names.numbers)},
        far_numbers=_far(repos, names.far_numbers),
    )


def _people(wanted: set[str]) -> dict[str, str]:
    """Pages of people and organizations; of nobody who left."""
    if not wanted:
        return {}
    alive = Q(kind=NamespaceKind.ORGANIZATION, organization__isnull=False) | Q(user__is_active=True)
    rows = Namespace.objects.filter(alive, name_folded__in=sorted(wanted)[:_MAX_OF_PAGE], retired_at__isnull=True)
    return {row.name_folded: reverse("web:profile", args=[row.name]) for row in rows}


def _repos(viewer: Viewer, wanted: set[RepoKey]) -> dict[RepoKey, Repo]:
    if not wanted:
        return {}
    asked = sorted(wanted)[:_MAX_OF_PAGE]
    rows = Repo.objects.select_related("namespace").filter(
        visible_to(viewer),
        disabled_at__isnull=True,
        namespace__name_folded__in={namespace for _type, namespace, _name in asked},
        name_folded__in={name for _type, _namespace, name in asked},
    )
    found = {(row.repo_type, row.namespace.name_folded, row.name_folded): row for row in rows[: 4 * _MAX_OF_PAGE]}
    return {key: found[key] for key in asked if key in found}


def _discussions(repo: Repo, wanted: set[int]) -> list[Discussion]:
    if not wanted:
        return []
    rows = list(
        Discussion.objects.filter(repo=repo, num__in=sorted(wanted)[:_MAX_OF_PAGE], hidden_at__isnull=True).only(
            "num", "title", "repo"
        )
    )
    for row in rows:
        row.repo = repo  # its address needs the namespace, which this one has
    return rows


def _far(repos: dict[RepoKey, Repo], wanted: set[tuple[RepoKey, int]]) -> dict[tuple[RepoKey, int], tuple[str, str]]:
    """Discussions of other repos, of those that were found, so may be seen."""
    asked = [(key, num) for key, num in sorted(wanted)[:_MAX_OF_PAGE] if key in repos]
    if not asked:
        return {}
    rows = Discussion.objects.filter(
        repo__in={repos[key].pk for key, _num in asked}, num__in={num for _key, num in asked}, hidden_at__isnull=True
    ).values_list("repo_id", "num", "title")
    titles = {(repo_pk, num): title for repo_pk, num, title in rows}
    return {
        (key, num): (f"{repos[key].urls.page}/discussions/{num}", titles[repos[key].pk, num])
        for key, num in asked
        if (repos[key].pk, num) in titles
    }


# --- writing ---------------------------------------------------------------------------------------------------------


def _with_links(html: str, targets: _Targets) -> str:
    return "".join(
        _NAME.sub(lambda match: _link(match, targets), token) if is_prose else token
        for token, is_prose, _is_quoted in _tokens(html)
    )


def _link(match: re.Match[str], targets: _Targets) -> str:
    """The name as it was written, inside a link where there is something to lead to."""
    text = match[0]
    if match["person"]:
        return _anchor(targets.people.get(fold(match["person"]), ""), text, "mention")
    if match["num"]:
        return _anchor(*_titled(targets.numbers.get(int(match["num"])), text))
    if match["repo_num"]:
        return _anchor(*_titled(targets.far_numbers.get((_key(match), int(match["repo_num"]))), text))
    return _anchor(targets.repos.get(_key(match), ""), text, "reference")


def _titled(found: tuple[str, str] | None, text: str) -> tuple[str, str, str, str]:
    href, title = found or ("", "")
    return href, text, "reference", title


def _anchor(href: str, text: str, css_class: str, title: str = "") -> str:
    if not href:
        return text
    titled = f' title="{escape(title)}"' if title else ""
    return f'<a class="{css_class}" href="{escape(href)}"{titled}>{text}</a>'
