"""A chart as numbers for an SVG: bars of calls per day, errors on top; the template draws, nothing is styled here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from inference.usage import UsageDay

WIDTH: Final = 720
HEIGHT: Final = 160
_BASE: Final = 140  # y of the axis
_LEFT: Final = 36


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    ok_y: float
    ok_height: float
    error_y: float
    error_height: float
    day: UsageDay


@dataclass(frozen=True, slots=True)
class Line:
    y: float
    label: int


@dataclass(frozen=True, slots=True)
class Chart:
    width: int
    height: int
    base: int
    left: int
    bars: list[Bar]
    lines: list[Line]


def calls_per_day(days: list[UsageDay]) -> Chart:
    top = _round_up(max((day.totals.calls for day in days), default=0))
    step = (WIDTH - _LEFT) / max(len(days), 1)
    gap = min(3.0, step * 0.2)

    def height(count: int) -> float:
        return round(count / top * (_BASE - 12), 2)

    bars = []
    for number, day in enumerate(days):
        ok, errors = height(day.totals.calls - day.totals.errors), height(day.totals.errors)
        x = round(_LEFT + number * step + gap / 2, 2)
        bars.append(Bar(x, round(step - gap, 2), _BASE - ok, ok, round(_BASE - ok - errors, 2), errors, day))
    lines = [Line(_BASE - height(value), value) for value in sorted({0, top // 2, top})]
    return Chart(WIDTH, HEIGHT, _BASE, _LEFT, bars, lines)


def _round_up(value: int) -> int:
    """The next of 2, 4, 10, 20, 40, 100, … that is not below ``value``: its half is whole too."""
    step = 2
    while True:
        for factor in (1, 2, 5):
            if value <= step * factor:
                return step * factor
        step *= 10
