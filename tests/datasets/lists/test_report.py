import hashlib

import pytest
import tensorflow as tf

from wss.datasets.lists import report, selection
from wss.datasets.lists.selection import Choice


@pytest.fixture
def dataset(tiny):
    """Twelve images: all show the ground, six the dark square and six the light one."""
    return tiny.Squares(tiny.make_info(), {'train': 12})


def test_a_sample_is_what_a_run_would_take(dataset):
    choice = Choice('train', None, 0.25, 1)
    sampled = report.sample(dataset, choice)
    assert sampled.ids == selection.labelled_examples(dataset, choice).ids
    assert (len(sampled.ids), sampled.available, sampled.absent) == (3, 12, None)
    # Images of even numbers have the dark square (class 1), the others the light one.
    even = sum(int(name.removeprefix('train')) % 2 == 0 for name in sampled.ids)
    assert sampled.images == {'ground': 3, 'dark': even, 'light': 3 - even}


def test_a_sample_of_every_class_names_classes_that_nothing_shows(dataset, tmp_path):
    (tmp_path / 'even.txt').write_text('train0\ntrain2\ntrain4\n')
    choice = Choice('train', str(tmp_path / 'even.txt'), 2, 0, True)
    sampled = report.sample(dataset, choice)
    assert sampled.images == {'ground': 2, 'dark': 2, 'light': 0}
    assert sampled.absent == ('light',)
    said = report.report(sampled, choice, 'out.txt').splitlines()
    assert said[0] == (
        f"Sampled 2 of 3 images (66.7 %) of {tmp_path}/even.txt (split 'train') with seed 0, every "
        'class among them.'
    )
    assert said[1:5] == ['class   images', 'ground       2', 'dark         2', 'light        0']
    assert said[5] == 'No image to sample from shows light.'
    content = ''.join(f'{name}\n' for name in sampled.ids).encode()
    assert said[6] == f'The list is out.txt (SHA-256 {hashlib.sha256(content).hexdigest()}).'


def test_a_list_is_never_written_over_another(tmp_path):
    path = tmp_path / 'new' / 'list.txt'
    for _ in range(2):
        report.write(str(path), ('a', 'x/b'))
        assert path.read_text() == 'a\nx/b\n'
    with pytest.raises(ValueError, match=r'list.txt exists and holds something else'):
        report.write(str(path), ('a',))
    assert path.read_text() == 'a\nx/b\n'


def test_places_that_cannot_be_written(tmp_path):
    for path in (str(tmp_path), ''):
        with pytest.raises(ValueError, match='is not a file to write'):
            report.refuse_folder(path)
    report.refuse_folder(str(tmp_path / 'list.txt'))
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match='cannot be written'):
        report.write(str(tmp_path / 'file' / 'list.txt'), ('a',))


def test_a_list_that_did_not_fit_on_the_disk_is_not_left(tmp_path, monkeypatch):
    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')

    path = tmp_path / 'list.txt'
    with monkeypatch.context() as patch:
        patch.setattr(tf.io.gfile.GFile, 'write', full)
        with pytest.raises(OSError, match='cannot be written: No space left'):
            report.write(str(path), ('a',))
    assert not path.exists()
    report.write(str(path), ('a',))
