"""The directions of imports, read from the syntax trees; nothing of wss is imported here."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'wss'

COMMANDS = {
    *('train', 'evaluate', 'predict', 'export', 'label', 'check', 'prepare', 'sample', 'demo')
}
# Every folder knows the folders of the lines before its own.
LAYERS = (
    {'settings'},
    {'devices'},
    {'datasets', 'views', 'networks', 'pseudo_labels', 'results'},
    {'pipeline', 'methods'},
    {'inference', 'runs'},
    {'training'},
    {'experiment'},
    {'configuration'},
)
RANK = {folder: rank for rank, folders in enumerate(LAYERS) for folder in folders}
# All that the folders of the third line know of each other, and of `devices`.
APART = LAYERS[2]
SHARED = {
    'wss.datasets.info',
    'wss.networks.resize',
    'wss.devices.replicas',
    'wss.settings.callables',
    'wss.settings.ranges',
}


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


def room(module):
    """`networks` of `wss.networks.backbones.small`, `experiment` of `wss.experiment`."""
    return module.split('.')[1]


def of_wss(module):
    return {other for other in imports(MODULES[module]) if other.startswith('wss.')}


@pytest.mark.parametrize('module', sorted(set(MODULES) - {'wss'}))
def test_imports_run_one_way(module):
    here = room(module)
    for other in of_wss(module):
        there = room(other)
        if here == there or other in SHARED:
            continue
        assert there not in COMMANDS, f'{module} imports the command {other}'
        assert here not in APART, f'{module} must not know {other}'
        if here not in COMMANDS:
            assert RANK[there] < RANK[here], f'{module} must not know {other}'


@pytest.mark.parametrize('module', sorted(SHARED))
def test_what_all_share_knows_nothing_of_the_package(module):
    assert of_wss(module) <= {'wss.settings.ranges'}


def test_loose_modules_are_the_commands_and_the_experiment():
    loose = {path.stem for path in PACKAGE.glob('*.py')} - {'__init__'}
    assert loose == COMMANDS | {'experiment'}


def test_every_folder_has_its_place():
    folders = {path.parent.name for path in PACKAGE.glob('*/__init__.py')}
    assert folders == set(RANK) - {'experiment'}


def test_only_commands_and_configuration_know_gin_and_flags():
    for module, path in MODULES.items():
        if module == 'wss' or room(module) not in COMMANDS | {'configuration'}:
            assert not roots(path) & {'gin', 'absl'}, module


def test_tensorflow_addons_is_imported_in_one_file():
    users = [m for m, path in MODULES.items() if 'tensorflow_addons' in imports(path)]
    assert users == ['wss.views.addons']


def test_tensorflow_datasets_is_imported_where_datasets_are_built():
    building = 'wss.datasets.preparation'
    for module, path in MODULES.items():
        if not module.startswith(building):
            assert not roots(path) & {'tensorflow_datasets', 'etils'}, module
            known = [other for other in imports(path) if other.startswith(building)]
            assert not known or module == 'wss.prepare', module


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


def test_every_command_has_a_script():
    """setup.py is read, not run: its scripts are the modules that lie loose, but `experiment`."""
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    named = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == 'COMMANDS'
    ]
    assert set(named[0]) == COMMANDS
    for name in COMMANDS:
        functions = ast.parse(MODULES[f'wss.{name}'].read_text(encoding='utf-8')).body
        assert 'command' in {node.name for node in functions if isinstance(node, ast.FunctionDef)}
