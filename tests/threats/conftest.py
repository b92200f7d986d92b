from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.factories.accounts import make_token, make_user
from tests.threats.live import Git, WebServer, clear_stores, database_url


@pytest.fixture(scope="session")
def web_server(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """One server for all tests; it ends before the database goes."""
    server = WebServer(tmp_path_factory.mktemp("threats") / "data", database_url())
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture
def web(transactional_db: None, web_server: WebServer, settings) -> WebServer:
    """The server, with this process looking at its files. Nothing that a test leaves reaches the next one's rows."""
    settings.HUB_DATA_DIR = web_server.data_dir
    settings.HUB_STORAGE_URL = web_server.storage_url
    settings.HUB_URL = web_server.url
    clear_stores(web_server.data_dir)
    return web_server


@pytest.fixture
def no_errors(web: WebServer) -> Iterator[None]:
    """An unplanned 5xx or a traceback fails the row (threats, rule 8)."""
    before = web.log_path.stat().st_size
    yield
    with web.log_path.open("rb") as log:
        log.seek(before)
        said = log.read().decode(errors="replace")
    assert "Traceback" not in said, said[-4000:]
    assert "request_crashed" not in said, said[-4000:]


@pytest.fixture
def person(web: WebServer) -> Callable[..., tuple]:
    """``person("ada")``: a user and the secret of a write token."""

    def make(name: str = "", role: str = "write") -> tuple:
        user = make_user(name, password=None)
        return user, make_token(user, role)[1]

    return make


@pytest.fixture
def git_of(web: WebServer, tmp_path: Path) -> Callable[[str], Git]:
    """``git_of(secret)``: a git client that signs in with a token; without one, a stranger's."""
    numbers = iter(range(1000))

    def make(secret: str = "") -> Git:
        return Git(tmp_path / f"home-{next(numbers)}", web.url, secret)

    return make
