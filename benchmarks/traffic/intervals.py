"""Medians with intervals that assume nothing of how the values are spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A median, and between which values that of all possible measurements lies.

    Attributes:
        confidence: how probable that is; with fewer than six values less than `CONFIDENCE`.
    """

    median: float
    low: float
    high: float
    confidence: float

    @property
    def is_sure(self) -> bool:
        """Whether there were values enough to say so."""
        return self.confidence >= CONFIDENCE


def interval(values: Sequence[float]) -> Interval:
    """From order statistics (David and Nagaraja, Order Statistics, section 7.1).

    Of n values each lies below the true median with a probability of one half. So it lies between the k-th
    lowest and the k-th highest unless fewer than k fall on one of its sides: 1 - 2 P(Binomial(n, 1/2) < k).
    The greatest k is taken with which that is at least `CONFIDENCE`, and 1 where there is none.
    """
    ordered = sorted(values)
    count = len(ordered)
    rank = max((k for k in range(1, count // 2 + 1) if _confidence(count, k) >= CONFIDENCE), default=1)
    return Interval(
        statistics.median(ordered), ordered[rank - 1], ordered[-rank], max(_confidence(count, rank), 0.0)
    )


def _confidence(count: int, rank: int) -> float:
    outside = sum(math.comb(count, below) for below in range(rank))
    return 1 - math.ldexp(outside, 1 - count)


def quantile(values: Sequence[float], part: float) -> float:
    """The value that `part` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]
