"""What the playground of a model shows: a form made from its task, examples from its card, and whether it runs.

    repo ─▶ serving_of (as what?) ─▶ form of the task ─▶ PlaygroundContext ─▶ templates/inference/_playground.html
The calls themselves go from the browser to the gateway, like those of any other client.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hub.accounts.auth import Viewer
from hub.catalog.models import RepoIndex
from hub.core.error_words import in_words_of_reader
from hub.core.errors import HubError
from hub.core.ids import RepoType
from hub.core.taxonomy import pipeline_label
from hub.repos.models import Repo
from hub.repos.permissions import get_repo_for_inference
from inference.models import ModelHealth
from inference.protocol import limits
from inference.queries import LiveState, Serving, live_state, serving_of
from inference.words import playground_words

_MAX_EXAMPLES: Final = 6
_MAX_TITLE: Final = 48


@dataclass(frozen=True, slots=True)
class Parameter:
    """One setting of a call; an empty ``default`` is not sent."""

    name: str
    label: str
    kind: str  # number | integer | text | select
    default: str = ""
    minimum: str = ""
    maximum: str = ""
    step: str = ""
    help: str = ""
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """An input to try; ``value`` is what the form of the task takes (plain JSON)."""

    title: str
    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TaskLink:
    """Another task that the same weights answer."""

    label: str
    href: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class PlaygroundContext:
    """Everything that ``_playground.html`` reads; ``script`` goes to the page's module as JSON."""

    repo_id: str
    url: str
    task: str
    task_label: str
    mode: str  # chat | completion | text | similarity | features | image
    tasks: tuple[TaskLink, ...]
    state: LiveState
    can_run: bool  # the hub can host it; whether this reader may call it is told by the next two
    is_signed_in: bool
    refusal: str  # why this reader may not call it, in words; empty when they may
    login_url: str
    load_words: str  # what a first call costs
    examples: tuple[Example, ...]
    parameters: tuple[Parameter, ...]
    script: dict[str, Any]

    @property
    def first(self) -> dict[str, Any]:
        """The example that fills the form at first."""
        return self.examples[0].value if self.examples else {}

    @property
    def examples_json(self) -> list[dict[str, Any]]:
        return [example.value for example in self.examples]


def playground_for(viewer: Viewer, repo: Repo, task: str = "") -> PlaygroundContext | None:
    """The playground of a model for one reader; None for other repos. An unknown ``task`` falls back to the card's."""
    if repo.type is not RepoType.MODEL:
        return None
    serving = serving_of(repo)
    index: Any = RepoIndex.objects.filter(repo=repo).values("card_data", "inspection").first() or {}
    task = task if task in serving.tasks else serving.pipeline_tag
    mode = _mode(task, index.get("inspection") or {})
    page = _page_url(repo)
    state = live_state(repo, serving)
    state = replace(state, reason=in_words_of_reader(state.reason))
    return PlaygroundContext(
        repo_id=repo.repo_id,
        url=page,
        task=task,
        task_label=str(pipeline_label(task)) if task else "",
        mode=mode,
        tasks=_task_links(serving, task, page),
        state=state,
        can_run=serving.is_servable,
        is_signed_in=viewer.user is not None,
        refusal=_refusal(viewer, repo),
        login_url=f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': page})}",
        load_words=_load_words(repo, serving),
        examples=tuple(_examples(mode, index.get("card_data") or {}, repo)),
        parameters=_PARAMETERS[mode](),
        script=_script(repo, serving, task, mode, state),
    )


def _mode(task: str, inspection: dict[str, Any]) -> str:
    if task == "text-generation":
        return "chat" if inspection.get("has_chat_template") else "completion"
    return {
        "sentence-similarity": "similarity",
        "feature-extraction": "features",
        "image-classification": "image",
    }.get(task, "text")


def _page_url(repo: Repo) -> str:
    return reverse("inference:playground", args=[repo.namespace.name, repo.name])


