"""What the pages of discussions are given: rows of the list, entries of a thread, and what each reader may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from community.enums import DiscussionType, Emoji, EventKind, Sort, Status, StatusFilter
from community.mentions import link_mentions
from community.models import Discussion, Event, LineAnchor
from community.permissions import (
    can_moderate,
    is_author,
    require_change,
    require_comment,
    require_discuss,
    require_merge,
)
from community.queries import DISCUSSIONS_PER_PAGE, DiscussionFilter, DiscussionPage
from hub.accounts.auth import Viewer
from hub.accounts.models import User
from hub.core.error_words import in_words_of_reader
from hub.core.errors import AuthenticationRequired, HubError
from hub.core.markdown import render_markdown
from hub.repos.models import Repo
from hub.repos.permissions import can_admin
from hub.web.forms.discussions import FilterForm

_STATE_ICONS = {
    Status.OPEN: "circle-dot",
    Status.DRAFT: "circle-dashed",
    Status.CLOSED: "circle-x",
    Status.MERGED: "circle-check",
}
_STATE_TONES = {Status.OPEN: "success", Status.DRAFT: "", Status.CLOSED: "danger", Status.MERGED: "accent"}


@dataclass(frozen=True, slots=True)
class StateMark:
    """A status as an icon, a word and a tone."""

    icon: str
    label: str
    tone: str


def state_mark(status: str) -> StateMark:
    state = Status(status)
    return StateMark(_STATE_ICONS[state], str(state.label), _STATE_TONES[state])


# --- the list --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DiscussionRow:
    discussion: Discussion
    href: str
    state: StateMark
    reactions: list[tuple[str, str, int]]  # symbol, word, count


def discussion_rows(repo: Repo, found: Sequence[Discussion]) -> list[DiscussionRow]:
    base = f"{repo.urls.page}/discussions"
    return [
        DiscussionRow(
            discussion=item,
            href=f"{base}/{item.num}",
            state=state_mark(item.status),
            reactions=[
                (Emoji(emoji).symbol, str(Emoji(emoji).label), count)
                for emoji, count in item.top_reactions
                if emoji in Emoji.values
            ],
        )
        for item in found
    ]


def wanted_of(query: QueryDict) -> DiscussionFilter:
    """The filter that an address asks for: open ones unless it says otherwise; nonsense is left out."""
    form = FilterForm(query)
    form.is_valid()
    data = form.cleaned_data
    return DiscussionFilter(
        kind=DiscussionType(data.get("type") or DiscussionType.ALL),
        status=StatusFilter(data.get("status") or StatusFilter.OPEN),
        author=data.get("author", ""),
        search=data.get("search", ""),
        sort=Sort(data.get("sort") or Sort.RECENT),
    )


def _address(repo: Repo, wanted: DiscussionFilter, **changes: str) -> str:
    """The list with one thing changed; what is usual is not written."""
    given = QueryDict(mutable=True)
    values = {
        "status": wanted.status.value if wanted.status is not StatusFilter.OPEN else "",
        "type": wanted.kind.value if wanted.kind is not DiscussionType.ALL else "",
        "author": wanted.author,
        "search": wanted.search,
        "sort": wanted.sort.value if wanted.sort is not Sort.RECENT else "",
    }
    for key, value in (values | changes).items():
        if value:
            given[key] = value
    base = f"{repo.urls.page}/discussions"
    return f"{base}?{given.urlencode()}" if given else base


def status_tabs(repo: Repo, wanted: DiscussionFilter, page: DiscussionPage) -> list[dict[str, Any]]:
    counts = {
        StatusFilter.OPEN: page.num_open,
        StatusFilter.CLOSED: page.num_closed,
        StatusFilter.ALL: page.num_open + page.num_closed,
    }
    return [
        {
            "label": str(status.label),
            "href": _address(repo, wanted, status=status.value if status is not StatusFilter.OPEN else ""),
            "current": status is wanted.status,
            "count": count,
        }
        for status, count in counts.items()
    ]


def page_links(repo: Repo, wanted: DiscussionFilter, page: DiscussionPage, number: int) -> dict[str, str]:
    """Addresses of the pages before and after, and words for where the reader is."""
    last = page.start + len(page.items)
    links = {"previous_href": "", "next_href": "", "summary": ""}
    if number:
        links["previous_href"] = _address(repo, wanted, p=str(number - 1) if number > 1 else "")
    if last < page.count:
        links["next_href"] = _address(repo, wanted, p=str(number + 1))
    if page.count > DISCUSSIONS_PER_PAGE:
        links["summary"] = _("%(first)s to %(last)s of %(count)s") % {
            "first": page.start + 1,
            "last": last,
            "count": page.count,
        }
    return links


# --- a thread --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReactionView:
    emoji: str
    symbol: str
    word: str
    count: int
    is_mine: bool
    names: str


@dataclass(frozen=True, slots=True)
class LineView:
    """The line that a comment speaks of: where it is now, or that it is gone; ``href`` shows it."""

    anchor: LineAnchor
    line: int
    is_outdated: bool
    href: str


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of a thread; ``html`` is of a comment, the rest of what the reader may do with it."""

    event: Event
    html: str = ""
    href: str = ""  # of its actions
    is_edited: bool = False
    is_first: bool = False
    can_edit: bool = False
    can_hide: bool = False
    reactions: list[ReactionView] = field(default_factory=list)
    line: LineView | None = None
    state: StateMark | None = None

    @property
    def used(self) -> list[ReactionView]:
        return [reaction for reaction in self.reactions if reaction.count]


