"""The bridge under a real server: granian in a process of its own, raw sockets and httpx outside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, port: int, marks: Path) -> None:
        self.port = port
        self.marks = marks
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)

    def raw(self, request: bytes, *, wait_s: float = 5.0) -> bytes:
        """Send bytes as they are; return all that comes until the server closes or falls silent."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as connection:
            connection.sendall(request)
            try:
                while piece := connection.recv(65536):
                    answer += piece
            except (TimeoutError, ConnectionResetError):
                pass
        return answer

    def status_of(self, request: bytes, *, wait_s: float = 2.0) -> int:
        answer = self.raw(request, wait_s=wait_s)
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def start(tmp: Path, trusted: str = "") -> tuple[Server, subprocess.Popen[bytes]]:
    port = free_port()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "BRIDGE_MARKS": str(tmp), "BRIDGE_TRUSTED": trusted}
    argv = [sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--port", str(port), "--no-ws"]
    argv += ["--http1-buffer-size", "32768", "--log-level", "warning", "tests.hub.bridge_app:application"]
    process = subprocess.Popen(argv, env=env, cwd=tmp)
    server = Server(port, tmp)
    for _ in range(200):
        try:
            server.client.get("/up")
            return server, process
        except httpx.TransportError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError("the server did not start")


def stop(server: Server, process: subprocess.Popen[bytes]) -> None:
    server.client.close()
    process.terminate()
    process.wait(15)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started, process = start(tmp_path_factory.mktemp("bridge"))
    yield started
    stop(started, process)


def test_environ_keeps_the_raw_path_and_decodes_path_info(server: Server) -> None:
    shown = server.client.get("/a%2Fb/%E4%BD%A0?q=%2F&x=1").json()

    assert shown["RAW_URI"] == shown["REQUEST_URI"] == "/a%2Fb/%E4%BD%A0?q=%2F&x=1"
    assert shown["PATH_INFO"].encode("latin-1").decode() == "/a/b/你"
    assert (shown["SCRIPT_NAME"], shown["QUERY_STRING"]) == ("", "q=%2F&x=1")


def test_headers_with_underscores_cannot_pass_for_others(server: Server) -> None:
    shown = server.client.get("/", headers={"X_Real_Name": "evil", "X-Real-Name": "good"}).json()

    assert shown["HTTP_X_REAL_NAME"] == "good"


@pytest.mark.parametrize("size", [0, 1, MIB, MIB + 1, 8 * MIB])
def test_bodies_up_to_the_cap_arrive_whole(server: Server, size: int) -> None:
    shown = server.client.post("/", content=b"x" * size).json()

    assert (shown["body_bytes"], shown["CONTENT_LENGTH"]) == (size, str(size))


def test_a_chunked_body_without_length_arrives_whole(server: Server) -> None:
    shown = server.client.post("/", content=iter([b"abc"] * 1000)).json()

    assert (shown["body_bytes"], shown["CONTENT_LENGTH"]) == (3000, "3000")


def test_a_declared_body_over_the_cap_is_refused_unread(server: Server) -> None:
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8388609\r\n\r\n"

    assert server.status_of(request) == 413


def test_a_chunked_body_over_the_cap_is_refused(server: Server) -> None:
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"

    assert server.status_of(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 9) == 413


def test_a_silent_body_ends_in_408(server: Server) -> None:
    """T180: a client that stops sending holds no thread and gets an end."""
    request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc"

    assert server.status_of(request, wait_s=5) == 408


def test_slow_bodies_leave_the_threads_to_others(server: Server) -> None:
    """T180: more stalled uploads than threads, and a page still comes at once."""
    stalled = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    for connection in stalled:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")

    begun = time.monotonic()
    answer = server.client.get("/")
    for connection in stalled:
        connection.close()

    assert answer.status_code == 200
    assert time.monotonic() - begun < 1.0


def test_streamed_pieces_arrive_while_the_rest_is_made(server: Server) -> None:
    begun = time.monotonic()
    with server.client.stream("GET", "/stream") as answer:
        first = next(answer.iter_raw())
        seconds = time.monotonic() - begun

    assert first.startswith(b"data: x")
    assert seconds < 2.0  # the whole takes five


def test_a_client_that_leaves_closes_the_iterable(server: Server) -> None:
    mark = server.marks / "closed"
    mark.unlink(missing_ok=True)
    with server.client.stream("GET", "/stream") as answer:
        next(answer.iter_raw())

    assert _eventually(mark.exists)
    assert int(mark.read_text()) < 100


def test_a_reader_that_stalls_stops_the_source(server: Server) -> None:
    """Back-pressure: of 1 GiB only what sockets buffer is made; after the write timeout the thread is free again."""
    mark = server.marks / "closed"
    mark.unlink(missing_ok=True)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(b"GET /flood HTTP/1.1\r\nHost: h\r\n\r\n")
        assert _eventually(mark.exists)

    assert int(mark.read_text()) * 65536 < 64 * MIB


def test_a_view_over_its_time_is_answered_504(server: Server) -> None:
    begun = time.monotonic()
    answer = server.client.get("/slow")

    assert answer.status_code == 504
    assert time.monotonic() - begun < 3.5


def test_a_crash_shows_the_id_and_nothing_else(server: Server) -> None:
    """T150."""
    answer = server.client.get("/crash", headers={"X-Request-Id": "abc-123"})

    assert answer.status_code == 500
    assert answer.json() == {"error": "Internal error. Request id: abc-123"}


def test_request_id_is_echoed_from_either_header(server: Server) -> None:
    given = server.client.get("/", headers={"X-Request-Id": "mine", "X-Amzn-Trace-Id": "other"})
    traced = server.client.get("/", headers={"X-Amzn-Trace-Id": "trace"})
    made = server.client.get("/", headers={"X-Request-Id": "has space"})

    assert given.headers["x-request-id"] == "mine"
    assert traced.headers["x-request-id"] == "trace"
    assert len(made.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("target", "status"),
    [("/" + "a" * 8191, 200), ("/" + "a" * 8192, 414), ("/?" + "a" * 8192, 414), ("/%00", 400), ("/a%0ab", 400)],
)
def test_urls_are_capped_and_free_of_control_bytes(server: Server, target: str, status: int) -> None:
    request = f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()

    assert server.status_of(request) == status


def test_headers_are_capped_in_bytes_and_fields(server: Server) -> None:
    head = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
    wide = head + b"X-Wide: " + b"a" * 17_000 + b"\r\n\r\n"
    many = head + b"".join(b"X-%d: a\r\n" % n for n in range(99)) + b"\r\n"

    assert server.status_of(wide) == 431
    assert server.status_of(many) in (400, 431)


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: +3",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: xchunked",
        b"X: a\r\n folded: b",
        b"Host: second",
    ],
)
def test_ambiguous_framing_is_refused(server: Server, head: bytes) -> None:
    """T115: nothing that two servers could read differently reaches the application."""
    request = b"POST / HTTP/1.1\r\nHost: h\r\n" + head + b"\r\n\r\n0\r\n\r\n"

    assert server.status_of(request) in (0, 400, 413, 501)


