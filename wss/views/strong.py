"""Further augmentations of the strong view: by name, or a user's own functions."""

import inspect
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from wss.settings import callables
from wss.views import addons

# From float32 `[h, w, 3]` in 0..1 and a seed, int64 `[2]`, to such an image. It keeps shape and
# type, and takes all randomness from the seed (`tf.random.stateless_uniform` and the like).
Augmentation = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

_SLACK = 1e-3  # Rounding may leave 0..1 by as much.


def function(augmentation: str | Augmentation) -> Augmentation:
    """Returns the function that a name of `addons` stands for; a function as it is."""
    return augmentation if callable(augmentation) else addons.AUGMENTATIONS[augmentation]


def check(augmentations: Sequence[str | Augmentation], crop_size: tuple[int, int]) -> None:
    """Checks that all augmentations can be used on crops of a size; tries functions on noise.

    Args:
        augmentations: Names of `addons`, and functions.
        crop_size: `(h, w)`.

    Raises:
        ValueError: If a name is unknown, tensorflow-addons is needed and missing, or a function
            does not keep to what an `Augmentation` must do.
    """
    addons.check(tuple(one for one in augmentations if not callable(one)))
    for one in augmentations:
        if callable(one):
            _check_function(one, crop_size)


def _check_function(augment, crop_size):
    own = f'Views.strong has {getattr(augment, "__name__", type(augment).__name__)}, which'
    shape = (*crop_size, 3)
    try:
        inspect.signature(augment).bind('image', 'seed')
    except (TypeError, ValueError) as error:
        raise ValueError(f'{own} must take an image and a seed: {error}.') from error
    seed = tf.zeros([2], tf.int64)
    callables.check('Views.strong', augment, 'a function of an image and a seed', seed, seed)
    with tf.device('CPU'):
        image = tf.random.stateless_uniform(shape, [0, 1])
        for seed in range(2):
            first, again = (augment(image, tf.constant([2, seed], tf.int64)) for _ in range(2))
            if not tf.is_tensor(first):
                raise ValueError(
                    f'{own} must return a tensor; it returned a {type(first).__name__}.'
                )
            if first.dtype != tf.float32 or first.shape != shape:
                raise ValueError(
                    f'{own} must keep shape and type of the image: it made {first.dtype.name} '
                    f'{first.shape.as_list()} of float32 {list(shape)}.'
                )
            low, high = float(tf.reduce_min(first)), float(tf.reduce_max(first))
            if not (low >= -_SLACK and high <= 1 + _SLACK):
                raise ValueError(
                    f'{own} must return values in 0..1; it returned {low:.6g}..{high:.6g}.'
                )
            if not np.array_equal(first, again):
                raise ValueError(
                    f'{own} must give the same image for the same seed; take random numbers from '
                    'the seed, as tf.random.stateless_uniform does.'
                )
