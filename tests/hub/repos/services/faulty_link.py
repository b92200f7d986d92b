"""A wire between two hubs that can be watched, slowed and cut: a forwarding HTTP server in a thread.

It forwards to a real hub; what it adds are the faults that a network has.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BLOCK = 64 * 1024


@dataclass
class Link:
    """``requests`` are (method, path, Range header); ``on_bytes`` sees a path and how many of its bytes went through
    in this answer, and may sleep or raise ``ConnectionError`` to cut the answer off."""

    upstream: str
    url: str = ""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    on_bytes: Callable[[str, int], None] = lambda _path, _count: None

    def asked(self, word: str) -> list[str]:
        """The Range headers of the requests whose path holds ``word``."""
        return [wanted for _, path, wanted in self.requests if word in path]


@contextmanager
def faulty_link(upstream: str) -> Iterator[Link]:
    link = Link(upstream)
    target = urlsplit(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            link.requests.append(("GET", self.path, self.headers.get("Range", "")))
            client = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            client.request("GET", self.path, headers=kept | {"Host": urlsplit(link.url).netloc})
            answer = client.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            sent = 0
            try:
                while block := answer.read(BLOCK):
                    self.wfile.write(block)
                    sent += len(block)
                    link.on_bytes(self.path, sent)
            except ConnectionError:
                self.close_connection = True
            finally:
                client.close()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    link.url = f"http://localhost:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield link
    finally:
        server.shutdown()
        server.server_close()


def cut_once(word: str, after_bytes: int) -> Callable[[str, int], None]:
    """Cut the first answer whose path holds ``word`` once that many bytes went through."""
    is_cut = threading.Event()

    def on_bytes(path: str, count: int) -> None:
        if word in path and count >= after_bytes and not is_cut.is_set():
            is_cut.set()
            raise ConnectionError

    return on_bytes


def slow(seconds_per_block: float) -> Callable[[str, int], None]:
    return lambda _path, _count: time.sleep(seconds_per_block)
