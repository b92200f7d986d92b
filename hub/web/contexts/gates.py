"""What pages say at the gate of a repo, to who stands before it and to who decides."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hub.accounts.permissions import role_in
from hub.core.ids import RepoType
from hub.repos.cards import render_card
from hub.repos.enums import AccessState, Gating
from hub.repos.gates import GateForm, answer_time, own_request, read_gate_form
from hub.repos.models import AccessRequest, Repo
from hub.repos.permissions import get_repo_for_read
from hub.repos.services import access
from hub.web.contexts.repos import index_of, repo_head, repo_url
from hub.web.forms.gates import AskForm

_TONES = {AccessState.PENDING: "accent", AccessState.ACCEPTED: "success", AccessState.REJECTED: "danger"}
#: Pages of a repo that show its files, and the tab that each stands under.
_TAB_OF_PAGE = {"commits": "history", "commits_default": "history", "commit": "history"}


@dataclass(frozen=True, slots=True)
class Gate:
    """Where the reader stands: ``state`` is stranger, open (may ask), pending, rejected or accepted.

    ``former`` says what was before, for those who may ask again: expired or rejected.
    """

    state: str
    is_automatic: bool
    heading: str
    prompt_html: str
    description: str
    button: str
    form: AskForm | None
    ask_href: str
    cancel_href: str
    sign_in_href: str
    sign_up_href: str
    asked_at: datetime | None
    reason: str
    answers: list[tuple[str, str]]
    former: str = ""
    promised_days: int = 0
    answer_time: str = ""
    expires_at: datetime | None = None
    retry_at: datetime | None = None
    grant_days: int = 0


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request as those see it who decide."""

    request: AccessRequest
    answers: list[tuple[str, str]]
    email: str
    tone: str


def gate_of(request: HttpRequest, repo: Repo) -> Gate | None:
    """What the page says of the gate; None where there is none, and for members, who are always in."""
    viewer = request.viewer
    if not repo.gated or role_in(viewer, repo.namespace_id) is not None:
        return None
    own = own_request(viewer, repo)
    former = _former(repo, own)
    state = "stranger" if viewer.user is None else AccessState(own.state).value if own and not former else "open"
    asked = read_gate_form(repo) if state in ("stranger", "open") else GateForm()
    here = urlencode({"next": repo.urls.page})
    return Gate(
        state=state,
        is_automatic=repo.gated == Gating.AUTO,
        heading=asked.heading,
        prompt_html=_prompt(repo, asked.prompt),
        description=asked.description,
        button=asked.button,
        form=AskForm(asked) if state == "open" else None,
        ask_href=f"{repo.urls.page}/ask-access",
        cancel_href=f"{repo.urls.api}/user-access-request/cancel",
        sign_in_href=f"{reverse('account_login')}?{here}",
        sign_up_href=f"{reverse('account_signup')}?{here}",
        asked_at=own.created_at if own else None,
        reason=own.rejection_reason if own else "",
        answers=_answers(own) if own else [],
        former=former,
        promised_days=repo.gate_answer_days,
        answer_time=in_days(answer_time(repo)) if state in ("stranger", "open", "pending") else "",
        expires_at=own.expires_at if own else None,
        retry_at=access.retry_opens_at(repo, own) if own and own.state == AccessState.REJECTED else None,
        grant_days=repo.gate_grant_days,
    )


def _former(repo: Repo, own: AccessRequest | None) -> str:
    if own is None:
        return ""
    if own.state == AccessState.ACCEPTED and own.is_expired:
        return "expired"
    return "rejected" if own.state == AccessState.REJECTED and access.is_retry_open(repo, own) else ""


def in_days(time: timedelta | None) -> str:
    """A time in words: hours below two days."""
    if time is None:
        return ""
    hours = max(1, round(time.total_seconds() / 3600))
    if hours < 48:
        return ngettext("%(count)s hour", "%(count)s hours", hours) % {"count": hours}
    days = round(hours / 24)
    return ngettext("%(count)s day", "%(count)s days", days) % {"count": days}


def _prompt(repo: Repo, prompt: str) -> str:
    return render_card(prompt, urls=repo.urls, revision=repo.default_branch).html if prompt else ""


def _answers(request: AccessRequest) -> list[tuple[str, str]]:
    return [(label, _("Yes") if value is True else str(value)) for label, value in request.answers.items()]


def closed_page(request: HttpRequest) -> dict[str, Any] | None:
    """The context of the page that stands for closed files; None where the address is not a page of a gated repo."""
    match = request.resolver_match
    kwargs = match.kwargs if match else {}
    if not {"repo_type", "namespace", "name"} <= set(kwargs):
        return None
    repo = get_repo_for_read(request.viewer, RepoType(kwargs["repo_type"]), kwargs["namespace"], kwargs["name"])
    tab = _TAB_OF_PAGE.get(match.url_name or "", "files") if match else "files"
    return {
        "repo": repo,
        "gate": gate_of(request, repo),
        "repo_head": repo_head(request, repo, tab, index=index_of(repo)),
    }


def request_rows(requests: Iterable[AccessRequest]) -> list[RequestRow]:
    return [
        RequestRow(
            request=request,
            answers=_answers(request),
            email=request.user.email if request.is_email_shared else "",
            tone=_TONES[AccessState(request.state)],
        )
        for request in requests
    ]


def state_tabs(repo: Repo, current: AccessState, counts: dict[str, int]) -> list[dict[str, Any]]:
    address = repo_url(repo, "repo_access")
    labels = {
        AccessState.PENDING: _("Waiting"),
        AccessState.ACCEPTED: _("Let in"),
        AccessState.REJECTED: _("Rejected"),
    }
    return [
        {
            "label": label,
            "href": f"{address}?state={state.value}",
            "current": state is current,
            "count": counts.get(state.value, 0),
        }
        for state, label in labels.items()
    ]
