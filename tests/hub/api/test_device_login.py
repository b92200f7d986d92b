"""`hf auth login` of the real client, unchanged: browser flow, stored token, refresh, refusal (hub-api §5.1)."""

from __future__ import annotations

import configparser
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from tests.e2e.live_hub import LiveHub

pytestmark = [pytest.mark.slow]
_PATIENCE_S = 60
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveHub]:
    hub = LiveHub(tmp_path_factory.mktemp("device-login") / "data", {"HUB_INFERENCE_ENABLED": "0"})
    try:
        hub.start()
        hub.create_user("alice")
        yield hub
    finally:
        hub.stop()


class Browser:
    """Just enough of one: cookies, forms with their CSRF token, redirects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> str:
        url = path if path.startswith("http") else self._url + path
        with self._opener.open(Request(url, headers={"Accept-Language": "en"})) as answer:
            return str(answer.read().decode())

    def post(self, path: str, page: str, **fields: str) -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert found is not None, page
        body = urlencode({"csrfmiddlewaretoken": found[1], **fields}).encode()
        with self._opener.open(Request(self._url + path, body, {"Referer": self._url})) as answer:
            return str(answer.read().decode())


class Terminal:
    """The client in a terminal of its own, as a person uses it."""

    def __init__(self, hub: LiveHub, home: Path, *arguments: str) -> None:
        self.shown = ""
        self._primary, secondary = pty.openpty()
        self._process = subprocess.Popen(
            [str(Path(sys.executable).with_name("hf")), *arguments],
            env=client_environment(hub, home),
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
            close_fds=True,
            start_new_session=True,
        )
        os.close(secondary)

    def wait_for(self, pattern: str, *, pressing: bytes = b"") -> re.Match[str]:
        """``pressing``: again whenever it is quiet, for keys that come before a menu listens are dropped."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            found = re.search(pattern, self.shown)
            if found is not None:
                return found
            if select.select([self._primary], [], [], 0.2)[0]:
                try:
                    read = os.read(self._primary, 4096)
                except OSError:  # the other end is closed
                    break
                self.shown += _ANSI.sub("", read.decode(errors="replace"))
            elif pressing:
                os.write(self._primary, pressing)
        self.kill()
        pytest.fail(f"not shown: {pattern}\n{self.shown}")

    def close(self) -> int:
        """Wait for its end and return its status."""
        try:
            return self._process.wait(_PATIENCE_S)
        finally:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._primary)


def client_environment(hub: LiveHub, home: Path) -> dict[str, str]:
    # Nothing else: the client looks at many variables, and another dialogue is for programs that run it.
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(home), "HOME": str(home), "TERM": "xterm", "NO_COLOR": "1"}


def _hf(hub: LiveHub, home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("hf")), *arguments],
        env=client_environment(hub, home),
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _begin(hub: LiveHub, home: Path) -> tuple[Terminal, str, str]:
    terminal = Terminal(hub, home, "auth", "login")
    terminal.wait_for("How would you like to log in")
    address = terminal.wait_for(r"(http://\S+/device\?code=\S+)\s", pressing=b"\r")[1]
    return terminal, address, terminal.wait_for(r"enter the code: (\S+)")[1]


def _signed_in_browser(hub: LiveHub, address: str) -> tuple[Browser, str]:
    browser = Browser(hub.url)
    login = browser.get(address)
    assert "Sign in" in login
    path = re.search(r'name="next" value="([^"]+)"', login)
    assert path is not None
    page = browser.post(
        "/accounts/login/",
        login,
        login="alice",
        password="correct horse battery staple",
        next=path[1].replace("&amp;", "&"),
    )
    return browser, page


def test_hf_auth_login_in_a_terminal(hub: LiveHub, tmp_path: Path) -> None:
    terminal, address, code = _begin(hub, tmp_path)
    browser, page = _signed_in_browser(hub, address)
    assert f"<code>{code}</code>" in page
    assert "Create, change, move and delete your repositories" in page
    done = browser.post("/device", page, code=code, action="allow")
    assert "Your program is signed in" in done
    terminal.wait_for("Login successful")
    assert terminal.close() == 0
    assert "alice" in _hf(hub, tmp_path, "auth", "whoami")

    (tmp_path / "card.md").write_text("# hello\n")
    _hf(hub, tmp_path, "upload", "alice/by-device", str(tmp_path / "card.md"), "README.md")
    _hf(hub, tmp_path, "download", "alice/by-device", "README.md", "--local-dir", str(tmp_path / "down"))
    assert "# hello" in (tmp_path / "down" / "README.md").read_text()

    former = _stored(tmp_path)
    _age(tmp_path)
    assert "alice" in _hf(hub, tmp_path, "auth", "whoami")
    renewed = _stored(tmp_path)
    assert renewed["hf_token"] != former["hf_token"]
    assert renewed["refresh_token"] != former["refresh_token"]
    assert int(renewed["expires_at"]) > time.time() + 29 * 24 * 3600

    page = browser.get("/settings/applications")
    path = re.search(r'action="(/settings/applications/[\w-]+/withdraw)"', page)
    assert path is not None
    browser.post(path[1], page)
    assert _status_of_whoami(hub, tmp_path) != 0


def test_a_refused_login_ends_at_once(hub: LiveHub, tmp_path: Path) -> None:
    terminal, address, code = _begin(hub, tmp_path)
    browser, page = _signed_in_browser(hub, address)
    assert "The program was refused" in browser.post("/device", page, code=code, action="refuse")
    terminal.wait_for("denied")
    assert terminal.close() != 0
    assert not (tmp_path / "token").exists()


def _stored(home: Path) -> dict[str, str]:
    stored = configparser.ConfigParser()
    stored.read(home / "stored_tokens")
    assert stored.sections() == ["oauth-alice"]
    return dict(stored["oauth-alice"])


def _age(home: Path) -> None:
    """As if the access token ended in an hour."""
    path = home / "stored_tokens"
    path.write_text(re.sub(r"expires_at = \d+", f"expires_at = {int(time.time()) + 3600}", path.read_text()))


def _status_of_whoami(hub: LiveHub, home: Path) -> int:
    argv = [str(Path(sys.executable).with_name("hf")), "auth", "whoami"]
    return subprocess.run(
        argv, env=client_environment(hub, home), capture_output=True, check=False, timeout=_PATIENCE_S
    ).returncode
