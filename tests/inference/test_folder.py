import errno
import os
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from wss.datasets.files import decoding, whole
from wss.inference import folder as image_folder
from wss.inference import memory
from wss.inference.exports import saved_model
from wss.inference.exports.inputs import Inputs
from wss.inference.outputs import Outputs
from wss.inference.predictor import Predictor
from wss.pipeline import frame


def bright(images):
    """Predicts class 1 where images are bright."""
    return (images.mean(axis=-1) > 127).astype(np.int32), None


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
    rule = frame.for_backbone(method.network.backbone, size)
    saved_model.save(method, Inputs(rule), tmp_path / 'model')
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
        info=types.SimpleNamespace(bit_depth=None, num_classes=3),
        predict_labels=predict_labels,
        predict_probabilities=None,
    )
    predict = Predictor(method, (17, 33)).predict
    for size, padded in (
        ((17, 33), (17, 33)),
        ((5, 6), (17, 33)),
        ((18, 10), (25, 17)),
        ((1, 40), (17, 41)),
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


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def test_a_corrected_prediction_is_not_overwritten(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.jpg')
    predict = lambda: image_folder.predict_folder(  # noqa: E731
        tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info()
    )
    predict()
    with Image.open(tmp_path / 'out/a.png') as mask:
        mask.putpixel((0, 0), 2)
        mask.save(tmp_path / 'out/a.png')
    with pytest.raises(ValueError, match=r'a\.png exists and is not a prediction as'):
        predict()
    (tmp_path / 'out/a.png').unlink()
    Image.new('RGB', (3, 3)).save(tmp_path / 'out/a_overlay.jpg')
    with pytest.raises(ValueError, match=r'a_overlay\.jpg exists and is not a prediction'):
        predict()


def test_several_inputs(tmp_path, tiny, monkeypatch):
    here = tmp_path / 'here'
    for path in ('in/deep/a.png', 'in/b.png', 'trip/c1.png', 'trip/c2.png', 'trip/d.png', 'e.png'):
        write_image(here / path)
    (here / 'list.txt').write_text('\ufefftrip/c*.png\n\n  e.png\n', encoding='utf-8')

    def predicted(*inputs):
        out = tmp_path / str(len(os.listdir(tmp_path)))
        image_folder.predict_folder(inputs, out, bright, tiny.make_info())
        return sorted(str(path.relative_to(out)) for path in out.rglob('*.png'))

    monkeypatch.chdir(here)
    assert predicted('in', 'e.png') == ['b.png', 'deep/a.png', 'e.png']
    assert predicted('trip/*.png', 'trip/d.png') == ['c1.png', 'c2.png', 'd.png']
    assert predicted('list.txt', 'in/b.png') == ['b.png', 'c1.png', 'c2.png', 'e.png']
    assert predicted('**/a.png') == ['a.png']
    with pytest.raises(FileNotFoundError, match=r'No file fits the pattern trip/x\*\.png'):
        predicted('in', 'trip/x*.png')
    with pytest.raises(FileNotFoundError, match=r'nowhere\.png does not exist'):
        predicted('in', 'nowhere.png')
    write_image(here / 'other' / 'b.png')
    with pytest.raises(ValueError, match=r'would both give .*b\.png; rename one'):
        predicted('in', 'other')


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'\n \n', r'list\.txt lists no image'),
        (b'a.png\nlist.txt', r'list\.txt lists list\.txt; a list holds images and folders'),
        (b'\xff\xfea', r'list\.txt is not a list of images in UTF-8'),
    ],
)
def test_other_lists_are_refused(tmp_path, tiny, content, words):
    (tmp_path / 'list.txt').write_bytes(content)
    with pytest.raises(ValueError, match=words):
        image_folder.predict_folder(
            tmp_path / 'list.txt', tmp_path / 'out', bright, tiny.make_info()
        )


