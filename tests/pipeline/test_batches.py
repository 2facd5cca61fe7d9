import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.info import DatasetInfo
from wss.pipeline import batches
from wss.views.views import Views

PADDING = (100.0, 110.0, 120.0)
INFO = DatasetInfo('two', ('background', 'a', 'b'), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))
# One pixel that is always the same: with these views the red value is the number of the example.
PLAIN = Views(crop_size=(4, 5), scales=(1.0,), cutout_half_size=0, brightness=0, contrast=0,
              saturation=0, hue=0)  # fmt: skip


def make_examples(count, has_label=True, has_image_label=False, loaded=None):
    """Example `i` is an image of `4 + i % 2` rows and 5 columns of the value `i`, class `i % 3`."""

    def load(index):
        if loaded is not None:
            tf.py_function(lambda i: loaded.append(int(i)), [index], [])
        height = 4 + tf.cast(index % 2, tf.int32)
        example = {
            'image': tf.cast(tf.fill([height, 5, 3], index), tf.uint8),
            'id': tf.strings.join(['id', tf.strings.as_string(index)]),
        }
        if has_label:
            example['label'] = tf.cast(tf.fill([height, 5], index % 3), tf.int32)
        if has_image_label:
            example['image_label'] = tf.constant([0.0, 1.0])
        return example

    ids = tuple(f'id{i}' for i in range(count))
    return Examples(ids, load, has_label, (5, 5), INFO, has_image_label)


def make_streams(labelled, unlabelled, batch_sizes=(2, 3)):
    examples = {'labelled': labelled, 'unlabelled': unlabelled}
    return {
        name: batches.Stream(part, size)
        for (name, part), size in zip(examples.items(), batch_sizes, strict=True)
        if part is not None
    }


def make_batches(labelled, unlabelled, count, views=PLAIN, batch_sizes=(2, 3), seed=0, **options):
    streams = make_streams(labelled, unlabelled, batch_sizes)
    return list(batches.training_batches(streams, views, PADDING, seed, **options).take(count))


def numbers(dataset, stream='labelled', key='image'):
    return [int(value) for batch in dataset for value in batch[stream][key][:, 0, 0, 0]]


def assert_same(first, second):
    tf.nest.map_structure(np.testing.assert_array_equal, first, second)


def test_shapes_and_types():
    streams = make_streams(make_examples(4), make_examples(6))
    dataset = batches.training_batches(streams, PLAIN, PADDING, seed=0)
    found = tf.nest.map_structure(
        lambda spec: (spec.shape.as_list(), spec.dtype.name), dataset.element_spec
    )
    assert found == {
        'labelled': {
            'image': ([2, 4, 5, 3], 'float32'),
            'label': ([2, 4, 5], 'int32'),
            'valid': ([2, 4, 5], 'float32'),
            'image_label': ([2, 2], 'float32'),
        },
        'unlabelled': {
            'weak': ([3, 4, 5, 3], 'float32'),
            'strong': ([3, 4, 5, 3], 'float32'),
            'valid': ([3, 4, 5], 'float32'),
            'label': ([3, 4, 5], 'int32'),
            'image_label': ([3, 2], 'float32'),
        },
    }


def test_keys_follow_what_is_known():
    assert set(make_batches(make_examples(2), None, 1)[0]) == {'labelled'}
    bare = make_batches(make_examples(2), make_examples(2, has_label=False), 1)[0]['unlabelled']
    assert set(bare) == {'weak', 'strong', 'valid'}
    weak = make_examples(2, has_label=False, has_image_label=True)
    tagged = make_batches(make_examples(2), weak, 1)[0]['unlabelled']
    assert set(tagged) == {'weak', 'strong', 'valid', 'image_label'}
    assert tagged['image_label'].numpy().tolist() == [[0, 1]] * 3


