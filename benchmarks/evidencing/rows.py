"""The rows of the tables: what is trained, and what each is compared with."""

import dataclasses
import pathlib
from collections.abc import Sequence

# Files of all rows, and settings of all rows: nothing is scored before the end.
FILES = ('datasets/voc_small.gin', 'networks/mobilenet_v2_imagenet.gin')
COMMON = (
    'Schedule.evaluate_every = 0',
    'Schedule.picture_every = 0',
    'Schedule.checkpoint_every = 100',
    'Schedule.log_every = 50',
    'Compute.input_workers = 1',
    'Labelled.batch_size = 8',
    'Unlabelled.batch_size = 8',
)
# How many training images have masks, and the list of them in the folder of the data.
LISTS = {83: 'labelled_85.txt', 172: 'labelled_170.txt', 337: 'labelled_340.txt', 1363: 'train.txt'}
DATA = 'data/voc_small'
# A step of PseudoSeg takes so many times the CPU time of a supervised step, on one machine.
# Longer runs have so many times the steps.
LONGER = 2.5
SEEDS = 3  # Of main rows; the others have one.
MOST_SEEDS = 10  # For which the quantiles are known.
_RIVAL_WITH_MORE_LABELS = 'mean_teacher'


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: Name of its folder.
        title: What a reader sees.
        methods: Gin files of the method.
        params: Settings of the row alone, lines of `name = value`.
        table: `main`, `rivals`, `options`, `labels` or `earlier`.
        labels: How many training images have masks.
        against: Name of the row that it is compared with; None for none.
        seeds: How many seeds it has.
        steps: Factor of the steps of the recipe.
    """

    name: str
    title: str
    methods: tuple[str, ...]
    params: tuple[str, ...] = ()
    table: str = 'main'
    labels: int = 83
    against: str | None = 'supervised'
    seeds: int = SEEDS
    steps: float = 1.0

    def files(self) -> tuple[str, ...]:
        """Returns its gin files."""
        return (*self.methods, *FILES)


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
_TODAY = (*_MAIN, *_MORE_OF_RIVALS, *_OPTIONS, *_LABELS)
ROWS = (
    *_TODAY,
    *(_by_the_earlier_recipe(row) for row in _TODAY if row.name in _ALSO_EARLIER),
)


def choose(names: Sequence[str] | None) -> list[Row]:
    """Returns the rows of these names, in their order here; all for None.

    Raises:
        ValueError: If there is no row of a name.
    """
    known = [row.name for row in ROWS]
    for name in names or ():
        if name not in known:
            raise ValueError(f'--only names {name!r}, which is no row; rows: {", ".join(known)}.')
    return [row for row in ROWS if names is None or row.name in names]


def settings(row: Row, seed: int, data: str = DATA, weights: str | None = None) -> list[str]:
    """Returns the settings of one run, except its steps.

    Args:
        row: The row.
        seed: `Experiment.seed`: initial weights and order of the images. The labelled images are
            those of the list, whatever the seed.
        data: Folder of the data.
        weights: File of ImageNet weights of the backbone; None for the download.
    """
    place = pathlib.PurePath(data)
    splits = {name: str(place / f'{name}.txt') for name in ('train', 'val', 'test')}
    params = [
        *COMMON,
        f'Folder.images = {str(place / "images")!r}',
        f'Folder.masks = {str(place / "masks")!r}',
        f'Folder.splits = {splits!r}',
        f'Labelled.list_file = {str(place / LISTS[row.labels])!r}',
        f'Experiment.seed = {seed}',
        *row.params,
    ]
    if weights is not None:
        params.append(f'keras_applications.load_backbone.weights = {weights!r}')
    return params


def steps(row: Row, recipe: int) -> int:
    """Returns the steps of a row where the recipe has `recipe`."""
    return round(row.steps * recipe)
