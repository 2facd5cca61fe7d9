"""The tables of the scores, as Markdown."""

import statistics
from collections.abc import Mapping, Sequence

from evidencing import quality, rows
from evidencing.row import Row
from evidencing.scored import Scored
from wss.results import comparison

Scores = Mapping[int, Scored]  # By seed.
MISSING = 'missing'
ONE_SEED = '†'
_HEADS = (
    *('run', 'seeds', 'val', 'test', 'compared with'),
    *('difference on test (95 %)', 'share of the distance'),
)
_QUALITY_HEADS = (
    *('run', 'seeds', 'crops: decoder', 'SGC', 'learnt', 'photos: decoder', 'SGC', 'fused'),
    *('recall', 'precision'),
)


def mean_and_spread(values: Sequence[float]) -> str:
    """Returns mean ± sample standard deviation of shares in 0..1, in percent.

    Example:
        >>> from evidencing.tables import mean_and_spread
        >>> mean_and_spread([0.2, 0.23]), mean_and_spread([0.2])
        ('21.5 ± 2.1', '20.0')
    """
    around = f' ± {100 * statistics.stdev(values):.1f}' if len(values) > 1 else ''
    return f'{100 * statistics.fmean(values):.1f}{around}'


def difference(scores: Scores, baseline: Scores) -> str:
    """Returns the mean difference on the test split over the seeds that both have, in points.

    With two seeds or more it has its 95 % interval by Student's t, over the pairs of one seed.
    """
    seeds = sorted(set(scores) & set(baseline))
    if not seeds:
        return MISSING
    pairs = [{'one': baseline[seed].test, 'two': scores[seed].test} for seed in seeds]
    if len(pairs) == 1:
        return f'{100 * (pairs[0]["two"] - pairs[0]["one"]):+.1f} {ONE_SEED}'
    found = {name: 100 * value for name, value in comparison.paired(pairs, 'one', 'two').items()}
    return '{difference:+.1f} ({low:+.1f} to {high:+.1f})'.format(**found)


def closed_share(scores: Scores, low: Scores, high: Scores) -> str:
    """Returns how much of the way from `low` to `high` a row covers on the test split, in percent.

    It is the row's mean difference to `low` over that of `high`, each over the seeds that both
    have.
    """
    gain, distance = _mean_difference(scores, low), _mean_difference(high, low)
    if gain is None or distance is None:
        return MISSING
    if distance <= 0:
        return '-'
    is_single = 1 in (len(set(scores) & set(low)), len(set(high) & set(low)))
    mark = f' {ONE_SEED}' if is_single else ''
    return f'{100 * gain / distance:.0f}{mark}'


def scores_table(chosen: Sequence[Row], found: Mapping[str, Scores], with_share: bool) -> str:
    """Lays out the scores of some rows; what has not been trained is marked as missing.

    Args:
        chosen: The rows, all of one table.
        found: Scores by name of the row, those of all rows.
        with_share: Whether it has the column of the share of the distance.
    """
    titles = {row.name: row.title for row in rows.ROWS}
    lines = [_HEADS, ('---',) * len(_HEADS)]
    for row in chosen:
        scores = found.get(row.name, {})
        all_labels = 'all_labels' if row.steps == 1 else 'all_labels_longer'
        ends = found.get('supervised', {}), found.get(all_labels, {})
        compared = ('-', '-', '-')
        if row.against is not None:
            compared = (
                titles[row.against],
                difference(scores, found.get(row.against, {})),
                closed_share(scores, *ends),
            )
        columns = _column(scores, 'val'), _column(scores, 'test')
        lines.append((row.title, _seeds(len(scores), row.seeds), *columns, *compared))
    return _laid_out(lines if with_share else [line[:-1] for line in lines])


def looks_table(by_method: Sequence[Sequence[Row]], found: Mapping[str, Scores]) -> str:
    """Lays out what was tried for each method: scores on `val` with seed 0, the best in bold.

    Args:
        by_method: The rows of each method.
        found: Scores by name of the row.
    """
    lines = [('run', 'val'), ('---', '---')]
    for looks in by_method:
        scores = [found.get(row.name, {}).get(0) for row in looks]
        best = max((one.val for one in scores if one), default=None)
        for row, one in zip(looks, scores, strict=True):
            text = f'{100 * one.val:.1f}' if one else MISSING
            lines.append((row.title, f'**{text}**' if one and one.val == best else text))
    return _laid_out(lines)


def quality_table(chosen: Sequence[Row], found: Mapping[str, Scores]) -> str:
    """Lays out how good the labels and the classifier of some rows were: means over the seeds.

    Rows of which nothing is known are left out.
    """
    lines = [_QUALITY_HEADS, ('---',) * len(_QUALITY_HEADS)]
    for row in chosen:
        known = [one.quality for one in found.get(row.name, {}).values() if one.quality]
        if known:
            means = {
                name: f'{100 * statistics.fmean(one[name] for one in known):.1f}'
                for name in quality.NAMES
            }
            lines.append((row.title, str(len(known)), *means.values()))
    return _laid_out(lines)


def cost_table(chosen: Sequence[Row], found: Mapping[str, Scores]) -> str:
    """Lays out what the runs of some rows cost: medians over the seeds, and the sum of all runs.

    A run whose CPU time is unknown counts as the median of its row, or as 0 if the whole row's is.
    """
    heads = 'run', 'steps', 'CPU minutes a run', 'commit'
    lines = [heads, ('---',) * len(heads)]
    number, minutes = 0, 0.0
    for row in chosen:
        scores = list(found.get(row.name, {}).values())
        if not scores:
            lines.append((row.title, *[MISSING] * 3))
            continue
        commits = sorted({_short(one.git) for one in scores})
        steps = sorted({f'{one.steps:,}' for one in scores})
        known = [one.cpu_minutes for one in scores if one.cpu_minutes is not None]
        median = f'{statistics.median(known):.1f}' if known else MISSING
        lines.append((row.title, ' '.join(steps), median, ' '.join(commits)))
        number += len(scores)
        minutes += sum(known) + (len(scores) - len(known)) * statistics.median(known or [0])
    lines.append((f'all {number} runs', '', f'{minutes:,.0f} ({minutes / 60:.1f} hours)', ''))
    return _laid_out(lines)


def _short(commit):
    return 'unknown' if commit is None else commit[:7] + '+' * commit.endswith('+')


def _mean_difference(scores, baseline):
    """Mean difference on the test split over the seeds that both have; None without one."""
    seeds = set(scores) & set(baseline)
    return statistics.fmean(scores[s].test - baseline[s].test for s in seeds) if seeds else None


def _seeds(number, wanted):
    if not number:
        return MISSING
    mark = f' {ONE_SEED}' if number == 1 else ''
    return f'{number}{f" of {wanted}" if number < wanted else ""}{mark}'


def _column(scores, split):
    return mean_and_spread([getattr(one, split) for one in scores.values()]) if scores else MISSING


def _laid_out(lines):
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)
