"""Each format as another program uses it, against the model that it was made from."""

import dataclasses
import importlib
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from wss.inference.exports import comparison, export, files, fresh, photos, saved_model, tflite
from wss.inference.exports.inputs import Inputs, choose
from wss.inference.predictor import Predictor
from wss.methods.classification import Classification
from wss.methods.cps import CPS
from wss.methods.supervised import Supervised
from wss.pipeline import frame
from wss.pipeline.frame import Frame
from wss.runs import photos as run_photos

SIZE = (33, 49)
GREY = (127.5, 127.5, 127.5)
RULE = Frame(8, GREY)  # Of the network of the tests.


@pytest.fixture(scope='module')
def model(trained):
    return Predictor(trained.experiment.load(trained.workdir, 'last'))


@pytest.fixture(scope='module')
def images():
    """Twelve smooth images, whose labels do not hang on the last digit everywhere."""
    random = np.random.default_rng(0).integers(0, 256, (12, 3, 5, 3))
    return [np.kron(each, np.ones([12, 11, 1])).astype(np.uint8) for each in random]


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
    assert Inputs(RULE, (40, 60), 20).fitted(wide)[1] == (10, 20)
    assert [Inputs(RULE, size, side).fit for size in (None, (40, 60)) for side in (None, 50)] == [
        None,
        (50, 50),
        (40, 60),
        (40, 50),
    ]


def test_large_photos_are_bounded_where_no_size_is_set():
    large = np.zeros([10, 2048, 3], np.uint8)
    assert Inputs(RULE).bounded(large).shape == (5, 1024, 3)
    assert Inputs(RULE, (2048, 2048)).bounded(large) is large
    assert Inputs(RULE, None, 1500).bounded(large) is large


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
    with pytest.raises(ValueError, match='--size is 10,65; both sides must be 17 to 8192'):
        choose(RULE, (10, 65), scales=True, any_size=True)
    with pytest.raises(ValueError, match='--size is 65,9999; both sides'):
        choose(RULE, (65, 9999), scales=True, any_size=True)


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
    facts = export.export(model, tmp_path, 'tflite', precision, SIZE, images, 0.5)
    assert json.loads((tmp_path / 'model.tflite.json').read_text()) == facts
    assert facts['bytes'] == (tmp_path / 'model.tflite').stat().st_size
    assert facts['input'] == {'size': [33, 49], 'fit': [33, 49], 'padding': [128, 128, 128]}
    assert facts['classes'] == ['ground', 'dark', 'light']
    # Of twelve photos int8 learns from ten; the sixth and the twelfth are compared.
    compared = images[5::6] if precision == 'int8' else images
    counts = facts['compared']['images'], facts['compared']['learned_from']
    assert counts == ((2, 10) if precision == 'int8' else (12, 0))
    # Here, too, by the interpreter alone; and with the labels that the model gives.
    predict = fresh.LOADERS['tflite'](str(tmp_path / 'model.tflite'))
    same = []
    for image in compared:
        fitted, (height, width) = Inputs(RULE, SIZE).fitted(image)
        found = predict(fitted[np.newaxis])[0]
        same.append((found == model.predict(fitted))[:height, :width])
    assert np.mean(same) == pytest.approx(facts['compared']['agreement'], abs=1e-9)
    if precision == 'float32':
        assert set(facts['compared']['iou'].values()) == {1.0}
    assert np.mean(same) > {'float32': 0.999, 'float16': 0.99, 'int8': 0.9}[precision]
    file = fresh.interpreter()(str(tmp_path / 'model.tflite'))
    kinds = [each['dtype'] for each in file.get_tensor_details()]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in (np.int8, np.float16)}
    assert (shares[np.int8] > 0.4) == (precision == 'int8')  # Activations, too.
    assert (shares[np.float16] > 0.2) == (precision == 'float16')


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


class Doubtful(Supervised):
    """Has a layer of its own, and scores that no other method has."""

    def build_layers(self, crop_size):
        super().build_layers(crop_size)
        self.own = keras.layers.Dense(self.info.num_classes, kernel_initializer='orthogonal')
        self.own.build([None, None, None, self.info.num_classes])

    def predict_scores(self, images):
        return self.own(super().predict_scores(images))

    def probabilities(self, scores):
        return tf.nn.softmax(9 * scores)


