"""Odd values of every setting, one at a time.

A value survives if it has a plausible meaning and everything up to the first step can be built, or
if it is refused by one sentence that names the setting in full. Nothing trains.
"""

import dataclasses
import importlib
import inspect
import pathlib
import random
import types
import typing
import warnings
from collections.abc import Iterator

from attack import outcomes
from wss.configuration import gin_files, parts
from wss.experiment import Experiment
from wss.methods.update import Update
from wss.training import contracts

SIZES = ("Shapes.counts = {'train': 4, 'val': 1}", 'Shapes.size = 33', 'Views.crop_size = (33, 33)')
SHAPES = ('experiments/shapes_pseudoseg.gin',)
# Parts that the first configuration lacks, and where they are.
OTHERS = {
    'FixMatch': ('datasets/shapes.gin', 'methods/fixmatch.gin', 'networks/small.gin'),
    'UniMatch': ('datasets/shapes.gin', 'methods/unimatch.gin', 'networks/small.gin'),
    'MeanTeacher': ('datasets/shapes.gin', 'methods/mean_teacher.gin', 'networks/small.gin'),
    'CPS': ('datasets/shapes.gin', 'methods/cps.gin', 'networks/small.gin'),
    'ResNetV1': ('datasets/shapes.gin', 'methods/supervised.gin', 'networks/resnet_v1_50.gin'),
    'Xception': ('datasets/shapes.gin', 'methods/supervised.gin', 'networks/xception_41.gin'),
    'MobileNetV2': ('datasets/shapes.gin', 'methods/supervised.gin', 'networks/mobilenet_v2.gin'),
    'adamw_poly': (
        'datasets/shapes.gin',
        'methods/supervised.gin',
        'networks/mobilenet_v2_imagenet.gin',
    ),
    'Folder': ('datasets/camvid.gin', 'methods/supervised.gin', 'networks/small.gin'),
    'Prepared': ('datasets/voc.gin', 'methods/supervised.gin', 'networks/small.gin'),
    'TFRecord': ('datasets/voc_records.gin', 'methods/supervised.gin', 'networks/small.gin'),
    'OfficialList': ('datasets/voc_4.gin', 'methods/supervised.gin', 'networks/small.gin'),
    'tf1_checkpoint.load_backbone': (*SHAPES, 'networks/resnet_v1_50_imagenet.gin'),
    'tf1_checkpoint.load_model': (*SHAPES, 'networks/resnet_v1_50_imagenet.gin'),
    'keras_applications.load_backbone': (*SHAPES, 'networks/resnet_v1_50_keras.gin'),
}
# Settings beside the files, of parts that no file names.
LOADS = {
    'tf1_checkpoint.load_model': (
        'Experiment.initial_weights = @tf1_checkpoint.load_model',
        "tf1_checkpoint.load_model.path = 'nowhere'",
    ),
    'run_weights.load_run': (
        'Experiment.initial_weights = @run_weights.load_run',
        "run_weights.load_run.folder = 'nowhere'",
    ),
}
WEIGHTS = ('npz', 'tf1_checkpoint', 'keras_applications', 'run_weights')
# Values that no number, text or tuple can plausibly have.
ABSURD = ('1e999', '-1e999', '1e39', '-1', str(2**63 - 1), str(2**63), str(10**30))
ODD = (*ABSURD, '-0.5', '1e-300', 'True', "''", "'nonsense'", '()', '{}', "('a',)", '(-1, 1e999)',
       'None', '@Shapes', '@Shapes()', '@Schedule()', '@momentum_poly')  # fmt: skip


# Of sentences that need not name the setting: no part of the run uses it, or a file is missing.
_OF_ANOTHER = ('nothing in this run uses', 'There is no checkpoint', 'There is no weights file')


