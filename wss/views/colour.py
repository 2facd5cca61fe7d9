"""Colour jitter of the strong view (Zou et al., 2021, section 4.1 and appendix).

Images are float32 `[h, w, 3]` in 0..255. The authors' program changes the colours of the whole
scaled image and then crops; here the crop comes first. Brightness, saturation, hue and clipping
act on each pixel alone, so the result is the same. Contrast differs: its mean is that of the
visible part of the crop. `Views.contrast_mean = 'image'` takes that of the whole image, as the
authors do.
"""

import tensorflow as tf


def adjust_brightness(image: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
    """Returns `image + delta`."""
    return image + delta


def adjust_contrast(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Returns `mean + factor * (image - mean)`, with one mean a channel.

    Args:
        image: float32 `[h, w, 3]`.
        factor: float32 scalar.
    """
    mean = tf.reduce_mean(image, axis=(0, 1))
    return factor * image + (1 - factor) * mean


def adjust_saturation(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Returns the image with its HSV saturation times `factor`."""
    return tf.image.adjust_saturation(image, factor)


def adjust_hue(image: tf.Tensor, delta: tf.Tensor) -> tf.Tensor:
    """Returns the image with its hue turned by `delta`, in turns (-1..1)."""
    return tf.image.adjust_hue(image, delta)


def greyscale(image: tf.Tensor) -> tf.Tensor:
    """Returns float32 `[h, w, 3]`: the luminance (ITU-R BT.601) in all three channels."""
    return tf.image.grayscale_to_rgb(tf.image.rgb_to_grayscale(image))


def jitter(
    image: tf.Tensor,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Changes brightness, contrast, saturation and hue in random order, clipped after each.

    Args:
        image: float32 `[h, w, 3]`, 0..255, without padding.
        brightness: The addend, on values in 0..1, is uniform in `[-brightness, brightness]`.
        contrast: The factor is uniform in `[1 - contrast, 1 + contrast]`, never below 0.
        saturation: The same for saturation.
        hue: The turn is uniform in `[-hue, hue]`; at most 0.5.
        seed: int32 or int64 `[2]`.

    Returns:
        float32 `[h, w, 3]`, 0..255. A strength of 0 turns that change off.
    """
    seeds = tf.random.experimental.stateless_split(seed, 5)

    def sample(index, low, high):
        return tf.random.stateless_uniform([], seeds[index], low, high)

    def clip(changed):
        return tf.clip_by_value(changed, 0.0, 255.0)

    changes = []
    if brightness:
        delta = 255.0 * sample(0, -brightness, brightness)
        changes.append(lambda x: clip(adjust_brightness(x, delta)))
    if contrast:
        contrast_factor = sample(1, max(0.0, 1.0 - contrast), 1.0 + contrast)
        changes.append(lambda x: clip(adjust_contrast(x, contrast_factor)))
    if saturation:
        saturation_factor = sample(2, max(0.0, 1.0 - saturation), 1.0 + saturation)
        changes.append(lambda x: clip(adjust_saturation(x, saturation_factor)))
    if hue:  # Trades the values of a pixel's channels within their range: nothing to clip.
        turn = sample(3, -hue, hue)
        changes.append(lambda x: adjust_hue(x, turn))
    if not changes:
        return image

    order = tf.argsort(tf.random.stateless_uniform([len(changes)], seeds[4]))
    for position in range(len(changes)):
        branches = [lambda f=f, x=image: f(x) for f in changes]
        image = tf.switch_case(order[position], branches)
    return image
