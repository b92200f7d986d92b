"""The interface's own template tags: components, icons, numbers, times and small drawings.

``{% component "button" label=… %}`` renders ``templates/components/button.html`` with exactly the
parameters that its opening comment declares: an unknown or a missing one is an error, and nothing
of the page's context leaks in.
"""

from __future__ import annotations

import ast
import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.template.base import token_kwargs
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.template.base import FilterExpression, NodeList, Parser, Token
    from django.template.context import Context

register = template.Library()

_COMMENT = re.compile(r"{% comment %}(.*?){% endcomment %}", re.DOTALL)
_PARAMETER = re.compile(r"^\s{2,}(?P<name>\w+)(?:=(?P<default>\"[^\"]*\"|\S+))?(?:\s{2,}.*)?$", re.MULTILINE)
_MISSING = object()
_HUES = 8
CSS_ROOT = Path(settings.BASE_DIR) / "static" / "css"


# -- components ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signature:
    """What a component takes: name to default, ``_MISSING`` when it must be given."""

    name: str
    defaults: dict[str, Any]

    def bind(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return a full set of values, or raise ``TemplateSyntaxError`` naming what is wrong."""
        unknown = sorted(given.keys() - self.defaults.keys())
        if unknown:
            raise template.TemplateSyntaxError(f"Component {self.name!r} takes no parameter {', '.join(unknown)}")
        values = {**self.defaults, **given}
        missing = sorted(key for key, value in values.items() if value is _MISSING)
        if missing:
            raise template.TemplateSyntaxError(f"Component {self.name!r} needs {', '.join(missing)}")
        return values


def parse_signature(name: str, source: str) -> Signature:
    """Read the ``Parameters:`` part of a component's opening comment."""
    comment = _COMMENT.search(source)
    _text, _word, listing = (comment.group(1) if comment else "").partition("Parameters:")
    defaults = {
        match["name"]: _MISSING if match["default"] is None else ast.literal_eval(match["default"])
        for match in _PARAMETER.finditer(listing)
    }
    return Signature(name, defaults)


@lru_cache(maxsize=256)
def _signature(name: str, source: str) -> Signature:
    return parse_signature(name, source)


def render_component(context: Context, name: str, given: dict[str, Any]) -> SafeString:
    """Render ``components/<name>.html`` in a context of its own."""
    compiled = context.template.engine.get_template(f"components/{name}.html")  # type: ignore[union-attr]
    values = _signature(name, compiled.source).bind(given)
    if (token := context.get("csrf_token")) is not None:
        values["csrf_token"] = token
    return compiled.render(context.new(values))


class ComponentNode(template.Node):
    """One use of a component, with or without a slot."""

    def __init__(
        self,
        name: FilterExpression,
        arguments: dict[str, FilterExpression],
        slot: NodeList | None,
        target: str | None,
    ) -> None:
        self.name = name
        self.arguments = arguments
        self.slot = slot
        self.target = target

    def render(self, context: Context) -> str:
        """Resolve the arguments, then the slot, then the component."""
        given = {key: value.resolve(context) for key, value in self.arguments.items()}
        if self.slot is not None:
            given["slot"] = mark_safe(self.slot.render(context).strip())  # noqa: S308 -- rendered and escaped above
        html = render_component(context, str(self.name.resolve(context)), given)
        if self.target is None:
            return html
        context[self.target] = html
        return ""


def _parse_component(parser: Parser, token: Token) -> tuple[FilterExpression, dict[str, FilterExpression], str | None]:
    tag, *bits = token.split_contents()
    if not bits:
        raise template.TemplateSyntaxError(f"{{% {tag} %}} needs the name of a component")
    target = None
    if len(bits) >= 3 and bits[-2] == "as":
        target, bits = bits[-1], bits[:-2]
    name, rest = parser.compile_filter(bits[0]), bits[1:]
    arguments = token_kwargs(rest, parser)
    if rest:
        raise template.TemplateSyntaxError(f"{{% {tag} {bits[0]} %}} takes name=value pairs, not {rest[0]!r}")
    return name, arguments, target


@register.tag("component")
def component_tag(parser: Parser, token: Token) -> ComponentNode:
    """``{% component "badge" label=… %}``, optionally ``as name``."""
    name, arguments, target = _parse_component(parser, token)
    return ComponentNode(name, arguments, None, target)


@register.tag("slotted")
def slotted_tag(parser: Parser, token: Token) -> ComponentNode:
    """``{% slotted "dialog" id=… %}markup{% endslotted %}``: the markup arrives as ``slot``."""
    name, arguments, target = _parse_component(parser, token)
    slot = parser.parse(("endslotted",))
    parser.delete_first_token()
    return ComponentNode(name, arguments, slot, target)


# -- assets -------------------------------------------------------------------------------------


def stylesheet_names() -> list[str]:
    """Return the stylesheets to link: every source in DEBUG, the joined file otherwise."""
    if not settings.DEBUG:
        return ["css/agora.css"]
    first = ["layers", "fonts", "tokens", "base", "layout"]
    parts = [
        *sorted(CSS_ROOT.glob("components/*.css")),
        *sorted(CSS_ROOT.glob("pages/*.css")),
    ]
    return [f"css/{name}.css" for name in first] + [f"css/{path.parent.name}/{path.name}" for path in parts]


@register.simple_tag
def stylesheets() -> SafeString:
    """Link the interface's stylesheets."""
    return format_html_join(
        "\n",
        '<link rel="stylesheet" href="{}">',
        ((static(n),) for n in stylesheet_names()),
    )


@register.simple_tag
def icon(name: str, label: str = "", size: str = "") -> SafeString:
    """Draw an icon of the sprite; hidden from assistive technology unless ``label`` is given.

    ``size``: "" (follows the text), "sm", "lg" or "xl".
    """
    modifier = f" icon--{size}" if size else ""
    href = f"{static('icons/sprite.svg')}#{name}"
    if label:
        return format_html(
            '<svg class="icon{}" role="img" aria-label="{}"><use href="{}"></use></svg>',
            modifier,
            label,
            href,
        )
    return format_html(
        '<svg class="icon{}" aria-hidden="true"><use href="{}"></use></svg>',
        modifier,
        href,
    )


# -- numbers and times --------------------------------------------------------------------------


def _scaled(value: float, units: Sequence[str], space: str) -> str:
    step = 0
    while abs(value) >= 999.5 and step < len(units) - 1:
        value /= 1000
        step += 1
    if step == 0:
        return f"{value:.0f}{space if units[0] else ''}{units[0]}"
    digits = f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}"
    return f"{digits.removesuffix('.0')}{space}{units[step]}"


