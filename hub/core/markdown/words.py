"""The few words that the renderer itself puts into a text, in the reader's language.

What is stored stays English: one render serves every reader.
"""

from __future__ import annotations

import re
from typing import Final

from django.utils.translation import get_language, pgettext

_TITLE: Final = re.compile(r'(?<=<p class="markdown-alert-title">)(?:Note|Tip|Important|Warning|Caution)(?=</p>)')
_BOX: Final = re.compile(r'(?<=<input type="checkbox" disabled="")( checked="")? aria-label="(?:done|to do)"')
_BACK: Final = re.compile(r'(?<= aria-label=")Back to reference ([\d-]{1,20})(?=")')


def in_words_of_reader(html: str) -> str:
    """Safe ``html`` of the renderer with its own words in the active language."""
    if get_language() in (None, "en"):
        return html
    html = _TITLE.sub(lambda found: _titles()[found.group()], html)
    html = _BOX.sub(lambda found: f'{found.group(1) or ""} aria-label="{_state_of(bool(found.group(1)))}"', html)
    return _BACK.sub(
        lambda found: pgettext("footnote", "Back to reference %(number)s") % {"number": found.group(1)}, html
    )


def _titles() -> dict[str, str]:
    return {
        "Note": pgettext("kind of remark", "Note"),
        "Tip": pgettext("kind of remark", "Tip"),
        "Important": pgettext("kind of remark", "Important"),
        "Warning": pgettext("kind of remark", "Warning"),
        "Caution": pgettext("kind of remark", "Caution"),
    }


def _state_of(is_done: bool) -> str:
    return pgettext("item of a task list", "done") if is_done else pgettext("item of a task list", "to do")
