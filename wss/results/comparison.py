"""Compares the scores of two methods over several seeds."""

from collections.abc import Mapping, Sequence

import numpy as np

# Two-sided 95 % quantiles of Student's t for 2 to 10 pairs.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


def paired(runs: Sequence[Mapping[str, float]], first: str, second: str) -> dict[str, float]:
    """Computes means, and the 95 % interval of the mean paired difference by Student's t.

    Args:
        runs: Scores by method, one mapping a seed; 2 to 10 of them.
        first: Name of the baseline.
        second: Name of the method that is compared with it.

    Returns:
        The mean of each method by its name, and `difference`, `low` and `high`.
    """
    scores = np.array([[run[name] for name in (first, second)] for run in runs])
    difference = scores[:, 1] - scores[:, 0]
    half = _T95[len(runs) - 2] * difference.std(ddof=1) / np.sqrt(len(runs))
    return {
        **dict(zip((first, second), scores.mean(axis=0).tolist(), strict=True)),
        'difference': float(difference.mean()),
        'low': float(difference.mean() - half),
        'high': float(difference.mean() + half),
    }


def table(
    runs: Sequence[Mapping[str, float]], summary: Mapping[str, float], titles: Mapping[str, str]
) -> str:
    """Lays out the scores of each seed, in percent, and what `paired` computed, as Markdown.

    Args:
        runs: See `paired`.
        summary: What `paired` returned.
        titles: From the names of the two methods to the heads of their columns.
    """
    lines = [f'| seed | {" | ".join(titles.values())} | difference |', '|---|---|---|---|']
    for seed, run in enumerate(runs):
        low, high = (100 * run[name] for name in titles)
        lines.append(f'| {seed} | {low:.1f} | {high:.1f} | {high - low:+.1f} |')
    low, high = (100 * summary[name] for name in titles)
    interval = f'{100 * summary["low"]:+.1f} to {100 * summary["high"]:+.1f}'
    lines.append(f'| mean | {low:.1f} | {high:.1f} | {high - low:+.1f} (95 %: {interval}) |')
    return '\n'.join(lines)