@register.filter
def human_size(size_bytes: float | str | None) -> str:
    """Return bytes in decimal units: ``1.3 GB``; an en dash when unknown."""
    return (
        "–"
        if size_bytes is None or size_bytes == ""
        else _scaled(float(size_bytes), ("B", "kB", "MB", "GB", "TB", "PB"), "\u00a0")
    )


@register.filter
def human_count(value: float | str | None) -> str:
    """Return a count in short form: ``1.2k``, ``135M``, ``7B``; an en dash when unknown."""
    return "–" if value is None or value == "" else _scaled(float(value), ("", "k", "M", "B", "T"), "")


def relative_words(moment: dt.datetime, now: dt.datetime) -> str:
    """Return ``moment`` in words relative to ``now``; a date once it is older than 30 days or in the future."""
    seconds = int((now - moment).total_seconds())
    if seconds < -60 or seconds >= 30 * 86400:
        return date_format(timezone.localtime(moment), "DATE_FORMAT")
    if seconds < 60:
        return _("just now")
    if seconds < 3600:
        return ngettext("%(n)d minute ago", "%(n)d minutes ago", seconds // 60) % {"n": seconds // 60}
    if seconds < 86400:
        return ngettext("%(n)d hour ago", "%(n)d hours ago", seconds // 3600) % {"n": seconds // 3600}
    return ngettext("%(n)d day ago", "%(n)d days ago", seconds // 86400) % {"n": seconds // 86400}


@register.simple_tag
def relative_time(moment: dt.datetime | dt.date | None) -> SafeString:
    """Write ``<time>`` with words; the absolute moment is its title, and time.js keeps the words fresh."""
    if moment is None:
        return mark_safe("–")
    if not isinstance(moment, dt.datetime):
        return format_html(
            '<time datetime="{}">{}</time>',
            moment.isoformat(),
            date_format(moment, "DATE_FORMAT"),
        )
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment, dt.UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-relative-time>{}</time>',
        aware.astimezone(dt.UTC).isoformat(timespec="seconds"),
        date_format(timezone.localtime(aware), "DATETIME_FORMAT"),
        relative_words(aware, timezone.now()),
    )


# -- drawings -----------------------------------------------------------------------------------


def sparkline_points(values: Sequence[float], width: float, height: float) -> list[tuple[float, float]]:
    """Scale values to a box, oldest left, highest at the top, with a pixel of air for the stroke."""
    low, high = min(values), max(values)
    span = (high - low) or 1
    step = (width - 2) / max(len(values) - 1, 1)
    return [
        (
            round(1 + index * step, 2),
            round(height - 1 - (value - low) / span * (height - 2), 2),
        )
        for index, value in enumerate(values)
    ]


@register.simple_tag
def sparkline(values: Iterable[float], label: str, width: int = 96, height: int = 24) -> SafeString:
    """Draw a trend as SVG; ``label`` says in words what it shows (it is the accessible name)."""
    series = list(values)
    if not series:
        return mark_safe("")
    series = series * 2 if len(series) == 1 else series
    points = sparkline_points(series, width, height)
    line = " ".join(f"{x},{y}" for x, y in points)
    area = f"{points[0][0]},{height} {line} {points[-1][0]},{height}"
    return format_html(
        '<svg class="sparkline" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        '<polygon class="sparkline__area" points="{}"/><polyline class="sparkline__line" points="{}"/></svg>',
        label, width, height, width, height, area, line,
    )  # fmt: skip


_CHART_WIDTH, _CHART_HEIGHT = 720, 150


@register.simple_tag
def bar_chart(days: Sequence[tuple[dt.date, int]], label: str) -> SafeString:
    """Draw numbers of days as bars; ``label`` says what they are. A table with the same numbers belongs beside it."""
    if not days:
        return mark_safe("")
    top = max(1, *(count for _day, count in days))
    step = _CHART_WIDTH / len(days)
    bars = format_html_join(
        "",
        '<rect class="bar-chart__bar" x="{}" y="{}" width="{}" height="{}"><title>{}: {}</title></rect>',
        (
            (
                round(index * step + step * 0.1, 2),
                round(_CHART_HEIGHT * (1 - count / top), 2),
                round(step * 0.8, 2),
                round(_CHART_HEIGHT * count / top, 2),
                date_format(day, "SHORT_DATE_FORMAT"),
                count,
            )
            for index, (day, count) in enumerate(days)
            if count
        ),
    )
    # Words stand outside of the drawing, which narrow screens squeeze.
    return format_html(
        '<div class="bar-chart"><span class="bar-chart__text" aria-hidden="true">{}</span>'
        '<svg role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">{}</svg>'
        '<div class="bar-chart__ends bar-chart__text" aria-hidden="true"><span>{}</span><span>{}</span></div></div>',
        top, label, _CHART_WIDTH, _CHART_HEIGHT, bars,
        date_format(days[0][0], "SHORT_DATE_FORMAT"), date_format(days[-1][0], "SHORT_DATE_FORMAT"),
    )  # fmt: skip


# One tile of 12 units at (x, y): quarter discs in four turns, a disc, a triangle, a full square.
_TILES = (
    "M{x} {y}h12a12 12 0 0 1-12 12z",
    "M{x1} {y}v12a12 12 0 0 1-12-12z",
    "M{x1} {y1}h-12a12 12 0 0 1 12-12z",
    "M{x} {y1}v-12a12 12 0 0 1 12 12z",
    "M{xc} {y}a6 6 0 0 1 0 12a6 6 0 0 1 0-12z",
    "M{x} {y1}L{x1} {y}v12z",
    "M{x} {y}h12v12h-12z",
)


def identicon_path(name: str) -> tuple[int, str]:
    """Return a hue number and the SVG path (24 by 24) that always belong to this name."""
    digest = hashlib.sha256(name.encode()).digest()
    tiles = []
    for index in range(4):
        x, y = (index % 2) * 12, (index // 2) * 12
        shape = _TILES[digest[index + 1] % len(_TILES)]
        tiles.append(shape.format(x=x, y=y, x1=x + 12, y1=y + 12, xc=x + 6))
    return digest[0] % _HUES, "".join(tiles)


@register.simple_tag
def avatar(name: str, url: str | None = "", size: str = "md", shape: str = "circle") -> SafeString:
    """Show a picture, or a pattern drawn from the name. Decorative: the name is always written beside it.

    ``size``: "xs" 16, "sm" 20, "md" 28, "lg" 48, "xl" 96 px; ``shape``: "circle" (people), "square" (organisations).
    """
    classes = f"avatar avatar--{size} avatar--{shape}"
    if url:
        return format_html(
            '<img class="{}" src="{}" alt="" width="96" height="96" loading="lazy">',
            classes,
            url,
        )
    hue, path = identicon_path(name)
    return format_html(
        '<svg class="{} avatar--hue-{}" viewBox="0 0 24 24" aria-hidden="true"><rect width="24" height="24"/>'
        '<path d="{}"/></svg>',
        classes, hue, path,
    )  # fmt: skip


_FILE_ICONS = {
    "file-code": {
        "py",
        "js",
        "ts",
        "sh",
        "c",
        "h",
        "cc",
        "cpp",
        "rs",
        "go",
        "java",
        "html",
        "css",
        "ipynb",
        "cu",
    },
    "file-json": {"json", "jsonl", "yaml", "yml", "toml", "xml"},
    "file-text": {"md", "txt", "rst", "tex", "pdf", "license"},
    "file-image": {"png", "jpg", "jpeg", "gif", "webp", "svg", "bmp", "tiff"},
    "file-audio": {"wav", "mp3", "flac", "ogg", "m4a"},
    "file-video": {"mp4", "webm", "mov", "mkv"},
    "file-archive": {"zip", "gz", "tar", "xz", "bz2", "7z", "zst"},
    "table-2": {"csv", "tsv", "parquet", "arrow", "feather"},
    "boxes": {
        "safetensors",
        "gguf",
        "bin",
        "pt",
        "pth",
        "onnx",
        "h5",
        "keras",
        "msgpack",
        "ckpt",
        "pkl",
        "skops",
    },
}


@register.simple_tag
def file_icon(path: str, is_dir: bool = False) -> SafeString:
    """Draw the icon of a file by its extension, or of a folder."""
    if is_dir:
        return icon("folder")
    extension = path.rsplit("/", 1)[-1].rsplit(".", 1)[-1].lower()
    return icon(next((name for name, known in _FILE_ICONS.items() if extension in known), "file"))


_TASK_ICONS = {
    "text-generation": "text-cursor-input",
    "text-classification": "tag",
    "token-classification": "scan-text",
    "feature-extraction": "network",
    "sentence-similarity": "git-compare",
    "question-answering": "circle-question-mark",
    "translation": "languages",
    "summarization": "list",
    "fill-mask": "type",
    "image-classification": "image",
    "object-detection": "scan-text",
    "image-segmentation": "layers",
    "text-to-image": "image",
    "image-to-text": "image",
    "automatic-speech-recognition": "audio-lines",
    "audio-classification": "audio-lines",
    "text-to-speech": "audio-lines",
    "tabular-classification": "table-2",
    "tabular-regression": "table-2",
    "video-classification": "video",
    "reinforcement-learning": "play",
}


@register.simple_tag
def task_icon(pipeline_tag: str | None) -> SafeString:
    """Draw the icon of a machine-learning task; a plain box for one we do not know."""
    return icon(_TASK_ICONS.get(pipeline_tag or "", "box"))


# -- links --------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def toggle_query(context: Context, key: str, value: str) -> str:
    """Return ``?…`` with ``key=value`` added, or taken out when it is there; always back on the first page."""
    pairs = [
        (name, item) for name, items in context["request"].GET.lists() for item in items if name not in {"cursor", "p"}
    ]
    wanted = (key, str(value))
    pairs = [pair for pair in pairs if pair != wanted] if wanted in pairs else [*pairs, wanted]
    return "?" + urlencode(pairs)


@register.filter
def split(value: str, separator: str = ",") -> list[str]:
    """Cut a literal list written in a template: ``"a,b"|split``."""
    return [part.strip() for part in value.split(separator) if part.strip()]
