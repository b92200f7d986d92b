"""Cards of strangers as HTML: what must not pass, what must, and that no text holds a web process up."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hub.core.markdown import LinkBase, document, render_markdown, rendering
from hub.core.markdown.pool import RENDERER

LINKS = LinkBase(page="/ns/m", pages="/ns/m/blob/main", files="/ns/m/resolve/main", site="http://hub.test")


def html(source: str, links: LinkBase = LINKS) -> str:
    return render_markdown(source, links=links).html


class _Reader(HTMLParser):
    """Collects every tag and attribute as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


VECTORS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt&#58;alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "<svg><script>alert(1)</script></svg>",
    "<svg onload=alert(1)><animate onbegin=alert(1)>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<math href=javascript:alert(1)>x</math>",
    "<form action=//evil><input name=password><button>go</button></form>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<style>body{display:none}</style><div style='position:fixed;inset:0'>x</div>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<base href=//evil><meta http-equiv=refresh content='0;url=//evil'>",
    "<a id=csrf name=body class='button' href='#'>x</a><img name=getElementById>",
    "<div hx-get=/logout hx-trigger=load x-data='{}' data-menu>x</div>",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "$\\text{<img src=x onerror=alert(1)>}$ $\\href{javascript:alert(1)}{x}$ $\\style{position:fixed}{x}$",
    '# <img src=x onerror=alert(1)>\n## "><script>alert(1)</script>',
    "<title><a href='</title><img src=x onerror=alert(1)>'>",
    "<a href='//evil.test/x'>x</a> <a href='/\\evil.test'>y</a>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "[^1]\n\n[^1]: <script>alert(1)</script>",
    "<object data=x><embed src=x><template><img src=x onerror=alert(1)></template>",
    "<!--><img src=x onerror=alert(1)>-->",
]
_FORBIDDEN_TAGS = set("script style svg iframe object embed form button base meta link template noscript title".split())
_FORBIDDEN_ATTRIBUTES = re.compile(r"on\w+|style|name|srcdoc|hx-.*|x-.*|formaction|data-menu")


@pytest.mark.parametrize("source", VECTORS)
def test_nothing_active_passes(source):
    """T85, T92: no script, handler, style, form, frame, active address or foreign id."""
    reader = _Reader()
    reader.feed(html(source))
    assert not _FORBIDDEN_TAGS & set(reader.tags)
    for tag, name, value in reader.attributes:
        assert not _FORBIDDEN_ATTRIBUTES.fullmatch(name), (tag, name)
        if name == "id":
            assert value.startswith("card-")
        if name in {"href", "src"}:
            assert re.match(r"(https?://|mailto:|#card-|/(?![/\\]))", value), value
        if name == "class":
            assert "button" not in value


def test_links_carry_rel_and_lead_into_the_repo():
    page = html("[a](docs/x.md#top) [b](../../etc) [c](#Sec) [d](https://x.test) [e](/ns/other) [f](http://hub.test/z)")
    hrefs = re.findall(r'href="([^"]+)"', page)
    assert hrefs == [
        "/ns/m/blob/main/docs/x.md#top",
        "/ns/m/blob/main/etc",
        "#card-Sec",
        "https://x.test",
        "/ns/other",
        "/z",
    ]
    assert page.count('rel="nofollow noopener ugc"') == 6


def test_relative_links_follow_the_folder_of_the_file():
    links = LinkBase(page="/d", pages="/d/blob/v1", files="/d/resolve/v1", folder="docs/en")
    page = html("[a](x.md) [b](../y.md) ![c](i/z.png) ![d](/root.png)", links)
    assert re.findall(r'(?:href|src)="([^"]+)"', page) == [
        "/d/blob/v1/docs/en/x.md",
        "/d/blob/v1/docs/y.md",
        "/d/resolve/v1/docs/en/i/z.png",
        "/d/resolve/v1/root.png",
    ]


