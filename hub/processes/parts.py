"""What the supervisor runs: a part is one command and the manners it expects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from signal import SIGTERM, Signals


@dataclass(frozen=True, slots=True)
class Part:
    """One process (with its children).

    ``is_ready`` is asked until it says yes before parts that come later start.
    ``is_once`` parts end by themselves and are not started again.
    ``stop_signals`` are sent in turn, each after that many seconds of the drain; SIGKILL comes last by itself.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    is_ready: Callable[[], bool] | None = None
    ready_timeout_s: float = 30.0
    is_once: bool = False
    stop_signals: tuple[tuple[float, Signals], ...] = ((0.0, SIGTERM),)
    #: Lines that hold one of these are not printed.
    noise: tuple[str, ...] = ()
    #: Parts of a lower stage start earlier and stop later: the others need them to drain.
    stage: int = 1
