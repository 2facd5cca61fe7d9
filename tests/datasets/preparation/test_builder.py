"""Datasets of a user's own: builders in a file outside the package, and what is refused."""

import json
import logging
import pathlib
import re
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.datasets import small_archives
from tests.test_commands import start
from wss.datasets.preparation import build, builder, lookup, records
from wss.datasets.prepared import Prepared

PAGE = pathlib.Path(__file__).resolve().parents[3] / 'docs' / 'extending.md'
LAKES = re.search(
    r'^`mine/lakes\.py`:\n\n```python\n(.*?)^```$', PAGE.read_text(encoding='utf-8'), re.M | re.S
)[1]
FILES = {
    'lakes/train.txt': b'a\nb\n',
    'lakes/val.txt': b'c\n',
    **{f'lakes/images/{name}.jpg': small_archives.jpeg(i) for i, name in enumerate('abc')},
    **{
        f'lakes/masks/{name}.png': small_archives.palette_png(small_archives.filled(i))
        for i, name in enumerate('abc')
    },
}


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    """Forgets the imported files of a test."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    yield
    for name in ('lakes', 'two', 'shore'):
        sys.modules.pop(name, None)


@pytest.fixture
def folder(tmp_path):
    """A folder with a builder and its archive."""
    (tmp_path / 'lakes.py').write_text(LAKES)
    small_archives.pack(tmp_path / 'manual' / 'lakes.zip', FILES)
    return tmp_path


def prepare(folder, text=LAKES):
    (folder / 'lakes.py').write_text(text)
    return build.prepare(
        str(folder / 'lakes.py'), str(folder / 'data'), manual_dir=str(folder / 'manual')
    )


def test_the_command(folder):
    arguments = ('--dataset', 'lakes.py:Lakes', '--data_dir', 'data', '--manual_dir', 'manual')
    result = start(folder, 'prepare', *arguments)
    assert result.returncode == 0, result.stderr
    assert 'files and records of unknown size, 0.0 GB together' in result.stdout
    assert 'lakes/all/1.0.0 is ready in data/lakes/all/1.0.0' in result.stdout
    dataset = Prepared('lakes/all', str(folder / 'data'))
    assert dataset.info.class_names == ('land', 'water', 'boat')
    assert dataset.info.colours[1] == (0, 0, 255) and dataset.info.has_background
    examples = dataset.examples('train')
    assert set(examples.ids) == {'a', 'b'} and examples.info == dataset.info
    examples = examples.select(['a', 'b'])
    assert examples.mask_classes.tolist() == [[True, False, False], [True, True, False]]
    example = examples.load(tf.constant(1))
    np.testing.assert_array_equal(example['label'], small_archives.filled(1))


@pytest.mark.parametrize('dataset', ['lakes.py', 'lakes.py:Lakes', 'lakes.py:Lakes/all'])
def test_ways_to_name_a_builder(folder, monkeypatch, dataset):
    monkeypatch.chdir(folder)
    found, config = lookup.find(dataset)
    assert (found.__name__, found.name, config) == ('Lakes', 'lakes', 'all')
    assert lookup.find(f'{folder}/{dataset}')[0].__name__ == 'Lakes'


def test_files_beside_the_builder_can_be_imported(folder):
    (folder / 'shore.py').write_text('NAMES = ("land", "sand")\n')
    (folder / 'lakes.py').write_text(f'{LAKES}\nfrom shore import NAMES\n')
    lookup.find(str(folder / 'lakes.py'))
    assert sys.modules['shore'].NAMES == ('land', 'sand')


TWO = f'{LAKES}\n\nclass Ponds(Lakes):\n    """Ponds."""\n'


@pytest.mark.parametrize(
    ('text', 'dataset', 'message'),
    [
        (TWO, 'lakes.py', 'has several builders; name one of them: .*lakes.py:Lakes, .*:Ponds'),
        (TWO, 'lakes.py:Seas', 'has no builder Seas; it has Lakes, Ponds'),
        (
            LAKES,
            'lakes.py:Lakes/big',
            "has no configuration 'big'; there are: .*lakes.py:Lakes/all",
        ),
        ('class Lakes:\n    pass\n', 'lakes.py:Lakes', 'derives from SegmentationBuilder'),
        (LAKES.replace('CLASSES', 'NAMES'), 'lakes.py', 'Lakes does not define CLASSES; a'),
        (LAKES.replace('    archives =', '    files ='), 'lakes.py', 'does not define archives'),
        (LAKES.replace('def splits', 'def parts'), 'lakes.py', 'does not define splits'),
        (LAKES.replace("DatasetInfo('lakes'", "('lakes'"), 'lakes.py', 'must be a DatasetInfo'),
        (
            LAKES.replace('    archives =', '    BUILDER_CONFIGS = []\n    archives ='),
            'lakes.py',
            'BUILDER_CONFIGS is empty',
        ),
    ],
)
def test_builders_that_cannot_be_found(folder, text, dataset, message):
    (folder / 'lakes.py').write_text(text)
    with pytest.raises(ValueError, match=message):
        lookup.find(f'{folder}/{dataset}')


def test_files_that_cannot_be_imported(folder, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.py does not exist'):
        lookup.find(f'{folder}/nowhere.py')
    with pytest.raises(ValueError, match=r'lakes\.py:Lakes'):
        lookup.find('lakes.Lakes')
    monkeypatch.setitem(sys.modules, 'lakes', json)
    with pytest.raises(ValueError, match='has the name of a module that is in use; rename'):
        lookup.find(f'{folder}/lakes.py')


@pytest.mark.parametrize(
    ('before', 'after', 'message'),
    [
        ('(Archive(', '(dict(name=', 'Lakes.archives must be a sequence of Archive'),
        (
            '    def splits',
            '    def _info(self):\n'
            '        info = super()._info()\n'
            "        del info.features._feature_dict['width']\n"
            '        return info\n\n'
            '    def splits',
            'other features than records.features',
        ),
        ('return {split: self', 'return list(names), {split: self', r'must return a dict'),
        ('return {split: self', "return {'a-b' + split: self", "names a split 'a-btrain'"),
        ('self.photos(source, names[split])', 'None', "must give records for 'train', not None"),
        ('self.photos(source, names[split])', '[]', 'Split train of Lakes has no records'),
        ('yield records.example(', 'yield (', r'Split train of Lakes gives .* not a record'),
        ('for name in names:', "for name in [*names, 'a']:", "two records of the id 'a'"),
        (
            '                self.CLASSES,\n',
            "                DatasetInfo('x', tuple('abcd'), 4 * ((0, 0, 0),)),\n",
            "the record 'c' shows class 3, but the last of CLASSES is 2",
        ),
        ("'water', 'boat'), ((0, 0, 0), ", "'water'), ((0, 0, 0), ", 'names and 3 colours'),
    ],
)
def test_builders_that_break_the_contract(folder, before, after, message):
    assert before in LAKES
    if 'last of CLASSES' in message:
        files = FILES | {'lakes/masks/c.png': small_archives.palette_png(small_archives.filled(3))}
        small_archives.pack(folder / 'manual' / 'lakes.zip', files)
    with pytest.raises(ValueError, match=message):
        prepare(folder, LAKES.replace(before, after))
    assert not list((folder / 'data').glob('lakes/all/*'))


def test_a_mask_that_shows_what_is_no_class_is_named(folder):
    files = FILES | {'lakes/masks/c.png': small_archives.palette_png(small_archives.filled(3))}
    small_archives.pack(folder / 'manual' / 'lakes.zip', files)
    with pytest.raises(ValueError, match=r'lakes/masks/c\.png has pixels of value 3'):
        prepare(folder)


CONFIGS = """\
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name, description=name) for name in 'ab']
    optional_archives = (Archive('boats.zip', shows=('boats',)),)

    def splits(self, sources):
        assert set(sources) == {'lakes.zip', 'boats.zip'}
