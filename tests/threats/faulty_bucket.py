"""A proxy before the S3 stand-in that does what buckets do on a bad day, by order.

hub ─▶ FaultyBucket ─▶ moto        rules are taken in order: the first whose test fits a request spends one of its times
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "server", "date", "content-length"})


@dataclass
class Rule:
    """``fault`` for the next ``times`` requests whose line (``PUT /bucket/key?query``) fits ``line``."""

    fault: str
    line: str = ""
    times: int = 1
    seen: int = field(default=0, init=False)


def _xml(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>x</Message></Error>".encode()


#: What is answered in place of the bucket.
_STATUSES: dict[str, tuple[int, bytes]] = {
    "500": (500, _xml("InternalError")),
    "SlowDown": (503, _xml("SlowDown")),
    "409": (409, _xml("ConditionalRequestConflict")),
    "412": (412, _xml("PreconditionFailed")),
    "403": (403, _xml("AccessDenied")),
    "stale": (404, _xml("NoSuchKey")),
    "empty list": (200, b"<?xml version='1.0'?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"),
}


class FaultyBucket:
    """Serve on a free port between ``start`` and ``stop``; ``log`` holds the request lines that came."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.rules: list[Rule] = []
        self.log: list[str] = []
        self._guard = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> FaultyBucket:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def order(self, *rules: Rule) -> None:
        with self._guard:
            self.rules, self.log = list(rules), []

    def left(self) -> list[Rule]:
        """Rules that have not been spent."""
        return [rule for rule in self.rules if rule.seen < rule.times]

    def fault_for(self, line: str) -> str:
        with self._guard:
            self.log.append(line)
            for rule in self.rules:
                if rule.seen < rule.times and re.search(rule.line, line):
                    rule.seen += 1
                    return rule.fault
        return ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, bucket: FaultyBucket, *arguments: Any) -> None:
        self._bucket = bucket
        super().__init__(*arguments)

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _serve(self) -> None:
        body = self._body()
        fault = self._bucket.fault_for(f"{self.command} {self.path}")
        if fault in _STATUSES:
            status, answer = _STATUSES[fault]
            self._answer(status, answer, [("Content-Type", "application/xml")])
        elif fault == "drop":
            self._hang_up()
        else:
            status, answer, headers = self._forward(body)
            if fault == "lost reply":
                self._hang_up()
            else:
                self._answer(status, answer, headers, is_cut=fault == "cut")

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("transfer-encoding", ""):
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _forward(self, body: bytes) -> tuple[int, bytes, list[tuple[str, str]]]:
        target = urlsplit(self._bucket.target)
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        dropped = {"host", "expect", "transfer-encoding", "connection", "content-length"}
        headers = {name: value for name, value in self.headers.items() if name.lower() not in dropped}
        connection.request(self.command, self.path, body, headers | {"Content-Length": str(len(body))})
        answer = connection.getresponse()
        found = answer.status, answer.read(), answer.getheaders()
        connection.close()
        return found

    def _answer(self, status: int, body: bytes, headers: list[tuple[str, str]], *, is_cut: bool = False) -> None:
        self.send_response(status)
        lengths = [value for name, value in headers if name.lower() == "content-length"]
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", lengths[0] if self.command == "HEAD" and lengths else str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self.wfile.flush()
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 -- the names that the server calls
