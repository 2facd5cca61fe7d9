"""Further strong augmentations, from tensorflow-addons; the only file that imports it.

Each takes float32 `[h, w, 3]` in 0..1 and a seed and returns such an image. They see the whole crop
with its padding; `Views` writes the padding back afterwards.
"""

import warnings

import tensorflow as tf

# gaussian_filter2d builds its kernel in Python, so sigma cannot be a tensor: one branch a value.
SIGMAS = (0.5, 1.0, 1.5, 2.0)
SHARPNESS = (0.1, 1.9)


def _addons():
    with warnings.catch_warnings():
        # At its import it warns that its development has ended.
        warnings.simplefilter('ignore')
        import tensorflow_addons

    return tensorflow_addons


def gaussian_blur(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Blurs with a standard deviation of 0.5, 1, 1.5 or 2 pixels."""
    filter2d = _addons().image.gaussian_filter2d
    branches = []
    for sigma in SIGMAS:
        side = 2 * int(3 * sigma + 0.5) + 1
        branches.append(lambda side=side, sigma=sigma: filter2d(image, (side, side), sigma))
    choice = tf.random.stateless_uniform([], seed, maxval=len(SIGMAS), dtype=tf.int32)
    return tf.switch_case(choice, branches)


def equalize(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Equalises the histogram of each channel."""
    del seed
    levels = tf.cast(tf.round(tf.clip_by_value(image, 0.0, 1.0) * 255.0), tf.uint8)
    return tf.cast(_addons().image.equalize(levels), tf.float32) / 255.0


def sharpness(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Blurs (factor below 1) or sharpens (above 1), the factor uniform in 0.1..1.9."""
    factor = tf.random.stateless_uniform([], seed, *SHARPNESS)
    return tf.clip_by_value(_addons().image.sharpness(image, factor), 0.0, 1.0)


AUGMENTATIONS = {'gaussian_blur': gaussian_blur, 'equalize': equalize, 'sharpness': sharpness}


def check(names: tuple[str, ...]):
    """Checks that all `names` are augmentations of this file and can be used.

    Raises:
        ValueError: If a name is unknown, or if tensorflow-addons cannot be imported.
    """
    unknown = [name for name in names if name not in AUGMENTATIONS]
    if unknown:
        raise ValueError(
            f'Views.strong has the unknown augmentation {unknown[0]!r}; known are '
            f'{", ".join(AUGMENTATIONS)}, and functions.'
        )
    if not names:
        return
    try:
        _addons()
    # An installed but unsuited version fails in more ways than ImportError.
    except Exception as error:
        raise ValueError(
            f'Views.strong = {names[0]!r} needs tensorflow-addons, which cannot be imported '
            f'({error}). Install tensorflow-addons 0.23 with TensorFlow 2.15 (Python 3.10 or '
            '3.11), or leave Views.strong empty.'
        ) from error
