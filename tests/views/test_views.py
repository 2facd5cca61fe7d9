import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.views.views import Views

PADDING = (100.0, 110.0, 120.0)
HEIGHT, WIDTH = 12, 16
CLASSES = HEIGHT * WIDTH
INFO = DatasetInfo(
    'pixels',
    tuple(map(str, range(CLASSES))),
    tuple((i, i, i) for i in range(CLASSES)),
    has_background=False,
)
SMALL = Views(crop_size=(9, 20), cutout_half_size=2)


def pixels_example():
    """Image and label map say where each pixel comes from."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    label = rows * WIDTH + columns
    image = np.stack([rows, columns, label], -1).astype(np.uint8)
    return {'image': tf.constant(image), 'label': tf.constant(label, tf.int32)}


def seed(i):
    return tf.constant([11, i], tf.int64)


@pytest.mark.parametrize('i', range(12))
def test_labelled_view_at_scale_1_shows_the_same_pixels(i):
    views = Views(crop_size=(9, 20), scales=(1.0,), cutout_half_size=2)
    view = views.labelled(pixels_example(), INFO, PADDING, seed(i))
    image, label, valid = (view[name].numpy() for name in ('image', 'label', 'valid'))
    inside = valid == 1
    np.testing.assert_array_equal(image[inside][:, 2], label[inside])
    # 9 of 12 rows, all 16 columns, 4 columns of padding on one side.
    assert inside.sum() == 9 * 16
    assert inside[:, 4:16].all()
    assert (label[~inside] == 255).all()
    assert (image[~inside] == PADDING).all()


@pytest.mark.parametrize('scale', [0.5, 0.75, 1.25, 1.5, 1.75, 2.0])
def test_labelled_view_at_other_scales_shows_the_same_place(scale):
    views = Views(crop_size=(9, 20), scales=(scale,), cutout_half_size=2)
    for i in range(4):
        view = views.labelled(pixels_example(), INFO, PADDING, seed(i))
        inside = view['valid'].numpy() == 1
        image, label = view['image'].numpy()[inside], view['label'].numpy()[inside]
        # Half-pixel centres and aligned corners are up to half a pixel apart, rounding adds half.
        assert np.abs(image[:, 0] - label // WIDTH).max() <= 1.01
        assert np.abs(image[:, 1] - label % WIDTH).max() <= 1.01
        assert inside.sum() == min(9, int(12 * scale)) * min(20, int(16 * scale))


@pytest.mark.parametrize('i', range(12))
def test_unlabelled_views_share_one_geometry(i):
    views = Views(
        crop_size=(9, 20), cutout_half_size=2, brightness=0, contrast=0, saturation=0, hue=0
    )
    view = views.unlabelled(pixels_example(), INFO, PADDING, seed(i))
    weak, strong, valid, label = (
        view[name].numpy() for name in ('weak', 'strong', 'valid', 'label')
    )
    seen = valid == 1
    np.testing.assert_array_equal(weak[seen], strong[seen])
    assert (strong[~seen] == PADDING).all()
    assert (label[~seen] == 255).all() and (label[seen] != 255).all()
    assert np.abs(weak[seen][:, 1] - label[seen] % WIDTH).max() <= 1.01
    # The same seed gives the labelled view the same crop, here without the CutOut square.
    crop = views.labelled(pixels_example(), INFO, PADDING, seed(i))
    np.testing.assert_array_equal(weak, crop['image'])
    np.testing.assert_array_equal(label[seen], crop['label'].numpy()[seen])
    cut = crop['valid'].numpy() - valid
    assert set(np.unique(cut)) <= {0, 1} and cut.sum() <= 16


def test_cutout_takes_a_square():
    views = Views(crop_size=(9, 9), scales=(1.0,), cutout_half_size=2)
    sizes = set()
    for i in range(30):
        rows, columns = np.nonzero(
            views.unlabelled(pixels_example(), INFO, PADDING, seed(i))['valid'].numpy() == 0
        )
        assert len(rows) == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        sizes.add(len(rows))
    # 4 x 4 in the middle, less at the border, down to 2 x 2 in a corner.
    assert max(sizes) == 16 and min(sizes) < 16


def test_jitter_changes_colours_and_nothing_else():
    example = {'image': pixels_example()['image'] + 90}
    still = Views(crop_size=(9, 20), cutout_half_size=2, contrast=0, saturation=0, hue=0)
    for i in range(5):
        view = still.unlabelled(example, INFO, PADDING, seed(i))
        seen = view['valid'].numpy() == 1
        difference = (view['strong'] - view['weak']).numpy()[seen]
        unclipped = (view['strong'].numpy()[seen] > 0) & (view['strong'].numpy()[seen] < 255)
        np.testing.assert_allclose(difference[unclipped], np.median(difference), atol=1e-3)
        assert (view['strong'].numpy()[~seen] == PADDING).all()


@pytest.mark.parametrize('scale', [0.5, 1.0, 1.5])
def test_contrast_around_the_mean_of_the_whole_image(scale):
    # Between 100 and 150, so that nothing is clipped at a factor of 0.5 to 1.5.
    image = np.random.default_rng(0).integers(100, 151, (12, 16, 3)).astype(np.uint8)
    size = (int(12 * scale), int(16 * scale))
    mean = tf.image.resize(image, size, antialias=True).numpy().mean((0, 1))
    options = {'crop_size': (5, 7), 'scales': (scale,), 'cutout_half_size': 0}
    options |= {'brightness': 0.0, 'saturation': 0.0, 'hue': 0.0}
    whole, crop = (Views(contrast_mean=region, **options) for region in ('image', 'crop'))
    departures = []
    for i in range(6):
        view = whole.unlabelled({'image': tf.constant(image)}, INFO, PADDING, seed(i))
        weak, strong = view['weak'].numpy() - mean, view['strong'].numpy() - mean
        factor = (weak * strong).sum() / (weak * weak).sum()
        assert 0.5 <= factor <= 1.5
        np.testing.assert_allclose(strong, factor * weak, atol=2e-3)
        # With the mean of the crop all is the same but the mean.
        other = crop.unlabelled({'image': tf.constant(image)}, INFO, PADDING, seed(i))
        np.testing.assert_allclose(other['weak'], view['weak'], atol=1e-3)
        shift = other['strong'].numpy() - view['strong'].numpy()
        expected = (1 - factor) * weak.mean((0, 1))
        np.testing.assert_allclose(shift, np.broadcast_to(expected, shift.shape), atol=4e-3)
        departures.append(np.abs(expected).max())
    assert max(departures) > 0.1


def test_without_label_map_there_is_no_label():
    example = {'image': pixels_example()['image']}
    view = SMALL.unlabelled(example, INFO, PADDING, seed(0))
    assert set(view) == {'weak', 'strong', 'valid'}


def test_image_label_of_view_and_of_whole_image():
    views = Views(crop_size=(4, 4), scales=(1.0,), cutout_half_size=4)
    view = views.unlabelled(pixels_example(), INFO, PADDING, seed(3))
    # Each of the 16 pixels is its own class, and those that CutOut hides do not count.
    seen = (view['label'].numpy() != 255).sum()
    assert view['image_label'].shape == (CLASSES,)
    assert view['image_label'].numpy().sum() == seen < 16
    whole = Views(crop_size=(4, 4), scales=(1.0,), cutout_half_size=4, image_labels='image')
    view = whole.unlabelled(pixels_example(), INFO, PADDING, seed(3))
    assert view['image_label'].numpy().sum() == CLASSES
    view = whole.labelled(pixels_example(), INFO, PADDING, seed(3))
    assert view['image_label'].numpy().sum() == 16


def test_own_image_label_comes_first():
    own = tf.one_hot(7, CLASSES)
    view = SMALL.unlabelled(pixels_example() | {'image_label': own}, INFO, PADDING, seed(0))
    np.testing.assert_array_equal(view['image_label'], own)
    example = {'image': pixels_example()['image'], 'image_label': own}
    view = SMALL.unlabelled(example, INFO, PADDING, seed(0))
    np.testing.assert_array_equal(view['image_label'], own)


def test_eager_and_tf_data_are_equal_and_static():
    example = pixels_example()

    def both(number):
        at = tf.stack([tf.constant(11, tf.int64), number])
        unknown = {
            'image': tf.py_function(lambda: example['image'], [], tf.uint8),
            'label': tf.py_function(lambda: example['label'], [], tf.int32),
        }
        unknown['image'].set_shape([None, None, 3])
        unknown['label'].set_shape([None, None])
        return (
            SMALL.labelled(unknown, INFO, PADDING, at),
            SMALL.unlabelled(unknown, INFO, PADDING, at),
        )

    dataset = tf.data.Dataset.range(8).map(both)
    spec = dataset.element_spec
    assert all(part.shape.is_fully_defined() for part in tf.nest.flatten(spec))
    assert spec[1]['strong'].shape == (9, 20, 3) and spec[1]['strong'].dtype == tf.float32
    assert spec[0]['label'].dtype == tf.int32
    for number, traced in enumerate(dataset):
        eager = (
            SMALL.labelled(example, INFO, PADDING, seed(number)),
            SMALL.unlabelled(example, INFO, PADDING, seed(number)),
        )
        tf.nest.map_structure(np.testing.assert_array_equal, traced, eager)


def test_seed_decides():
    first = SMALL.unlabelled(pixels_example(), INFO, PADDING, seed(1))
    again = SMALL.unlabelled(pixels_example(), INFO, PADDING, seed(1))
    other = SMALL.unlabelled(pixels_example(), INFO, PADDING, seed(2))
    tf.nest.map_structure(np.testing.assert_array_equal, first, again)
    assert np.abs(first['strong'] - other['strong']).max() > 1


def strong_view(i=1, **options):
    views = Views(crop_size=(9, 16), scales=(1.0,), cutout_half_size=0, **options)
    return views.unlabelled(pixels_example(), INFO, PADDING, seed(i))


def test_a_strong_view_without_changes_is_the_weak_one():
    view = strong_view(jitter_probability=0.0)
    np.testing.assert_array_equal(view['strong'], view['weak'])


def test_greyscale_is_the_luminance():
    view = strong_view(jitter_probability=0.0, greyscale_probability=1.0)
    luminance = view['weak'].numpy() @ [0.299, 0.587, 0.114]
    for channel in range(3):
        np.testing.assert_allclose(view['strong'][..., channel], luminance, atol=0.05)


def test_blur_is_the_last_change():
    """Of a plain image it leaves nothing to see; of stripes it takes the contrast."""
    view = strong_view(jitter_probability=0.0, blur_probability=1.0, blur_sigma=(2.0, 2.0))
    weak, strong = view['weak'].numpy()[..., 2], view['strong'].numpy()[..., 2]
    assert np.abs(weak - strong).max() > 1
    assert strong.std() < weak.std()


def test_cutout_by_counts():
    """A square of 4 x 4 pixels or less, in three of ten views; the others are whole."""
    views = Views(crop_size=(9, 16), scales=(1.0,), cutout_half_size=2, cutout_probability=0.3)
    view = tf.function(lambda at: views.unlabelled(pixels_example(), INFO, PADDING, at))
    hidden = [int(9 * 16 - np.sum(view(seed(i))['valid'])) for i in range(200)]
    assert abs(np.mean(np.array(hidden) > 0) - 0.3) < 0.13
    assert max(hidden) == 16


@pytest.mark.parametrize('option', ['jitter', 'greyscale', 'blur'])
def test_probabilities_by_counts(option):
    off = {'jitter_probability': 0.0, 'blur_sigma': (2.0, 2.0)}
    views = Views(
        crop_size=(9, 16), scales=(1.0,), cutout_half_size=0, **off | {f'{option}_probability': 0.3}
    )
    view = tf.function(lambda at: views.unlabelled(pixels_example(), INFO, PADDING, at))
    changed = [
        np.abs(found['strong'] - found['weak']).max() > 0.1
        for found in (view(seed(i)) for i in range(200))
    ]
    assert abs(np.mean(changed) - 0.3) < 0.13  # Four standard deviations of 200 coins.


def test_two_strong_views_differ_in_all_but_geometry():
    old = strong_view()
    both = strong_view(strong_views=2, cutmix_probability=1.0)
    assert sorted(both) == sorted([*old, 'strong_2', 'box', 'box_2'])
    for name, value in old.items():
        np.testing.assert_array_equal(both[name], value, name)
    assert np.abs(both['strong'] - both['strong_2']).max() > 1
    assert both['box'].numpy().tolist() != both['box_2'].numpy().tolist()
    plain = strong_view(strong_views=2, jitter_probability=0.0)
    np.testing.assert_array_equal(plain['strong'], plain['strong_2'])


@pytest.mark.parametrize(
    'option, value',
    [
        ('crop_size', (0, 9)),
        ('crop_size', (9,)),
        ('crop_size', 9),
        ('crop_size', (9.5, 9)),
        ('scales', ()),
        ('scales', (1.0, 0)),
        ('scales', ('1',)),
        ('scales', (1.0, -1)),
        ('scales', (1000,)),
        ('scales', (1e-9,)),
        ('flip_probability', 1.1),
        ('flip_probability', 'half'),
        ('strong_probability', -0.1),
        ('brightness', -0.1),
        ('contrast', 'much'),
        ('contrast', 1e400),
        ('saturation', True),
        ('hue', 0.6),
        ('contrast_mean', 'label'),
        ('cutout_half_size', -1),
        ('cutout_half_size', 1.5),
        ('cutout_half_size', 514),
        ('image_labels', 'crop'),
        ('jitter_probability', 1.5),
        ('greyscale_probability', -0.1),
        ('blur_probability', 'never'),
        ('blur_sigma', (0.0, 2.0)),
        ('blur_sigma', (2.0, 0.1)),
        ('blur_sigma', 1.0),
        ('cutout_probability', 1.01),
        ('cutmix_probability', 2),
        ('strong_views', 3),
        ('strong', 'equalize'),
    ],
)
def test_bad_options_are_named(option, value):
    with pytest.raises(ValueError, match=rf'Views\.{option} is '):
        Views(**{option: value})
