"""Import of TensorFlow 1 checkpoints, on a network of the family's shape with few channels."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.methods.losses import SupervisedLoss
from wss.methods.pseudoseg import PseudoSeg
from wss.methods.supervised import Supervised
from wss.methods.update import Update
from wss.networks.backbones import resnet_v1
from wss.networks.backbones.resnet_v1 import ResNetV1
from wss.networks.backbones.small import SmallResNet
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.weights import tf1_checkpoint, tf1_names

TINY = functools.partial(ResNetV1, 'tiny_beta')


@pytest.fixture(scope='module', autouse=True)
def tiny_family():
    """Adds a ResNet of five units of few channels, `tiny_beta`, to the family."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet_v1, '_WIDTHS', (4, 8, 12, 16))
        variant = resnet_v1.Variant('tiny', (2, 1, 1, 1), True, (1, 2, 4))
        patch.setitem(resnet_v1.VARIANTS, 'tiny_beta', variant)
        yield


def make(kind=PseudoSeg, classes=3, make_backbone=TINY, update=None, **more):
    names = tuple(f'class {i}' for i in range(classes))
    info = DatasetInfo('tiny', names, ((0, 0, 0),) * classes)
    network = DeepLabV3Plus(classes, classes - 1, make_backbone, 8, 8, 8, aspp_rates=(1, 2, 3))
    if kind is PseudoSeg:
        more = {'attention_width': 4, **more}
    method = kind(network, info, **more)
    method.set_recipe(update or Update(), SupervisedLoss())
    method.build_variables((33, 33))
    return method


@pytest.fixture(scope='module')
def shared():
    """A method that tests read names and shapes of, and change as they like."""
    return make()


def variables_of(method):
    """`{name in the file: variable}`."""
    parts = tf1_names.variable_names(method.network, getattr(method, 'sgc', None))
    return {name: variable for part in parts.values() for name, variable in part.items()}


def values_for(method, seed=0):
    """Values for every variable of a method by the name in the file, in the file's shapes."""
    random = np.random.default_rng(seed)
    values = {}
    for name, variable in variables_of(method).items():
        shape = tuple(variable.shape)
        if name.endswith('/weights') and len(shape) == 2:
            shape = (1, 1, *shape)  # Linear layers are 1x1 convolutions there.
        values[name] = random.normal(size=shape).astype(np.float32)
    return values


def write(prefix, values):
    """Writes a checkpoint of one shard; returns its prefix."""
    prefix = str(prefix)
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(values),
        shape_and_slices=[''] * len(values),
        tensors=list(values.values()),
    )
    return prefix


def without(values, *starts):
    return {name: value for name, value in values.items() if not name.startswith(starts)}


def snapshot(method):
    return [variable.numpy() for variable in method.variables]


