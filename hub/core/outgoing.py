"""The one door for HTTP that the hub itself sends: webhooks, imports, pull-through (T96–T100).

``hub.core.destinations`` says where a request may go → connect to one of those addresses → bounded time, bounded
bytes.  A redirect is an answer like any other unless the purpose follows it, and then each hop passes the same checks.
Proxies of the environment are not used: they would resolve names once more.

    with open_session(WEBHOOK) as session:
        answer = session.post(url, body, headers={"Content-Type": "application/json"})
    with open_session(IMPORT) as session, session.stream(url, headers=…) as answer:
        for piece in answer.pieces(): …
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from types import TracebackType
from typing import Any, Final
from urllib.parse import urljoin

from hub.core.destinations import (
    AddressRefused,
    OutgoingFailed,
    Resolver,
    Target,
    addresses_of,
    parse_url,
    system_resolver,
)

PIECE_BYTES: Final = 256 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REPEATABLE: Final = frozenset({"GET", "HEAD"})
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie"})


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a request is for, and how much it may take."""

    name: str
    connect_s: float = 3.0
    idle_s: float = 10.0  # between two pieces of an answer
    total_s: float = 10.0  # from the first byte sent to the last one read
    max_bytes: int = 64 * 1024
    max_redirects: int = 0
    #: Plain http leads to networks that the operator opened, and nowhere else (T100).
    is_https_only: bool = False


#: An answer to a webhook is a status; what stands in its body is not read further than this (T98).
WEBHOOK: Final = Purpose("webhook")
#: Metadata of another hub. Large files use ``with_limits`` or ``stream(…, max_bytes=…)``.
IMPORT: Final = Purpose(
    "import",
    connect_s=5.0,
    idle_s=30.0,
    total_s=6 * 3600.0,
    max_bytes=64 * 1024 * 1024,
    max_redirects=5,
    is_https_only=True,
)


def with_limits(purpose: Purpose, **limits: Any) -> Purpose:
    """The same purpose with other limits."""
    return with_changes(purpose, **limits)


@dataclass(slots=True)
class _Clock:
    """The time left: none of a request's parts may outlive it, however slowly the bytes come (T98)."""

    idle_s: float
    ends_at: float

    def timeout(self) -> float:
        """Seconds until the next byte must be there. Raises: TimeoutError when the time is over."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for this request is over")
        return min(self.idle_s, left)


class _TimedReader(io.RawIOBase):
    """The socket's incoming bytes, each read within the clock."""

    def __init__(self, connected: _TimedSocket) -> None:
        self._connected = connected

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connected.raw.settimeout(self._connected.clock.timeout())
        return self._connected.raw.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connected.reader_closed()


class _TimedSocket:
    """What ``http.client`` needs of a socket, with the clock around each call."""

    def __init__(self, raw: socket.socket, clock: _Clock) -> None:
        self.raw = raw
        self.clock = clock
        self._readers = 0
        self._is_closed = False

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_TimedReader(self), 64 * 1024)

    def sendall(self, data: Any) -> None:
        self.raw.settimeout(self.clock.timeout())
        self.raw.sendall(data)

    def close(self) -> None:
        """Close, once nobody reads any more: ``http.client`` closes before the body of a last answer is read."""
        self._is_closed = True
        if not self._readers:
            self.raw.close()

    def reader_closed(self) -> None:
        self._readers -= 1
        if self._is_closed:
            self.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, its body cut at nothing: larger ones are failures."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    url: str


