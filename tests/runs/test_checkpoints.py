import json
import os

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss.devices import workers
from wss.runs import checkpoints
from wss.training import monitor


def make_model(units=2):
    model = keras.Sequential([keras.layers.Dense(units, use_bias=False)])
    model.build([None, 3])
    return model


def make_checkpoints(folder, units=2):
    return checkpoints.Checkpoints(folder, make_model(units))


def kept(folder, which):
    return sorted(p.name for p in (folder / 'checkpoints' / which).glob('*.index'))


def test_a_checkpoint_comes_back(tmp_path):
    model = make_model()
    saved = checkpoints.Checkpoints(tmp_path, model)
    kernel = model.layers[0].kernel
    kernel.assign(tf.ones_like(kernel))
    saved.save_last(7)
    kernel.assign(tf.zeros_like(kernel))

    fresh = make_model()
    assert checkpoints.Checkpoints(tmp_path, fresh).restore('last') == 7
    np.testing.assert_array_equal(fresh.layers[0].kernel, np.ones([3, 2]))


@pytest.mark.parametrize(
    'name', ['lr[0.1]', 'a*b', 'a?b', '{a,b}', 'a b', 'größe', '100%', '-x', 'back\\\\slash', '~']
)
def test_a_folder_of_any_name(tmp_path, name):
    """TensorFlow reads some of these names as patterns."""
    folder = tmp_path / name
    model = make_model()
    saved = checkpoints.Checkpoints(folder, model)
    for step in (1, 2, 3):
        model.layers[0].kernel.assign(np.full([3, 2], step))
        saved.save_last(step)
        saved.save_if_best(step, step / 10)
        saved.note_score(step, step / 10)
    assert kept(folder, 'last') == ['ckpt-2.index', 'ckpt-3.index']
    fresh = make_model()
    again = checkpoints.Checkpoints(folder, fresh)
    assert again.resume() == 3 and again.restore('best') == 3
    np.testing.assert_array_equal(fresh.layers[0].kernel, np.full([3, 2], 3))
    index = folder / 'checkpoints' / 'last' / 'ckpt-3.index'
    index.write_bytes(index.read_bytes()[:10])
    assert checkpoints.Checkpoints(folder, fresh).resume() == 2


def test_another_folder_that_fits_the_name_as_a_pattern_is_not_read(tmp_path):
    for name, value in (('run[1]', 1.0), ('run1', 2.0)):
        model = make_model()
        model.layers[0].kernel.assign(np.full([3, 2], value))
        checkpoints.Checkpoints(tmp_path / name, model).save_last(1)
    fresh = make_model()
    checkpoints.Checkpoints(tmp_path / 'run[1]', fresh).restore('last')
    np.testing.assert_array_equal(fresh.layers[0].kernel, np.ones([3, 2]))


def test_everything_is_on_the_disk_before_a_checkpoint_is_named(tmp_path, monkeypatch):
    events = []
    real_sync, real_rename = os.fsync, tf.io.gfile.rename

    def sync(number):
        events.append(('sync', os.path.basename(os.readlink(f'/proc/self/fd/{number}'))))
        real_sync(number)

    def rename(old, new, overwrite=False):
        events.append(('rename', os.path.basename(new)))
        real_rename(old, new, overwrite)

    monkeypatch.setattr(os, 'fsync', sync)
    monkeypatch.setattr(tf.io.gfile, 'rename', rename)
    make_checkpoints(tmp_path).save_last(1)
    data = 'data-00000-of-00001'
    assert sorted(events[:2]) == [
        ('sync', f'ckpt-1_temp_whole.{data}'),
        ('sync', 'ckpt-1_temp_whole.index'),
    ]
    assert events[2:] == [
        ('rename', f'ckpt-1.{data}'),
        ('sync', 'last'),
        ('rename', 'ckpt-1.index'),
        ('sync', 'last'),
    ]


def test_two_last_checkpoints_and_the_best_one_are_kept(tmp_path):
    saved = make_checkpoints(tmp_path)
    assert not saved.has('last')
    for step, miou in ((1, 0.5), (2, 0.3), (3, 0.7), (4, 0.7)):
        saved.save_last(step)
        assert saved.save_if_best(step, miou) == (step in (1, 3))
        saved.note_score(step, miou)

    assert kept(tmp_path, 'last') == ['ckpt-3.index', 'ckpt-4.index']
    assert kept(tmp_path, 'best') == ['ckpt-3.index']
    latest = tf.train.latest_checkpoint(tmp_path / 'checkpoints' / 'last')
    assert latest.endswith('ckpt-4')
    again = make_checkpoints(tmp_path)
    assert again.resume() == 4
    assert again.best_step == 3
    assert again.scored(2) and not again.scored(5)
    assert not again.save_if_best(5, 0.6)


