"""The settings of all parts of the package, and which of them a wrong name may mean."""

import ast
import difflib
import functools
import pathlib
import re

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
# The parts that a configuration can name, by module.
_PARTS = {
    'experiment': ('Experiment',),
    'training.schedule': ('Schedule',),
    'training.optimisers': ('adamw_poly', 'momentum_poly'),
    'devices.compute': ('Compute',),
    'pipeline.data': ('Data', 'Labelled', 'Unlabelled', 'Validation'),
    'datasets.lists.official': ('OfficialList',),
    'datasets.folder': ('Folder',),
    'datasets.shapes': ('Shapes',),
    'datasets.prepared': ('Prepared',),
    'datasets.tfrecord': ('TFRecord',),
    'views.views': ('Views',),
    'networks.deeplab': ('DeepLabV3Plus',),
    'networks.backbones.small': ('SmallResNet',),
    'networks.backbones.resnet_v1': ('ResNetV1',),
    'networks.backbones.xception': ('Xception',),
    'networks.backbones.mobilenet_v2': ('MobileNetV2',),
    'networks.weights.run_weights': ('load_run',),
    'networks.weights.npz': ('load',),
    'networks.weights.tf1_checkpoint': ('load_backbone', 'load_model'),
    'networks.weights.keras_applications': ('load_backbone',),
    'methods.pseudoseg': ('PseudoSeg',),
    'methods.supervised': ('Supervised',),
    'methods.fixmatch': ('FixMatch',),
    'methods.unimatch': ('UniMatch',),
    'methods.mean_teacher': ('MeanTeacher',),
    'methods.cps': ('CPS',),
    'methods.classification': ('Classification',),
    'methods.losses': ('SupervisedLoss',),
    'methods.update': ('Update',),
}
# What the program passes to a part.
_GIVEN = {'self', 'network', 'info', 'num_classes', 'num_image_classes', 'method'}
_OF_OPTIMISER = {'steps', 'rate_factor', 'first_step'}
_GIVEN_TO = {'adamw_poly': _OF_OPTIMISER, 'momentum_poly': _OF_OPTIMISER}
# Names of version 0.1 that are not found by the name of the setting alone.
_FORMER = {
    'labelled_list': 'Labelled.list_file',
    'labelled_count': 'Labelled.amount',
    'unlabelled_list': 'Unlabelled.list_file',
    'exclude_labelled': 'Unlabelled.exclude_labelled',
    'evaluation_batch_size': 'Validation.batch_size',
    'make_optimizer': 'Experiment.make_optimiser',
    'WeightUpdate': 'Update',
    'official_lists.find': 'OfficialList',
    'weights.load': 'npz.load',
    'keras_weights.load_backbone': 'keras_applications.load_backbone',
}
_MOST = 3  # Names that a sentence suggests.


def modules() -> dict[str, str]:
    """Returns the full name of the module of each part, by the name of the part.

    That of a function has its module: `npz.load`.
    """
    return {
        _name(module, part): f'wss.{module}' for module, parts in _PARTS.items() for part in parts
    }


@functools.cache
def settings() -> dict[str, tuple[str, ...]]:
    """Returns the parts that have each setting, by its name. Nothing is imported for it."""
    found = {}
    for module, parts in _PARTS.items():
        path = _PACKAGE / f'{module.replace(".", "/")}.py'
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            if getattr(node, 'name', None) in parts:
                for name in _arguments(node):
                    found.setdefault(name, []).append(_name(module, node.name))
    return {name: tuple(parts) for name, parts in found.items()}


def meant(part: str, name: str, own: tuple[str, ...] = ()) -> str:
    """Returns what a wrong setting may have meant, as the end of a sentence; may be empty.

    Args:
        part: What stands before the name of the setting, such as `run`; may be empty.
        name: Name of the setting.
        own: Settings of the part, if it exists.
    """
    known = settings()
    full = f'{part}.{name}' if part else name
    if name in _FORMER:
        return _suggested([_FORMER[name]])
    for former, now in _FORMER.items():
        if part == former:
            return _suggested([f'{now}.{name}'])
    stream = re.fullmatch(r'(labelled|unlabelled|validation)_(\w+)', name)
    if stream and stream[2] in known:
        return _suggested([f'{stream[1].capitalize()}.{stream[2]}'])
    if name in known:
        return _suggested([f'{one}.{name}' for one in known[name]])
    if close := difflib.get_close_matches(name, own, n=1, cutoff=0.5):
        return _suggested([f'{part}.{close[0]}'])
    choices = {f'{one}.{field}': field for field, parts in known.items() for one in parts}
    if close := difflib.get_close_matches(full, choices, n=1, cutoff=0.75):
        return _suggested(close)
    if close := difflib.get_close_matches(name, known, n=1, cutoff=0.75):
        return _suggested([f'{one}.{close[0]}' for one in known[close[0]]])
    return ''


def _suggested(names):
    *others, last = names[:_MOST]
    return f'; did you mean {" or ".join([", ".join(others), last] if others else [last])}?'


def _name(module, part):
    """Returns the name of a part in sentences: functions of weights have those of their modules."""
    return f'{module.split(".")[-1]}.{part}' if '.weights.' in module else part


def _arguments(node):
    """Returns the settings of a class or function: fields, or arguments."""
    given = _GIVEN | _GIVEN_TO.get(node.name, set())
    if isinstance(node, ast.ClassDef):
        constructors = [one for one in node.body if getattr(one, 'name', '') == '__init__']
        if not constructors:
            fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
            return [one.target.id for one in fields]
        node = constructors[0]
    names = [one.arg for one in (*node.args.args, *node.args.kwonlyargs)]
    return [name for name in names if name not in given]