@pytest.mark.parametrize('form', export.FORMATS)
@pytest.mark.parametrize('kind', [Classification, CPS, Doubtful])
def test_a_method_predicts_in_its_own_way(tmp_path, tiny, images, form, kind):
    for package in export.FORMATS[form].packages:
        pytest.importorskip(package)
    info = tiny.make_info()
    method = kind(tiny.make_network(info.num_classes, info.num_image_classes), info)
    method.build_layers((33, 33))
    facts = export.export(Predictor(method), tmp_path, form, size=SIZE, images=images[:2])
    assert facts['compared']['agreement'] > 0.999
    if kind is Doubtful and form == 'saved_model':
        loaded = tf.saved_model.load(str(tmp_path)).signatures['serving_default']
        found = loaded(images=tf.zeros([1, *SIZE, 3]))['probabilities']
        expected = tf.nn.softmax(9 * method.predict_scores(tf.zeros([1, *SIZE, 3])))
        np.testing.assert_allclose(found[0, 0, 0], expected[0, 0, 0], atol=1e-5)  # A corner.


def test_onnx_after_scaling(tmp_path, trained, images):
    """The graph takes photos that are scaled down before, as `input.fit` says."""
    for package in export.FORMATS['onnx'].packages:
        pytest.importorskip(package)
    model = Predictor(trained.experiment.load(trained.workdir, 'last'), (49, 49), 40)
    facts = export.export(model, tmp_path, 'onnx', images=images[:2])
    assert facts['input'] == {'size': None, 'fit': [40, 40], 'padding': [128, 128, 128]}
    assert facts['compared']['agreement'] == 1


def test_what_an_export_cannot_be(tmp_path, model, images, monkeypatch):
    (tmp_path / 'kept').write_text('')
    refused = (
        ({'form': 'coreml'}, 'format is .coreml.'),
        ({'precision': 'int8'}, 'saved_model has float32'),
        ({'form': 'tflite', 'precision': 'int8'}, 'learns the ranges of activations from photos'),
        ({'form': 'tflite'}, 'give --size HEIGHT,WIDTH'),
        ({'least_agreement': 1.5}, 'least_agreement is 1.5'),
        ({'out': tmp_path / 'kept'}, 'kept, which is a file; give a folder'),
        ({'images': []}, 'None of the images can be read'),
        ({'images': [tmp_path / 'no.png']}, 'None of the images can be read'),
    )
    for options, message in refused:
        with pytest.raises(ValueError, match=message):
            export.export(**{'model': model, 'out': tmp_path, **options})
    needed = export.FORMATS['onnx']._replace(packages=('no_such_package',))
    monkeypatch.setitem(export.FORMATS, 'onnx', needed)
    with pytest.raises(ValueError, match=r"pip install 'wss\[export\]'"):
        export.export(model, tmp_path, 'onnx')
    with pytest.raises(OSError, match='cannot be written; give another folder'):
        export.check(tmp_path / 'kept' / 'below', 'saved_model', 'float32', None)
    assert [path.name for path in tmp_path.iterdir()] == ['kept']


def test_a_network_that_cannot_be_converted_is_a_sentence(tmp_path, model, images, monkeypatch):
    def fails(*_):
        raise RuntimeError('no kernel for this.\nmore')

    broken = export.FORMATS['onnx']._replace(save=fails, packages=())
    monkeypatch.setitem(export.FORMATS, 'onnx', broken)
    words = r'The network cannot be converted to onnx: no kernel for this\.$'
    with pytest.raises(ValueError, match=words):
        export.export(model, tmp_path, 'onnx', images=images)


def test_a_model_in_bfloat16_is_refused(tmp_path, tiny, images):
    experiment = tiny.experiment(precision='mixed_bfloat16')
    experiment.train(tmp_path / 'run')
    model = experiment.predictor(tmp_path / 'run', 'last')
    try:
        with pytest.raises(ValueError, match=r"load it with Compute\.precision = 'float32'"):
            export.export(model, tmp_path / 'out', images=images)
    finally:
        keras.mixed_precision.set_global_policy('float32')


def test_an_export_that_differs_is_refused_and_nothing_is_written(
    tmp_path, model, images, monkeypatch
):
    """Of 36 x 55 pixels 36 differ, a column; the padding does not count. What was there stays."""

    def other(form, path, given):
        labels = [model.predict_images(image[np.newaxis])[0][0] for image in given]
        labels[1][:, 7] = (labels[1][:, 7] + 1) % 3
        labels[0][36:] = (labels[0][36:] + 1) % 3
        return labels, [0.25, 0.5]

    monkeypatch.setattr(comparison, '_in_a_fresh_process', other)
    size, images = (49, 65), images[:2]
    found = export.export(model, tmp_path, size=size, images=images, least_agreement=0.9)
    assert found['compared']['agreement'] == pytest.approx(1 - 36 / (2 * 36 * 55))
    assert found['compared']['lowest_agreement'] == pytest.approx(1 - 1 / 55)
    assert found['compared']['seconds_an_image']['export'] == 0.375
    earlier = {path: path.read_bytes() for path in tmp_path.rglob('*.*')}
    with pytest.raises(ValueError, match=r'gives 99\.09 % .* where 99\.9 % are asked for'):
        export.export(model, tmp_path, size=size, images=images)
    assert {path: path.read_bytes() for path in tmp_path.rglob('*.*')} == earlier


