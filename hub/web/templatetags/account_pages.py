"""Tags of the account pages that are drawn by views of a library and so have no context of ours."""

from __future__ import annotations

from typing import Any, cast

from django import template

from hub.accounts.enums import Action
from hub.accounts.models import AccessToken
from hub.core.taxonomy import pipeline_label
from hub.web.account_pages import account_nav as nav_items
from hub.web.forms.tokens import ACTION_WORDS

register = template.Library()


@register.simple_tag(takes_context=True)
def account_nav(context: dict[str, Any]) -> list[dict[str, Any]]:
    return nav_items(context["request"])


@register.filter
def action_words(actions: list[str]) -> list[str]:
    """``["repo.write"]`` in words."""
    return [str(ACTION_WORDS.get(cast(Action, action), action)) for action in actions]


@register.filter
def is_expired(token: AccessToken) -> bool:
    return not token.is_live()


@register.simple_tag
def task_words(pipeline_tag: str) -> str:
    """A machine-learning task in words; empty for none."""
    return str(pipeline_label(pipeline_tag)) if pipeline_tag else ""