@dataclasses.dataclass(frozen=True)
class Try:
    """One value of one setting.

    Attributes:
        files: The gin files.
        params: Further settings.
        setting: Name of the setting.
        value: Its value, as a gin file has it.
        hint: Annotation of the setting.
    """

    files: tuple[str, ...]
    params: tuple[str, ...]
    setting: str
    value: str
    hint: typing.Any


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`.

    The attempts are all values of all settings, in an order that follows from the seed.
    """
    del folder
    every = list(tries())
    random.Random(f'settings {seed}').shuffle(every)
    return len(every), lambda number: attempt(every[number])


def tries() -> Iterator[Try]:
    """Yields every try: each setting of every part with each odd value."""
    for name, module in parts.modules().items():
        part = getattr(importlib.import_module(module), _last(name))
        hints = typing.get_type_hints(part if inspect.isfunction(part) else part.__init__)
        for setting, owners in parts.settings().items():
            if name in owners and name not in ('Supervised', 'Classification'):
                files = OTHERS.get(name, SHAPES)
                params = () if 'datasets/' in files[0] else SIZES
                params += LOADS.get(name, ())
                for value in ODD:
                    yield Try(files, params, f'{name}.{setting}', value, hints[setting])


def attempt(one: Try) -> str:
    """Builds what a value is for; returns a word.

    Raises:
        NotSurvived: If the value is accepted without a meaning, or refused by something else than
            one line that names the setting.
    """
    what = f'{one.setting} = {one.value}'

    def build():
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return _build(one)

    try:
        _, sentence = outcomes.result_or_sentence(build)
    except Exception as error:
        lines = f'{type(error).__name__}: {error}'.splitlines()
        raise outcomes.NotSurvived(f'{what}: {lines[0]}') from error
    if sentence is None:
        outcomes.require(plausible(one), f'{what}: accepted')
        return 'accepted'
    outcomes.require('\n' not in sentence.strip(), f'{what}: several lines: {sentence!r}')
    owner, _, field = one.setting.rpartition('.')
    named = field in sentence and _last(owner) in sentence
    other = any(part in sentence for part in _OF_ANOTHER) or one.value.startswith('@')
    outcomes.require(named or other, f'{what}: does not name it: {sentence}')
    return 'refused'


def plausible(one: Try) -> bool:
    """Whether an accepted value has a meaning."""
    kinds = _kinds(one.hint)
    if one.value == 'None':
        return type(None) in kinds or typing.Any in kinds
    if one.value in ('()', '{}'):
        return one.setting == 'Views.strong'
    if one.value == 'True':
        return bool in kinds
    if one.value == "'nonsense'":
        return str in kinds
    if one.value == "('a',)":
        return one.setting.endswith(('_endings', 'load.parts'))
    if one.value == '1e-300':  # As good as 0, where that is in the range.
        return float in kinds
    if one.value == "''":
        return one.setting.endswith('.scope')  # All names begin with it.
    return (one.setting, one.value) in {
        ('Data.make_dataset', '@Shapes'),
        ('Experiment.schedule', '@Schedule()'),
        ('Experiment.make_optimiser', '@momentum_poly'),
    }


def _build(one: Try) -> None:
    gin_files.parse(one.files, [*one.params, f'{one.setting} = {one.value}'])
    experiment = gin_files.build(Experiment)
    experiment.data.choices() if one.setting.startswith(('Labelled', 'Unlabelled')) else None
    schedule, factor = experiment.schedule.for_batch(experiment.data.labelled.batch_size)
    experiment.make_optimiser(steps=schedule.steps, **({'rate_factor': factor} if factor else {}))
    dataset = contracts.dataset(experiment.data.make_dataset())
    views = contracts.views(experiment.data.make_views())
    info = dataset.info
    network = contracts.network(
        experiment.make_network(
            num_classes=info.num_classes, num_image_classes=info.num_image_classes
        )
    )
    network.check_crop_size(views.crop_size)
    experiment.data.frame(network.backbone)
    method = contracts.method(experiment.make_method(network, info))
    method.set_recipe(Update(), experiment.supervised_loss)
    if one.setting.split('.')[0] in WEIGHTS:
        experiment.initial_weights(types.SimpleNamespace(network=network))


def _last(name):
    return name.rsplit('.', 1)[-1]


def _kinds(hint):
    """Returns the types of which a hint accepts one."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return {kind for inner in typing.get_args(hint) for kind in _kinds(inner)}
    return {hint}
