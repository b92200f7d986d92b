"""Whose word counts about where a request came from: only that of listed proxies (T157)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FORWARDED_HEADERS: Final = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-forwarded-prefix",
        b"x-real-ip",
        b"x-remote-user",
        b"remote-user",
    }
)


def parse_networks(items: Iterable[str]) -> tuple[Network, ...]:
    """Parse addresses and networks. Raises: ValueError naming the one that is neither."""
    return tuple(ipaddress.ip_network(item, strict=False) for item in items)


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in trusted)


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the address of the client: walk the chain from our side while its links are trusted.

    What stands left of the first stranger was written by that stranger and proves nothing.
    """
    address = peer
    for link in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        if not is_trusted(address, trusted) or not _is_address(link):
            break
        address = link
    return address


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
