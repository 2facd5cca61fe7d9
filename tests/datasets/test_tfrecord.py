import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets import classes
from wss.datasets.examples import SelectionError
from wss.datasets.tfrecord import TFRecord

CLASSES = ('background', 'car', 'ball')
SAMPLE = pathlib.Path(__file__).resolve().parents[3] / 'shared' / 'voc_sample'


def encode(array, **options):
    file = io.BytesIO()
    Image.fromarray(np.asarray(array, np.uint8)).save(file, 'PNG', **options)
    return file.getvalue()


def record(name, value=100, height=4, width=6, mask=None, **changes):
    """One serialised example; `changes` replace or add features, None leaves one out."""
    features = {
        'image/encoded': encode(np.full((height, width, 3), value)),
        'image/filename': name.encode(),
        'image/format': b'png',
        'image/height': height,
        'image/width': width,
        'image/channels': 3,
    }
    if mask is not None:
        features['image/segmentation/class/encoded'] = encode(mask)
        features['image/segmentation/class/format'] = b'png'
    features.update({key.replace('__', '/'): value for key, value in changes.items()})
    message = tf.train.Example()
    for key, content in features.items():
        if isinstance(content, bytes):
            message.features.feature[key].bytes_list.value.append(content)
        elif content is not None:
            message.features.feature[key].int64_list.value.append(content)
    return message.SerializeToString()


def write(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in records:
            writer.write(content)
    return str(path)


def make(*files, **changes):
    values = {'splits': {'train': files}, 'class_names': CLASSES, **changes}
    return TFRecord(**values)


def load(examples, position):
    return {k: v.numpy() for k, v in examples.load(tf.constant(position, tf.int64)).items()}


ONES = np.ones((4, 6))


def test_records_of_several_files_in_order(tmp_path):
    write(tmp_path / 'train-1', [record('c', 30, 5, 3, mask=np.full((5, 3), 2))])
    write(tmp_path / 'train-0', [record('b', 20, mask=ONES), record('a.jpg', 10, mask=0 * ONES)])
    examples = make(str(tmp_path / 'train-*')).examples('train')
    assert examples.ids == ('b', 'a', 'c')
    assert examples.has_label and examples.max_size == (5, 6)
    assert examples.sizes.tolist() == [[4, 6], [4, 6], [5, 3]]
    values = [load(examples, i) for i in (2, 0, 1)]
    assert [int(v['image'][0, 0, 0]) for v in values] == [30, 20, 10]
    assert [v['id'] for v in values] == [b'c', b'b', b'a']
    assert values[0]['label'].tolist() == [[2] * 3] * 5
    assert (values[0]['image'].dtype, values[0]['label'].dtype) == (np.uint8, np.int32)


def test_only_records_of_the_ids_asked_for_are_decoded(tmp_path):
    bad = np.full((4, 6), 7)  # No class.
    content = [record('x/a', mask=0 * ONES), record('x/b', mask=ONES), record('c', mask=bad)]
    path = write(tmp_path / 'train', [*content, record('d')])
    dataset = make(path)
    examples = dataset.examples('train', ids=['x/b', 'x/a.jpg'])
    assert examples.ids == ('x/b', 'x/a')
    assert examples.mask_classes.tolist() == [[False, True, False], [True, False, False]]
    assert [load(examples, i)['label'][0, 0] for i in (0, 1)] == [1, 0]
    assert dataset.examples('train', 'none').ids == ('x/a', 'x/b', 'c', 'd')
    with pytest.raises(ValueError, match=r"Mask 'c' .* has pixels of value 7"):
        dataset.examples('train', ids=['c'])
    with pytest.raises(FileNotFoundError, match=r'1 of its records have no mask: d\.'):
        dataset.examples('train', ids=['d', 'x/a'])
    with pytest.raises(SelectionError, match='the first: x/c'):
        dataset.examples('train', ids=['x/c', 'x/a'])
    with pytest.raises(SelectionError, match='repeats ids: x/a'):
        dataset.examples('train', ids=['x/a', 'x/a.jpg'])


def test_a_damaged_record_is_named_before_the_id_that_it_loses(tmp_path):
    path = write(tmp_path / 'train', [record('a', mask=ONES), b'no example'])
    with pytest.raises(ValueError, match=r'record 1 .* is not a tf\.train\.Example'):
        make(path).examples('train', ids=['a', 'b'])
    assert make(path, skip_broken=True).examples('train', ids=['a']).ids == ('a',)


def test_a_file_that_fits_two_patterns_counts_once(tmp_path):
    path = write(tmp_path / 'train', [record('a', mask=ONES)])
    assert make(path, str(tmp_path / 'tr*')).examples('train').ids == ('a',)


def test_examples_load_in_tf_data(tmp_path):
    path = write(tmp_path / 'x', [record('a', 1, mask=ONES), record('b', 2, 3, 5)])
    examples = make(path).examples('train', labels='available')
    dataset = tf.data.Dataset.range(2).map(examples.load, num_parallel_calls=2)
    assert dataset.element_spec['image'].shape.as_list() == [None, None, 3]
    first, second = dataset
    assert first['label'].numpy().tolist() == [[1] * 6] * 4
    assert second['label'].numpy().tolist() == [[255] * 5] * 3
    assert int(second['image'][2, 4, 0]) == 2


def test_unlabelled_records(tmp_path):
    empty = {'image__segmentation__class__encoded': b''}
    path = write(tmp_path / 'x', [record('a'), record('b', **empty)])
    examples = make(path).examples('train', labels='available')
    assert not examples.has_label and set(load(examples, 1)) == {'image', 'id'}
    with pytest.raises(FileNotFoundError, match='2 of its records have no mask: a, b'):
        make(path).examples('train')


def test_masks_are_not_looked_at_without_labels(tmp_path):
    bad = {'image__segmentation__class__encoded': b'nonsense'}
    path = write(tmp_path / 'x', [record('a', **bad), record('b', mask=9 * ONES)])
    examples = make(path).examples('train', labels='none')
    assert examples.ids == ('a', 'b') and not examples.has_label
    assert set(load(examples, 0)) == {'image', 'id'}


def test_orientation_is_not_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = {'image__encoded': encode(np.zeros((4, 6, 3)), exif=exif)}
    path = write(tmp_path / 'x', [record('a', mask=ONES, **turned)])
    assert load(make(path).examples('train'), 0)['image'].shape == (4, 6, 3)


def test_no_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no file fits .*nowhere-\*'):
        make(str(tmp_path / 'nowhere-*')).examples('train')
    with pytest.raises(ValueError, match=r'TFRecord\.splits.* is \(\); it must be a tuple of 1'):
        make().examples('train')
    with pytest.raises(ValueError, match='hold no records'):
        make(write(tmp_path / 'empty', [])).examples('train')


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r'TFRecord\.splits is .*; it must be a dict'):
        TFRecord('train-*')
    with pytest.raises(ValueError, match="no split 'val'; it has train"):
        make('x').examples('val')
    with pytest.raises(ValueError, match="'full' or 'headers'"):
        make('x', check='none')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (record('a', mask=3 * ONES), "Mask 'a' of record 1 .* of value 3; the classes are 0 to 2"),
        (record('a', mask=np.ones((6, 4))), r"Mask 'a' .* is 4x6 .* Image 'a' .* is 6x4"),
        (record('a', mask=np.ones((4, 6, 3))), "Mask 'a' of record 1 .* holds colours"),
        (record('a', mask=ONES, image__height=7), 'is 6x4 .* record are 6 and 7'),
        (record('a', mask=ONES, image__encoded=b'abc'), "Image 'a' of record 1 .* is not an image"),
        (record('a', mask=ONES, image__encoded=None), 'record 1 .* has no image/encoded'),
        (record('', mask=ONES), 'record 1 .* has no image/filename'),
        (record('a', mask=ONES, image__filename=3), 'record 1 .* has no image/filename'),
        (b'nonsense', 'record 1 .* is not a tf.train.Example'),
    ],
)
def test_bad_records_are_named(tmp_path, content, message):
    path = write(tmp_path / 'some.tfrecord', [record('good', mask=ONES), content])
    with pytest.raises(ValueError, match=message) as caught:
        make(path).examples('train')
    assert str(path) in str(caught.value)