def assert_unchanged(method, before):
    for variable, value in zip(method.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def assert_loaded(method, values, *but):
    """Checks that every variable has its value, but for names that start with one of `but`."""
    for name, variable in variables_of(method).items():
        if not name.startswith(but or ('?',)):
            np.testing.assert_array_equal(variable, values[name].reshape(variable.shape), name)


def refused(method, path, message, load=tf1_checkpoint.load_model, error=ValueError, **options):
    before = snapshot(method)
    with pytest.raises(error, match=message):
        load(method, path, **options)
    assert_unchanged(method, before)


HEADS = ('aspp', 'image_pooling', 'concat_projection', 'decoder/', 'logits/')
SGC = ('hyper_column', 'pixel_normalization')


@pytest.fixture
def log(monkeypatch):
    """What loading returns, in order."""

    class Said:
        text = property(lambda self: '\n'.join(self.messages))

    said, load = Said(), tf1_checkpoint._load
    said.messages = []

    def noted(*arguments, **options):
        said.messages.append(load(*arguments, **options))
        return said.messages[-1]

    monkeypatch.setattr(tf1_checkpoint, '_load', noted)
    return said


def test_an_imagenet_classifier_gives_its_backbone_alone(tmp_path, log):
    method = make()
    values = without(values_for(method), *HEADS, *SGC)
    values['tiny/logits/weights'] = np.ones([1, 1, 64, 1001], np.float32)
    values['tiny/logits/biases'] = np.ones([1001], np.float32)
    before = {name: variable.numpy() for name, variable in variables_of(method).items()}
    path = write(tmp_path / 'model.ckpt', values)
    tf1_checkpoint.load_backbone(method, path)
    fresh = (*HEADS, *SGC, 'tiny/logits')
    assert_loaded(method, values, *fresh)
    for name, variable in variables_of(method).items():
        if name.startswith(fresh):
            np.testing.assert_array_equal(variable, before[name])
    # Stem, three convolutions of five units and four shortcuts, of five variables each.
    assert log.messages == [
        f'Loaded from {path}: backbone ({5 * (3 + 15 + 4)} variables). '
        'Start fresh: decoder, logits, classifier, sgc. '
        'Not used of the file: tiny/logits/biases, tiny/logits/weights; '
        'and 0 values of optimiser, step counter and averages.'
    ]


def test_a_whole_model_as_a_training_program_leaves_it(tmp_path, shared, log):
    """Written by TensorFlow 1's own classes, with slots, averages and the step."""
    values, path = values_for(shared), str(tmp_path / 'model.ckpt')
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        v1 = tf.compat.v1
        variables = [
            v1.get_variable(name, initializer=value, use_resource=False)
            for name, value in values.items()
        ]
        step = v1.train.create_global_step()
        loss = tf.add_n([tf.reduce_sum(variable) for variable in variables])
        optimiser = v1.train.MomentumOptimizer(0.1, 0.9)
        update = optimiser.minimize(loss, step, variables)
        with tf.control_dependencies([update]):
            update = tf.train.ExponentialMovingAverage(0.9).apply(variables)
        session.run(v1.variables_initializer(variables))  # The averages start from their values.
        session.run(v1.global_variables_initializer())
        session.run(update)
        trained = dict(zip(values, session.run(variables), strict=True))
        v1.train.Saver().save(session, path, write_meta_graph=True)
    tf1_checkpoint.load_model(shared, path)
    assert_loaded(shared, trained)
    (said,) = log.messages
    assert 'Start fresh: nothing. Not used of the file: nothing' in said
    assert f'and {2 * len(values) + 1} values of optimiser, step counter and averages' in said
    counts = {part: int(n) for part, n in re.findall(r'(\w+) \((\d+) variables\)', said)}
    assert sum(counts.values()) == len(values)
    assert {p: counts[p] for p in ('logits', 'classifier', 'sgc')} == {
        'logits': 2,
        'classifier': 2,
        'sgc': 6,  # Query, key, the last convolution; beta and two moving statistics.
    }


def test_several_shards_and_every_way_to_name_them(tmp_path, shared):
    values = values_for(shared)
    names = list(values)
    folder = tmp_path / 'folder'
    folder.mkdir()
    parts = [
        write(tmp_path / f'part{i}', {name: values[name] for name in names[i::2]}) for i in (0, 1)
    ]
    prefix = str(folder / 'model.ckpt-300')
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=prefix)
    assert sorted(path.name for path in folder.iterdir()) == [
        'model.ckpt-300.data-00000-of-00002',
        'model.ckpt-300.data-00001-of-00002',
        'model.ckpt-300.index',
    ]
    paths = (prefix, f'{prefix}.index', f'{prefix}.data-00001-of-00002', str(folder), folder)
    for path in paths:
        for variable in variables_of(shared).values():
            variable.assign(tf.zeros_like(variable))
        tf1_checkpoint.load_model(shared, path)
        assert_loaded(shared, values)


def test_a_shard_that_is_missing_or_cut_off(tmp_path, shared):
    prefix = write(tmp_path / 'model.ckpt', values_for(shared))
    data = tmp_path / 'model.ckpt.data-00000-of-00001'
    data.write_bytes(data.read_bytes()[:-1000])
    refused(shared, prefix, r'model\.ckpt cannot be read: ')
    data.unlink()
    refused(shared, prefix, r'model\.ckpt cannot be read: ')