def test_a_stopped_prediction_resumes(tmp_path, tiny):
    for name in 'abc':
        write_image(tmp_path / 'in' / f'{name}.jpg')
    seen = []

    def predict(image):
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return bright(image)

    def start(**options):
        return image_folder.predict_folder(
            tmp_path / 'in', tmp_path / 'out', predict, tiny.make_info(), **options
        )

    with pytest.raises(KeyboardInterrupt):
        start(outputs=Outputs(skip_existing=True))
    found = start(outputs=Outputs(skip_existing=True))
    assert found == image_folder.Predicted(predicted=2, skipped=1) and not found.failed
    assert str(found) == '1 had their predictions' and len(seen) == 4
    # Half of a pair, or a beginning of one, is predicted again; without the option all are.
    (tmp_path / 'out/a_overlay.jpg').unlink()
    mask = (tmp_path / 'out/b.png').read_bytes()
    (tmp_path / 'out/b.png').write_bytes(mask[: len(mask) // 2])
    assert start(outputs=Outputs(skip_existing=True)) == image_folder.Predicted(
        predicted=2, skipped=1
    )
    assert (tmp_path / 'out/b.png').read_bytes() == mask
    assert start() == image_folder.Predicted(predicted=3)


@pytest.mark.parametrize('moment', range(1, 5))
def test_a_kill_at_any_moment_leaves_a_folder_that_can_be_used_again(
    tmp_path, tiny, monkeypatch, moment
):
    """Stops as a kill does, before a file gets its name; nothing tidies up."""
    for name in ('a', 'b'):
        write_image(tmp_path / 'in' / f'{name}.jpg')
    arguments = tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info()
    image_folder.predict_folder(tmp_path / 'in', tmp_path / 'whole', *arguments[2:])
    write, calls = whole.write, []

    def killed(path, content):
        calls.append(path)
        if len(calls) == moment:
            with open(f'{path}.{2**22 + 1}.part', 'wb') as file:
                file.write(content[:50])
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(whole, 'write', killed)
    with pytest.raises(KeyboardInterrupt):
        image_folder.predict_folder(*arguments)
    monkeypatch.setattr(whole, 'write', write)
    expected = contents(tmp_path / 'whole')
    for name, content in contents(tmp_path / 'out').items():
        assert name.endswith('.part') or content == expected[name]
    assert image_folder.predict_folder(*arguments).predicted == 2
    assert contents(tmp_path / 'out') == expected


def test_what_an_older_version_left_is_replaced(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.jpg')
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'a.png').write_bytes(b'')
    arguments = tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info()
    assert image_folder.predict_folder(*arguments).predicted == 1
    assert len((tmp_path / 'out' / 'a.png').read_bytes()) > 50


def test_one_bad_image_or_output_costs_that_image_alone(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.png')
    write_image(tmp_path / 'in' / 'blocked' / 'b.png')
    write_image(tmp_path / 'in' / f'{"l" * 250}.png')
    write_image(tmp_path / 'in' / f'{"k" * 243}.png')
    write_image(tmp_path / 'in' / 'z.png')
    (tmp_path / 'in' / 'l1.png').symlink_to('l2.png')
    (tmp_path / 'in' / 'l2.png').symlink_to('l1.png')
    (tmp_path / 'in' / 'photo.heic').write_bytes(b'ftypheic')
    write_image(tmp_path / 'in' / 'c.png')
    (tmp_path / 'out' / 'c.png').mkdir(parents=True)
    (tmp_path / 'out' / 'blocked').write_text('a file where a folder is needed')
    said = []
    found = image_folder.predict_folder(
        tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info(), said.append
    )
    assert found == image_folder.Predicted(predicted=3, unreadable=3, unwritten=3)
    assert str(found) == '3 could not be read; 3 could not be written'
    said = '\n'.join(said)
    for part in (
        '1 .heic',
        'l1.png',
        'l2.png',
        'blocked/b.png',
        'lll.png cannot be written: File name too long',
    ):
        assert part in said, part
    # The name of the overlay alone is too long.
    written = {f'{"l" * 250}.png', f'{"k" * 243}.png', f'{"k" * 243}_overlay.jpg', 'blocked'}
    written |= {'c_overlay.jpg', 'a.png', 'a_overlay.jpg', 'z.png', 'z_overlay.jpg'}
    assert set(contents(tmp_path / 'out')) == written


@pytest.mark.parametrize(
    'error',
    [
        OSError(errno.ENOSPC, 'No space left on device'),
        tf.errors.ResourceExhaustedError(None, None, 'a.png; No space left on device'),
    ],
)
def test_a_full_disk_ends_with_one_sentence(tmp_path, tiny, monkeypatch, error):
    write_image(tmp_path / 'in' / 'a.png')

    def full(path, content):
        raise error

    monkeypatch.setattr(whole, 'write', full)
    with pytest.raises(OSError, match=r'The disk is full: .*a\.png cannot be written\. Make'):
        image_folder.predict_folder(tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info())


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_computed(
    tmp_path, tiny, monkeypatch
):
    write_image(tmp_path / 'in' / 'a.png')
    (tmp_path / 'file').write_text('')
    with pytest.raises(OSError, match=r'The folder .*file/out cannot be written: Not a directory'):
        image_folder.predict_folder(
            tmp_path / 'in', tmp_path / 'file' / 'out', pytest.fail, tiny.make_info()
        )
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    with pytest.raises(OSError, match=r'The folder .*/out cannot be written: Permission denied'):
        image_folder.predict_folder(
            tmp_path / 'in', tmp_path / 'out', pytest.fail, tiny.make_info()
        )


def test_a_side_that_no_jpeg_file_holds(tmp_path, tiny):
    Image.fromarray(np.full([2, 66000, 3], 200, np.uint8)).save(tmp_path / 'strip.png')
    write_image(tmp_path / 'z.png')
    said = []
    for _ in range(2):
        found = image_folder.predict_folder(
            tmp_path, tmp_path.parent / 'strip_out', bright, tiny.make_info(), said.append
        )
        assert found == image_folder.Predicted(2)
    assert 'The overlay of' in said[0] and 'scaled to 65500x2 pixels' in said[0]
    with Image.open(tmp_path.parent / 'strip_out' / 'strip.png') as mask:
        assert mask.size == (66000, 2)
    with Image.open(tmp_path.parent / 'strip_out' / 'strip_overlay.jpg') as shown:
        assert shown.size == (65500, 2)


def test_what_does_not_fit_into_the_memory_is_passed_over(tmp_path, tiny, monkeypatch):
    write_image(tmp_path / 'in' / 'a.png')
    # A few bytes hold many pixels.
    Image.new('1', (9000, 9000)).save(tmp_path / 'in' / 'b.png')
    Image.new('1', (20000, 20000)).save(tmp_path / 'in' / 'c.png')
    for name in 'de':
        write_image(tmp_path / 'in' / f'{name}.png')
    monkeypatch.setattr(memory, 'available', lambda: 4 * 10**9)

    def predict(image):
        calls.append(1)
        if len(calls) == 2:
            raise tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating')
        return bright(image)

    calls, said = [], []
    found = image_folder.predict_folder(
        tmp_path / 'in', tmp_path / 'out', predict, tiny.make_info(), said.append
    )
    assert found == image_folder.Predicted(predicted=2, unreadable=1, too_large=2)
    assert 'b.png is too large for the memory: 9000x9000 pixels' in said[0]
    assert 'c.png is too large: 400 million pixels' in said[1]
    assert 'd.png is too large for the memory' in said[2]


@pytest.mark.filterwarnings('ignore::PIL.Image.DecompressionBombWarning')
def test_a_photo_of_100_million_pixels_is_not_refused_for_its_size(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, 'available', lambda: 10**11)
    Image.new('1', (10000, 10000)).save(tmp_path / 'a.png')
    size = decoding.image_size(tmp_path / 'a.png')
    memory.check(size, 10**5, memory.Needed(), 'a.png')


def test_one_image_can_be_named(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.png')
    write_image(tmp_path / 'in' / 'b.png')
    info = tiny.make_info()
    found = image_folder.predict_folder(tmp_path / 'in/a.png', tmp_path / 'in/out', bright, info)
    assert found == image_folder.Predicted(1)
    assert set(contents(tmp_path / 'in/out')) == {'a.png', 'a_overlay.jpg'}
    with pytest.raises(ValueError, match='would be written over'):
        image_folder.predict_folder(tmp_path / 'in/a.png', tmp_path / 'in', bright, info)


def test_predictions_go_to_a_folder_of_this_machine(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.png')
    with pytest.raises(ValueError, match='gs://b/out is not a folder of this machine'):
        image_folder.predict_folder(tmp_path / 'in', 'gs://b/out', bright, tiny.make_info())


def test_links_are_followed_and_copies_predicted_once(tmp_path, tiny):
    write_image(tmp_path / 'in' / 'a.png')
    write_image(tmp_path / 'elsewhere' / 'b.png')
    (tmp_path / 'in' / 'day').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'in' / 'self').symlink_to('.')
    (tmp_path / 'in' / 'again.png').symlink_to('a.png')
    said = []
    found = image_folder.predict_folder(
        tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info(), said.append
    )
    assert found == image_folder.Predicted(2)
    assert set(contents(tmp_path / 'out')) == {
        *('a.png', 'a_overlay.jpg', 'day/b.png', 'day/b_overlay.jpg')
    }
    assert said == [
        '1 images are links to others and are predicted once, such as again.png, which is a.png.'
    ]


def test_names_that_are_not_utf_8(tmp_path, tiny):
    for name in (b'b\xe9', b'c\xe9'):
        write_image(tmp_path / 'in' / 'x.png')
        os.rename(tmp_path / 'in' / 'x.png', os.fsencode(tmp_path / 'in') + b'/' + name + b'.png')
    with open(os.fsencode(tmp_path / 'in') + b'/c\xe9.png', 'wb') as file:
        file.write(b'no image')
    said = []
    for _ in range(2):
        found = image_folder.predict_folder(
            tmp_path / 'in', tmp_path / 'out', bright, tiny.make_info(), said.append
        )
        assert found == image_folder.Predicted(1, 1)
    assert sorted(os.listdir(os.fsencode(tmp_path / 'out'))) == [b'b\xe9.png', b'b\xe9_overlay.jpg']
    assert 'c\\udce9.png is not an image' in said[0]
    said[0].encode()


def test_images_of_one_size_are_predicted_together(tmp_path, tiny):
    for name, size in zip('abcdef', ((4, 6), (4, 6), (4, 6), (5, 6), (4, 6), (4, 6)), strict=True):
        write_image(tmp_path / 'in' / f'{name}.png', size, value=200 if name in 'ae' else 10)
    (tmp_path / 'in' / 'bad.png').write_bytes(b'no image')
    seen, said = [], []

    def predict(images):
        seen.append(images.shape[:3])
        if len(images) == 2 and len(seen) == 1:
            raise tf.errors.ResourceExhaustedError(None, None, 'OOM when allocating')
        return bright(images)

    found = image_folder.predict_folder(
        tmp_path / 'in',
        tmp_path / 'out',
        predict,
        tiny.make_info(),
        said.append,
        at_once=lambda size: 2,
    )
    assert found == image_folder.Predicted(6, unreadable=1) and 'bad.png' in said[0]
    # The two of the first batch are predicted one by one, since both were too much.
    together = [(2, 4, 6), (1, 4, 6), (1, 4, 6), (1, 4, 6), (1, 5, 6), (2, 4, 6)]
    assert seen == together
    for name in 'abcdef':
        with Image.open(tmp_path / 'out' / f'{name}.png') as mask:
            assert np.unique(mask).tolist() == [1 if name in 'ae' else 0]
