"""What stars say together: mean, and the bound that orders (pages, lists and the API state it with n).

    p = (mean - 1) / 4        the mean on a scale from 0 to 1
    W = (p + z²/2n - z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)        Wilson's lower limit, z = 1.96
    bound = 1 + 4 W

Stars lie between two ends, so their variance is at most p(1-p): the limit holds for them too, and is on the safe side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Z: Final = 1.96
CONFIDENCE: Final = 0.95
FORMULA: Final = "1 + 4 · (p + z²/2n − z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)"


@dataclass(frozen=True, slots=True)
class Rating:
    """``counts`` from one star to five; mean and bound are 0 while nobody has rated."""

    counts: tuple[int, ...] = (0, 0, 0, 0, 0)

    @property
    def n(self) -> int:
        return sum(self.counts)

    @property
    def mean(self) -> float:
        return sum(stars * count for stars, count in enumerate(self.counts, start=1)) / self.n if self.n else 0.0

    @property
    def bound(self) -> float:
        return lower_bound(self.counts)


def lower_bound(counts: Sequence[int]) -> float:
    """The lower limit of the mean that these stars allow at 95 % confidence, from 1 to 5; 0 without stars.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference (1927).
    """
    n = sum(counts)
    if n == 0:
        return 0.0
    p = (Rating(tuple(counts)).mean - 1) / 4
    spread = Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return 1 + 4 * max((p + Z**2 / (2 * n) - spread) / (1 + Z**2 / n), 0.0)
