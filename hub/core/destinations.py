"""Where the hub's own requests may go: URLs that read one way only, public addresses, none of our own services.

URL → parse (http(s), listed ports, plain host name) → resolve once → every address public or opened by the operator →
the addresses that ``hub.core.outgoing`` connects to (T96, T99, T100)
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from hub.core.errors import BadRequest, HubError
from hub.core.fresh import FreshCache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
#: (host, port) → the addresses of that name, as text; what the system's resolver says unless a test says otherwise.
Resolver = Callable[[str, int], list[str]]

MAX_URL_LENGTH: Final = 2_000
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SERVICE_PORTS: Final = {**_DEFAULT_PORTS, "redis": 6379, "rediss": 6379, "postgresql": 5432, "postgres": 5432}
_NETLOC: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.-]+)(:[0-9]{1,5})?")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
# What a resolver or a C library could read as an address in another notation: 0x7f.1, 0177.0.0.1, 2130706433.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
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
