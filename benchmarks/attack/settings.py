"""Tries odd values for every setting, one at a time: python -m benchmarks.attack.settings.

A value survives if it has a plausible meaning and everything up to the first step can be built, or
if it is refused by one sentence that names the setting in full. Nothing trains.
"""

import dataclasses
import inspect
import sys
import types
import typing
import warnings
from collections.abc import Iterator

from wss.configuration import gin_files, parts, sentences
from wss.experiment import Experiment
from wss.methods.update import Update
from wss.training import contracts

SIZES = ("Shapes.counts = {'train': 4, 'val': 1}", 'Shapes.size = 33', 'Views.crop_size = (33, 33)')
SHAPES = ('experiments/shapes_pseudoseg.gin',)
# Parts that the first configuration lacks, and where they are.
OTHERS = {
    'ResNetV1': ('datasets/shapes.gin', 'methods/supervised.gin', 'networks/resnet_v1_50.gin'),
    'Xception': ('datasets/shapes.gin', 'methods/supervised.gin', 'networks/xception_41.gin'),
    'MobileNetV2': ('datasets/shapes.gin', 'methods/supervised.gin', 'networks/mobilenet_v2.gin'),
    'Folder': ('datasets/camvid.gin', 'methods/supervised.gin', 'networks/small.gin'),
    'Prepared': ('datasets/voc.gin', 'methods/supervised.gin', 'networks/small.gin'),
    'TFRecord': ('datasets/voc_records.gin', 'methods/supervised.gin', 'networks/small.gin'),
    'OfficialList': ('datasets/voc_4.gin', 'methods/supervised.gin', 'networks/small.gin'),
    'tf1_checkpoint.load_backbone': (*SHAPES, 'networks/resnet_v1_50_imagenet.gin'),
    'tf1_checkpoint.load_model': (*SHAPES, 'networks/resnet_v1_50_imagenet.gin'),
    'keras_applications.load_backbone': (*SHAPES, 'networks/resnet_v1_50_keras.gin'),
}
LOADS = (
    'Experiment.initial_weights = @tf1_checkpoint.load_model',
    "tf1_checkpoint.load_model.path = 'nowhere'",
)
# Values that no number, text or tuple can plausibly have.
ABSURD = ('1e999', '-1e999', '1e39', '-1', str(2**63 - 1), str(2**63), str(10**30))
ODD = (*ABSURD, '-0.5', '1e-300', 'True', "''", "'nonsense'", '()', '{}', "('a',)", '(-1, 1e999)',
       'None', '@Shapes', '@Shapes()', '@Schedule()', '@momentum_poly')  # fmt: skip


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


def tries() -> Iterator[Try]:
    """Yields every try: each setting of every part with each odd value."""
    for name, module in parts.modules().items():
        part = getattr(sys.modules.get(module) or __import__(module, fromlist=['']), _last(name))
        hints = typing.get_type_hints(part if inspect.isfunction(part) else part.__init__)
        for setting, owners in parts.settings().items():
            if name in owners and name not in ('Supervised', 'Classification'):
                files = OTHERS.get(name, SHAPES)
                params = () if 'datasets/' in files[0] else SIZES
                if name == 'tf1_checkpoint.load_model':
                    params += LOADS
                for value in ODD:
                    yield Try(files, params, f'{name}.{setting}', value, hints[setting])


def run(only: str = '') -> tuple[int, int, list[str]]:
    """Tries all.

    Args:
        only: Beginning of the settings to try; '' for all.

    Returns:
        How many were tried, how many survived, and a line about each other one.
    """
    tried, failures = 0, []
    for one in tries():
        if one.setting.startswith(only):
            tried += 1
            if failed := attempt(one):
                failures.append(f'{one.setting} = {one.value}: {failed}')
    return tried, tried - len(failures), failures


def attempt(one: Try) -> str:
    """Returns what went wrong; '' if the value survived."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            _build(one)
    except Exception as error:
        sentence = sentences.user_sentence(error)
        if sentence is None:
            return f'{type(error).__name__}: {str(error).splitlines()[:1]}'
        if '\n' in sentence.strip():
            return f'several lines: {sentence!r}'
        owner, _, field = one.setting.rpartition('.')
        named = field in sentence and _last(owner) in sentence
        known = one.value.startswith('@') or 'nothing in this run uses' in sentence
        return '' if named or known or _is_missing(error) else f'does not name it: {sentence}'
    return '' if plausible(one) else 'accepted'


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
    method = contracts.method(experiment.make_method(network, info))
    method.set_recipe(Update(), experiment.supervised_loss)
    if one.setting.split('.')[0] in ('npz', 'tf1_checkpoint', 'keras_applications'):
        experiment.initial_weights(types.SimpleNamespace(network=network))


def _last(name):
    return name.rsplit('.', 1)[-1]


def _kinds(hint):
    """Returns the types of which a hint accepts one."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return {kind for inner in typing.get_args(hint) for kind in _kinds(inner)}
    return {hint}


def _is_missing(error):
    """Whether a file is missing, which the value may well name."""
    return isinstance(error, FileNotFoundError)


def main() -> None:
    """Prints how many values were tried and survived."""
    tried, survived, failures = run(sys.argv[1] if len(sys.argv) > 1 else '')
    print(*failures, sep='\n')
    print(f'settings: {survived} of {tried} values survived')
    sys.exit(bool(failures))


if __name__ == '__main__':
    main()
