import dataclasses
import functools
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.methods.cps import CPS
from wss.methods.losses import SupervisedLoss
from wss.methods.mean_teacher import MeanTeacher
from wss.methods.update import Update
from wss.networks.weights import run_weights
from wss.runs import checkpoints
from wss.runs import folder as run_folder


def info_of(*names, has_background=True):
    return DatasetInfo('toy', names, tuple((i, i, i) for i in range(len(names))), has_background)


CLASSES = info_of('ground', 'dark', 'light')


def make(tiny, make_method, info=CLASSES, average_decay=None, value=None, **network):
    counts = info.num_classes, info.num_image_classes
    method = make_method(tiny.make_network(*counts, **network), info)
    if method.needs_second_network:
        method.second_network = tiny.make_network(*counts, **network)
    method.set_recipe(Update(average_decay=average_decay), SupervisedLoss())
    method.build_variables((33, 33))
    if value is not None:
        for i, variable in enumerate(method.variables):
            noise = np.random.default_rng(i).normal(size=variable.shape)
            variable.assign(value + noise)
    return method


def save(folder, method, which='best'):
    saved = checkpoints.Checkpoints(folder, method)
    saved._save(which, 3)
    run_folder.write_description(folder, method.info, (33, 33))
    return folder


def weights(method):
    return {v.name: v.numpy() for v in (*method.network.variables,)}


def test_everything_of_the_same_method_comes_back(tiny, tmp_path):
    folder = tmp_path / 'run[1]'
    first = make(tiny, tiny.pseudoseg, value=0.5)
    save(folder, first)
    second = make(tiny, tiny.pseudoseg)
    said = run_weights.load_run(second, folder)
    for one, other in zip(first.variables, second.variables, strict=True):
        if 'updates' not in one.name:  # Counts are those of each run.
            np.testing.assert_array_equal(one, other, one.name)
    assert 'Start fresh: nothing. Classes of the run: ground, dark, light; new: none.' in said


def test_averages_are_taken(tiny, tmp_path):
    first = make(tiny, tiny.pseudoseg, average_decay=0.9, value=0.5)
    save(tmp_path, first)
    second = make(tiny, tiny.supervised)
    said = run_weights.load_run(second, tmp_path)
    assert ', as averages: ' in said
    count = len(second.trainable_variables)
    for mean, other in zip(first.averages[:count], second.trainable_variables, strict=True):
        np.testing.assert_array_equal(mean, other)


def test_classes_fit_by_name(tiny, tmp_path):
    first = make(tiny, tiny.pseudoseg, value=0.5)
    save(tmp_path, first, 'last')
    second = make(tiny, tiny.pseudoseg, info_of('ground', 'light', 'new', 'dark'))
    fresh = {
        'logits': second.network.logits.kernel.numpy(),
        'classifier': second.network.classifier.kernel.numpy(),
        'sgc': second.sgc.output_convolution.kernel.numpy(),
    }
    said = run_weights.load_run(second, str(tmp_path), 'last')
    assert 'Classes of the run: ground, light, dark; new: new.' in said
    before, after = first.network.logits, second.network.logits
    np.testing.assert_array_equal(after.kernel[..., :2], tf.gather(before.kernel, [0, 2], axis=-1))
    np.testing.assert_array_equal(after.kernel[..., 3], before.kernel[..., 1])
    np.testing.assert_array_equal(after.kernel[..., 2], fresh['logits'][..., 2])
    np.testing.assert_array_equal(after.bias.numpy()[[0, 1, 3]], before.bias.numpy()[[0, 2, 1]])
    before, after = first.network.classifier.kernel, second.network.classifier.kernel
    np.testing.assert_array_equal(after.numpy()[:, [0, 2]], before.numpy()[:, [1, 0]])
    np.testing.assert_array_equal(after[:, 1], fresh['classifier'][:, 1])
    before, after = (m.sgc.output_convolution.kernel.numpy() for m in (first, second))
    np.testing.assert_array_equal(
        after[np.ix_([0, 1, 3], [0, 1, 3])], before[np.ix_([0, 2, 1], [0, 2, 1])]
    )
    np.testing.assert_array_equal(after[2], fresh['sgc'][2])


def test_a_part_of_other_shapes_starts_fresh_as_a_whole(tiny, tmp_path):
    first = make(tiny, tiny.supervised, value=0.5)
    save(tmp_path, first)
    second = make(tiny, tiny.pseudoseg, decoder_filters=8)
    before = second.network.decoder[0].variables[0].numpy()
    said = run_weights.load_run(second, tmp_path)
    assert 'Start fresh: decoder, logits, sgc/batch_norm, sgc/key' in said
    np.testing.assert_array_equal(second.network.decoder[0].variables[0], before)
    for one, other in zip(first.network.aspp.variables, second.network.aspp.variables, strict=True):
        if 'updates' not in one.name:
            np.testing.assert_array_equal(one, other)


