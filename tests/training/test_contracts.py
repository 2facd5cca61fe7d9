"""Parts that break their contract: the sentence, and that nothing is written before it."""

import dataclasses
import functools
import types

import pytest
import tensorflow as tf
import tf_keras as keras

from wss.configuration import sentences
from wss.devices.compute import Compute
from wss.methods.method import Method
from wss.methods.supervised import Supervised
from wss.networks.deeplab import DeepLabV3Plus
from wss.networks.layers import ConvBatchNorm
from wss.networks.network import Network
from wss.training import contracts
from wss.views.views import Views


def sentence(experiment, workdir):
    """What a user is told about an experiment that cannot be trained."""
    with pytest.raises(ValueError) as raised:
        experiment.train(workdir)
    return sentences.user_sentence(raised.value)


def refused(experiment, tmp_path):
    text = sentence(experiment, tmp_path / 'run')
    assert not (tmp_path / 'run').exists()
    return text


class Wrapped:
    """A dataset whose attributes tests replace."""

    def __init__(self, dataset, **attributes):
        self.info, self.examples = dataset.info, dataset.examples
        vars(self).update(attributes)


def changed_load(dataset, change):
    """`examples` of a dataset whose `load` returns something else."""

    def examples(split, labels='required', ids=None):
        found = dataset.examples(split, labels, ids)
        return dataclasses.replace(found, load=lambda index: change(found.load(index)))

    return examples


@pytest.mark.parametrize(
    ('attributes', 'message'),
    [
        ({'info': {'classes': 3}}, 'whose info is a dict; it must be a DatasetInfo'),
        (
            {'examples': lambda split, labels='required': None},
            "whose examples must take split, labels and ids: got an unexpected keyword argument 'i",
        ),
        (
            {'examples': lambda split, labels='required', ids=None: [1, 2]},
            "Wrapped.examples('train') must return Examples (wss/datasets/examples.py); it retur"
            'ned a list.',
        ),
    ],
)
def test_datasets(tiny, tmp_path, attributes, message):
    make_dataset = functools.partial(Wrapped, tiny.make_dataset(), **attributes)
    assert message in refused(tiny.experiment(make_dataset=make_dataset), tmp_path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda example: example['image'], 'load must return a dict; it returned TensorSpec'),
        (lambda example: {'image': example['image']}, 'load must return id; it returned image.'),
        (
            lambda example: example | {'image': tf.cast(example['image'], tf.float32)},
            'load must return image as uint8 [None, None, 3]; it returned float32 (33, 33, 3).',
        ),
        (
            lambda example: example | {'label': example['label'][..., tf.newaxis]},
            'load must return label as int32 [None, None]; it returned int32 (33, 33, 1).',
        ),
    ],
)
def test_examples(tiny, tmp_path, change, message):
    dataset = tiny.make_dataset()
    wrapped = Wrapped(dataset, examples=changed_load(dataset, change))
    text = refused(tiny.experiment(make_dataset=lambda: wrapped), tmp_path)
    assert text == f"Wrapped.examples('train'): {message}" or message in text


class Bare(keras.layers.Layer):
    """A backbone of one block, and nothing else."""

    padding_value = (0.0, 0.0, 0.0)
    output_stride = 8
    blocks = ('last',)

    def __init__(self, is_dict=True, **attributes):
        super().__init__(autocast=False)
        self.convolution = ConvBatchNorm(8, stride=8)
        self.is_dict = is_dict
        for name, value in attributes.items():
            setattr(self, name, value)

    def call(self, images, training=False):
        maps = self.convolution(images, training=training)
        return {'last': maps} if self.is_dict else maps


class NoStride(keras.layers.Layer):
    padding_value, blocks = (0.0, 0.0, 0.0), ('last',)


@pytest.mark.parametrize(
    ('make_backbone', 'message'),
    [
        (
            Bare,
            "Bare, which returns no feature map 'stride_4', which DeepLabV3Plus needs; it ",
        ),
        (functools.partial(Bare, False), 'Bare, which returns a '),
        (functools.partial(Bare, blocks=('last', 'next')), "no feature map 'stride_4'"),
        (functools.partial(Bare, blocks=()), 'Bare whose blocks is (); it must be the keys of'),
        (functools.partial(Bare, padding_value=3), 'whose padding_value is 3; it must be the RGB'),
        (functools.partial(Bare, output_stride=0), 'whose output_stride is 0; it must be the pix'),
        (NoStride, 'NoStride, which has no output_stride (the pixels between features of the la'),
        (lambda: types.SimpleNamespace(), 'a SimpleNamespace, which has no padding_value (the RGB'),
    ],
)
def test_backbones(tiny, tmp_path, make_backbone, message):
    make_network = functools.partial(tiny.make_network, make_backbone=make_backbone)
    text = refused(tiny.experiment(make_network=make_network), tmp_path)
    assert text.startswith('DeepLabV3Plus.make_backbone')
    assert message in text and '\n' not in text


