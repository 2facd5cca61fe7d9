"""Equality with the authors' program: one training step, number by number.

The reference files are described in `README.md` of their folder, `shared/parity` beside the
repository or what the environment variable `WSS_PARITY_DIR` names. The tolerances are its own.
"""

import importlib.util
import json
import os
import pathlib

import authors
import numpy as np
import pytest
import tensorflow as tf

from wss.networks import resize
from wss.networks.weights import tf1_checkpoint
from wss.pseudo_labels import grad_cam

FOLDER = pathlib.Path(
    os.environ.get('WSS_PARITY_DIR')
    or pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'parity'
)
# Norm of the difference by norm of the reference, from the README of the reference files.
TOLERANCES = {
    'weak_logits_inference': 1e-5,
    'weak_cam': 1e-5,
    'weak_logits': 5e-3,
    'strong_logits': 5e-3,
    'labelled_logits': 5e-3,
    'weak_sgc_logits': 2e-3,
    'labelled_sgc_logits': 2e-3,
    'pseudo_label': 2e-3,
    'loss_supervised': 2e-4,
    'loss_sgc': 2e-4,
    'loss_classification': 2e-4,
    'loss_consistency': 2e-4,
    'loss_weight_decay': 2e-4,
}
GRADIENT_TOLERANCE = 0.05
# A shift that a batch norm in training mode takes away again (the beta of a depthwise convolution
# before a linear pointwise one) has no gradient; both programs compute rounding for it.
ROUNDING = 1e-6  # Of the largest gradient norm.