def test_scores_after_the_checkpoint_are_forgotten_since_they_come_again(tmp_path):
    saved = make_checkpoints(tmp_path)
    for step, miou in ((1, 0.5), (2, 0.7)):
        saved.save_if_best(step, miou)
        saved.note_score(step, miou)
        if step == 1:
            saved.save_last(step)
    again = make_checkpoints(tmp_path)
    assert again.resume() == 1
    assert again.best_step == 1
    assert not again.scored(2)
    assert again.save_if_best(2, 0.6)


def test_what_was_summed_for_the_next_log_comes_back(tmp_path):
    means = monitor.Means({})
    saved = checkpoints.Checkpoints(tmp_path, make_model(), means)
    means.add({'loss': np.array([1.0, 4.0])})
    saved.save_last(2)
    later = monitor.Means({})
    checkpoints.Checkpoints(tmp_path, make_model(), later).resume()
    later.add({'loss': np.array([4.0])})
    assert later.values() == {'loss': 3.0}


def test_checkpoints_that_are_missing_damaged_or_of_another_network(tmp_path):
    saved = make_checkpoints(tmp_path)
    with pytest.raises(FileNotFoundError, match='holds no checkpoint'):
        saved.restore('last')
    with pytest.raises(ValueError, match="no checkpoint 'newest'"):
        saved.restore('newest')
    saved.save_last(1)
    with pytest.raises(ValueError, match=r'ckpt-1 does not fit the configured network'):
        make_checkpoints(tmp_path, units=5).restore('last')
    index = tmp_path / 'checkpoints' / 'last' / 'ckpt-1.index'
    index.write_bytes(index.read_bytes()[:10])
    with pytest.raises(ValueError, match=r'ckpt-1 is damaged or cut off'):
        saved.restore('last')


@pytest.mark.parametrize('content', [b'', b'\xff\xff', None])
def test_the_list_of_checkpoints_is_not_needed(tmp_path, content):
    make_checkpoints(tmp_path).save_last(1)
    listed = tmp_path / 'checkpoints' / 'last' / 'checkpoint'
    listed.unlink()
    if content is not None:
        listed.write_bytes(content)
    saved = make_checkpoints(tmp_path)
    assert saved.resume() == 1
    saved.save_last(2)
    assert tf.train.latest_checkpoint(listed.parent).endswith('ckpt-2')


@pytest.mark.parametrize('what', ['index', 'data-00000-of-00001'])
def test_a_damaged_newest_checkpoint_is_put_aside(tmp_path, capsys, what):
    saved = make_checkpoints(tmp_path)
    for step in (1, 2):
        saved.save_last(step)
    path = tmp_path / 'checkpoints' / 'last' / f'ckpt-2.{what}'
    path.write_bytes(path.read_bytes()[:-9])
    again = make_checkpoints(tmp_path)
    assert again.resume() == 1
    said = capsys.readouterr().out
    assert 'ckpt-2 is damaged or cut off' in said and 'taking the one before' in said
    assert path.with_name(path.name + '.damaged').exists()
    again.save_last(2)
    assert make_checkpoints(tmp_path).resume() == 2