@dataclass(slots=True)
class Streamed:
    """An answer whose body comes in pieces; use as a context manager."""

    status: int
    headers: Mapping[str, str]
    url: str
    _response: http.client.HTTPResponse
    _max_bytes: int
    _close: Callable[[], None]

    def __enter__(self) -> Streamed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._close()

    def pieces(self, size_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
        """The body; ends early for nobody. Raises: OutgoingFailed when it is too long, too slow or cut off."""
        expected = self._response.length
        total = 0
        with _failures():
            while piece := self._response.read(size_bytes):
                total += len(piece)
                if total > self._max_bytes:
                    raise OutgoingFailed("The other server's answer is too long.", reason="length")
                yield piece
            if expected is not None and total != expected:
                raise OutgoingFailed("The other server's answer was cut off.", reason="cut")

    def read(self) -> bytes:
        """The whole body, within the purpose's ``max_bytes``. Raises: OutgoingFailed."""
        return b"".join(self.pieces())


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Turn what sockets and parsers raise into one error without internals."""
    try:
        yield
    except TimeoutError as error:
        raise OutgoingFailed("The other server did not answer in time.", reason="time") from error
    except ssl.SSLError as error:
        raise OutgoingFailed("The other server's certificate or encryption is not valid.", reason="tls") from error
    except http.client.IncompleteRead as error:
        raise OutgoingFailed("The other server's answer was cut off.", reason="cut") from error
    except (http.client.HTTPException, ValueError) as error:
        raise OutgoingFailed("The other server's answer is not HTTP.", reason="http") from error
    except OSError as error:
        raise OutgoingFailed("The other server could not be reached.", reason="connection") from error


@dataclass(slots=True)
class _Connection:
    """An open connection to one origin, kept between requests of a session."""

    client: http.client.HTTPConnection
    stream: _TimedSocket


@dataclass(slots=True)
class Session:
    """Requests for one purpose, in one thread; keeps a connection to each origin while it is open."""

    purpose: Purpose
    resolver: Resolver = system_resolver
    _idle: dict[tuple[str, str, int], _Connection] = field(default_factory=dict)
    _trust: ssl.SSLContext | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        while self._idle:
            self._idle.popitem()[1].client.close()

    def get(self, url: str, *, headers: Mapping[str, str] | None = None, max_bytes: int | None = None) -> Answer:
        return self.send("GET", url, headers=headers, max_bytes=max_bytes)

    def post(self, url: str, body: bytes, *, headers: Mapping[str, str] | None = None) -> Answer:
        return self.send("POST", url, body=body, headers=headers)

    def send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Answer:
        """One request and its whole answer. Raises: AddressRefused, OutgoingFailed."""
        with self.stream(url, method=method, body=body, headers=headers, max_bytes=max_bytes) as answer:
            return Answer(answer.status, answer.headers, answer.read(), answer.url)

    def stream(
        self,
        url: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Streamed:
        """One request; the answer's body is read by the caller, within ``max_bytes`` (default: the purpose's).

        Credentials stay with the origin that they were given for, and no redirect leads from https to http.

        Raises:
            AddressRefused: an address on the way is closed.
            OutgoingFailed: no answer, or more redirects than the purpose follows when it follows any.
        """
        given = dict(headers or {})
        limit = self.purpose.max_bytes if max_bytes is None else max_bytes
        target = parse_url(url)
        for _ in range(self.purpose.max_redirects + 1):
            answer = self._ask(method, target, body, given, limit)
            if not self.purpose.max_redirects or answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            answer.close()
            following = _follow(target, answer.headers["location"])
            if following.origin != target.origin:
                given = {name: value for name, value in given.items() if name.lower() not in _SECRET_HEADERS}
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, body = "GET", None
            target = following
        raise OutgoingFailed("The other server redirects too often.", reason="redirects")

    def _ask(
        self, method: str, target: Target, body: bytes | None, headers: Mapping[str, str], max_bytes: int
    ) -> Streamed:
        clock = _Clock(self.purpose.idle_s, time.monotonic() + self.purpose.total_s)
        # What must not happen twice gets a connection of its own: a kept one may break after the request was read.
        kept = self._idle.pop(target.origin, None) if method in _REPEATABLE else None
        if kept is not None:
            try:
                return self._ask_on(kept, clock, method, target, body, headers, max_bytes)
            except OutgoingFailed as error:
                if error.data["reason"] not in ("connection", "http"):
                    raise  # else the other side had closed it meanwhile
        return self._ask_on(self._connect(target, clock), clock, method, target, body, headers, max_bytes)

    def _ask_on(
        self,
        connection: _Connection,
        clock: _Clock,
        method: str,
        target: Target,
        body: bytes | None,
        headers: Mapping[str, str],
        max_bytes: int,
    ) -> Streamed:
        connection.stream.clock = clock
        # Nothing compressed is asked for, so that no small answer unfolds into a large one.
        sent = {"Host": target.netloc, "User-Agent": "Agora", "Accept-Encoding": "identity", **headers}
        try:
            with _failures():
                connection.client.request(method, target.path, body=body, headers=sent)
                response = connection.client.getresponse()
            _check_encoding(response)
        except BaseException:
            connection.client.close()
            raise

        def close() -> None:
            if response.isclosed() and not response.will_close:
                self._keep(target, connection)
            else:
                response.close()
                connection.client.close()

        names = {name.lower(): value for name, value in response.getheaders()}
        return Streamed(response.status, names, target.url, response, max_bytes, close)

    def _keep(self, target: Target, connection: _Connection) -> None:
        former = self._idle.get(target.origin)
        if former is not None and former is not connection:
            former.client.close()
        self._idle[target.origin] = connection

    def _connect(self, target: Target, clock: _Clock) -> _Connection:
        ends_at = time.monotonic() + self.purpose.connect_s
        addresses = addresses_of(
            target,
            resolver=self.resolver,
            timeout_s=self.purpose.connect_s,
            is_https_only=self.purpose.is_https_only,
        )
        raw = self._reach(target, addresses, ends_at)
        stream = _TimedSocket(raw, clock)
        client = http.client.HTTPConnection(target.host, target.port)
        client.auto_open = 0  # a second look-up of the name would be one nobody checked (rebinding)
        client.sock = stream  # http.client asks for these three methods only
        return _Connection(client, stream)

    def _reach(self, target: Target, addresses: list[str], ends_at: float) -> socket.socket:
        failure: OutgoingFailed | None = None
        for address in addresses:
            try:
                with _failures():
                    left = _Clock(self.purpose.connect_s, ends_at)
                    raw = socket.create_connection((address, target.port), timeout=left.timeout())
                    return self._encrypt(raw, target, left)
            except OutgoingFailed as error:
                failure = error
        raise failure or OutgoingFailed(reason="connection")

    def _encrypt(self, raw: socket.socket, target: Target, clock: _Clock) -> socket.socket:
        if target.scheme == "http":
            return raw
        if self._trust is None:
            self._trust = ssl.create_default_context()
        try:
            raw.settimeout(clock.timeout())
            return self._trust.wrap_socket(raw, server_hostname=target.host)
        except BaseException:
            raw.close()
            raise


def _check_encoding(response: http.client.HTTPResponse) -> None:
    if (response.getheader("content-encoding") or "identity").strip().lower() != "identity":
        raise OutgoingFailed("The other server compressed its answer unasked.", reason="encoding")


def _follow(target: Target, location: str) -> Target:
    following = parse_url(urljoin(target.url, location))
    if target.scheme == "https" and following.scheme != "https":
        raise AddressRefused("The other server redirects from https to http.")
    return following


def open_session(purpose: Purpose, *, resolver: Resolver = system_resolver) -> Session:
    """A session for requests of one purpose; use as a context manager."""
    return Session(purpose, resolver)
