"""Gaussian blur of the strong view, as the rivals of PseudoSeg take it."""

import tensorflow as tf

_REACH = 3.0  # Standard deviations to either side that the kernel covers.


def gaussian_kernel(sigma: tf.Tensor, radius: int) -> tf.Tensor:
    """Returns `exp(-x^2 / (2 sigma^2))` for `x` from `-radius` to `radius`, over its sum.

    Args:
        sigma: Standard deviation in pixels, float32 scalar above 0.
        radius: Pixels to either side.

    Returns:
        float32 `[2 * radius + 1]`; sums to 1.
    """
    distances = tf.range(-radius, radius + 1, dtype=tf.float32)
    return tf.nn.softmax(-tf.square(distances / sigma) / 2)


def gaussian_blur(image: tf.Tensor, sigma: tf.Tensor, radius: int) -> tf.Tensor:
    """Blurs rows, then columns; beyond the border the image has the values of its border.

    Args:
        image: float32 `[h, w, D]`.
        sigma: Standard deviation in pixels, float32 scalar above 0.
        radius: Pixels to either side that the kernel covers.

    Returns:
        float32 `[h, w, D]`, within the range of `image`.
    """
    kernel = gaussian_kernel(sigma, radius)
    for axis in (0, 1):
        side = tf.shape(image)[axis]
        places = tf.clip_by_value(tf.range(-radius, side + radius), 0, side - 1)
        extended = tf.gather(image, places, axis=axis)
        taps = [
            kernel[i] * tf.gather(extended, tf.range(i, i + side), axis=axis)
            for i in range(2 * radius + 1)
        ]
        image = tf.add_n(taps)
    return image


def random_blur(image: tf.Tensor, sigmas: tuple[float, float], seed: tf.Tensor) -> tf.Tensor:
    """Blurs by a standard deviation that is uniform in an interval.

    Args:
        image: float32 `[h, w, D]`.
        sigmas: Lowest and highest standard deviation in pixels.
        seed: int32 or int64 `[2]`.

    Returns:
        float32 `[h, w, D]`.
    """
    sigma = tf.random.stateless_uniform([], seed, *map(float, sigmas))
    return gaussian_blur(image, sigma, radius=-int(-_REACH * sigmas[1] // 1))
