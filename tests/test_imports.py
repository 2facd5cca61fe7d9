"""The directions of imports, read from the syntax trees; nothing of wss is imported here."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'wss'

# Known to everyone, and knowing no one.
BASE = {'wss', 'wss.datasets.info', 'wss.replicas', 'wss.resize'}
# These know none of their siblings.
PARTS = {
    'datasets',
    'views',
    'networks',
    'pseudo_labels',
    'losses',
    'metrics',
    'schedules',
    'pictures',
}
# Each of these lines knows the lines before it.
LAYERS = [
    PARTS,
    {'cluster', 'event_log', 'example_cache', 'monitor', 'run_folder', 'signals'},
    {'runtime'},
    {'checkpoints', 'pipeline', 'methods', 'run_record', 'selection'},
    {'drawing', 'evaluation', 'prediction', 'provenance'},
    {'callbacks', 'tasks'},
    {'log'},
    {'training'},
    {'experiment', 'reference'},
]
# These alone know gin and absl.
CONFIGURATION = {'config', 'config_checks'}
BINARIES = {'train', 'evaluate', 'predict', 'export', 'draw', 'prepare', 'demo'}
# These build datasets and need tensorflow-datasets, whose import costs seconds; training reads
# what they wrote without it.
BUILDING = {
    f'wss.datasets.{name}'
    for name in (
        'archives',
        'builder_records',
        'checksum',
        'cityscapes',
        'coco',
        'downloads',
        'preparation',
        'preparation_cost',
        'unpacking',
        'voc',
        'voc_splits',
    )
}
BUILDING_BINARIES = {'wss.prepare'}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def modules():
    """`{module name: path}` of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return found


MODULES = modules()


def imports(path):
    """Full names of the modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path} has a relative import'
            for alias in node.names:
                full = f'{node.module}.{alias.name}'
                found.add(full if full in MODULES else node.module)
    return found


def roots(path):
    """Names of the packages that a file imports."""
    return {name.split('.')[0] for name in imports(path)}


def area(module):
    """`losses` of `wss.losses`, `networks` of `wss.networks.backbones.small`."""
    return module.split('.')[1]


def is_binary(module):
    return area(module) in BINARIES


@pytest.mark.parametrize('module', sorted(set(MODULES) - BASE))
def test_imports_run_one_way(module):
    for other in imports(MODULES[module]):
        if not other.startswith('wss') or other in BASE:
            continue
        if is_binary(module):
            assert not is_binary(other), f'{module} imports the binary {other}'
            continue
        if area(module) in CONFIGURATION:
            assert area(other) in CONFIGURATION, f'{module} imports {other}'
            continue
        assert area(other) in RANK, f'{module} imports {other}, which is for binaries'
        if area(module) == area(other):
            continue
        assert RANK[area(other)] < RANK[area(module)], f'{module} must not know {other}'


@pytest.mark.parametrize('module', sorted(BASE))
def test_the_base_knows_nothing_of_the_package(module):
    assert not [other for other in imports(MODULES[module]) if other.startswith('wss')]


def test_only_binaries_know_gin_and_flags():
    for module, path in MODULES.items():
        if module in BASE or not (is_binary(module) or area(module) in CONFIGURATION):
            assert not roots(path) & {'gin', 'absl'}, module


def test_every_layer_exists():
    names = {area(module) for module in MODULES if module != 'wss'}
    assert names == {*RANK, *CONFIGURATION, *BINARIES, *(area(name) for name in BASE - {'wss'})}


def test_tensorflow_addons_is_imported_in_one_file():
    users = [m for m, path in MODULES.items() if 'tensorflow_addons' in imports(path)]
    assert users == ['wss.views.addons']


def test_tensorflow_datasets_is_imported_where_datasets_are_built():
    users = {m for m, path in MODULES.items() if roots(path) & {'tensorflow_datasets', 'etils'}}
    assert users <= BUILDING, users - BUILDING
    for module, path in MODULES.items():
        known = imports(path) & BUILDING
        assert not known or module in BUILDING or module in BUILDING_BINARIES, module


def test_keras_is_always_tf_keras():
    for module, path in MODULES.items():
        wrong = {'keras', 'tensorflow.keras'} & imports(path)
        assert not wrong, module
        assert 'tf.keras' not in path.read_text(encoding='utf-8'), module


def test_there_is_no_module_without_a_job():
    for module in MODULES:
        assert module.split('.')[-1] not in ('utils', 'common', 'helpers', 'misc')


def test_importing_the_package_imports_nothing_heavy():
    code = (
        'import sys, wss; '
        "print(*{'gin', 'absl', 'tensorflow', 'tf_keras', 'tensorflow_addons', 'numpy', 'PIL'} "
        '& set(sys.modules))'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ''


def test_importing_the_experiment_needs_no_gin_addons_or_tensorflow_datasets():
    code = (
        'import sys; from wss import experiment; from wss.methods import pseudoseg; '
        "print(*{'gin', 'tensorflow_addons', 'tensorflow_datasets'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ''
