"""What a row of the tables is, and the settings of its runs."""

import dataclasses
import pathlib

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
SEEDS = 3  # Of main rows; the others have one.
MOST_SEEDS = 10  # For which the quantiles are known.


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: Name of its folder.
        title: What a reader sees.
        methods: Gin files of the method.
        params: Settings of the row alone, lines of `name = value`.
        table: `main`, `rivals`, `options`, `labels` or `earlier`; `trials` for a setting that is
            tried on the validation photos.
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

    @property
    def is_trial(self) -> bool:
        """Whether it is scored on the validation photos alone."""
        return self.table == 'trials'

    def settings(self, seed: int, data: str = DATA, weights: str | None = None) -> list[str]:
        """Returns the settings of one run, except its steps.

        Args:
            seed: `Experiment.seed`: initial weights and order of the images. The labelled images
                are those of the list, whatever the seed.
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
            f'Labelled.list_file = {str(place / LISTS[self.labels])!r}',
            f'Experiment.seed = {seed}',
            *self.params,
        ]
        if weights is not None:
            params.append(f'keras_applications.load_backbone.weights = {weights!r}')
        return params

    def steps_for(self, recipe: int) -> int:
        """Returns its steps where the recipe has `recipe`."""
        return round(self.steps * recipe)
