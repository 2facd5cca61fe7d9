"""Each format as another program uses it, against the model that it was made from."""

import dataclasses
import importlib
import json

import numpy as np
import pytest
import tensorflow as tf

from wss.inference.exports import comparison, export, fresh, photos, saved_model, tflite
from wss.inference.exports.inputs import Inputs, choose
from wss.inference.predictor import Predictor
from wss.pipeline import frame
from wss.pipeline.frame import Frame
from wss.runs import photos as run_photos

SIZE = (33, 49)
GREY = (127.5, 127.5, 127.5)
RULE = Frame(16, GREY)


@pytest.fixture(scope='module')
def model(trained):
    return Predictor(trained.experiment.load(trained.workdir, 'last'))


@pytest.fixture(scope='module')
def images():
    """Smooth images, whose labels do not hang on the last digit everywhere."""
    random = np.random.default_rng(0)
    return [np.kron(random.integers(0, 256, (3, 5, 3)), np.ones([12, 11, 1])).astype(np.uint8)] * 2


def test_a_photo_is_scaled_down_and_padded_to_the_size_of_an_export():
    image = np.arange(4 * 8 * 3, dtype=np.uint8).reshape(4, 8, 3)
    fitted, seen = Inputs(RULE, (40, 40)).fitted(image)
    assert (fitted.shape, seen) == ((40, 40, 3), (4, 8))
    np.testing.assert_array_equal(fitted[:4, :8], image)
    assert set(np.unique(fitted[4:])) == set(np.unique(fitted[:, 8:])) == {128}
    wide = np.tile(np.uint8([[[10] * 3, [30] * 3]]), (40, 40, 1))  # 40 x 80: a factor of 1/2.
    fitted, seen = Inputs(RULE, (40, 40)).fitted(wide)
    assert (fitted.shape, seen) == ((40, 40, 3), (20, 40))
    assert fitted[10, 20, 0] == 20  # Antialiased: the mean of 10 and 30.
    same, seen = Inputs(RULE, None, 100).fitted(wide)
    assert (same is wide, seen) == (True, (40, 80))
    assert Inputs(RULE, None, 20).fitted(wide)[1] == (10, 20)


def test_the_size_of_an_export():
    rule = dataclasses.replace(RULE, size=(65, 65), long_side=60)
    assert choose(rule, None, scales=True, any_size=True) == Inputs(rule)
    scaled_before = dataclasses.replace(rule, long_side=None)
    assert choose(rule, None, scales=False, any_size=True) == Inputs(scaled_before, None, 60)
    assert choose(rule, None, scales=False, any_size=False) == Inputs(RULE, (65, 65), 60)
    assert choose(rule, (40, 50), scales=True, any_size=True) == Inputs(RULE, (40, 50), 60)
    by_long_side = choose(dataclasses.replace(RULE, long_side=60), None, False, False)
    assert by_long_side.size == (60, 60)
    with pytest.raises(ValueError, match='give --size HEIGHT,WIDTH'):
        choose(RULE, None, scales=False, any_size=False)
    with pytest.raises(ValueError, match='--size is 20,65; both sides must be 33 or more'):
        choose(RULE, (20, 65), scales=True, any_size=True)


@pytest.mark.parametrize(('size', 'long_side'), [(None, None), (SIZE, None), (None, 40)])
def test_the_signatures_of_a_saved_model(tmp_path, trained, images, size, long_side):
    method = trained.experiment.load(trained.workdir, 'last')
    rule = frame.for_backbone(method.network.backbone, long_side=long_side)
    saved_model.save(method, choose(rule, size, scales=True, any_size=True), tmp_path)
    loaded = tf.saved_model.load(str(tmp_path))
    image = images[0][: SIZE[0], : SIZE[1]]
    labels, probabilities = Predictor(method, None, long_side).predict(image, True)
    both = tf.constant(np.stack([image, image]))
    for name, dtype in (('serving_default', tf.float32), ('uint8', tf.uint8)):
        found = loaded.signatures[name](images=tf.cast(both, dtype))
        assert {key: value.dtype for key, value in found.items()} == {
            'labels': tf.int32,
            'probabilities': tf.float32,
        }
        np.testing.assert_allclose(found['probabilities'][1], probabilities, atol=1e-5)
        np.testing.assert_array_equal(found['labels'][0], labels)
    found = loaded.signatures['labels'](images=both)
    assert list(found) == ['labels']
    np.testing.assert_array_equal(found['labels'][1], labels)
    np.testing.assert_array_equal(loaded.predict(both)['labels'][0], labels)