def test_formats_share_a_folder_and_a_new_one_replaces_the_earlier(tmp_path, model, images):
    for form in ('saved_model', 'tflite', 'saved_model'):
        export.export(model, tmp_path, form, size=SIZE, images=images[:1])
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {'saved_model.pb', 'saved_model.pb.json', 'model.tflite', 'model.tflite.json'}
    assert not [path for path in tmp_path.rglob('*') if path.suffix in ('.new', '.part')]


def test_what_cannot_be_written_costs_nothing(tmp_path, model, monkeypatch):
    (tmp_path / 'made').mkdir()
    for name in ('first', 'main'):
        (tmp_path / 'made' / name).write_text('new')
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'first').write_text('earlier')
    (out / 'main.new').mkdir()  # In the way.
    (out / 'main.new' / 'x').write_text('')
    with pytest.raises((OSError, tf.errors.OpError)):
        files.move(str(tmp_path / 'made'), str(out), 'main', {})
    assert (out / 'first').read_text() == 'earlier' and not (out / 'main').exists()


def test_an_export_that_cannot_be_loaded(tmp_path, model, images):
    (tmp_path / 'model.tflite').write_bytes(b'no model' * 9)
    inputs = choose(model.frame, SIZE, scales=False, any_size=False)
    path = str(tmp_path / 'model.tflite')
    with pytest.raises(ValueError, match=r'a fresh process .* ended with the status 1 \(ValueErr'):
        comparison.compare(model, inputs, 'tflite', path, [inputs.fitted(images[0])])


def test_without_photos_generated_scenes_are_compared(tmp_path, model):
    facts = export.export(model, tmp_path / 'out', size=SIZE)
    assert facts['compared']['photos'] is False
    assert 'generated scenes (no photos were found)' in export.sentences(facts, 'gs://b/out')
    assert export.sentences(facts, 'gs://b/out').startswith('Wrote gs://b/out (')
    facts['compared']['classes'] = 1
    assert 'finds one class only' in export.sentences(facts, 'out')
    facts['compared']['iou'] = {'ground': 0.98, 'light': 0.494, 'dark': 0.0}
    said = export.sentences(facts, 'out')
    assert said.endswith('their IoU with the model is low: dark (0 %), light (49 %).')


def test_the_photos_of_a_run_are_spread_over_its_list(trained, tmp_path):
    """Twelve unlabelled images, of which every fourth is read; without that list, labelled ones."""
    data = trained.experiment.data
    found = list(run_photos.load(trained.workdir, data, 3))
    all_images = data.make_dataset().examples('train')
    for image, number in zip(found, (0, 4, 8), strict=True):
        np.testing.assert_array_equal(image, all_images.load(tf.constant(number))['image'])
    assert len(list(run_photos.load(trained.workdir, data, 99))) == 12
    shutil.copy(trained.workdir / 'labelled.txt', tmp_path)
    assert len(list(run_photos.load(tmp_path, data, 99))) == 4
    with pytest.raises(FileNotFoundError, match='has no list of images'):
        run_photos.load(tmp_path / 'elsewhere', data, 3)


def test_photos_that_cannot_be_read_are_left_out(tmp_path):
    for number in range(3):
        tf.io.write_file(
            str(tmp_path / f'{number}.png'), tf.io.encode_png(np.full([2, 3, 3], number, 'u1'))
        )
    (tmp_path / '3.png').write_bytes(b'no image')
    said = []
    paths = photos.of_files([tmp_path], 9, said.append)
    found = list(photos.read([*paths, np.full([2, 2, 3], 7.6)], None, said.append))
    assert [image[0, 0, 0] for image in found] == [0, 1, 2, 8]
    assert {image.dtype.name for image in found} == {'uint8'}
    assert len(said) == 1 and '3.png' in said[0]
    assert [os.path.basename(path) for path in photos.of_files([tmp_path], 2)] == ['0.png', '2.png']


def test_the_flag_of_a_size():
    assert export.size_of(['257', '129']) == (257, 129)
    assert export.size_of(None) is None
    for wrong in (['257'], ['257', 'x'], ['1', '2', '3'], ['-1', '5']):
        with pytest.raises(ValueError, match='it must be HEIGHT,WIDTH'):
            export.size_of(wrong)