def _task_links(serving: Serving, current: str, page: str) -> tuple[TaskLink, ...]:
    if len(serving.tasks) < 2:
        return ()
    return tuple(
        TaskLink(
            str(pipeline_label(task)),
            page if task == serving.pipeline_tag else f"{page}?{urlencode({'task': task})}",
            task == current,
        )
        for task in serving.tasks
    )


def _refusal(viewer: Viewer, repo: Repo) -> str:
    """Ask the same rule that the gateway will ask; an empty answer means that the call is allowed."""
    if viewer.user is None:
        return ""
    try:
        get_repo_for_inference(viewer, repo.namespace.name, repo.name)
    except HubError as error:
        return in_words_of_reader(error.message)
    return ""


def _load_words(repo: Repo, serving: Serving) -> str:
    health = ModelHealth.objects.filter(repo=repo, commit_oid=serving.commit_oid).first()
    times = health.load_times_ms if health else []
    if not times:
        return _("The first call loads the model; it has not been measured here yet.")
    seconds = statistics.median(times) / 1000
    words = f"{seconds:.1f}" if seconds < 10 else f"{seconds:.0f}"
    return ngettext(
        "The first call loads the model: about %(seconds)s s (%(count)d measured load).",
        "The first call loads the model: about %(seconds)s s (median of %(count)d measured loads).",
        len(times),
    ) % {"seconds": words, "count": len(times)}


# --- settings of a call ----------------------------------------------------------------------------------------------


def _generation_parameters() -> tuple[Parameter, ...]:
    return (
        Parameter(
            "temperature", _("Temperature"), "number", "0.7", "0", "2", "0.1", _("0 always takes the likeliest.")
        ),
        Parameter(
            "max_tokens", _("Longest answer"), "integer", "256", "1", str(limits.MAX_NEW_TOKENS), "1", _("Tokens.")
        ),
        Parameter("top_p", _("Top-p"), "number", "1", "0.05", "1", "0.05", _("Takes from the likeliest share only.")),
        Parameter(
            "seed", _("Seed"), "integer", "", "0", str(2**53 - 1), "1", _("The same seed repeats the same choices.")
        ),
    )


def _classification_parameters() -> tuple[Parameter, ...]:
    return (
        Parameter("top_k", _("Labels shown"), "integer", "", "1", str(limits.MAX_TOP_K_LABELS), "1", _("Empty: all.")),
    )


def _feature_parameters() -> tuple[Parameter, ...]:
    options = (("", _("as the model does")), ("true", _("yes, to length 1")), ("false", _("no")))
    return (Parameter("normalize", _("Normalise"), "select", options=options),)


def _no_parameters() -> tuple[Parameter, ...]:
    return ()


_PARAMETERS: Final = {
    "chat": _generation_parameters,
    "completion": _generation_parameters,
    "text": _classification_parameters,
    "similarity": _no_parameters,
    "features": _feature_parameters,
    "image": _no_parameters,
}


# --- examples --------------------------------------------------------------------------------------------------------


def _examples(mode: str, card: dict[str, Any], repo: Repo) -> list[Example]:
    """Inputs from the card's ``widget``, else one of ours; what does not fit the task is left out."""
    widget = card.get("widget")
    items = [item for item in widget if isinstance(item, dict)] if isinstance(widget, list) else []
    found = [example for item in items if (example := _example(mode, item, repo)) is not None]
    return found[:_MAX_EXAMPLES] or _default_examples(mode)


def _example(mode: str, item: dict[str, Any], repo: Repo) -> Example | None:
    value = _READERS[mode](item, repo)
    if value is None:
        return None
    title = item.get("example_title")
    return Example(_shorten(title if isinstance(title, str) and title else _title_of(mode, value)), value)


def _title_of(mode: str, value: dict[str, Any]) -> str:
    if mode == "chat":
        return str(value["messages"][-1]["content"])
    if mode == "similarity":
        return str(value["source"])
    return str(value.get("src", "")).rsplit("/", 1)[-1] if mode == "image" else str(value["text"])


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MAX_TITLE else f"{text[: _MAX_TITLE - 1]}…"