def test_remote_images_become_links():
    """T94: looking at a card tells no other host."""
    page = html("![chart](https://x.test/a.png) [![badge](https://b.test/b.svg)](https://c.test) ![own](a.png)")
    assert re.findall(r'src="([^"]+)"', page) == ["/ns/m/resolve/main/a.png"]
    assert '<a href="https://x.test/a.png"' in page
    assert '<span class="remote-image">badge</span>' in page
    assert page.count("<a ") == page.count("</a>") == 2


def test_extensions():
    page = html(
        "- [x] done\n- [ ] open\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n> [!WARNING]\n> hot\n\n"
        "~~gone~~ note[^n] $a^2$\n\n$$\n\\frac{1}{2}\n$$\n\n```python\nprint('<')\n```\n\n[^n]: text\n"
    )
    for piece in (
        '<input type="checkbox" disabled="" checked="" aria-label="done">',
        '<div class="table-scroll" tabindex="0"><table>',
        '<td align="right">2</td>',
        "markdown-alert-warning",
        "<del>gone</del>",
        'id="card-fn-n"',
        'href="#card-fnref-n"',
        "<msup><mi>a</mi><mn>2</mn></msup>",
        '<math display="block">',
        '<span class="nb">print</span>',
    ):
        assert piece in page, piece


def test_headings_make_a_table_of_contents():
    rendered = render_markdown("# Model\n## Use `it`\n### Deep\n## Use it\n## 用法\n", links=LINKS)
    assert [heading.id for heading in rendered.headings] == [
        "card-model", "card-use-it", "card-deep", "card-use-it-1", "card-用法"
    ]  # fmt: skip
    assert [(item["label"], item["level"]) for item in rendered.toc] == [
        ("Use it", 2), ("Deep", 3), ("Use it", 2), ("用法", 2)
    ]  # fmt: skip
    assert "<h1" not in rendered.html


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("quotes", ">" * 20_000),
        ("divs", "<div>" * 50_000),
        ("table", ("|a" * 100 + "|\n" + "|-" * 100 + "|\n") + ("|b" * 100 + "|\n") * 10_000),
        ("formatting", "<p><b>" * 40_000),
        ("lists", "".join("  " * depth + "- x\n" for depth in range(400))),
        ("brackets", "[" * 100_000),
        ("formulas", "$\\frac{a}{b}$ " * 15_000),
    ],
)
def test_hostile_texts_end_in_time(name, source):
    """T107: 2.5 s, whatever it is; what is refused is shown as written."""
    RENDERER.render("warm", LINKS)
    start = time.monotonic()
    rendered = render_markdown(source, links=LINKS)
    assert time.monotonic() - start < 2.5 + 0.5  # the machine is shared
    if name in {"divs", "table", "formatting", "lists"}:
        assert rendered.is_plain
        assert rendered.html.startswith('<pre class="plain-text">')
        assert "<div>" not in rendered.html


def test_a_stuck_worker_is_killed_and_the_next_text_renders(monkeypatch):
    """T107: the limit is a wall, not a hope: the process is gone afterwards."""
    RENDERER.render("warm", LINKS)
    first = RENDERER._process
    monkeypatch.setattr("hub.core.markdown.pool.TIMEOUT_S", 0.0)
    assert render_markdown("# slow", links=LINKS).is_plain
    assert first.poll() is not None
    monkeypatch.undo()
    assert "<strong>" in html("**quick**")


def test_cache_key_holds_version_source_and_links(monkeypatch):
    """T86."""
    keys = {rendering.cache_key("a", LINKS), rendering.cache_key("b", LINKS), rendering.cache_key("a", LinkBase())}
    monkeypatch.setattr(rendering, "RENDERER_VERSION", document.RENDERER_VERSION + 1)
    assert len(keys | {rendering.cache_key("a", LINKS)}) == 4


def test_worker_gets_no_secrets(monkeypatch):
    monkeypatch.setenv("HUB_SECRET_KEY", "x" * 40)
    RENDERER.close()
    RENDERER.render("x", LINKS)
    environment = Path(f"/proc/{RENDERER._process.pid}/environ").read_text()
    assert "HUB_SECRET_KEY" not in environment