def test_an_output_stride_without_rates(tiny, tmp_path):
    make_network = functools.partial(
        DeepLabV3Plus, make_backbone=functools.partial(Bare, output_stride=4)
    )
    text = refused(tiny.experiment(make_network=make_network), tmp_path)
    assert text == (
        'DeepLabV3Plus has no atrous rates for output stride 4 of its backbone; set '
        'DeepLabV3Plus.aspp_rates.'
    )


class NoDecode(Network):
    def __init__(self, **options):
        super().__init__(**options, make_backbone=Bare)
        self.logits = self.classifier = keras.layers.Dense(2)


class NoLogits(Network):
    def __init__(self, **options):
        super().__init__(**options, make_backbone=Bare)

    def decode(self, features, size, training=False):
        return features[self.last_block]


@pytest.mark.parametrize(
    ('make_network', 'message'),
    [
        (NoDecode, 'it made a NoDecode, which has no decode.'),
        (NoLogits, 'it made a NoLogits, which has no logits.'),
        (lambda **_: keras.layers.Dense(3), 'it made a Dense, which has no backbone.'),
    ],
)
def test_networks(tiny, tmp_path, make_network, message):
    text = refused(tiny.experiment(make_network=make_network), tmp_path)
    assert text == f'Experiment.make_network must make a network; {message}'


class NoLosses(Method):
    pass


class Returns(Method):
    """A method that returns what it is told to."""

    def __init__(self, network, info, returned):
        super().__init__(network, info)
        self.returned = returned

    def compute_losses(self, labelled, unlabelled):
        mean = tf.reduce_mean(labelled['image'])
        return {
            'a tensor': mean,
            'nothing': {},
            'numbers': {'loss': 3.0},
            'pixels': {'fine': mean, 'loss': labelled['valid']},
            'half': {'loss': tf.cast(mean, tf.float16)},
        }[self.returned]


@pytest.mark.parametrize(
    ('make_method', 'message'),
    [
        (NoLosses, 'it made a NoLosses, which has no compute_losses.'),
        (lambda network, info: network, 'it made a DeepLabV3Plus, which is not a subclass of Met'),
    ],
)
def test_methods(tiny, tmp_path, make_method, message):
    text = refused(tiny.experiment(make_method=make_method), tmp_path)
    assert text.startswith('Experiment.make_method must make a method; ') and message in text


@pytest.mark.parametrize(
    ('returned', 'message'),
    [
        ('a tensor', '; it returned a '),
        ('nothing', '; it returned an empty one.'),
        ('numbers', "; 'loss' is a float, not a tensor."),
        ('pixels', ", each a float32 scalar; 'loss' is float32 (2, 33, 33)."),
        ('half', ", each a float32 scalar; 'loss' is float16 ()."),
    ],
)
def test_losses(tiny, tmp_path, returned, message):
    make_method = functools.partial(Returns, returned=returned)
    text = refused(tiny.experiment(make_method=make_method), tmp_path)
    assert text.startswith(f'Returns.compute_losses must return a dict of losses by name{message}')
    assert '\n' not in text


class NoNeed(Method):
    def compute_losses(self, labelled, unlabelled):
        return {'loss': tf.reduce_mean(unlabelled['weak'])}


def test_unlabelled_images_that_are_not_asked_for(tiny, tmp_path):
    text = refused(tiny.experiment(make_method=NoNeed), tmp_path)
    assert text == (
        'NoNeed.compute_losses reads unlabelled images, but is given None: set needs_unlabelled = '
        'True in NoNeed.'
    )


class SetsNothing(NoLosses):
    compute_losses = NoNeed.compute_losses

    def __init__(self, network, info):
        pass


class SetsNumbers(SetsNothing):
    def __init__(self, network, info):
        self.weight = 1


class SetsLayers(SetsNothing):
    def __init__(self, network, info):
        self.network = network


class BareBackbone(Bare):
    def __init__(self):
        self.width = 3


class BareNetwork(NoDecode):
    def __init__(self, num_classes, num_image_classes):
        self.backbone = Bare()


