"""The gate of a repo: what its card asks of those who want in, and where each of them stands.

Source: hub-api §19 (``extra_gated_*`` in the front matter). Rights are judged in ``hub.repos.permissions``.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any, Final

from django.db.models import Count

from hub.accounts.auth import Viewer
from hub.core.errors import BadRequest, RevisionNotFound
from hub.core.pagination import Page, cut_page, decode_cursor
from hub.repos.cards import CARD_PATH, MAX_CARD_BYTES, read_card
from hub.repos.content import at_revision, read_text
from hub.repos.enums import AccessState
from hub.repos.models import AccessRequest, Repo

MIN_ANSWERS: Final = 5
_ANSWERS_LOOKED_AT: Final = 50
MAX_FIELDS: Final = 50
MAX_LABEL_LENGTH: Final = 200
MAX_OPTIONS: Final = 300
MAX_ANSWER_LENGTH: Final = 2_000
MAX_PROMPT_LENGTH: Final = 20_000
_KINDS: Final = frozenset({"text", "checkbox", "date_picker", "country", "select"})
# The name of the form's own hidden field cannot be a question.
_TAKEN: Final = frozenset({"csrfmiddlewaretoken"})


@dataclass(frozen=True, slots=True)
class GateField:
    """A question; its label is also the name under which forms and clients send the answer."""

    label: str
    kind: str  # text, checkbox, date_picker, country, select
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateForm:
    """What stands at the gate; empty texts mean: the page's own words."""

    heading: str = ""
    prompt: str = ""  # Markdown
    description: str = ""
    button: str = ""
    fields: tuple[GateField, ...] = ()


@dataclass(frozen=True, slots=True)
class GateTerms:
    """What the owner says of time, in days; 0: no promise, for good, never again. Named as the fields of ``Repo``."""

    gate_answer_days: int = 0
    gate_grant_days: int = 0
    gate_retry_days: int = 0


def read_gate_form(repo: Repo) -> GateForm:
    """The form of the default branch's card. A card that is missing or cannot be read asks nothing."""
    try:
        text = read_text(at_revision(repo), CARD_PATH, MAX_CARD_BYTES)
    except RevisionNotFound:
        return GateForm()
    metadata = read_card(text).metadata if text else {}
    return GateForm(
        heading=_text(metadata, "extra_gated_heading", MAX_LABEL_LENGTH),
        prompt=_text(metadata, "extra_gated_prompt", MAX_PROMPT_LENGTH),
        description=_text(metadata, "extra_gated_description", MAX_ANSWER_LENGTH),
        button=_text(metadata, "extra_gated_button_content", 60),
        fields=tuple(_fields(metadata.get("extra_gated_fields"))),
    )


def _text(metadata: Mapping[str, Any], key: str, max_length: int) -> str:
    value = metadata.get(key)
    return value.strip()[:max_length] if isinstance(value, str) else ""


def _fields(value: Any) -> Iterator[GateField]:
    if not isinstance(value, dict):
        return
    for label, kind in list(value.items())[:MAX_FIELDS]:
        if not isinstance(label, str) or not label.strip() or len(label) > MAX_LABEL_LENGTH or label in _TAKEN:
            continue
        if isinstance(kind, str) and kind in _KINDS - {"select"}:
            yield GateField(label, kind)
        elif isinstance(kind, dict) and kind.get("type") == "select":
            options = tuple(_options(kind.get("options")))
            if options:
                yield GateField(label, "select", options)


def _options(value: Any) -> Iterator[str]:
    """``[text | {label, value}]``."""
    for option in value[:MAX_OPTIONS] if isinstance(value, list) else ():
        text = option.get("value", option.get("label")) if isinstance(option, dict) else option
        if isinstance(text, str | int | float) and not isinstance(text, bool) and str(text).strip():
            yield str(text)[:MAX_LABEL_LENGTH]


def read_answers(form: GateForm, given: Mapping[str, Any]) -> dict[str, str | bool]:
    """The answers to the form's questions; all are required, and nothing else is kept. Raises: BadRequest."""
    return {field.label: _answer(field, given.get(field.label)) for field in form.fields}


def _answer(field: GateField, value: Any) -> str | bool:
    if field.kind == "checkbox":
        if value is True or (isinstance(value, str) and value.lower() in ("on", "true", "1", "yes")):
            return True
        raise BadRequest(f"Please agree to: {field.label}", param=field.label)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"Please fill in: {field.label}", param=field.label)
    text = value.strip()
    if len(text) > MAX_ANSWER_LENGTH or (field.options and text not in field.options) or not _fits(field.kind, text):
        raise BadRequest(f"This is no possible answer to: {field.label}", param=field.label)
    return text


def _fits(kind: str, text: str) -> bool:
    if kind != "date_picker":
        return True
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return True


# --- requests --------------------------------------------------------------------------------------------------------


def own_request(viewer: Viewer, repo: Repo) -> AccessRequest | None:
    """Where the viewer stands."""
    if viewer.user is None:
        return None
    return AccessRequest.objects.filter(repo=repo, user=viewer.user).first()


def requests_of(repo: Repo, state: AccessState, *, cursor: str = "", limit: int = 100) -> Page[AccessRequest]:
    """The requests in one state, newest first; the caller has checked that the viewer administers the repo (T39)."""
    rows = AccessRequest.objects.select_related("user", "decided_by").filter(
        repo=repo, state=state, user__is_active=True
    )
    if cursor:
        rows = rows.filter(pk__lt=decode_cursor(cursor, int)[0])
    return cut_page(list(rows.order_by("-pk")[: limit + 1]), limit, lambda request: (request.pk,))


def count_requests(repo: Repo) -> dict[str, int]:
    """How many are in each state; the caller has checked that the viewer administers the repo (T39)."""
    rows = AccessRequest.objects.filter(repo=repo, user__is_active=True).order_by().values_list("state")
    return dict(rows.annotate(count=Count("pk")))


def answer_time(repo: Repo) -> timedelta | None:
    """How long half of the last decisions took at most; None where there are too few to say (fewer than five)."""
    decided = AccessRequest.objects.filter(
        repo=repo, decided_at__isnull=False, decided_by__isnull=False, is_email_shared=True
    )
    latest = decided.order_by("-decided_at").values_list("created_at", "decided_at")[:_ANSWERS_LOOKED_AT]
    seconds = [(end - start).total_seconds() for start, end in latest if end is not None]
    return timedelta(seconds=median(seconds)) if len(seconds) >= MIN_ANSWERS else None


def all_requests(repo: Repo, *, limit: int) -> list[AccessRequest]:
    """Everybody at the gate, for a report; oldest first."""
    rows = AccessRequest.objects.select_related("user", "decided_by").filter(repo=repo, user__is_active=True)
    return list(rows.order_by("pk")[:limit])