def test_the_old_format_of_one_file(tmp_path, shared):
    values, path = values_for(shared), str(tmp_path / 'old.ckpt')
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        for name, value in values.items():
            tf.compat.v1.get_variable(name, initializer=value, use_resource=False)
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V1)
        saver.save(session, path, write_meta_graph=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['checkpoint', 'old.ckpt']
    for given in (path, tmp_path):
        for variable in variables_of(shared).values():
            variable.assign(tf.zeros_like(variable))
        tf1_checkpoint.load_model(shared, given)
        assert_loaded(shared, values)


def test_names_behind_a_scope(tmp_path, shared, log):
    values = {f'tower/net/{name}': value for name, value in values_for(shared).items()}
    values['tower/step'] = np.int64(5)
    path = write(tmp_path / 'model.ckpt', values)
    for options in ({}, {'scope': 'tower/net'}, {'scope': 'tower/net/'}):
        for variable in variables_of(shared).values():
            variable.assign(tf.zeros_like(variable))
        tf1_checkpoint.load_model(shared, path, **options)
        assert_loaded(shared, values_for(shared))
        said = log.messages[-1]
        assert 'model.ckpt (its names begin with tower/net/): ' in said
        assert 'Not used of the file: tower/step;' in said
    refused(shared, path, r"begins with the scope 'tour/'\. The names are tower/net/", scope='tour')
    refused(shared, path, 'lacks 110 of 110 variables of the backbone', scope='tower')


def test_two_models_in_one_file(tmp_path, shared, log):
    first, second = values_for(shared, 1), values_for(shared, 2)
    values = first | {f'copy/{name}': value for name, value in second.items()}
    path = write(tmp_path / 'model.ckpt', values)
    tf1_checkpoint.load_model(shared, path)
    assert_loaded(shared, first)
    # Ten names and a count stand for a long list.
    (listed,) = re.findall(r'Not used of the file: (.+) in all\)', log.messages[0])
    assert listed.startswith('copy/aspp0/BatchNorm/beta, copy/')
    assert f' and {len(first) - 10} more ({len(first)}' in listed
    assert listed.count('copy/') == 10
    tf1_checkpoint.load_model(shared, path, scope='copy')
    assert_loaded(shared, second)
    assert f'({len(first)} in all)' in log.messages[1]  # Those outside the scope, here.


def test_a_supervised_model_leaves_sgc_fresh(tmp_path, log):
    method = make()
    values = without(values_for(method), *SGC)
    before = [variable.numpy() for variable in method.sgc.variables]
    tf1_checkpoint.load_model(method, write(tmp_path / 'model.ckpt', values))
    assert_loaded(method, values, *SGC)
    for variable, value in zip(method.sgc.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert 'Start fresh: sgc. Not used of the file: nothing' in log.text


def test_a_model_without_classifier_as_deeplab_publishes_them(tmp_path, shared, log):
    values = without(values_for(shared), *SGC, 'tiny/logits')
    tf1_checkpoint.load_model(shared, write(tmp_path / 'model.ckpt', values))
    assert_loaded(shared, values, *SGC, 'tiny/logits')
    assert 'Start fresh: classifier, sgc.' in log.text


def test_a_supervised_method_says_that_it_has_no_use_for_sgc(tmp_path, shared, log):
    method, values = make(Supervised), values_for(shared)
    tf1_checkpoint.load_model(method, write(tmp_path / 'model.ckpt', values))
    assert_loaded(method, values)
    assert (
        'Not used of the file: hyper_column/key/weights, hyper_column/query/weights, ' in log.text
    )
    assert 'sgc' not in log.text


def test_parts_of_a_part(tmp_path, shared):
    values = values_for(shared)
    path = write(tmp_path / 'sgc', without(values, 'hyper_column/query', 'pixel_normalization/B'))
    message = (
        r'lacks 4 of 6 variables of the sgc: hyper_column/query/weights, .*last_layers = False'
    )
    refused(shared, path, message)
    path = write(tmp_path / 'decoder', without(values, 'aspp2_depthwise'))
    message = r'lacks 5 of \d+ variables of the decoder: aspp2_depthwise/\S+, .*use load_backbone'
    refused(shared, path, message)
    path = write(tmp_path / 'logits', without(values, 'logits/semantic'))
    refused(shared, path, 'lacks 2 of 2 variables of the logits: logits/semantic/')
    path = write(tmp_path / 'classifier', without(values, 'tiny/logits/biases'))
    refused(shared, path, 'lacks 1 of 2 variables of the classifier: tiny/logits/biases')
    tf1_checkpoint.load_model(shared, path, last_layers=False)


def test_another_variant_of_sgc(tmp_path, shared):
    path = write(tmp_path / 'model.ckpt', values_for(make(sgc_variant=1)))
    refused(shared, path, r'lacks 3 of 6 .*pixel_normalization/BatchNorm.*made with other options')
    refused(make(attention_width=8), write(tmp_path / 'b', values_for(shared)), 'hyper_column/key')


def test_other_classes(tmp_path, shared, log):
    method = make(classes=5)
    values = values_for(shared)
    path = write(tmp_path / 'model.ckpt', values)
    message = r'logits/semantic/weights is \(1, 1, 8, 3\) in .*last_layers = False'
    refused(method, path, message)
    tf1_checkpoint.load_model(method, path, last_layers=False)
    assert_loaded(method, values, *SGC, 'tiny/logits', 'logits/')
    assert 'Start fresh: logits, classifier, sgc.' in log.text


def file_of(tmp_path, backbone, scope=''):
    """Writes a file with the names of a backbone and values of no use."""
    names = [
        f'{scope}{backbone.scope}/{name}/{which}'
        for name, layer in backbone.convolutions.items()
        for which in (
            'depthwise_weights' if layer.is_depthwise else 'weights',
            *(f'BatchNorm/{n}' for n in ('gamma', 'beta', 'moving_mean', 'moving_variance')),
        )
    ]
    return write(tmp_path / 'foreign.ckpt', dict.fromkeys(names, np.float32([1.0])))


@pytest.mark.parametrize('scope', ['', 'tower/'])
@pytest.mark.parametrize('variant', sorted(tf1_names.variants()))
def test_a_file_of_another_backbone_is_recognised(tmp_path, shared, variant, scope):
    path = file_of(tmp_path, tf1_names.variants()[variant](), scope)
    message = rf'lacks 110 of 110 .*nearest backbone is {variant} \(100% of its layers are there\)'
    refused(shared, path, message, tf1_checkpoint.load_backbone)


def test_backbones_that_differ_in_few_names(tmp_path):
    def wanted(variant):
        return make(Supervised, make_backbone=functools.partial(ResNetV1, variant))

    method = wanted('resnet_v1_50_beta')
    path = file_of(tmp_path, ResNetV1('resnet_v1_50'))
    message = (
        r'lacks 15 of 275 .*: resnet_v1_50/conv1_1/weights, .*nearest backbone is resnet_v1_50 '
    )
    refused(method, path, message, tf1_checkpoint.load_backbone)
    path = file_of(tmp_path, ResNetV1('resnet_v1_101_beta'))
    message = r'lacks 275 of 275 .* and 265 more \(275 in all\)\. .* is resnet_v1_101_beta \(100%'
    refused(method, path, message, tf1_checkpoint.load_backbone)


def test_a_file_of_nothing_known(tmp_path, shared):
    names = {f'vgg_16/conv{i}/weights': np.float32([1]) for i in range(3)}
    path = write(tmp_path / 'model.ckpt', names)
    for load in (tf1_checkpoint.load_backbone, tf1_checkpoint.load_model):
        refused(shared, path, 'It fits none of the backbones', load)


def test_a_wrong_shape_is_named(tmp_path, shared):
    name = 'tiny/block2/unit_1/bottleneck_v1/conv2/weights'
    values = values_for(shared) | {name: np.zeros([3, 3, 8, 9], np.float32)}
    path = write(tmp_path / 'model.ckpt', values)
    message = rf'^{name} is \(3, 3, 8, 9\) in .* and \(3, 3, 8, 8\) in the network; use the network'
    refused(shared, path, message, tf1_checkpoint.load_backbone)


def test_values_that_are_not_finite(tmp_path, shared):
    values = values_for(shared)
    values['tiny/conv1_2/BatchNorm/moving_mean'][3] = np.nan
    path = write(tmp_path / 'model.ckpt', values)
    refused(shared, path, r'^tiny/conv1_2/BatchNorm/moving_mean in .* not finite')


def test_half_precision_is_taken(tmp_path, shared):
    values = {name: value.astype(np.float16) for name, value in values_for(shared).items()}
    tf1_checkpoint.load_model(shared, write(tmp_path / 'model.ckpt', values))
    assert_loaded(shared, values)


def test_a_missing_checkpoint(tmp_path, shared):
    def missing(path, message):
        refused(shared, path, message, error=FileNotFoundError)

    write(tmp_path / 'model.ckpt-30000', {'a': np.float32([1])})
    near = r'There is no checkpoint .*model\.ckpt-3000{}; near to it are model\.ckpt-30000\.$'
    missing(str(tmp_path / 'model.ckpt-3000'), near.format(''))
    missing(str(tmp_path / 'model.ckpt-3000.index'), near.format(r'\.index'))
    advice = r' Unpack it there, or name another path; docs/weights\.md says where .* are\.$'
    missing(str(tmp_path / 'something else'), r'no checkpoint .*something else\.' + advice)
    missing(str(tmp_path / 'nowhere' / 'model.ckpt'), r'no folder .*nowhere\.' + advice)
    write(tmp_path / 'model.ckpt-20000', {'a': np.float32([1])})
    missing(tmp_path, r'holds several checkpoints, model\.ckpt-20000, model\.ckpt-30000; name one')
    (tmp_path / 'empty').mkdir()
    missing(tmp_path / 'empty', r'empty holds no checkpoint')


def test_a_folder_with_the_list_of_another_machine(tmp_path, shared):
    values = values_for(shared)
    write(tmp_path / 'model.ckpt', values)
    (tmp_path / 'checkpoint').write_text('model_checkpoint_path: "/elsewhere/model.ckpt-9"\n')
    tf1_checkpoint.load_model(shared, tmp_path)
    assert_loaded(shared, values)


def test_files_that_are_no_checkpoints(tmp_path, shared):
    text = tmp_path / 'notes.txt'
    text.write_text('no checkpoint')
    refused(shared, text, r'notes\.txt cannot be read: ')
    archive = tmp_path / 'model_2018_01_04.tar.gz'
    archive.write_bytes(b'\x1f\x8b')
    refused(shared, archive, r'tar\.gz is an archive; unpack it')
    (tmp_path / 'model.ckpt.index').write_bytes(b'damaged')
    refused(shared, tmp_path / 'model.ckpt', r'model\.ckpt cannot be read: ')


def test_a_checkpoint_of_tensorflow_2(tmp_path, shared):
    path = tf.train.Checkpoint(method=shared).save(str(tmp_path / 'ckpt'))
    refused(shared, path, r'ckpt-1 is a checkpoint of TensorFlow 2, not 1\..*wss\.export')


def test_a_backbone_of_our_own(tmp_path):
    method = make(Supervised, make_backbone=functools.partial(SmallResNet, (16,) * 4))
    message = 'no TensorFlow 1 checkpoints for the backbone small_resnet; use one of resnet_v1_50,'
    (tmp_path / 'model.ckpt.index').write_bytes(b'')
    refused(method, tmp_path / 'model.ckpt', message)


def test_averages_start_from_the_weights(tmp_path, shared):
    values = values_for(shared)
    method = make(update=Update(average_decay=0.9))
    tf1_checkpoint.load_model(method, write(tmp_path / 'model.ckpt', values))
    method.start_averages()
    method.use_averages()
    assert_loaded(method, values)