def start(method, folder):
    """Starts a method from a run, as training does."""
    said = method.import_weights(functools.partial(run_weights.load_run, folder=folder))
    return [n.logits.kernel.numpy() for n in (method.network, method.second_network) if n], said


def test_from_a_teacher(tiny, tmp_path):
    """Each method starts from the teacher, with which the run was evaluated."""
    first = make(tiny, MeanTeacher, value=0.5)
    save(tmp_path, first)
    teacher = first.teacher.logits.kernel.numpy()
    assert np.any(teacher != first.network.logits.kernel)
    for kind in (tiny.supervised, MeanTeacher, CPS):
        kernels, said = start(make(tiny, kind), tmp_path)
        np.testing.assert_array_equal(kernels[0], teacher)
        if kind is MeanTeacher:
            np.testing.assert_array_equal(kernels[1], teacher)
            assert said.endswith(
                'Start fresh: nothing. Classes of the run: ground, dark, light; '
                'new: none. The teacher starts as the student.'
            )
        if kind is CPS:
            assert np.any(kernels[1] != teacher)


def test_both_networks_of_cps_start_from_a_run_of_one(tiny, tmp_path):
    """With all of it they would be equal, and learn nothing of each other."""
    save(tmp_path, make(tiny, tiny.supervised, value=0.5))
    method = make(tiny, CPS)
    (first, second), said = start(method, tmp_path)
    assert np.any(first != second)
    pairs = zip(
        method.network.backbone.variables, method.second_network.backbone.variables, strict=True
    )
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    assert 'Start fresh: nothing.' in said
    assert said.endswith('with the same backbone; its other layers start fresh.')


def test_both_networks_of_cps_come_back(tiny, tmp_path):
    """Those of known classes by name, and each backbone its own."""
    first = make(tiny, CPS, value=0.5)
    save(tmp_path, first)
    second = make(tiny, CPS, info_of('ground', 'light', 'dark'))
    kernels, said = start(second, tmp_path)
    assert said.endswith('new: none.') and 'Start fresh: nothing.' in said
    for network, kernel in zip((first.network, first.second_network), kernels, strict=True):
        np.testing.assert_array_equal(kernel, tf.gather(network.logits.kernel, [0, 2, 1], axis=-1))
    for name in ('network', 'second_network'):
        pairs = zip(*(getattr(m, name).backbone.variables for m in (first, second)), strict=True)
        for one, other in pairs:
            if 'updates' not in one.name:
                np.testing.assert_array_equal(one, other)


def test_averages_of_a_run_start_a_student_and_its_teacher(tiny, tmp_path):
    first = make(tiny, tiny.supervised, average_decay=0.9, value=0.5)
    save(tmp_path, first)
    (student, teacher), said = start(make(tiny, MeanTeacher), tmp_path)
    place = [v is first.network.logits.kernel for v in first.trainable_variables].index(True)
    np.testing.assert_array_equal(student, first.averages[place])
    np.testing.assert_array_equal(teacher, student)
    assert ', as averages: ' in said


def test_what_cannot_be_loaded_is_a_sentence(tiny, tmp_path):
    method = make(tiny, tiny.supervised)
    with pytest.raises(FileNotFoundError, match='nowhere is not the folder of a run'):
        run_weights.load_run(method, tmp_path / 'nowhere')
    folder = save(tmp_path / 'run', method, 'last')
    with pytest.raises(FileNotFoundError, match=r"set run_weights.load_run.checkpoint = 'last'"):
        run_weights.load_run(method, folder)
    with pytest.raises(ValueError, match="checkpoint is 'newest'"):
        run_weights.load_run(method, folder, 'newest')
    other = dataclasses.replace(CLASSES)
    backbone = tiny.make_network.keywords['make_backbone']
    wide = make(tiny, tiny.supervised, other, make_backbone=lambda: backbone(filters=(16, 16, 8)))
    before = [v.numpy() for v in wide.variables]
    with pytest.raises(ValueError, match=r'is another one .* there and .* here'):
        run_weights.load_run(wide, folder, 'last')
    for value, variable in zip(before, wide.variables, strict=True):
        np.testing.assert_array_equal(value, variable)
    index = folder / 'checkpoints' / 'last' / 'ckpt-3.index'
    index.write_bytes(index.read_bytes()[:20])
    with pytest.raises(ValueError, match='ckpt-3 is damaged or cut off'):
        run_weights.load_run(method, folder, 'last')
    for content in ('{', '[]', json.dumps({'class_names': 3, 'has_background': True})):
        (folder / 'dataset.json').write_text(content)
        with pytest.raises(ValueError, match=r'dataset\.json is damaged'):
            run_weights.load_run(method, folder, 'last')
    shutil.rmtree(folder)
