"""Every page, narrow and wide, light and dark, English and Chinese: `make screenshots` writes `screenshots/index.html`.

    python -m tests.e2e.screenshots [part of a page's name …] [--out DIRECTORY]
Pages come from the URLconf (tests.e2e.routes). axe-core looks at each; its findings are in `violations.txt`, and the
exit status says whether there were any.
"""

from __future__ import annotations

import argparse
import html
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext

from tests.e2e.live_hub import ROOT

USER, PASSWORD = "ada", "correct horse battery staple"


@dataclass(frozen=True, slots=True)
class Look:
    """How a page is looked at; ``width`` in CSS pixels."""

    width: int
    theme: str
    language: str

    def __str__(self) -> str:
        return f"{self.width}-{self.theme}-{self.language}"


LOOKS = [
    Look(width, theme, language)
    for width in (1440, 390)
    for theme in ("light", "dark")
    for language in ("en", "zh-hans")
]


def sign_in(browser: Browser, url: str) -> list[Any]:
    """Sign the seeded person in by the form; returns the cookies."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{url}/accounts/login/")
    page.locator("input[name=login]").fill(USER)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    page.wait_for_url(lambda address: "/accounts/login" not in address)
    cookies = list(context.cookies())
    context.close()
    return cookies


def look_at(browser: Browser, url: str, look: Look, cookies: list[Any]) -> BrowserContext:
    """A context in which every page has this look; ``cookies`` are of the person, [] for a stranger."""
    locale = "zh-CN" if look.language.startswith("zh") else "en-US"
    size = {"width": look.width, "height": 900 if look.width > 800 else 844}
    context = browser.new_context(viewport=size, locale=locale, color_scheme=look.theme, reduced_motion="reduce")
    context.set_default_timeout(30_000)
    own = [
        {"name": name, "value": value, "url": url}
        for name, value in (("theme", look.theme), ("language", look.language))
    ]
    kept = [cookie for cookie in cookies if cookie["name"] not in ("theme", "language")]
    context.add_cookies([*kept, *own])
    return context


def _capture(browser: Browser, hub: Any, out: Path, wanted: list[str]) -> Iterator[tuple[Look, Any, list[str]]]:
    from tests.e2e.axe import violations
    from tests.e2e.routes import find_pages

    cookies = sign_in(browser, hub.url)
    pages, wrong = find_pages(hub.url, hub.seeded, {cookie["name"]: cookie["value"] for cookie in cookies})
    for line in wrong:
        sys.stdout.write(f"no page: {line}\n")
    pages = [page for page in pages if not wanted or any(word in page.name for word in wanted)]
    for look in LOOKS:
        for is_signed_in in (False, True):
            context = look_at(browser, hub.url, look, cookies if is_signed_in else [])
            tab = context.new_page()
            for page in pages:
                if page.is_signed_in is not is_signed_in:
                    continue
                tab.goto(hub.url + page.path, wait_until="load")
                tab.screenshot(path=out / _file(page, look), full_page=True)
                yield look, page, violations(tab)
            context.close()


def _file(page: Any, look: Look) -> str:
    return f"{page.name}-{'in' if page.is_signed_in else 'out'}-{look}.png"


def _write_index(out: Path, taken: list[tuple[Look, Any]]) -> None:
    by_page: dict[Any, list[Look]] = defaultdict(list)
    for look, page in taken:
        by_page[page].append(look)
    rows = []
    for page, looks in by_page.items():
        pictures = "".join(_picture(_file(page, look), str(look)) for look in looks)
        who = "signed in" if page.is_signed_in else "signed out"
        rows.append(f"<h2>{html.escape(page.name)}, {who}: {html.escape(page.path)}</h2><div>{pictures}</div>")
    text = f"<!doctype html><meta charset=utf-8><title>Screenshots</title>{''.join(rows)}"
    (out / "index.html").write_text(text, encoding="utf-8")


def _picture(file: str, look: str) -> str:
    return f'<a href="{file}"><img src="{file}" alt="{look}" loading="lazy" height="320"></a>'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("pages", nargs="*", help="parts of page names; default all")
    parser.add_argument("--out", type=Path, default=ROOT / "screenshots")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="agora-shots-") as scratch:
        os.environ["HUB_DATA_DIR"] = f"{scratch}/own"  # the URLconf is read in this process, with settings of its own
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")
        import django

        django.setup()
        from tests.e2e.browser import launched
        from tests.e2e.live import running_hub

        found: list[str] = []
        taken = []
        with running_hub(Path(scratch) / "hub") as hub, launched() as browser:
            for look, page, problems in _capture(browser, hub, options.out, options.pages):
                taken.append((look, page))
                found += [f"{page.name} {look}: {line}" for line in problems]
    _write_index(options.out, taken)
    (options.out / "violations.txt").write_text("\n".join(found) + "\n" if found else "", encoding="utf-8")
    sys.stdout.write(f"{len(taken)} screenshots in {options.out}, {len(found)} violations of axe-core\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