def _read_text(item: dict[str, Any], repo: Repo) -> dict[str, Any] | None:
    text = item.get("text")
    return {"text": text} if _is_text(text) else None


def _read_similarity(item: dict[str, Any], repo: Repo) -> dict[str, Any] | None:
    source, sentences = item.get("source_sentence"), item.get("sentences")
    if not _is_text(source) or not isinstance(sentences, list) or not sentences:
        return None
    texts = [text for text in sentences[: limits.MAX_BATCH] if _is_text(text)]
    return {"source": source, "sentences": texts} if texts else None


def _read_features(item: dict[str, Any], repo: Repo) -> dict[str, Any] | None:
    source = item.get("source_sentence")
    return {"text": source} if _is_text(source) else _read_text(item, repo)


def _read_chat(item: dict[str, Any], repo: Repo) -> dict[str, Any] | None:
    messages = item.get("messages")
    if not isinstance(messages, list):
        text = item.get("text")
        return {"messages": [{"role": "user", "content": text}]} if _is_text(text) else None
    kept = [
        {"role": message["role"], "content": message["content"]}
        for message in messages[:20]
        if isinstance(message, dict)
        and message.get("role") in ("system", "user", "assistant")
        and _is_text(message.get("content"))
    ]
    return {"messages": kept} if kept and kept[-1]["role"] == "user" else None


def _read_image(item: dict[str, Any], repo: Repo) -> dict[str, Any] | None:
    """Pictures of the repo itself only: the page never fetches from a place that the card's author chose."""
    src = item.get("src")
    if not isinstance(src, str) or not _is_text(src):
        return None
    mark = f"{repo.repo_id}/resolve/"
    if mark in src:
        src = src.partition(mark)[2].partition("/")[2]
    path = src.removeprefix("./")
    if "://" in path or path.startswith(("/", "data:")) or ".." in path.split("/"):
        return None
    return {"src": f"{repo.urls.page}/resolve/{quote(repo.default_branch)}/{quote(path)}"}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= limits.MAX_TEXT_CHARS


_READERS: Final = {
    "chat": _read_chat,
    "completion": _read_text,
    "text": _read_text,
    "similarity": _read_similarity,
    "features": _read_features,
    "image": _read_image,
}


def _default_examples(mode: str) -> list[Example]:
    match mode:
        case "chat":
            question = _("What is a model hub?")
            return [Example(question, {"messages": [{"role": "user", "content": question}]})]
        case "completion":
            return [Example(_("Once upon a time"), {"text": _("Once upon a time")})]
        case "similarity":
            value = {
                "source": _("The ferry leaves at noon."),
                "sentences": [_("The boat departs at twelve."), _("She plays the violin."), _("Lunch is ready.")],
            }
            return [Example(str(value["source"]), value)]
        case "image":
            return []
    text = _("The garden is full of light this morning.")
    return [Example(text, {"text": text})]


# --- for the script --------------------------------------------------------------------------------------------------


def _script(repo: Repo, serving: Serving, task: str, mode: str, state: LiveState) -> dict[str, Any]:
    repo_id = repo.repo_id
    routes = {"chat": "/v1/chat/completions", "completion": "/v1/completions"}
    own = f"/models/{repo_id}" if task == serving.pipeline_tag else f"/pipeline/{task}/{repo_id}"
    return {
        "repoId": repo_id,
        "task": task,
        "mode": mode,
        "isPrimary": task == serving.pipeline_tag,
        "commit": serving.commit_oid,
        "hubUrl": settings.HUB_URL,
        "callUrl": routes.get(mode, own),
        "stateUrl": reverse("inference:state", args=[repo.namespace.name, repo.name]),
        "state": state.state,
        "maxBodyBytes": limits.MAX_BODY_BYTES,
        "words": playground_words(),
    }
