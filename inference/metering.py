"""The ledger of hosted calls: reserve when accepted, settle exactly once at the end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from hub.accounts.auth import Viewer
from hub.core.ratelimit import Bucket, Standing, hit
from hub.repos.models import Repo
from inference.models import UsageOutcome, UsageRecord

# A reservation older than this belongs to a gateway that died.
_LOST_AFTER: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a call used: tokens, bytes of the answer, and milliseconds of each stage."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    output_bytes: int = 0
    queue_ms: float = 0
    load_ms: float = 0
    first_token_ms: float = 0
    run_ms: float = 0


def check_rate(viewer: Viewer) -> Standing:
    """Count one call of this token (or, in the playground, this person).

    Raises:
        RateLimited: above the token's calls per minute.
    """
    token = viewer.token
    limit = token.requests_per_minute if token and token.requests_per_minute else settings.HUB_INFERENCE_RPM
    who = f"token:{token.pk}" if token else f"user:{viewer.user_pk}"
    return hit(Bucket("inference", limit, 60), who)


def reserve(
    viewer: Viewer,
    repo: Repo,
    *,
    request_id: str,
    commit_oid: str,
    pipeline_tag: str,
    route: str,
    is_streamed: bool,
    input_bytes: int,
) -> UsageRecord:
    return UsageRecord.objects.create(
        request_id=request_id,
        user=viewer.user,
        token=viewer.token,
        repo=repo,
        repo_name=repo.repo_id,
        commit_oid=commit_oid,
        pipeline_tag=pipeline_tag,
        route=route,
        is_streamed=is_streamed,
        input_bytes=input_bytes,
    )


def settle(request_id: str, outcome: UsageOutcome, measured: Measured, error_code: str = "") -> bool:
    """Close a reservation; False if it was closed before (one charge, whatever happens: T164, T167)."""
    changed = UsageRecord.objects.filter(request_id=request_id, outcome=UsageOutcome.RESERVED).update(
        outcome=outcome,
        error_code=error_code[:40],
        settled_at=timezone.now(),
        prompt_tokens=measured.prompt_tokens,
        completion_tokens=measured.completion_tokens,
        output_bytes=measured.output_bytes,
        queue_ms=measured.queue_ms,
        load_ms=measured.load_ms,
        first_token_ms=measured.first_token_ms,
        run_ms=measured.run_ms,
    )
    return bool(changed)


def settle_lost_calls() -> int:
    """Close reservations whose gateway died before it could; they are charged nothing. Returns how many."""
    lost = Q(outcome=UsageOutcome.RESERVED, created_at__lt=timezone.now() - _LOST_AFTER)
    return UsageRecord.objects.filter(lost).update(
        outcome=UsageOutcome.FAILED, error_code="gateway_lost", settled_at=timezone.now()
    )