def test_a_disk_that_is_full_costs_no_older_checkpoint(tmp_path, monkeypatch):
    saved = make_checkpoints(tmp_path)
    for step in (1, 2):
        saved.save_last(step)
    folder = tmp_path / 'checkpoints' / 'last'

    def write(path):
        part = folder / 'ckpt-3_temp'
        part.mkdir()
        (part / 'part-00000-of-00001.data-00000-of-00001').write_bytes(b'half')
        raise tf.errors.ResourceExhaustedError(None, None, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(saved._checkpoint, 'write', write)
        with pytest.raises(tf.errors.ResourceExhaustedError):
            saved.save_last(3)
    assert kept(tmp_path, 'last') == ['ckpt-1.index', 'ckpt-2.index']
    assert not (folder / 'ckpt-3_temp').exists()
    saved.save_last(3)
    assert kept(tmp_path, 'last') == ['ckpt-2.index', 'ckpt-3.index']


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    make_checkpoints(tmp_path).save_last(1)
    folder = tmp_path / 'checkpoints' / 'last'
    (folder / 'ckpt-2_temp').mkdir()
    (folder / 'ckpt-2.data-00000-of-00001').write_bytes(b'whole, but without its index')
    (folder / 'ckpt-0.data-00000-of-00001').write_bytes(b'of one that was being removed')
    (folder / 'checkpoint.tmp0123').write_text('half a list')
    (folder / 'ckpt-9.data-00000-of-00001.damaged').write_bytes(b'for somebody to look at')
    again = make_checkpoints(tmp_path)
    assert again.resume() == 1
    assert sorted(path.name for path in folder.iterdir()) == [
        'checkpoint',
        'ckpt-1.data-00000-of-00001',
        'ckpt-1.index',
        'ckpt-9.data-00000-of-00001.damaged',
    ]
    again.save_last(2)
    assert make_checkpoints(tmp_path).resume() == 2


@pytest.mark.parametrize('last', ['data-00000-of-00001', 'index'])
def test_a_process_that_dies_while_it_writes_leaves_no_checkpoint_that_is_not_whole(
    tmp_path, monkeypatch, last
):
    rename = tf.io.gfile.rename

    def dies(source, target, overwrite=False):
        if str(target).endswith(f'ckpt-2.{last}'):
            raise SystemExit
        rename(source, target, overwrite)

    saved = make_checkpoints(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(tf.io.gfile, 'rename', dies)
        saved.save_last(2)
    again = make_checkpoints(tmp_path)
    assert not again.has('last') and again.resume() == 0
    assert list((tmp_path / 'checkpoints' / 'last').iterdir()) == []
    again.save_last(2)
    assert make_checkpoints(tmp_path).resume() == 2


def test_an_index_appears_only_when_it_is_whole(tmp_path, monkeypatch):
    saved = make_checkpoints(tmp_path)
    seen = []
    write = saved._checkpoint.write

    def written(path):
        write(path)
        seen.append(make_checkpoints(tmp_path).has('last'))

    monkeypatch.setattr(saved._checkpoint, 'write', written)
    saved.save_last(1)
    assert seen == [False] and saved.has('last')


def test_what_is_saved_is_known_without_a_look_at_the_folder(tmp_path, monkeypatch):
    """Workers that see a file at different times would wait for each other for ever."""
    saved = make_checkpoints(tmp_path)
    saved.save_last(1)
    again = make_checkpoints(tmp_path)
    again.resume()
    for one in (saved, again):
        monkeypatch.setattr(one, '_steps', lambda which: [])
        monkeypatch.setattr(one._checkpoint, 'write', None)  # Cannot be called.
        one.save_last(1)
        with pytest.raises(TypeError):
            one.save_last(2)


@pytest.mark.parametrize('several', [False, True])
def test_a_worker_that_failed_alone_asks_no_other_to_save(tmp_path, monkeypatch, several):
    monkeypatch.setattr(workers, 'is_multi_worker', lambda strategy: several)
    monkeypatch.setattr(workers, 'mean_over_workers', lambda strategy, value: value)
    saved = make_checkpoints(tmp_path)
    saved.save_after_failure(3)
    assert kept(tmp_path, 'last') == ([] if several else ['ckpt-3.index'])


def test_scores_are_a_file_for_people_too(tmp_path):
    saved = make_checkpoints(tmp_path)
    saved.note_score(5, 0.25)
    content = json.loads((tmp_path / 'checkpoints' / 'scores.json').read_text())
    assert content == [{'step': 5, 'miou': 0.25}]


@pytest.mark.parametrize(
    'text',
    [
        '',
        '3',
        '["a"]',
        '{"a": 1}',
        '[{"step": 1}]',
        '[{"step": "x", "miou": 0.1}]',
        '[{"step": 1, "miou": null}]',
        '[{"step": 1, "miou": NaN}]',
        '[{"step": -1, "miou": 0.5}]',
        '[{"step": 1, "miou": 2.5}]',
    ],
)
def test_damaged_scores_are_named_before_the_best_weights_are_lost(tmp_path, text):
    saved = make_checkpoints(tmp_path)
    saved.save_last(1)
    saved.note_score(1, 0.5)
    (tmp_path / 'checkpoints' / 'scores.json').write_text(text)
    again = make_checkpoints(tmp_path)
    with pytest.raises(ValueError, match=r'scores\.json is damaged: .*; restore it, or delete it'):
        again.resume()