@pytest.mark.parametrize('make', [SetsNothing, SetsNumbers, SetsLayers])
def test_constructors_of_methods_that_forget_the_base_class(tiny, tmp_path, make):
    text = refused(tiny.experiment(make_method=make), tmp_path)
    assert text.startswith(f'{make.__name__}.__init__ must call super().__init__(...) before')


def test_constructors_of_networks_that_forget_the_base_class(tiny, tmp_path):
    text = refused(tiny.experiment(make_network=BareNetwork), tmp_path)
    assert text.startswith('BareNetwork.__init__ must call super().__init__(...) before')
    make_network = functools.partial(tiny.make_network, make_backbone=BareBackbone)
    text = refused(tiny.experiment(make_network=make_network), tmp_path)
    assert text.startswith('BareBackbone.__init__ must call super().__init__(...) before')


class CoarseLogits(DeepLabV3Plus):
    def __init__(self, num_classes, num_image_classes, **options):
        super().__init__(num_classes, num_image_classes, **options)
        self.logits = keras.layers.Conv2D(num_classes, 1)


def test_last_layers_that_are_not_float32(tiny, tmp_path):
    make_network = functools.partial(CoarseLogits, **tiny.make_network.keywords)
    experiment = dataclasses.replace(
        tiny.experiment(make_network=make_network), compute=Compute('mixed_bfloat16')
    )
    try:
        text = refused(experiment, tmp_path)
    finally:
        keras.mixed_precision.set_global_policy('float32')
    assert text == (
        'CoarseLogits.logits computes in bfloat16, which is too coarse for logits; make the layer '
        "with dtype='float32'."
    )


def test_optimisers(tiny, tmp_path):
    experiment = tiny.experiment()
    experiment = dataclasses.replace(experiment, make_optimiser=lambda steps: steps)
    text = refused(experiment, tmp_path)
    assert text.startswith('Experiment.make_optimiser must make an optimiser; it made a int, which')


def test_views(tiny, tmp_path):
    experiment = tiny.experiment(make_views=lambda: types.SimpleNamespace())
    text = refused(experiment, tmp_path)
    assert text == (
        'Data.make_views must make views; it made a SimpleNamespace, which has no crop_size.'
    )


def test_parts_are_checked_for_evaluation_too(trained, tiny):
    dataset = tiny.make_dataset()
    wrong = Wrapped(dataset, examples=lambda split, labels='required', ids=None: None)
    data = dataclasses.replace(trained.experiment.data, make_dataset=lambda: wrong)
    experiment = dataclasses.replace(trained.experiment, data=data)
    with pytest.raises(ValueError, match=r'must return Examples.*a NoneType'):
        experiment.evaluate(trained.workdir)


def test_an_optimiser_need_not_take_a_first_step_of_0():
    def make(steps):
        return steps

    assert contracts.optimiser_for(make, rate_factor=None, first_step=0)(steps=3) == 3
    with pytest.raises(ValueError, match=r'takes no first_step, which Schedule\.extend needs'):
        contracts.optimiser_for(make, rate_factor=None, first_step=2)


def test_a_first_step_of_0_is_given_so_that_it_is_no_setting_of_the_run():
    def make(steps, first_step=None):
        return steps, first_step

    assert contracts.optimiser_for(make, first_step=0)(steps=3) == (3, 0)


def strong_views(tiny, make_method, count=2, **options):
    make_views = functools.partial(Views, crop_size=(33, 33), cutout_half_size=4, **options)
    return tiny.experiment(
        make_method=make_method, make_views=make_views, unlabelled_batch_size=count
    )


class OneView(Supervised):
    needs_unlabelled = True

    def compute_losses(self, labelled, unlabelled):
        return super().compute_losses(labelled, None)


class TwoViews(OneView):
    strong_views = 2


def test_boxes_for_a_method_that_does_not_mix(tiny, tmp_path):
    text = refused(strong_views(tiny, OneView, cutmix_probability=0.5), tmp_path)
    assert text.startswith(
        'Views.cutmix_probability is above 0, but OneView does not mix images: set it to 0, or'
    )


def test_boxes_without_another_image(tiny, tmp_path):
    text = refused(strong_views(tiny, tiny.pseudoseg, 1, cutmix_probability=0.5), tmp_path)
    assert 'a batch has one unlabelled image a replica and none to mix it with' in text


def test_too_few_strong_views(tiny, tmp_path):
    text = refused(strong_views(tiny, TwoViews), tmp_path)
    assert text == 'TwoViews learns from two strong views: set Views.strong_views = 2.'


def test_boxes_do_not_matter_to_a_method_of_labelled_images(tiny, tmp_path):
    strong_views(tiny, Supervised, cutmix_probability=0.5).train(tmp_path / 'run')