"""


def test_optional_archives_and_configurations(folder):
    small_archives.pack(folder / 'manual' / 'boats.zip', {'boats/1': b''})
    text = LAKES.replace('    def splits(self, sources):\n', CONFIGS)
    (folder / 'lakes.py').write_text(f'import tensorflow_datasets as tfds\n{text}')
    with pytest.raises(ValueError, match=r'has several configurations; name one of them: .*/a, '):
        lookup.find(str(folder / 'lakes.py'))
    place = build.prepare(f'{folder}/lakes.py:Lakes/b', f'{folder}/data', f'{folder}/manual')
    assert place == f'{folder}/data/lakes/b/1.0.0'


def test_a_build_has_its_classes(folder):
    place = pathlib.Path(prepare(folder))
    file = place / 'classes.json'
    content = json.loads(file.read_text())
    assert content['class_names'] == ['land', 'water', 'boat'] and content['ignore_value'] == 255
    data_dir = str(folder / 'data')
    info = Prepared('lakes/all', data_dir).info
    # Of a build without the file, as earlier versions made them.
    file.unlink()
    with pytest.raises(ValueError, match=r'does not hold classes\.json.* Run wss.prepare with its'):
        Prepared('lakes/all', data_dir).examples('train')
    assert pathlib.Path(prepare(folder)) == place
    assert Prepared('lakes/all', data_dir).info == info
    for damage in ('', '{"name": ', '{}', json.dumps(content | {'colours': [[0, 0, 300]] * 3})):
        file.write_text(damage)
        with pytest.raises(ValueError, match=r'classes\.json is damaged: .*; delete the file and'):
            Prepared('lakes/all', data_dir).examples('train')
        with pytest.raises(ValueError, match=r'classes\.json is damaged'):
            prepare(folder)


def test_a_build_of_other_classes_is_not_taken_for_the_dataset(folder):
    prepare(folder)
    renamed = LAKES.replace("'boat'", "'ship'")
    with pytest.raises(ValueError, match=r'other classes than Lakes\.CLASSES\. Raise Lakes\.VERS'):
        prepare(folder, renamed)
    version = "    VERSION = tfds.core.Version('2.0.0')\n\n    def splits"
    text = f'import tensorflow_datasets as tfds\n{renamed.replace("    def splits", version)}'
    assert prepare(folder, text) == f'{folder}/data/lakes/all/2.0.0'
    assert Prepared('lakes/all', f'{folder}/data').info.class_names[2] == 'ship'


def test_a_dataset_that_was_not_built(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'--dataset FILE\.py:CLASS --data_dir'):
        Prepared('lakes/all', str(tmp_path)).examples('train')


def test_an_error_of_the_builder_leaves_nothing(folder, caplog):
    text = LAKES.replace("source = sources['lakes.zip']", 'raise RuntimeError("mine")')
    with caplog.at_level(logging.INFO, logger='wss'), pytest.raises(RuntimeError, match='mine'):
        prepare(folder, text)
    assert not list((folder / 'data').glob('lakes/all/*'))


def test_the_package_has_its_builders_in_one_folder():
    found = lookup.packaged()
    assert set(found) == {'voc_seg', 'coco_seg', 'cityscapes_seg'}
    for name, item in found.items():
        builder.check_class(item)
        assert item.CLASSES.name == name
    assert set(records.features()) == {
        'id', 'image', 'label', 'has_label', 'mask_classes', 'has_image_label', 'image_classes',
        'height', 'width',
    }  # fmt: skip