@pytest.mark.parametrize('precision', ['float32', 'float16', 'int8'])
def test_a_tflite_file(tmp_path, model, images, precision):
    out = tmp_path / 'out'
    facts = export.export(model, out, 'tflite', precision, SIZE, images, 0.5)
    assert json.loads((out / 'export.json').read_text()) == facts
    assert facts['bytes'] == (out / 'model.tflite').stat().st_size
    assert facts['input'] == {'size': [33, 49], 'long_side': None, 'padding': [128, 128, 128]}
    assert facts['classes'] == ['ground', 'dark', 'light']
    assert facts['compared']['images'] == 2
    # Here, too, by the interpreter alone; and with the labels that the model gives.
    inputs = choose(model.frame, SIZE, scales=False, any_size=False)
    image, (height, width) = inputs.fitted(images[0])
    found = fresh.LOADERS['tflite'](str(out / 'model.tflite'))(image[np.newaxis])[0]
    right = (found == model.predict(image))[:height, :width].mean()
    assert right == pytest.approx(facts['compared']['agreement'], abs=1e-9)
    assert right > {'float32': 0.999, 'float16': 0.99, 'int8': 0.9}[precision]


def test_lower_precision_gives_smaller_files(tmp_path, model, images):
    inputs = choose(model.frame, SIZE, scales=False, any_size=False)
    typical = [inputs.fitted(image)[0] for image in images]
    sizes = []
    for precision in ('float32', 'float16', 'int8'):
        tflite.save(model.method, inputs, tmp_path, precision, typical)
        sizes.append((tmp_path / tflite.FILE).stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize('size', [None, SIZE])
def test_an_onnx_file(tmp_path, model, images, size):
    for package in export.FORMATS['onnx'].packages:
        pytest.importorskip(package)
    facts = export.export(model, tmp_path, 'onnx', size=size, images=images)
    assert facts['input']['size'] == (size and list(size))
    assert facts['compared']['agreement'] == 1
    graph = importlib.import_module('onnx').load(tmp_path / 'model.onnx').graph
    assert 'MatMul' not in {node.op_type for node in graph.node}  # 1x1 convolutions are Conv.
    predict = fresh.LOADERS['onnx'](str(tmp_path / 'model.onnx'))
    session = importlib.import_module('onnxruntime').InferenceSession(tmp_path / 'model.onnx')
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type) == ('images', 'tensor(uint8)')
    assert taken.shape == [1, *(size or ('height', 'width')), 3]
    for sides in (SIZE,) if size else (SIZE, (20, 71), (36, 55)):
        image = np.resize(images[0], (*sides, 3))
        np.testing.assert_array_equal(predict(image[np.newaxis])[0], model.predict(image))


def test_what_an_export_cannot_be(tmp_path, model, images, monkeypatch):
    (tmp_path / 'export.json').write_text('the earlier one')
    refused = (
        ({'form': 'coreml'}, 'format is .coreml.'),
        ({'precision': 'int8'}, 'saved_model has float32'),
        ({'form': 'tflite', 'precision': 'int8'}, 'learns the ranges of activations from photos'),
        ({'form': 'tflite'}, 'give --size HEIGHT,WIDTH'),
        ({'least_agreement': 1.5}, 'least_agreement is 1.5'),
    )
    for options, message in refused:
        with pytest.raises(ValueError, match=message):
            export.export(model, tmp_path, **options)
    needed = export.FORMATS['onnx']._replace(packages=('no_such_package',))
    monkeypatch.setitem(export.FORMATS, 'onnx', needed)
    with pytest.raises(ValueError, match=r"pip install 'wss\[export\]'"):
        export.export(model, tmp_path, 'onnx')
    assert [path.name for path in tmp_path.iterdir()] == ['export.json']