@pytest.mark.parametrize('cache_bytes', [0, 2**20])
def test_every_epoch_shows_every_example_once_in_another_order(cache_bytes):
    found = make_batches(make_examples(6), make_examples(9), 9, cache_bytes=cache_bytes)
    labelled, unlabelled = numbers(found), numbers(found, 'unlabelled', 'weak')
    epochs = [tuple(labelled[i : i + 6]) for i in (0, 6, 12)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len(set(epochs)) == 3
    epochs = [tuple(unlabelled[i : i + 9]) for i in (0, 9, 18)]
    assert all(sorted(epoch) == list(range(9)) for epoch in epochs)
    assert len(set(epochs)) == 3


def test_epochs_run_on_across_batches():
    found = numbers(make_batches(make_examples(3), None, 3))
    assert sorted(found[:3]) == sorted(found[3:]) == [0, 1, 2]
    assert numbers(make_batches(make_examples(1), None, 2)) == [0, 0, 0, 0]


def test_label_belongs_to_its_image():
    for batch in make_batches(make_examples(6), make_examples(9), 4):
        for image, label, image_label in zip(
            batch['labelled']['image'],
            batch['labelled']['label'],
            batch['labelled']['image_label'],
            strict=True,
        ):
            of_class = int(image[0, 0, 0]) % 3
            assert (label.numpy() == of_class).all()
            assert image_label.numpy().tolist() == [of_class == 1, of_class == 2]


def test_seed_fixes_the_batches():
    views = Views(crop_size=(4, 5), cutout_half_size=1)
    arguments = (make_examples(5), make_examples(7), 3, views)
    first = make_batches(*arguments, seed=4)
    assert_same(first, make_batches(*arguments, seed=4))
    other = make_batches(*arguments, seed=5)
    assert numbers(first) != numbers(other) or numbers(first, 'unlabelled', 'weak') != numbers(
        other, 'unlabelled', 'weak'
    )


def test_cache_changes_nothing_but_decodes_once():
    views = Views(crop_size=(4, 5), cutout_half_size=1)
    loaded = []
    cached = make_batches(make_examples(5, loaded=loaded), make_examples(7), 8, views)
    assert sorted(loaded) == [0, 1, 2, 3, 4]
    assert_same(cached, make_batches(make_examples(5), make_examples(7), 8, views, cache_bytes=0))


def test_cache_limit_is_shared():
    labelled, unlabelled = [], []
    examples = (make_examples(2, loaded=labelled), make_examples(3, loaded=unlabelled))
    # 2 images of 5 x 5 x (3 + 1) bytes fit into 250 bytes; 3 more do not.
    make_batches(*examples, 4, cache_bytes=250)
    assert sorted(labelled) == [0, 1]
    assert len(unlabelled) >= 12


def test_first_step_resumes_where_the_batches_were():
    views = Views(crop_size=(4, 5), cutout_half_size=1)
    arguments = (make_examples(5), make_examples(7))
    assert_same(
        make_batches(*arguments, 6, views)[4:], make_batches(*arguments, 2, views, first_step=4)
    )


def host(number, count):
    return tf.distribute.InputContext(count, number, count)


def test_hosts_share_the_batches_of_one():
    options = {'batch_sizes': (4, 2), 'first_step': 3}
    whole = make_batches(make_examples(7), make_examples(9, False), 5, **options)
    loaded = [[], []]
    parts = [
        make_batches(make_examples(7, loaded=loaded[number]), make_examples(9, False), 5,
                context=host(number, 2), cache_bytes=0, workers=1, **options)
        for number in range(2)
    ]  # fmt: skip
    for one, first, second in zip(whole, *parts, strict=True):
        for stream, views in one.items():
            for name, values in views.items():
                both = np.concatenate([first[stream][name], second[stream][name]])
                np.testing.assert_array_equal(values, both)
    # Each host read its own examples and no others; the red of an image is its example's number.
    for numbers, part in zip(loaded, parts, strict=True):
        shown = [int(image[0, 0, 0]) for batch in part for image in batch['labelled']['image']]
        assert len(shown) == 10 and numbers[:10] == shown


def test_a_batch_that_cannot_be_divided_among_hosts_is_named():
    message = 'Labelled.batch_size = 3 cannot be divided among 2 replicas'
    with pytest.raises(ValueError, match=message):
        make_batches(make_examples(4), None, 1, batch_sizes=(3, 2), context=host(0, 2))


def test_streams_draw_apart():
    found = make_batches(make_examples(8), make_examples(8), 8, batch_sizes=(1, 1))
    assert numbers(found) != numbers(found, 'unlabelled', 'weak')


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'labelled': make_examples(0)}, 'no labelled examples'),
        ({'unlabelled': make_examples(0)}, 'no unlabelled examples'),
        ({'labelled': make_examples(2, has_label=False)}, 'no label maps'),
        ({'batch_sizes': (0, 1)}, r'^Labelled\.batch_size is 0'),
        ({'batch_sizes': (1, -1)}, r'^Unlabelled\.batch_size is -1'),
        ({'batch_sizes': (10**8, 1)}, r'^Labelled\.batch_size is 10+; it must be .* to 65536'),
        ({'batch_sizes': (2.0, 1)}, r'Labelled\.batch_size is 2\.0'),
        ({'first_step': -1}, 'first_step is -1'),
    ],
)
def test_bad_arguments_are_named(changes, message):
    arguments = {
        'labelled': make_examples(2),
        'unlabelled': make_examples(2),
        'count': 1,
        'batch_sizes': (1, 1),
    }
    with pytest.raises(ValueError, match=message):
        make_batches(**(arguments | changes))
