"""Values that go into and come out of the renderer; no imports beyond the standard library (the worker loads it)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

#: Part of every cache key (T86): raise it with each change of what the renderer lets through or puts out.
RENDERER_VERSION: Final = 3
MAX_SOURCE_BYTES: Final = 256 * 1024
MAX_HTML_BYTES: Final = 2 * 1024 * 1024
MAX_DEPTH: Final = 100
ID_PREFIX: Final = "card-"
_ATTACHMENT: Final = re.compile(r"/uploads/[0-9a-f]{64}\.(?:png|jpg|gif|webp)")  # of a comment, on this hub
_SCHEMES: Final = frozenset({"http", "https", "mailto"})


class TooComplex(Exception):
    """The text passes a limit of the renderer; it is shown as it is written."""


@dataclass(frozen=True, slots=True)
class Heading:
    """An entry of the table of contents; ``level`` 2–6 as on our page, ``id`` with its prefix."""

    level: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class RenderedMarkdown:
    """``html`` is safe to mark so.  ``is_plain``: shown as text, because rendering was refused (offer "view raw")."""

    html: str
    headings: tuple[Heading, ...] = ()
    is_plain: bool = False

    @property
    def toc(self) -> list[dict[str, object]]:
        """The headings of the two topmost levels in use, as ``components/toc.html`` takes them."""
        if len(self.headings) < 2:
            return []
        # One heading alone at the top is the card's title, which the page shows already.
        levels = sorted({heading.level for heading in self.headings})
        first = self.headings[0]
        is_titled = len(levels) > 1 and sum(heading.level == levels[0] for heading in self.headings) == 1
        top = levels[1] if is_titled and first.level == levels[0] else levels[0]
        return [
            {"id": heading.id, "label": heading.text, "level": 2 + heading.level - top}
            for heading in self.headings
            if top <= heading.level <= top + 1
        ]


@dataclass(frozen=True, slots=True)
class LinkBase:
    """Where relative links lead: ``page`` of the repo, ``pages`` to view a file, ``files`` to load an image.

    All are paths without a slash at the end; ``folder`` is that of the markdown file inside the repo.
    Empty values (comments, previews) leave relative links without a target.
    """

    page: str = ""
    pages: str = ""
    files: str = ""
    folder: str = ""
    site: str = ""  # https://host of this hub: its absolute URLs count as ours

    def link(self, url: str) -> str:
        """The address for ``href``; "" when the link must go nowhere."""
        url = self._local(url)
        parts = _split(url)
        if parts is None:
            return ""
        if parts.scheme:
            return url if parts.scheme.lower() in _SCHEMES else ""
        if url.startswith("#"):
            return f"#{ID_PREFIX}{url[1:]}" if len(url) > 1 else ""
        if url.startswith("//") or "\\" in url:
            return ""
        if url.startswith("/"):
            return url
        return self._inside(self.pages, parts.path, parts.fragment)

    def image(self, url: str) -> str:
        """The address for ``src``; "" when the image is not one of this hub (T94)."""
        url = self._local(url)
        parts = _split(url)
        if parts is None or parts.scheme or url.startswith("//") or "\\" in url:
            return ""
        if url.startswith("/"):
            # Site routes other than files could act on a look (T85); everything else is the repo's own root.
            is_file = "/resolve/" in parts.path or _ATTACHMENT.fullmatch(parts.path)
            return url if is_file else self._inside(self.files, parts.path, "", folder="")
        return self._inside(self.files, parts.path, "")

    def _local(self, url: str) -> str:
        url = url.strip()
        if self.site and url.startswith(f"{self.site}/"):
            return url[len(self.site) :]
        return url

    def _inside(self, base: str, path: str, fragment: str, folder: str | None = None) -> str:
        """``path`` seen from the markdown file's folder, kept inside the repo."""
        if not base or not path:
            return ""
        joined = posixpath.normpath(
            posixpath.join("/", self.folder if folder is None else folder, unquote(path).lstrip("/"))
        )
        inside = quote(joined.lstrip("/"), safe="/")
        if not inside:
            return self.page
        return f"{base}/{inside}" + (f"#{quote(fragment, safe='-._~')}" if fragment else "")


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url) if url else None
    except ValueError:
        return None