def test_an_export_that_differs_is_refused_and_nothing_is_written(
    tmp_path, model, images, monkeypatch
):
    """Of 36 x 55 pixels 36 differ, a column; the padding does not count."""

    def other(form, path, given):
        labels = [model.predict_images(image[np.newaxis])[0][0] for image in given]
        labels[1][:, 7] += 1
        labels[0][36:] += 1
        return labels, [0.25, 0.5]

    monkeypatch.setattr(comparison, '_in_a_fresh_process', other)
    size = (49, 65)
    found = export.export(model, tmp_path / 'a', size=size, images=images, least_agreement=0.9)
    assert found['compared']['agreement'] == pytest.approx(1 - 36 / (2 * 36 * 55))
    assert found['compared']['lowest_agreement'] == pytest.approx(1 - 1 / 55)
    assert found['compared']['seconds_an_image']['export'] == 0.375
    with pytest.raises(ValueError, match=r'gives 99\.09 % .* where 99\.9 % are asked for'):
        export.export(model, tmp_path / 'b', size=size, images=images)
    assert not (tmp_path / 'b').exists()


def test_an_export_that_cannot_be_loaded(tmp_path, model, images):
    (tmp_path / 'model.tflite').write_bytes(b'no model')
    inputs = choose(model.frame, SIZE, scales=False, any_size=False)
    with pytest.raises(ValueError, match='a fresh process that loaded it ended with the status'):
        comparison.compare(model, inputs, 'tflite', str(tmp_path / 'model.tflite'), images)


def test_without_photos_generated_scenes_are_compared(tmp_path, model):
    facts = export.export(model, tmp_path / 'out', size=SIZE)
    assert facts['compared']['photos'] is False
    assert 'generated scenes (no photos were found)' in export.sentence(facts, tmp_path / 'out')


def test_the_photos_of_a_run_are_spread_over_its_list(trained):
    """Twelve unlabelled images, of which every fourth is read."""
    found = run_photos.load(trained.workdir, trained.experiment.data, 3)
    all_images = trained.experiment.data.make_dataset().examples('train')
    for image, number in zip(found, (0, 4, 8), strict=True):
        np.testing.assert_array_equal(image, all_images.load(tf.constant(number))['image'])
    assert len(run_photos.load(trained.workdir, trained.experiment.data, 99)) == 12


def test_photos_of_files(tmp_path, tiny):
    for number in range(3):
        tf.io.write_file(
            str(tmp_path / f'{number}.png'), tf.io.encode_png(np.full([2, 2048, 3], number, 'u1'))
        )
    (tmp_path / '3.png').write_bytes(b'no image')
    said = []
    found = photos.of_files([tmp_path], tiny.make_info(), 9, said.append)
    assert [image.shape for image in found] == [(1, 1024, 3)] * 3
    assert [image[0, 0, 0] for image in found] == [0, 1, 2]
    assert len(said) == 1
    assert '3.png' in said[0]
    with pytest.raises(ValueError, match='No image of --images can be read'):
        photos.of_files([tmp_path / '3.png'], tiny.make_info(), 9, said.append)


def test_the_flag_of_a_size():
    assert export.size_of(['257', '129']) == (257, 129)
    assert export.size_of(None) is None
    for wrong in (['257'], ['257', 'x'], ['1', '2', '3'], ['-1', '5']):
        with pytest.raises(ValueError, match='it must be HEIGHT,WIDTH'):
            export.size_of(wrong)
