"""Filters of the repo pages."""

from __future__ import annotations

import re
from typing import Final

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

# Marks that reorder or hide text (T87): a name or a line of code must read as it is stored.
_HIDDEN_MARKS: Final = re.compile(
    "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)


@register.filter
def visible(text: str) -> SafeString:
    """Escape, and show marks without a shape by their code: ``U+202E``."""
    return show_marks(escape(text))


@register.filter("marks")
def show_marks(html: str) -> SafeString:
    """The same for text that is HTML already."""
    return mark_safe(_HIDDEN_MARKS.sub(_shown, html))  # noqa: S308 -- only marks are replaced


def _shown(match: re.Match[str]) -> str:
    return f'<span class="hidden-mark">U+{ord(match[0]):04X}</span>'


@register.filter
def short_oid(oid: str) -> str:
    return oid[:7]
