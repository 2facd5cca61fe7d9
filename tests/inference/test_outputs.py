"""What is written besides masks and overlays."""

import dataclasses
import functools
import json
import os

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from wss.inference import folder as image_folder
from wss.inference.outputs import Outputs

SIZES = {'a.jpg': (3, 4), 'deep/b.png': (2, 5)}


def probabilities(images):
    """Three classes: the left columns are of class 1, with 0.75; the others of class 2."""
    found = np.zeros([*images.shape[:3], 3], np.float32)
    found[..., 1:] = (0.125, 0.875)
    found[:, :, :2, 1:] = (0.75, 0.25)
    return found.argmax(axis=-1).astype(np.int32), found


@pytest.fixture
def predict(tmp_path, tiny):
    for name, size in SIZES.items():
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', size[::-1]).save(tmp_path / 'in' / name)
    info = dataclasses.replace(tiny.make_info(), class_names=('none', 'a/b', 'cat'))
    call = functools.partial(
        image_folder.predict_folder, tmp_path / 'in', tmp_path / 'out', probabilities, info
    )
    return lambda **options: call(outputs=Outputs(**options))


def test_probabilities_as_npz(tmp_path, predict):
    assert predict(probabilities='npz').predicted == 2
    for name, size in SIZES.items():
        target = tmp_path / 'out' / os.path.splitext(name)[0]
        with np.load(f'{target}_probabilities.npz') as found:
            assert found['probabilities'].dtype == np.float16
            expected = probabilities(np.zeros([1, *size, 3]))[1][0]
            np.testing.assert_array_equal(found['probabilities'], expected)
            assert found['classes'].tolist() == ['none', 'a/b', 'cat']


def test_probabilities_as_png_of_16_bits(tmp_path, predict):
    assert predict(probabilities='png16').predicted == 2
    for number, (name, values) in enumerate(
        {'none': (0, 0), 'a_b': (49151, 8192), 'cat': (16384, 57343)}.items()
    ):
        with Image.open(tmp_path / 'out' / f'a_probabilities_{number}_{name}.png') as grey:
            found = np.asarray(grey)
        left, right = values  # 0.75 * 65535 is 49151.25, 0.125 * 65535 is 8191.875.
        np.testing.assert_array_equal(found, np.tile([left, left, right, right], (3, 1)))


@pytest.mark.parametrize('kind', ['npz', 'png16'])
def test_images_without_their_probabilities_are_not_skipped(tmp_path, predict, kind):
    predict()
    assert predict(probabilities=kind, skip_existing=True).predicted == 2
    assert predict(probabilities=kind, skip_existing=True).skipped == 2
    (damaged,) = tmp_path.glob('out/a_probabilities*.npz' if kind == 'npz' else 'out/a_*_cat.png')
    damaged.write_bytes(b'')
    assert predict(probabilities=kind, skip_existing=True).predicted == 1
    damaged.write_bytes(b'notes')
    with pytest.raises(ValueError, match=rf'{damaged.name} exists and is not a prediction'):
        predict(probabilities=kind)


def test_polygons_of_a_folder(tmp_path, predict):
    assert predict(polygons='coco').predicted == 2
    path = tmp_path / 'out/annotations.json'
    written = path.read_bytes()
    coco = COCO(str(path))
    assert [image['file_name'] for image in coco.loadImgs(coco.getImgIds())] == list(SIZES)
    assert [(category['id'], category['name']) for category in coco.loadCats([1, 2])] == [
        *((1, 'a/b'), (2, 'cat'))
    ]
    for number, (height, width) in enumerate(SIZES.values(), start=1):
        one, other = coco.loadAnns(coco.getAnnIds(imgIds=number))
        assert one['segmentation'] == [[0, 0, 2, 0, 2, height, 0, height]]
        assert (one['category_id'], other['category_id']) == (1, 2)
        assert other['area'] == height * (width - 2)
    # Images that are skipped are in it; a file of somebody else stays.
    path.unlink()
    assert predict(polygons='coco', skip_existing=True).skipped == 2
    assert path.read_bytes() == written
    path.write_text(json.dumps({'info': {'contributor': 'me'}}))
    with pytest.raises(ValueError, match=r'annotations\.json exists and is not a prediction'):
        predict(polygons='coco')


def test_two_images_whose_files_have_one_name_are_refused(tmp_path, predict):
    Image.new('RGB', (4, 4)).save(tmp_path / 'in/a_probabilities_2_cat.jpg')
    assert predict().predicted == 3
    with pytest.raises(ValueError, match=r'a\.jpg and .* would both give .*_2_cat\.png; rename'):
        predict(probabilities='png16')


@pytest.mark.parametrize('option', ['probabilities', 'polygons'])
def test_other_formats_are_refused(option):
    with pytest.raises(ValueError, match=f"{option} is 'tiff'; it can be None"):
        Outputs(**{option: 'tiff'})