def test_sizes_may_be_left_out(tmp_path):
    content = record('a', mask=ONES, image__height=None, image__width=None)
    assert make(write(tmp_path / 'x', [content])).examples('train').max_size == (4, 6)


def test_headers_find_sizes_but_not_values(tmp_path):
    path = write(tmp_path / 'x', [record('a', mask=3 * ONES)])
    examples = make(path, check='headers').examples('train')
    with pytest.raises(tf.errors.OpError, match='of value 3'):
        list(tf.data.Dataset.range(1).map(examples.load))
    path = write(tmp_path / 'y', [record('a', mask=np.ones((6, 4)))])
    with pytest.raises(ValueError, match='is 4x6'):
        make(path, check='headers').examples('train')


def test_twofold_ids_are_named(tmp_path):
    first = write(tmp_path / 'x', [record('a', mask=ONES), record('b', mask=ONES)])
    second = write(tmp_path / 'y', [record('b.jpg', mask=ONES)])
    with pytest.raises(ValueError, match=r'1 ids .*: b \(record 1 .*x and record 0 .*y\)'):
        make(first, second).examples('train')


def change(path, position):
    content = bytearray(pathlib.Path(path).read_bytes())
    content[position] ^= 1
    pathlib.Path(path).write_bytes(content)


def test_damaged_records_are_named_or_left_out(tmp_path):
    contents = [record(name, mask=ONES) for name in 'abc']
    path = write(tmp_path / 'some.tfrecord', contents)
    change(path, len(contents[0]) + 16 + 12 + 20)  # Byte 20 of the data of record 1.
    with pytest.raises(ValueError, match=r'record 1 .*some\.tfrecord is damaged') as caught:
        make(path).examples('train')
    assert 'TFRecord.skip_broken = True' in str(caught.value)
    with pytest.warns(UserWarning, match="1 of 3 examples of split 'train'.* record 1"):
        examples = make(path, skip_broken=True).examples('train')
    assert examples.ids == ('a', 'c')
    assert load(examples, 1)['id'] == b'c'


