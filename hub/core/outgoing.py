"""The one door for HTTP that the hub itself sends: webhooks, imports, pull-through (T96–T100).

URL → parse (http(s), listed ports, plain host name) → resolve once → every address public, none of our own services →
connect to one of those addresses → bounded time, bounded bytes.  A redirect is an answer like any other unless the
purpose follows it, and then each hop passes the same checks.  Proxies of the environment are not used: they would
resolve names once more.

    with open_session(WEBHOOK) as session:
        answer = session.post(url, body, headers={"Content-Type": "application/json"})
    with open_session(IMPORT) as session, session.stream(url, headers=…) as answer:
        for piece in answer.pieces(): …
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from dataclasses import replace as with_changes
from types import TracebackType
from typing import Any, Final
from urllib.parse import parse_qs, urljoin, urlsplit

from django.conf import settings

from hub.core.errors import BadRequest, HubError
from hub.core.fresh import FreshCache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: (host, port) → the addresses of that name, as text; what the system's resolver says unless a test says otherwise.
Resolver = Callable[[str, int], list[str]]

MAX_URL_LENGTH: Final = 2_000
PIECE_BYTES: Final = 256 * 1024
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SERVICE_PORTS: Final = {**_DEFAULT_PORTS, "redis": 6379, "rediss": 6379, "postgresql": 5432, "postgres": 5432}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NETLOC: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]+)(:[0-9]{1,5})?")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
# What a resolver or a C library could read as an address in another notation: 0x7f.1, 0177.0.0.1, 2130706433.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_REPEATABLE: Final = frozenset({"GET", "HEAD"})
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie"})
# Public by number, and yet not what they seem: tunnels and translators that carry an IPv4 address, documentation.
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.88.99.0/24",
        "198.18.0.0/15",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
_GLOBAL_V6: Final = ipaddress.ip_network("2000::/3")
_resolving = ThreadPoolExecutor(max_workers=4, thread_name_prefix="resolve")


class AddressRefused(BadRequest):
    """A URL that this hub does not call; the sentence says why, and nothing of what stands there."""

    default_message = "This hub does not send requests to this address."


class OutgoingFailed(HubError):
    """The other side could not be reached or did not answer as it should; ``data["reason"]`` is one word."""

    status = 502
    default_message = "The other server did not answer."


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


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart, with nothing in it that two programs could read in two ways."""

    url: str
    scheme: str
    host: str  # lower case, without brackets
    port: int
    path: str  # with the query

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str) -> Target:
    """Take a URL apart. Raises: AddressRefused for all that is not plainly ``http(s)://host[:port]/path``."""
    if not url or len(url) > MAX_URL_LENGTH:
        raise AddressRefused(f"A URL has 1 to {MAX_URL_LENGTH} characters.")
    if _FORBIDDEN.search(url):
        raise AddressRefused("The URL holds spaces, control characters, backslashes or letters outside ASCII.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused("The URL cannot be read.") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise AddressRefused("Only http:// and https:// URLs are called.")
    if "@" in parts.netloc:
        raise AddressRefused("The URL must not hold a user name or password.")
    if not _NETLOC.fullmatch(parts.netloc):
        raise AddressRefused("The host of the URL is not a valid name.")
    port = _DEFAULT_PORTS[parts.scheme] if port is None else port
    _check_port(port)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(url, parts.scheme, _host(parts.netloc, parts.hostname or ""), port, path)


def _check_port(port: int) -> None:
    allowed = settings.HUB_OUTGOING_PORTS
    if "any" not in allowed and str(port) not in allowed:
        raise AddressRefused(f"This hub does not call port {port}; it calls {', '.join(allowed)}.")


def _host(netloc: str, host: str) -> str:
    """The host name, checked: names of plain labels, or addresses in their one usual form."""
    host = host.lower()
    if netloc.startswith("["):
        if _address(host) is None:
            raise AddressRefused("The host of the URL is not a valid address.")
        return host
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("The host of the URL is not a valid name.")
    if _NUMBER.fullmatch(labels[-1]) and _address(host) is None:
        raise AddressRefused("The host of the URL is not a valid address.")
    return host


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether anybody on the internet can reach this address: global unicast, and no other address in disguise."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_V6:
        return False  # NAT64, unique local, link local, multicast, loopback
    if any(address.version == network.version and address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_allowed(address: Address) -> bool:
    """Public, or in a network that the operator opened (``HUB_OUTGOING_NETWORKS``)."""
    return _is_opened(address) or is_public(address)


def _is_opened(address: Address) -> bool:
    """Whether the operator opened a network with this address."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return _is_opened(address.ipv4_mapped)
    opened = [ipaddress.ip_network(text, strict=False) for text in settings.HUB_OUTGOING_NETWORKS]
    return any(address.version == network.version and address in network for network in opened)


def system_resolver(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def addresses_of(
    target: Target,
    *,
    resolver: Resolver = system_resolver,
    timeout_s: float = 3.0,
    is_https_only: bool = False,
) -> list[str]:
    """The addresses to connect to: all that the name has, or none where one of them is closed (T96) or ours (T99).

    Raises:
        AddressRefused: an address is not public. Which one is not said, so that nobody maps a network by asking.
        OutgoingFailed: there is no such name.
    """
    own = own_services()
    if any(target.host == host and _address(host) is None and _is_same(port, target) for host, port in own.names):
        raise AddressRefused
    texts = [target.host] if _address(target.host) is not None else _resolve(target, resolver, timeout_s)
    addresses = [_address(text) for text in texts]
    if not addresses:
        raise OutgoingFailed("The name of the server is not known.", reason="name")
    for address in addresses:
        if address is None or not is_allowed(address) or _is_own(address, target.port, own):
            raise AddressRefused
        if is_https_only and target.scheme != "https" and not _is_opened(address):
            raise AddressRefused("Copies come over https:// only.")
    return texts


@dataclass(frozen=True, slots=True)
class OwnServices:
    """Where this hub's own parts listen: names as configured, and the addresses behind them, each with its port."""

    names: frozenset[tuple[str, int]]
    addresses: frozenset[tuple[Address, int]]


_own: Final[FreshCache[OwnServices]] = FreshCache(ttl_s=60.0, max_items=16)


def own_services() -> OwnServices:
    """The hub, its database, broker and storage: never called for anybody, however public their addresses (T99)."""
    urls = (settings.HUB_URL, settings.DATABASE_URL, settings.REDIS_URL, settings.HUB_STORAGE_URL)
    return _own.get((*urls, settings.PORT), lambda: _find_own(urls))


def _find_own(urls: tuple[str, ...]) -> OwnServices:
    names = {(host.lower(), port) for url in urls for host, port in _hosts_in(url)}
    found = {(ipaddress.ip_address(text), int(settings.PORT)) for text in ("127.0.0.1", "::1")}
    for host, port in names:
        # A name that is not known just now is still refused as a name.
        with contextlib.suppress(OutgoingFailed, ValueError):
            texts = [host] if _address(host) else _resolve(Target("", "", host, port, ""), system_resolver, 3.0)
            found |= {(ipaddress.ip_address(text), port) for text in texts}
    return OwnServices(frozenset(names), frozenset(found))


def _hosts_in(url: str) -> Iterator[tuple[str, int]]:
    """Host and port of a service's URL; of a bucket, where its endpoints are."""
    parts = urlsplit(url)
    if parts.scheme == "s3":
        options = parse_qs(parts.query)
        endpoints = [value for name in ("endpoint", "public_endpoint") for value in options.get(name, [])]
        for endpoint in endpoints:
            yield from _hosts_in(endpoint)
    elif parts.scheme not in ("file", "unix", "sqlite") and parts.hostname:
        yield parts.hostname, parts.port or _SERVICE_PORTS.get(parts.scheme, 0)


def _is_own(address: Address, port: int, own: OwnServices) -> bool:
    """A public host of ours is closed as a whole; in a network that the operator opened, the very port is."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return _is_own(address.ipv4_mapped, port, own)
    is_opened = _is_opened(address)
    return any(address == ours and (port == its_port or not is_opened) for ours, its_port in own.addresses)


def _is_same(port: int, target: Target) -> bool:
    """By its name a service is known at every port, but for ``localhost``, where others may listen beside it."""
    return target.host != "localhost" or port == target.port


def _resolve(target: Target, resolver: Resolver, timeout_s: float) -> list[str]:
    # The C library's resolver knows no deadline of ours; a thread that is late is left behind.
    future = _resolving.submit(resolver, target.host, target.port)
    try:
        return future.result(timeout=timeout_s)
    except TimeoutError as error:
        future.cancel()
        raise OutgoingFailed("The name of the server could not be looked up in time.", reason="name") from error
    except (OSError, UnicodeError) as error:
        raise OutgoingFailed("The name of the server is not known.", reason="name") from error


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
