"""The rivals as they start, and what was tried with each of them on the validation photos."""

import dataclasses

from evidencing.row import SEEDS, Row

# Title and class of each rival, by its gin file.
NAMES = {
    'fixmatch': ('FixMatch', 'FixMatch'),
    'unimatch': ('UniMatch', 'UniMatch'),
    'mean_teacher': ('Mean Teacher', 'MeanTeacher'),
    'cps': ('CPS', 'CPS'),
}


def rival(name: str, **changes) -> Row:
    """A rival whose consistency loss has its full weight from the first step."""
    return Row(name, NAMES[name][0], (f'methods/{name}.gin',), **changes)


def warm(name: str, **changes) -> Row:
    """The same with a consistency loss that sets in over the first 400 steps."""
    title, method = NAMES[name]
    row = rival(name, params=(f'{method}.consistency_warm_up = 400',), **changes)
    return dataclasses.replace(row, name=f'{name}_warm', title=f'{title}, warm-up')


def trial(start: Row, name: str, what: str, *params: str) -> Row:
    """One more setting of a method, on the validation photos with seed 0 alone."""
    name, title = f'{start.name}_{name}', f'{start.title}, {what}'
    params = (*start.params, *params)
    return dataclasses.replace(
        start, name=name, title=title, params=params, table='trials', against=None, seeds=1
    )


def _in_main(row):
    """The best that was tried, as a row of the main table."""
    return dataclasses.replace(row, table='main', against='supervised', seeds=SEEDS)


# The views of PseudoSeg in place of those of `methods/strong_views.gin`.
_VIEWS_OF_PSEUDOSEG = (
    'Views.jitter_probability = 1.0',
    'Views.greyscale_probability = 0.0',
    'Views.blur_probability = 0.0',
    'Views.cutmix_probability = 0.0',
    'Views.cutout_probability = 1.0',
)
_CUTMIX_ALONE = (
    'Views.jitter_probability = 0.0',
    'Views.greyscale_probability = 0.0',
    'Views.blur_probability = 0.0',
    'Views.cutmix_probability = 1.0',
)


def _views(start):
    return trial(start, 'views', 'views of PseudoSeg', *_VIEWS_OF_PSEUDOSEG)


def _cutmix(start):
    return trial(start, 'cutmix', 'CutMix alone', *_CUTMIX_ALONE)


def _averaged(start):
    return trial(start, 'averaged', 'averaged weights', 'Update.average_decay = 0.99')


# The start that was better comes with three seeds in the tables.
_FIXMATCH = warm('fixmatch', table='rivals')
_UNIMATCH = warm('unimatch', table='rivals')
_TEACHER = _in_main(rival('mean_teacher'))
_CPS = warm('cps', table='rivals')
_FIXMATCH_HALF = trial(_FIXMATCH, 'half', 'half the weight', 'FixMatch.consistency_weight = 0.5')
_FIXMATCH_QUARTER = trial(_FIXMATCH, 'quarter', 'weight 0.25', 'FixMatch.consistency_weight = 0.25')
_FIXMATCH_BEST = _in_main(_averaged(_views(_FIXMATCH_QUARTER)))
_FIXMATCH_TENTH = trial(_FIXMATCH, 'tenth', 'weight 0.1', 'FixMatch.consistency_weight = 0.1')
_UNIMATCH_BEST = _in_main(
    trial(_UNIMATCH, 'threshold', 'threshold 0.8', 'UniMatch.threshold = 0.8')
)
_UNIMATCH_800 = trial(
    rival('unimatch'), 'warm_800', 'warm-up of 800 steps', 'UniMatch.consistency_warm_up = 800'
)
_CPS_HALF = trial(_CPS, 'half', 'half the weight', 'CPS.consistency_weight = 0.75')
_CPS_QUARTER = trial(_CPS, 'quarter', 'a quarter of the weight', 'CPS.consistency_weight = 0.375')
_CPS_BEST = _in_main(_views(_CPS_QUARTER))

# What was tried with each, in that order. Each trial begins with the best that was known when it
# was trained.
TRIED = {
    'fixmatch': (
        rival('fixmatch', table='rivals', seeds=1),
        _FIXMATCH,
        trial(_FIXMATCH, 'threshold', 'threshold 0.8', 'FixMatch.threshold = 0.8'),
        _FIXMATCH_HALF,
        _views(_FIXMATCH_HALF),
        _averaged(_views(_FIXMATCH_HALF)),
        _FIXMATCH_BEST,
        _averaged(_views(_FIXMATCH_TENTH)),
        trial(_FIXMATCH_BEST, 'threshold', 'threshold 0.8', 'FixMatch.threshold = 0.8'),
        trial(_FIXMATCH_BEST, 'threshold_098', 'threshold 0.98', 'FixMatch.threshold = 0.98'),
    ),
    'unimatch': (
        rival('unimatch', table='rivals', seeds=1),
        _UNIMATCH,
        _UNIMATCH_BEST,
        trial(_UNIMATCH_BEST, 'half', 'half the weight', 'UniMatch.consistency_weight = 0.5'),
        _views(_UNIMATCH_BEST),
        trial(_UNIMATCH, 'threshold_050', 'threshold 0.5', 'UniMatch.threshold = 0.5'),
        _averaged(_UNIMATCH_BEST),
        trial(_UNIMATCH_800, 'threshold', 'threshold 0.8', 'UniMatch.threshold = 0.8'),
        _cutmix(_UNIMATCH_BEST),
        trial(_UNIMATCH_BEST, 'double', 'twice the weight', 'UniMatch.consistency_weight = 2.0'),
    ),
    'mean_teacher': (
        _TEACHER,
        warm('mean_teacher', table='rivals', seeds=1),
        trial(_TEACHER, 'threshold', 'threshold 0.8', 'MeanTeacher.threshold = 0.8'),
        trial(_TEACHER, 'half', 'half the weight', 'MeanTeacher.consistency_weight = 0.5'),
        _views(_TEACHER),
        _cutmix(_TEACHER),
        trial(_TEACHER, 'double', 'twice the weight', 'MeanTeacher.consistency_weight = 2.0'),
        trial(_TEACHER, 'decay', 'decay 0.95', 'MeanTeacher.decay = 0.95'),
        trial(_TEACHER, 'cutmix_always', 'CutMix in every view', 'Views.cutmix_probability = 1.0'),
        trial(_TEACHER, 'decay_0999', 'decay 0.999', 'MeanTeacher.decay = 0.999'),
    ),
    'cps': (
        rival('cps', table='rivals', seeds=1),
        _CPS,
        trial(rival('cps'), 'warm_800', 'warm-up of 800 steps', 'CPS.consistency_warm_up = 800'),
        _CPS_HALF,
        _views(_CPS),
        _cutmix(_CPS_HALF),
        _averaged(_CPS_HALF),
        _views(_CPS_HALF),
        _CPS_BEST,
        _averaged(_CPS_BEST),
    ),
}
