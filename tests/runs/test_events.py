import numpy as np
import pytest
import tensorflow as tf

from wss.runs import events


def points(folder):
    """`[(tag, step, value)]` of all files, in their order."""
    found = []
    for path in sorted((folder / 'events').iterdir()):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                found.append((value.tag, event.step, float(tf.make_ndarray(value.tensor))))
    return found


def write(folder, steps, offset=0.0):
    writer = events.make_writer(folder)
    for step in steps:
        events.write_scalars(writer, {'a': step + offset, 'b': -step}, step)
    writer.close()


def test_points_after_a_step_are_removed_from_every_file(tmp_path):
    write(tmp_path, [1, 2, 3])
    write(tmp_path, [2, 4], offset=0.5)
    events.trim(tmp_path, lambda tag, step: step <= 2 and (tag, step) != ('b', 1))
    found = points(tmp_path)
    assert sorted(found) == [
        ('a', 1, 1.0),
        ('a', 2, 2.0),
        ('a', 2, 2.5),
        ('b', 2, -2),
        ('b', 2, -2),
    ]


@pytest.mark.parametrize('cut', [1, 7, 20])
def test_a_file_that_was_cut_off_keeps_what_is_whole(tmp_path, cut):
    write(tmp_path, [1, 2, 3])
    (path,) = (tmp_path / 'events').iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    events.trim(tmp_path, lambda tag, step: True)
    assert [(tag, step) for tag, step, _ in points(tmp_path)] == [
        ('a', 1),
        ('b', 1),
        ('a', 2),
        ('b', 2),
        ('a', 3),
    ]
    assert len(list((tmp_path / 'events').iterdir())) == 1


def test_files_from_which_nothing_goes_stay_as_they_are(tmp_path):
    events.trim(tmp_path, lambda tag, step: False)  # There is no folder.
    write(tmp_path, [1])
    (path,) = (tmp_path / 'events').iterdir()
    (tmp_path / 'events' / 'plugins').mkdir()
    before = path.stat().st_ino
    events.trim(tmp_path, lambda tag, step: True)
    assert path.stat().st_ino == before


def test_a_record_that_is_no_event_is_cut_off(tmp_path):
    write(tmp_path, [1, 2])
    file = next((tmp_path / 'events').iterdir())
    records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in (*records[:3], b'\xff\xff no event'):
            writer.write(record)
    events.trim(tmp_path, lambda tag, step: True)
    assert points(tmp_path) == [('a', 1, 1.0), ('b', 1, -1.0)]


def test_trimming_returns_the_tags_that_are_left(tmp_path):
    assert events.trim(tmp_path, lambda tag, step: True) == set()
    write(tmp_path, [1, 2])
    writer = events.make_writer(tmp_path)
    events.write_text(writer, 'text', 'a = 1\n\nb = 2', 0)
    events.write_picture(writer, 'picture', np.zeros([4, 5, 3], np.uint8), 2)
    writer.close()
    assert events.trim(tmp_path, lambda tag, step: step < 2) == {'a', 'b', 'text'}
    texts = [
        value.tensor.string_val[0].decode()
        for path in (tmp_path / 'events').iterdir()
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        for value in tf.compat.v1.Event.FromString(record).summary.value
        if value.tag == 'text'
    ]
    assert texts == ['    a = 1\n    \n    b = 2\n']