def test_of_two_framings_the_chunked_one_counts(server: Server) -> None:
    """T115: as RFC 9112 asks; the server drops the length before we see it, and the shipped proxy refuses both."""
    request = (
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    body = server.raw(request + b"5\r\nhello\r\n0\r\n\r\n").partition(b"\r\n\r\n")[2]

    assert json.loads(body)["body_bytes"] == 5


def test_forwarded_headers_of_strangers_do_not_count(server: Server) -> None:
    """T157."""
    spoof = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "Remote-User": "admin"}
    shown = server.client.get("/", headers=spoof).json()

    assert (shown["REMOTE_ADDR"], shown["wsgi.url_scheme"]) == ("127.0.0.1", "http")
    assert not {"HTTP_X_FORWARDED_FOR", "HTTP_REMOTE_USER"} & shown.keys()


def test_forwarded_headers_of_a_listed_proxy_count_up_to_the_first_stranger(tmp_path: Path) -> None:
    """T157."""
    server, process = start(tmp_path, trusted="127.0.0.1 10.0.0.0/8")
    try:
        sent = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7, 10.1.2.3", "X-Forwarded-Proto": "https"}
        shown = server.client.get("/", headers=sent).json()
    finally:
        stop(server, process)

    assert (shown["REMOTE_ADDR"], shown["wsgi.url_scheme"]) == ("203.0.113.7", "https")


def test_head_has_the_length_and_no_body(server: Server) -> None:
    answer = server.raw(b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")

    assert b"content-length: " in head.lower()
    assert body == b""


def test_json_of_a_keep_alive_pair_does_not_mix(server: Server) -> None:
    answers = [json.loads(server.client.get(f"/{n}").content)["PATH_INFO"] for n in range(50)]

    assert answers == [f"/{n}" for n in range(50)]


def _eventually(happened, *, within_s: float = 8.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.05)
    return False