@dataclass(frozen=True, slots=True)
class ThreadRights:
    """What the reader may do here; the sentences say why not."""

    can_comment: bool
    can_change: bool
    can_moderate: bool
    can_delete: bool
    can_merge: bool
    needs_sign_in: bool
    why_not: str


def _allows(check: Any, *arguments: Any) -> bool:
    try:
        check(*arguments)
    except HubError:
        return False
    return True


def refusal_of(viewer: Viewer, repo: Repo) -> tuple[bool, str]:
    """(a sign-in would help, why the reader cannot open discussions): empty when they can."""
    if repo.are_discussions_disabled:
        return False, _("Discussions and pull requests are disabled for this repository.")
    try:
        require_discuss(viewer, repo)
    except AuthenticationRequired:
        return True, ""
    except HubError as error:
        return False, in_words_of_reader(error.message)
    return False, ""


def rights_in(viewer: Viewer, discussion: Discussion) -> ThreadRights:
    repo = discussion.repo
    needs_sign_in, why_not = False, ""
    try:
        require_comment(viewer, discussion)
    except AuthenticationRequired:
        needs_sign_in = True
    except HubError as error:
        why_not = in_words_of_reader(error.message)
    moderates = viewer.user is not None and can_moderate(viewer, repo)
    return ThreadRights(
        can_comment=not needs_sign_in and not why_not,
        can_change=_allows(require_change, viewer, discussion),
        can_moderate=moderates,
        can_delete=moderates and can_admin(viewer, repo),
        can_merge=discussion.is_pull_request and _allows(require_merge, viewer, repo),
        needs_sign_in=needs_sign_in and not repo.are_discussions_disabled,
        why_not=why_not,
    )


def comment_html(viewer: Viewer, repo: Repo, text: str) -> str:
    """One text as its readers will see it."""
    return link_mentions(viewer, repo, [render_markdown(text).html])[0] if text.strip() else ""


def entries_of(
    viewer: Viewer,
    discussion: Discussion,
    events: Sequence[Event],
    rights: ThreadRights,
    lines: Mapping[int, LineView],
) -> list[EntryView]:
    """The thread in order; ``lines`` are those that comments speak of and the reader may see."""
    comments = [event for event in events if event.kind == EventKind.COMMENT and not event.is_hidden]
    plain = [render_markdown(event.body).html if event.body else "" for event in comments]
    html = dict(zip([event.pk for event in comments], link_mentions(viewer, discussion.repo, plain), strict=True))
    first = next((event.pk for event in events if event.kind == EventKind.COMMENT), None)
    entries = []
    for event in events:
        event.discussion = discussion
        if event.kind != EventKind.COMMENT:
            entries.append(EntryView(event, state=_state_of(event)))
            continue
        entries.append(
            EntryView(
                event,
                html=html.get(event.pk, ""),
                href=f"{discussion.page}/comments/{event.object_id}",
                is_edited=event.edited_at is not None and not event.is_hidden,
                is_first=event.pk == first,
                can_edit=not event.is_hidden and rights.can_comment and is_author(viewer, event),
                can_hide=not event.is_hidden and (rights.can_moderate or _is_own(viewer, event)),
                reactions=[] if event.is_hidden else _reactions(viewer, event),
                line=lines.get(event.pk),
            )
        )
    return entries


def _is_own(viewer: Viewer, event: Event) -> bool:
    """One's own can be taken back in a locked thread, too, but not where discussions are off."""
    return is_author(viewer, event) and not event.discussion.repo.are_discussions_disabled


def _state_of(event: Event) -> StateMark | None:
    status = event.data.get("status", "")
    return state_mark(status) if status in Status.values else None


def _reactions(viewer: Viewer, event: Event) -> list[ReactionView]:
    """All of the set, so that each can be chosen; ``names`` tells who did, the first few."""
    people: dict[str, list[User]] = {}
    for reaction in event.reactions.all():
        people.setdefault(reaction.emoji, []).append(reaction.user)
    return [
        ReactionView(
            emoji=emoji.value,
            symbol=emoji.symbol,
            word=str(emoji.label),
            count=len(given := people.get(emoji.value, [])),
            is_mine=any(user.pk == viewer.user_pk for user in given),
            names=", ".join(user.username for user in given[:10]) + ("…" if len(given) > 10 else ""),
        )
        for emoji in Emoji
    ]


def quote_of(event: Event) -> str:
    """A comment as the beginning of an answer to it."""
    who = f"@{event.author.username}" if event.author else _("Somebody")
    lines = "\n".join(f"> {line}".rstrip() for line in event.body.strip().splitlines())
    return "> " + _("%(who)s wrote:") % {"who": who} + f"\n>\n{lines}\n\n"
