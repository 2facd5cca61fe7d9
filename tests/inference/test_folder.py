import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.inference import folder as image_folder
from wss.inference import saved_model
from wss.inference.predictor import Predictor


def bright(image):
    """Predicts class 1 where an image is bright."""
    return (image.mean(axis=-1) > 127).astype(np.int32)


def write_image(path, size=(4, 6), value=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full([*size, 3], value, np.uint8)).save(path)


def test_every_image_gets_a_mask_and_an_overlay(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.png', (4, 6))
    write_image(tmp_path / 'in' / 'deep' / 'er' / 'b.c.JPG', (3, 5), value=10)
    write_image(tmp_path / 'in' / '.hidden' / 'x.png')
    (tmp_path / 'in' / 'notes.txt').write_text('no image')
    counts = image_folder.predict_folder(
        tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info()
    )
    assert counts == image_folder.Predicted(predicted=2, unreadable=0)
    written = sorted(str(p.relative_to(tmp_path / 'out')) for p in (tmp_path / 'out').rglob('*.*'))
    assert written == ['a.png', 'a_overlay.jpg', 'deep/er/b.c.png', 'deep/er/b.c_overlay.jpg']
    with Image.open(tmp_path / 'out' / 'a.png') as mask:
        np.testing.assert_array_equal(np.asarray(mask), np.ones([4, 6]))
    with Image.open(tmp_path / 'out' / 'deep' / 'er' / 'b.c.png') as mask:
        np.testing.assert_array_equal(np.asarray(mask), np.zeros([3, 5]))


def test_a_saved_model_predicts_what_the_method_predicts(tmp_path, trained):
    method = trained.experiment.load(trained.workdir, 'last')
    size = (49, 65)
    saved_model.save_model(method, size, tmp_path / 'model')
    loaded = tf.saved_model.load(str(tmp_path / 'model')).signatures['serving_default']
    predict_image = Predictor(method, size).predict
    stride = method.network.backbone.output_stride
    # Smaller than the size of evaluation, exactly that, and larger in one direction.
    for given, padded in [((41, 50), size), (size, size), ((20, 70), (33, 81))]:
        assert all((side - 1) % stride == 0 for side in padded)
        images = tf.random.stateless_uniform([1, *given, 3], [1, 2], 0, 256, tf.int32)
        canvas = np.tile(np.float32(method.network.backbone.padding_value), (1, *padded, 1))
        canvas[:, : given[0], : given[1]] = images
        expected = method.predict_labels(tf.constant(canvas))[:, : given[0], : given[1]]
        labels = loaded(images=tf.cast(images, tf.float32))['labels']
        np.testing.assert_array_equal(labels, expected)
        np.testing.assert_array_equal(predict_image(images[0].numpy().astype(np.uint8)), labels[0])


def test_damaged_images_are_named_and_the_others_predicted(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.png')
    (tmp_path / 'in' / 'b.png').write_bytes((tmp_path / 'in' / 'a.png').read_bytes()[:-20])
    write_image(tmp_path / 'in' / 'c.png')
    said = []
    counts = image_folder.predict_folder(
        tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info(), said.append
    )
    assert counts == image_folder.Predicted(predicted=2, unreadable=1)
    assert len(said) == 1
    assert 'b.png' in said[0]
    assert (tmp_path / 'out' / 'c.png').exists()


def test_predictions_do_not_go_among_the_images(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.png')
    for out in ('in', 'in/deeper', 'in/../in'):
        with pytest.raises(ValueError, match='give another --out'):
            image_folder.predict_folder(tmp_path / 'in', tmp_path / out, bright, tiny.make_info())


def test_predictions_overwrite_no_image_from_above(tmp_path, tiny):
    # The mask of in/in/a.jpg would be tmp_path/in/a.png.
    write_image(tmp_path / 'in' / 'a.png')
    write_image(tmp_path / 'in' / 'in' / 'a.jpg')
    with pytest.raises(ValueError, match='would be written over'):
        image_folder.predict_folder(tmp_path / 'in', tmp_path, bright, tiny.make_info())


def test_two_images_of_one_name_are_refused(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.png')
    write_image(tmp_path / 'in' / 'a.jpg')
    with pytest.raises(ValueError, match=r'a\.jpg and .*a\.png would both give'):
        image_folder.predict_folder(tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info())


def test_missing_and_empty_folders(tmp_path, tiny):
    with pytest.raises(FileNotFoundError, match='nowhere does not exist'):
        image_folder.predict_folder(
            tmp_path / 'nowhere', tmp_path / 'out', bright, tiny.make_info()
        )
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='holds no image'):
        image_folder.predict_folder(tmp_path / 'empty', tmp_path / 'out', bright, tiny.make_info())


def test_images_are_padded_like_in_evaluation_or_to_their_own_size():
    def predict_labels(images):
        """Height * 1000 + width of what it is given, 0 on padding."""
        size = tf.shape(images)
        return tf.where(images[..., 0] == 7, 0, size[1] * 1000 + size[2])

    backbone = types.SimpleNamespace(padding_value=(7.0, 8.0, 9.0), output_stride=8)
    method = types.SimpleNamespace(
        network=types.SimpleNamespace(backbone=backbone),
        info=types.SimpleNamespace(bit_depth=None),
        predict_labels=predict_labels,
        predict_probabilities=None,
    )
    predict = Predictor(method, (17, 33)).predict
    for size, padded in (
        ((17, 33), (17, 33)),
        ((5, 6), (17, 33)),
        ((18, 10), (25, 17)),
        ((1, 40), (1, 41)),
    ):
        labels = predict(np.full([*size, 3], 50, np.uint8))
        np.testing.assert_array_equal(labels, np.full(size, padded[0] * 1000 + padded[1]))


def test_masks_made_by_hand_are_not_overwritten(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.jpg')
    write_image(tmp_path / 'masks' / 'a.png', value=1)
    before = (tmp_path / 'masks' / 'a.png').read_bytes()
    with pytest.raises(ValueError, match=r'a\.png exists and is not a prediction'):
        image_folder.predict_folder(tmp_path / 'in', tmp_path / 'masks', bright, tiny.make_info())
    assert (tmp_path / 'masks' / 'a.png').read_bytes() == before
    for _ in range(2):  # Predicting again is fine.
        image_folder.predict_folder(tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info())
