"""The rows of the tables: what is trained, and what each is compared with."""

import dataclasses
from collections.abc import Sequence

from evidencing.rivals import TRIED, trial, warm
from evidencing.row import SEEDS, Row

# A step of PseudoSeg takes so many times the CPU time of a supervised step, on one machine.
# Longer runs have so many times the steps.
LONGER = 2.5
_RIVAL_WITH_MORE_LABELS = 'mean_teacher'

_SUPERVISED = ('methods/supervised.gin',)
_PSEUDOSEG = ('methods/pseudoseg_short.gin',)
_WEAK = ('methods/pseudoseg_short.gin', 'methods/pseudoseg_weak.gin')


def _longer(row, *params, seeds=1):
    """The same for more steps."""
    changes = {'name': f'{row.name}_longer', 'title': f'{row.title}, {LONGER} times the steps'}
    return dataclasses.replace(row, params=params, seeds=seeds, steps=LONGER, **changes)


_ALL_LABELS = Row('all_labels', 'supervised, all 1,363 masks', _SUPERVISED, labels=1363)
# What was tried with the rivals; the best of each is in the main table.
_RIVALS = [row for tried in TRIED.values() for row in tried]
_OURS = Row('pseudoseg', 'PseudoSeg', _PSEUDOSEG)
_MAIN = (
    Row('supervised', 'supervised', _SUPERVISED, against=None),
    # Takes about the time of PseudoSeg.
    _longer(Row('supervised', 'supervised', _SUPERVISED), seeds=SEEDS),
    _OURS,
    _longer(_OURS),
    Row('weak', 'PseudoSeg, true image labels', _WEAK),
    *(row for row in _RIVALS if row.table == 'main'),
    _ALL_LABELS,
    _longer(_ALL_LABELS),
)
_MORE_OF_RIVALS = (
    *(row for row in _RIVALS if row.table == 'rivals'),
    _longer(warm('fixmatch', table='rivals'), 'FixMatch.consistency_warm_up = 1000'),
    _longer(warm('unimatch', table='rivals'), 'UniMatch.consistency_warm_up = 1000'),
)


def _option(name, title, *params, methods=_PSEUDOSEG, against='pseudoseg'):
    return Row(name, title, methods, params, 'options', against=against, seeds=1)


_OPTIONS = (
    _option('decoder', 'decoder alone', "PseudoSeg.source = 'decoder'"),
    _option('sgc', 'SGC alone', "PseudoSeg.source = 'att'"),
    _option(
        'cam', 'plain CAM alone', "PseudoSeg.source = 'att'", 'PseudoSeg.self_attention = False'
    ),
    _option('hard', 'hard labels', 'PseudoSeg.soft = False'),
    _option('uncalibrated', 'without calibration', 'PseudoSeg.calibrate = False'),
    _option('temperature_025', 'temperature 0.25', 'PseudoSeg.temperature = 0.25'),
    _option('temperature_1', 'temperature 1', 'PseudoSeg.temperature = 1.0'),
    _option('no_jitter', 'no colour jitter', 'Views.jitter_probability = 0.0'),
    _option('no_cutout', 'no CutOut', 'Views.cutout_probability = 0.0'),
    _option('with_cutmix', 'CutMix', 'Views.cutmix_probability = 0.5'),
    _option(
        'with_warm_up',
        'warm-up of 400 steps',
        'PseudoSeg.consistency_warm_up = 400',
    ),
    _option('sgc_rate', 'SGC at ten times the rate', 'PseudoSeg.sgc_multiplier = 10.0'),
    _option(
        'weak_photo',
        'true image labels, of whole photos',
        "Views.image_labels = 'image'",
        methods=_WEAK,
        against='weak',
    ),
    _option(
        'weak_decoder',
        'true image labels, decoder alone',
        "PseudoSeg.source = 'decoder'",
        methods=_WEAK,
        against='weak',
    ),
    _option(
        'weak_sgc',
        'true image labels, SGC alone',
        "PseudoSeg.source = 'att'",
        methods=_WEAK,
        against='weak',
    ),
)


def _with_labels(row, labels):
    changes = {
        'name': f'{row.name}_{labels}',
        'title': f'{row.title}, {labels} masks',
        'labels': labels,
        'against': row.against and f'{row.against}_{labels}',
    }
    return dataclasses.replace(row, table='labels', seeds=1, **changes)


_ALSO_WITH_MORE = ('supervised', 'pseudoseg', 'weak', _RIVAL_WITH_MORE_LABELS)
_LABELS = tuple(
    _with_labels(row, labels)
    for labels in (172, 337)
    for row in _MAIN
    if row.name in _ALSO_WITH_MORE
)


def _by_the_earlier_recipe(row):
    """A row by an earlier recipe: CutMix, a slow start, and SGC at ten times the rate."""
    params = (
        *row.params,
        'Views.cutmix_probability = 0.5',
        'PseudoSeg.sgc_multiplier = 10.0',
        f'PseudoSeg.consistency_warm_up = {round(400 * row.steps)}',
    )
    name, title = f'earlier_{row.name}', f'{row.title}, earlier recipe'
    changes = {'name': name, 'title': title, 'params': params, 'against': row.name}
    return dataclasses.replace(row, table='earlier', **changes)


_ALSO_EARLIER = (
    *('pseudoseg', 'weak', 'pseudoseg_longer', 'decoder', 'sgc', 'cam', 'hard', 'uncalibrated'),
    *('temperature_025', 'temperature_1', 'weak_decoder', 'weak_sgc'),
    *('pseudoseg_172', 'weak_172', 'pseudoseg_337', 'weak_337'),
)


_TRIALS_OF_OURS = (trial(_OURS, 'gate', 'gate of 0.3', 'PseudoSeg.gate_threshold = 0.3'),)

_TODAY = (*_MAIN, *_MORE_OF_RIVALS, *_OPTIONS, *_LABELS)
ROWS = (
    *_TODAY,
    *(_by_the_earlier_recipe(row) for row in _TODAY if row.name in _ALSO_EARLIER),
    *(row for row in _RIVALS if row.is_trial),
    *_TRIALS_OF_OURS,
)


def choose(names: Sequence[str] | None, trials: bool = False) -> list[Row]:
    """Returns the rows of these names, in their order here; all for None.

    Args:
        names: Names of rows.
        trials: Whether the trials are meant, in place of the rows of all other tables.

    Raises:
        ValueError: If there is no row of a name among those.
    """
    meant = [row for row in ROWS if row.is_trial == trials]
    known = [row.name for row in meant]
    kind = 'trial' if trials else 'row'
    for name in names or ():
        if name not in known:
            raise ValueError(
                f'--only names {name!r}, which is no {kind}; {kind}s: {", ".join(known)}.'
            )
    return [row for row in meant if names is None or row.name in names]


def looks() -> list[list[Row]]:
    """Returns what was tried with each rival, and with PseudoSeg after it had its recipe.

    Other rows of PseudoSeg are in the tables of options.
    """
    return [*(list(tried) for tried in TRIED.values()), [_OURS, *_TRIALS_OF_OURS]]
