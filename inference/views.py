"""Pages and small JSON routes of hosted inference; the calls themselves are the gateway's."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from hub.core.ids import RepoType
from hub.repos.permissions import get_repo_for_read
from inference.queries import live_state


@require_safe
def state(request: HttpRequest, namespace: str, name: str) -> JsonResponse:
    """The state of a model now: ``{state, reason_code, reason, waiting, load_p50_ms}``."""
    repo = get_repo_for_read(request.viewer, RepoType.MODEL, namespace, name)
    answer = JsonResponse(asdict(live_state(repo)))
    answer["Cache-Control"] = "no-store"
    return answer
