"""What a segmentation network must be, and what can be derived of it."""

import numbers
from collections.abc import Callable, Mapping

import tensorflow as tf
import tf_keras as keras

from wss.networks import resize
from wss.networks.layers import Dropout
from wss.settings import callables

# What experiment and methods use of a network.
NEEDED = (
    'backbone',
    'logits',
    'classifier',
    'last_block',
    'features',
    'decode',
    'classify',
    'decayed_kernels',
    'check_crop_size',
)


class Network(keras.Model):
    """Segmentation logits and image-level logits over one shared backbone.

    A network is a subclass that creates two last layers in its constructor and has a method
    `decode`; all else follows from these and the backbone. The last layers are

    - `logits`: computes the segmentation logits, a layer of `num_classes` channels;
    - `classifier`: computes the image-level logits, a `Dense` layer of `num_image_classes` units.
      Activation maps read its kernel, so it must stand directly on the pooled `last_block`.

    Give both `dtype='float32'`, which keeps logits exact in mixed precision. Further:

        decode(features, size, training=False) -> float [N, h, w, C]

    computes the segmentation logits at any resolution, from the maps of `features` and the
    `(H, W)` of the images, which are integers or, for images of unknown size, an int32 tensor.
    `networks/deeplab.py` is a whole one, `docs/extending.md` has a short one.

    Attributes:
        needed_maps: Feature maps that `decode` reads besides the blocks of the backbone.

    Args:
        num_classes: `C`, the classes of a label map.
        num_image_classes: `K`, the classes of an image-level label (`C - 1` with a background).
        make_backbone: Makes the backbone (see `check_backbone`).
        name: Name of the network; by default that of its class.

    Raises:
        ValueError: If the backbone lacks what a backbone must have.
    """

    needed_maps: tuple[str, ...] = ()

    def __init__(
        self,
        num_classes: int,
        num_image_classes: int,
        make_backbone: Callable[[], keras.layers.Layer],
        name: str | None = None,
    ):
        super().__init__(name=name, autocast=False)
        setting = f'{type(self).__name__}.make_backbone'
        callables.check(setting, make_backbone, 'a class or a function that makes a backbone')
        self.num_classes = num_classes
        self.num_image_classes = num_image_classes
        self.backbone = make_backbone()
        check_backbone(self.backbone, setting)

    @property
    def last_block(self) -> str:
        """Key of the feature map under classifier and activation map."""
        return self.backbone.blocks[-1]

    def features(self, images, training=False) -> dict[str, tf.Tensor]:
        """Runs the backbone on float32 `[N, H, W, 3]` in [0, 255].

        Raises:
            ValueError: If the backbone returns no dict, or lacks a map.
        """
        features = self.backbone(images, training=training)
        own, backbone = type(self).__name__, type(self.backbone).__name__
        if not isinstance(features, Mapping):
            raise ValueError(
                f'{own}.make_backbone made a {backbone}, which returns a '
                f'{type(features).__name__}; it must return a dict of feature maps.'
            )
        for key in (*self.needed_maps, *self.backbone.blocks):
            if key not in features:
                raise ValueError(
                    f'{own}.make_backbone made a {backbone}, which returns no feature map '
                    f'{key!r}, which {own} needs; it returns {", ".join(map(repr, features))}.'
                )
        return features

    def classify(self, features, training=False) -> tf.Tensor:
        """Computes image-level logits, float32 `[N, K]`: global average pool, then linear."""
        del training
        last = tf.cast(features[self.last_block], tf.float32)
        return self.classifier(tf.reduce_mean(last, axis=[1, 2]))

    def call(self, images, training=False):
        """Returns `(decode(...), classify(...))` for float32 `[N, H, W, 3]` in [0, 255]."""
        features = self.features(images, training=training)
        logits = self.decode(features, resize.spatial_size(images), training=training)
        return logits, self.classify(features, training=training)

    def decayed_kernels(self) -> list[tf.Variable]:
        """Kernels under weight decay: convolutions that are not depthwise, and the classifier."""
        return [
            layer.kernel
            for layer in self.submodules
            if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)
            and not isinstance(layer, keras.layers.DepthwiseConv2D)
        ]

    def check_crop_size(self, crop_size) -> None:
        """Checks that training crops of `(height, width)` pixels give a usable feature map.

        Raises:
            ValueError: If a side is below twice the output stride plus 1, which would leave fewer
                than three features a side.
        """
        stride, smallest = self.backbone.output_stride, smallest_crop(self.backbone)[0]
        if min(crop_size) < smallest:
            raise ValueError(
                f'crop_size {tuple(crop_size)} is too small for a network of output stride '
                f'{stride}: each side must be at least {smallest}, and k * {stride} + 1 fits best.'
            )


def smallest_crop(backbone) -> tuple[int, int]:
    """Returns the smallest crop (height, width) that gives three features a side."""
    side = 2 * backbone.output_stride + 1
    return side, side


def same_in_training(part: tf.Module) -> bool:
    """Whether a part computes the same in training mode as in inference mode.

    It does if its batch norm is frozen and it has no dropout or noise.
    """
    noise = Dropout | keras.__internal__.layers.BaseRandomLayer
    norm = keras.layers.BatchNormalization
    return not any(
        isinstance(layer, noise) or (isinstance(layer, norm) and layer.trainable)
        for layer in part.submodules
    )


def check_backbone(backbone, setting: str) -> None:
    """Refuses a backbone without the attributes that a backbone must have.

    A backbone is a layer from float32 images `[N, H, W, 3]` in [0, 255], which it normalises
    itself, to a dict of feature maps float `[N, h, w, D]`. Its attributes are

    - `padding_value`: RGB of padding in 0..255, most often the colour that it normalises to 0;
    - `output_stride`: pixels between neighbouring features of the last block;
    - `blocks`: keys of the maps of its blocks, first to last, all of them in the dict.

    Other maps may be in the dict, too, such as `stride_4`, which DeepLabv3+ needs.

    Args:
        backbone: What the setting made.
        setting: Class and attribute that made it, for the sentence.

    Raises:
        ValueError: If an attribute is missing or has an unsuited value.
    """

    def number(value):
        return isinstance(value, numbers.Real) and 0 <= value <= 255

    def sequence(value, fits):
        return isinstance(value, tuple | list) and len(value) > 0 and all(map(fits, value))

    rules = {
        'padding_value': (
            lambda value: sequence(value, number) and len(value) == 3,
            'the RGB of padding, three numbers in 0..255',
        ),
        'output_stride': (
            lambda value: isinstance(value, int) and value > 0,
            'the pixels between features of the last block, a whole number above 0',
        ),
        'blocks': (
            lambda value: sequence(value, lambda key: isinstance(key, str)),
            'the keys of its feature maps, a tuple of texts',
        ),
    }
    made = type(backbone).__name__
    # Keras sets this in the constructor that all layers share.
    if isinstance(backbone, keras.layers.Layer) and not hasattr(backbone, 'compute_dtype'):
        raise ValueError(
            f'{made}.__init__ must call super().__init__(...) before it sets anything.'
        )
    for name, (fits, rule) in rules.items():
        if not hasattr(backbone, name):
            raise ValueError(
                f'{setting} must make a backbone; it made a {made}, which has no {name} ({rule}).'
            )
        if not fits(getattr(backbone, name)):
            value = getattr(backbone, name)
            raise ValueError(
                f'{setting} made a {made} whose {name} is {value!r}; it must be {rule}.'
            )
    if not callable(backbone):
        raise ValueError(f'{setting} made a {made}, which cannot be called with images.')