def test_cut_files_are_named_or_left_out_from_there(tmp_path):
    contents = [record(name, mask=ONES) for name in 'abc']
    path = write(tmp_path / 'some.tfrecord', contents)
    cut = pathlib.Path(path).read_bytes()[:-10]
    pathlib.Path(path).write_bytes(cut)
    with pytest.raises(ValueError, match=r'some\.tfrecord is lost from record 2 .* cut off'):
        make(path).examples('train')
    with pytest.warns(UserWarning, match='from record 2'):
        assert make(path, skip_broken=True).examples('train').ids == ('a', 'b')


needs_sample = pytest.mark.skipif(
    not SAMPLE.is_dir(), reason='needs the VOC sample in ../shared/voc_sample'
)


@needs_sample
def test_images_of_the_voc_sample():
    dataset = TFRecord({'val': str(SAMPLE / 'val-*.tfrecord')})
    assert dataset.info.class_names == classes.VOC.class_names and dataset.info.num_classes == 21
    examples = dataset.examples('val', labels='none')
    assert examples.ids == ('2007_000033', '2007_000042', '2007_000061')
    assert examples.max_size == (366, 500)
    shapes = [load(examples, i)['image'].shape for i in range(3)]
    assert shapes == [(366, 500, 3), (335, 500, 3), (333, 500, 3)]


@needs_sample
def test_pixels_of_the_voc_sample():
    # They are noise, in the masks of all values from 0 to 254: refused as masks of 21 classes, but
    # good for a comparison with another reader and decoder.
    files = sorted(map(str, SAMPLE.glob('val-*.tfrecord')))
    with pytest.raises(ValueError, match=r"'2007_000033' of record 0 .* of value 21, 22, 23"):
        TFRecord({'val': files}).examples('val')
    dataset = TFRecord({'val': files}, class_names=[f'class {i}' for i in range(255)])
    examples = dataset.examples('val')
    keys = ('image/encoded', 'image/segmentation/class/encoded')
    features = {key: tf.io.FixedLenFeature([], tf.string) for key in keys}
    for i, content in enumerate(tf.data.TFRecordDataset(files)):
        encoded = tf.io.parse_single_example(content, features)
        image = tf.io.decode_jpeg(encoded[keys[0]], dct_method='INTEGER_ACCURATE').numpy()
        mask = tf.io.decode_png(encoded[keys[1]], channels=1)[..., 0].numpy()
        found = load(examples, i)
        assert np.abs(found['image'].astype(int) - image).max() <= 1
        np.testing.assert_array_equal(found['label'], mask)


@pytest.mark.parametrize('name', ['data[1]', 'a{b}', 'x y'])
def test_a_folder_of_any_name_is_no_pattern(tmp_path, name):
    (tmp_path / name).mkdir()
    for i in (1, 2):
        write(tmp_path / name / f'train-{i}[x]', [record(f'{i}.png')])
    (tmp_path / 'data1').mkdir()
    write(tmp_path / 'data1' / 'train-3', [record('3.png')])
    for pattern, ids in {
        'train-*': ('1', '2'),
        'train-[2-3]*': ('2',),
        'train-1[x]': ('1',),
    }.items():
        found = make(str(tmp_path / name / pattern)).examples('train', labels='none')
        assert found.ids == ids


def test_palettes_of_different_orders_are_refused(tmp_path):
    colours = [0, 0, 0, 200, 0, 0, 0, 0, 200]
    records = []
    for name, palette in (('a', colours), ('b', colours[3:] + colours[:3])):
        image = Image.fromarray(np.ones((4, 6), np.uint8), 'L')
        image.putpalette(palette)
        file = io.BytesIO()
        image.save(file, 'PNG')
        mask = {'image__segmentation__class__encoded': file.getvalue()}
        records.append(record(name, mask=np.ones((4, 6)), **mask))
    path = write(tmp_path / 'r', records)
    message = r"Mask 'a' of .* and Mask 'b' of .* different orders: .*TFRecord\.mask_values"
    with pytest.raises(ValueError, match=message):
        make(path).examples('train')
    assert len(make(path, mask_values='indices').examples('train')) == 2
    with pytest.raises(ValueError, match=r"TFRecord\.mask_values is 'colours'"):
        make(path, mask_values='colours')


def test_16_bit_images_that_hold_12_bits(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.full((4, 6), 4095, np.uint16)).save(file, 'PNG')
    path = write(tmp_path / 'r', [record('a', image__encoded=file.getvalue())])
    with pytest.raises(ValueError, match=r'1 of 1 images of 16 bits .*TFRecord\.bit_depth = 12'):
        make(path).examples('train', 'none')
    examples = make(path, bit_depth=12).examples('train', 'none')
    assert load(examples, 0)['image'].min() == 255
