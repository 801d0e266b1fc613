"""Medians of paired ratios, and how far they can be trusted."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

RESAMPLES = 2000


@dataclass(frozen=True)
class Ratio:
    """A median with its 95% confidence interval."""

    value: float
    low: float
    high: float

    @property
    def is_difference(self) -> bool:
        """Whether the interval leaves 1 out."""
        return not self.low <= 1 <= self.high


def ratio(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """The median of first to second, with the interval of the bootstrap."""
    ratios = [first / second for first, second in pairs]
    # The same samples give the same interval.
    chance = random.Random(1)
    medians = sorted(median(chance.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
    cut = RESAMPLES // 40
    return Ratio(median(ratios), medians[cut], medians[-1 - cut])
