"""A relay in front of a hub that counts what a client sends through it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_BLOCK: Final = 256 * 1024


@dataclass
class Relay:
    """``sent_bytes``: all that went towards the hub, headers included."""

    port: int
    sent_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def count(self, size_bytes: int) -> None:
        with self._lock:
            self.sent_bytes += size_bytes


@contextlib.contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """Pass connections on to a port of this machine. A hub signs its links for the address it was called by, so that
    all a client does comes through here."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        relay = Relay(server.getsockname()[1])
        threading.Thread(target=_accept, args=(server, port, relay), daemon=True).start()
        yield relay
        server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, port: int, relay: Relay) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        hub = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=_pass_on, args=(client, hub, relay), daemon=True).start()
        threading.Thread(target=_pass_on, args=(hub, client, None), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket, relay: Relay | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_BLOCK):
            if relay is not None:
                relay.count(len(data))
            target.sendall(data)
    # The other direction ends by itself: what it reads from is told that nothing more comes.
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