def weights_module():
    """The reference's rule for the values of the variables; it lies beside the default files."""
    path = FOLDER / 'weights.py'
    if not path.exists():
        path = pathlib.Path(__file__).resolve().parents[2] / 'shared' / 'parity' / 'weights.py'
    spec = importlib.util.spec_from_file_location('parity_weights', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_checkpoint(path, variables):
    """Writes a checkpoint as TensorFlow 1 does, with what an optimiser leaves in it."""
    weight = weights_module().weight
    graph = tf.Graph()
    with graph.as_default():
        for name, shape in variables.items():
            tf.compat.v1.get_variable(name, initializer=weight(name, shape), use_resource=False)
        tf.compat.v1.train.create_global_step()
        with tf.compat.v1.Session(graph=graph) as session:
            session.run(tf.compat.v1.global_variables_initializer())
            tf.compat.v1.train.Saver().save(session, str(path), write_meta_graph=False)


def batches(arrays):
    """Turns the inputs of a reference file into the parts of a batch."""

    def image(name):
        return tf.constant(arrays[name].astype(np.float32))

    def map_of(name, dtype):
        return tf.constant(arrays[name][..., 0].astype(dtype))

    labelled = {
        'image': image('labelled_image'),
        'label': map_of('labelled_label', np.int32),
        'valid': map_of('labelled_valid', np.float32),
        'image_label': tf.constant(arrays['labelled_image_label']),
    }
    unlabelled = {
        'weak': image('weak'),
        'strong': image('strong'),
        'label': map_of('unlabelled_label', np.int32),
        'valid': map_of('unlabelled_valid', np.float32),
        'image_label': tf.constant(arrays['unlabelled_image_label']),
    }
    return labelled, unlabelled


def forward_values(method, labelled, unlabelled):
    """Computes the reference's arrays by the parts that the training step is made of."""
    network = method.network
    size = resize.spatial_size(labelled['image'])
    stride_4 = [(side - 1) // 4 + 1 for side in size]
    valid = resize.nearest(unlabelled['valid'], stride_4)
    values = {}

    # What reads the moving statistics comes before what changes them.
    features = network.features(unlabelled['weak'])
    values['weak_logits_inference'] = network.decode(features, size)
    cam, _ = method.activation_and_sgc(features, method.gate(unlabelled, features), valid)
    values['weak_cam'] = resize.bilinear(grad_cam.add_background(cam, 1.0), stride_4)
    sgc_logits = method.weak_sgc(unlabelled, features, valid)
    values['weak_sgc_logits'] = resize.bilinear(sgc_logits, stride_4)

    for name, images in (
        ('weak', unlabelled['weak']),
        ('strong', unlabelled['strong']),
        ('labelled', labelled['image']),
    ):
        features = network.features(images, training=True)
        values[f'{name}_logits'] = network.decode(features, size, training=True)
    _, values['labelled_sgc_logits'] = method.activation_and_sgc(
        features, labelled['image_label'], resize.nearest(labelled['valid'], stride_4)
    )
    values['pseudo_label'] = method.pseudo_label(values['weak_logits'], sgc_logits)
    values['consistency_mask'] = (valid * method.confident(values['pseudo_label']))[..., None]
    return values


def losses_and_gradient_norms(method, labelled, unlabelled):
    """Returns `{array name: loss}` and `{variable: norm of the gradient of the four losses}`."""
    with tf.GradientTape() as tape:
        terms = method.compute_losses(labelled, unlabelled)
        total = tf.add_n(list(terms.values()))
    gradients = tape.gradient(total, method.trainable_variables)
    terms['weight_decay'] = method.decay_loss()
    return {f'loss_{name}': value for name, value in terms.items()}, [tf.norm(g) for g in gradients]


def difference(ours, reference):
    norm = np.linalg.norm(reference)
    return np.linalg.norm(np.asarray(ours, np.float64) - reference) / (norm or 1.0)


NAMES = sorted(path.stem for path in FOLDER.glob('*.json')) or [
    pytest.param('', marks=pytest.mark.skip(reason=f'no reference files in {FOLDER}'))
]


@pytest.fixture(scope='module', params=NAMES)
def step(request, tmp_path_factory):
    """`(reference JSON, reference arrays, method, values, gradient norms)` of one file."""
    reference = json.loads((FOLDER / f'{request.param}.json').read_text())
    with np.load(FOLDER / f'{request.param}.npz') as file:
        arrays = dict(file)
    checkpoint = tmp_path_factory.mktemp('tf1') / 'model.ckpt'
    write_checkpoint(checkpoint, reference['variables'])
    method = authors.make_method(reference['options'])
    tf1_checkpoint.load_model(method, checkpoint)
    labelled, unlabelled = batches(arrays)
    values = tf.function(forward_values, autograph=False)(method, labelled, unlabelled)
    tf1_checkpoint.load_model(method, checkpoint)  # The passes above moved the statistics.
    run = tf.function(losses_and_gradient_norms, autograph=False)
    terms, norms = run(method, labelled, unlabelled)
    values |= terms
    tf1_checkpoint.load_model(method, checkpoint)
    gradients = {v.ref(): n for v, n in zip(method.trainable_variables, norms, strict=True)}
    return reference, arrays, method, values, gradients


@pytest.mark.parametrize('name', TOLERANCES)
def test_arrays_and_losses(step, name):
    _, arrays, _, values, _ = step
    assert values[name].shape == arrays[name].shape
    assert difference(values[name], arrays[name]) <= TOLERANCES[name]


def test_consistency_mask(step):
    """Equal but where a pseudo label lies on the threshold, as near as the programs agree on it."""
    reference, arrays, _, values, _ = step
    ours, theirs = np.asarray(values['consistency_mask']), arrays['consistency_mask']
    assert ours.shape == theirs.shape
    confidence = arrays['pseudo_label'].max(axis=-1, keepdims=True)
    threshold = reference['options']['pseudo_label_threshold']
    near = abs(confidence - threshold) <= TOLERANCES['pseudo_label'] if threshold else False
    assert np.all((ours == theirs) | near)


def test_every_array_of_the_file_is_compared(step):
    _, arrays, _, _, _ = step
    inputs = ('labelled_image', 'labelled_label', 'labelled_valid', 'unlabelled_', 'strong', 'weak')
    computed = {n for n in arrays if n.endswith(('logits', 'inference', 'cam', 'mask'))}
    computed |= {n for n in arrays if n.startswith(('loss_', 'pseudo'))}
    assert computed == {*TOLERANCES, 'consistency_mask'}
    assert all(name.startswith(inputs) for name in set(arrays) - computed)


def test_gradient_norms(step):
    reference, _, method, _, gradients = step
    parts = tf1_checkpoint.variable_names(method.network, method.sgc)
    variables = {name: v for part in parts.values() for name, v in part.items()}
    assert set(reference['grad_norm']) == set(reference['trainable'])
    rounding = ROUNDING * max(reference['grad_norm'].values())
    off = {}
    for name, norm in reference['grad_norm'].items():
        ours = float(gradients[variables[name].ref()])
        if abs(ours - norm) > GRADIENT_TOLERANCE * norm + rounding:
            off[name] = (ours, norm)
    assert not off


def test_every_variable_of_the_file_has_its_place_and_every_weight_its_variable(step):
    reference, _, method, _, _ = step
    parts = tf1_checkpoint.variable_names(method.network, method.sgc)
    variables = {name: v for part in parts.values() for name, v in part.items()}
    assert set(variables) == set(reference['variables'])
    named = {v.ref() for v in variables.values()}
    # The measures of pseudo labels and scores are variables too, but not weights.
    layers = (method.network, method.sgc)
    assert named == {v.ref() for layer in layers for v in layer.variables}
    assert {variables[n].ref() for n in reference['trainable']} == {
        v.ref() for v in method.trainable_variables
    }
    weight = weights_module().weight
    for name, shape in reference['variables'].items():
        expected = weight(name, shape).reshape(variables[name].shape)
        np.testing.assert_array_equal(variables[name], expected)
