"""The rows of the tables: what is trained, and what each is compared with."""

import dataclasses
from collections.abc import Sequence

from evidencing.row import SEEDS, Row

# A step of PseudoSeg takes so many times the CPU time of a supervised step, on one machine.
# Longer runs have so many times the steps.
LONGER = 2.5
_RIVAL_WITH_MORE_LABELS = 'mean_teacher'

_SUPERVISED = ('methods/supervised.gin',)
_PSEUDOSEG = ('methods/pseudoseg_short.gin',)
_WEAK = ('methods/pseudoseg_short.gin', 'methods/pseudoseg_weak.gin')

# Title and class of each rival, by its gin file.
_RIVALS = {
    'fixmatch': ('FixMatch', 'FixMatch'),
    'unimatch': ('UniMatch', 'UniMatch'),
    'mean_teacher': ('Mean Teacher', 'MeanTeacher'),
    'cps': ('CPS', 'CPS'),
}


def _rival(name, **changes):
    """A rival whose consistency loss has its full weight from the first step."""
    return Row(name, _RIVALS[name][0], (f'methods/{name}.gin',), **changes)


def _warm(name, **changes):
    """The same with a consistency loss that sets in over the first 400 steps."""
    title, method = _RIVALS[name]
    row = _rival(name, params=(f'{method}.consistency_warm_up = 400',), **changes)
    return dataclasses.replace(row, name=f'{name}_warm', title=f'{title}, warm-up')


def _longer(row, *params, seeds=1):
    """The same for more steps."""
    changes = {'name': f'{row.name}_longer', 'title': f'{row.title}, {LONGER} times the steps'}
    return dataclasses.replace(row, params=params, seeds=seeds, steps=LONGER, **changes)


_ALL_LABELS = Row('all_labels', 'supervised, all 1,363 masks', _SUPERVISED, labels=1363)
_OURS = Row('pseudoseg', 'PseudoSeg', _PSEUDOSEG)
_MAIN = (
    Row('supervised', 'supervised', _SUPERVISED, against=None),
    # Takes about the time of PseudoSeg.
    _longer(Row('supervised', 'supervised', _SUPERVISED), seeds=SEEDS),
    _OURS,
    _longer(_OURS),
    Row('weak', 'PseudoSeg, true image labels', _WEAK),
    # Each rival starts in the way that was better on the validation photos with seed 0.
    _warm('fixmatch'),
    _warm('unimatch'),
    _rival('mean_teacher'),
    _warm('cps'),
    _ALL_LABELS,
    _longer(_ALL_LABELS),
)
_MORE_OF_RIVALS = (
    _rival('fixmatch', table='rivals', seeds=1),
    _longer(_warm('fixmatch', table='rivals'), 'FixMatch.consistency_warm_up = 1000'),
    _rival('unimatch', table='rivals', seeds=1),
    _longer(_warm('unimatch', table='rivals'), 'UniMatch.consistency_warm_up = 1000'),
    _warm('mean_teacher', table='rivals', seeds=1),
    _rival('cps', table='rivals', seeds=1),
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


def _trial(start, name, what, *params):
    """One more setting of a method, on the validation photos with seed 0 alone."""
    name, title = f'{start.name}_{name}', f'{start.title}, {what}'
    params = (*start.params, *params)
    return dataclasses.replace(
        start, name=name, title=title, params=params, table='trials', against=None, seeds=1
    )


# The views of PseudoSeg in place of those of `methods/strong_views.gin`.
_VIEWS_OF_PSEUDOSEG = (
    'Views.jitter_probability = 1.0',
    'Views.greyscale_probability = 0.0',
    'Views.blur_probability = 0.0',
    'Views.cutmix_probability = 0.0',
    'Views.cutout_probability = 1.0',
)
# Each begins with the best that was known when it was trained.
_FIXMATCH, _UNIMATCH = _warm('fixmatch'), _warm('unimatch')
_TEACHER, _CPS = _rival('mean_teacher'), _warm('cps')
_FIXMATCH_HALF = _trial(_FIXMATCH, 'half', 'half the weight', 'FixMatch.consistency_weight = 0.5')
_UNIMATCH_080 = _trial(_UNIMATCH, 'threshold', 'threshold 0.8', 'UniMatch.threshold = 0.8')
_TRIALS = (
    _trial(_FIXMATCH, 'threshold', 'threshold 0.8', 'FixMatch.threshold = 0.8'),
    _FIXMATCH_HALF,
    _trial(_FIXMATCH_HALF, 'views', 'views of PseudoSeg', *_VIEWS_OF_PSEUDOSEG),
    _UNIMATCH_080,
    _trial(_UNIMATCH_080, 'half', 'half the weight', 'UniMatch.consistency_weight = 0.5'),
    _trial(_UNIMATCH_080, 'views', 'views of PseudoSeg', *_VIEWS_OF_PSEUDOSEG),
    _trial(_TEACHER, 'threshold', 'threshold 0.8', 'MeanTeacher.threshold = 0.8'),
    _trial(_TEACHER, 'half', 'half the weight', 'MeanTeacher.consistency_weight = 0.5'),
    _trial(_TEACHER, 'views', 'views of PseudoSeg', *_VIEWS_OF_PSEUDOSEG),
    _trial(_rival('cps'), 'warm_800', 'warm-up of 800 steps', 'CPS.consistency_warm_up = 800'),
    _trial(_CPS, 'half', 'half the weight', 'CPS.consistency_weight = 0.75'),
    _trial(_CPS, 'views', 'views of PseudoSeg', *_VIEWS_OF_PSEUDOSEG),
    _trial(_OURS, 'gate', 'gate of 0.3', 'PseudoSeg.gate_threshold = 0.3'),
)

_TODAY = (*_MAIN, *_MORE_OF_RIVALS, *_OPTIONS, *_LABELS)
ROWS = (
    *_TODAY,
    *(_by_the_earlier_recipe(row) for row in _TODAY if row.name in _ALSO_EARLIER),
    *_TRIALS,
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
    """Returns what was tried for each rival with 83 masks and the steps of the recipe.

    The last group has PseudoSeg and its trials; its other rows are in the tables of options.
    """
    rows = [row for row in ROWS if row.labels == 83 and row.steps == 1]
    rows.sort(key=lambda row: bool(row.params))  # As in the paper first.
    rivals = [[row for row in rows if row.methods == (f'methods/{n}.gin',)] for n in _RIVALS]
    return [*rivals, [_OURS, *(row for row in _TRIALS if row.methods == _PSEUDOSEG)]]
