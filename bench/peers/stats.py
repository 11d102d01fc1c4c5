"""Statistics of paired blocks: medians of per-pair ratios with bootstrap intervals.

Percentile bootstrap (Efron 1979) over pairs; a pair is two neighbouring blocks, so slow
drifts of the machine cancel within it."""

from dataclasses import dataclass

import numpy as np

REPLICATES = 10_000


@dataclass(frozen=True)
class Ratio:
    """Opponent's time over the reference's: above 1 the reference is faster."""

    median: float
    low: float
    high: float
    pairs: int


def paired_ratio(reference: list[float], opponent: list[float], seed: int = 1) -> Ratio:
    """Median of opponent[i] / reference[i] with its 95 % bootstrap interval."""
    ratios = np.asarray(opponent) / np.asarray(reference)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(ratios), size=(REPLICATES, len(ratios)))
    low, high = np.percentile(np.median(ratios[draws], axis=1), [2.5, 97.5])
    return Ratio(float(np.median(ratios)), float(low), float(high), len(ratios))


def summary(latencies: list[float]) -> dict:
    """Fastest run, p50, p90, p99 (type 7), mean and count of raw latencies in ms."""
    p50, p90, p99 = np.percentile(latencies, [50, 90, 99])
    mean = float(np.mean(latencies))
    return {"min": min(latencies), "p50": float(p50), "p90": float(p90), "p99": float(p99),
            "mean": mean, "runs": len(latencies)}
