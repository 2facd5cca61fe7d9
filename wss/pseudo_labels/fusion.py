"""Calibrated fusion of two sets of logits into one pseudo label (Zou et al., 2021, section 3)."""

import tensorflow as tf

from wss.devices import replicas

SOURCES = ('avg', 'att', 'decoder')


def calibration(
    decoder_logits: tf.Tensor, sgc_logits: tf.Tensor, over_replicas: bool = False
) -> tf.Tensor:
    """`r = rsqrt(mean(square([d; s])) + 1e-8)`: one scalar over the replica's whole batch.

    Args:
        decoder_logits: float32 `[N, h, w, C]`, `d`.
        sgc_logits: float32 `[N, h, w, C]`, `s`.
        over_replicas: Whether the mean runs over the batches of all replicas instead.

    Returns:
        float32 scalar.

    Example:
        >>> from wss.pseudo_labels.fusion import calibration
        >>> decoder, sgc = tf.constant([[[[3.0, -3.0]]]]), tf.constant([[[[4.0, 4.0]]]])
        >>> round(float(calibration(decoder, sgc)), 4)  # 1 / sqrt((9 + 9 + 16 + 16) / 4)
        0.2828
    """
    both = tf.concat([decoder_logits, sgc_logits], axis=0)
    square = tf.reduce_mean(tf.square(both))
    return tf.math.rsqrt((replicas.mean(square) if over_replicas else square) + 1e-8)


def fuse(
    decoder_logits: tf.Tensor,
    sgc_logits: tf.Tensor,
    source: str = 'avg',
    calibrate: bool = True,
    over_replicas: bool = False,
) -> tf.Tensor:
    """Fuses decoder and SGC into one distribution for each pixel.

    Args:
        decoder_logits: float32 `[N, h, w, C]`, `d`.
        sgc_logits: float32 `[N, h, w, C]`, `s`.
        source: `avg` for `(softmax(r d) + softmax(r s)) / 2`, `att` for `softmax(s)`, `decoder` for
            `softmax(d)` (an ablation).
        calibrate: Whether `r` is `calibration(d, s)`, else 1.
        over_replicas: Whether `r` is the same on all replicas (see `calibration`).

    Returns:
        float32 `[N, h, w, C]`; sums to 1 over classes.

    Raises:
        ValueError: If `source` is not one of these.

    Example:
        >>> from wss.pseudo_labels.fusion import fuse
        >>> decoder, sgc = tf.constant([[[[20.0, 0.0]]]]), tf.constant([[[[0.0, 20.0]]]])
        >>> fuse(decoder, sgc)[0, 0, 0].numpy().tolist()  # They differ: no class is likelier.
        [0.5, 0.5]
        >>> [round(float(p), 3) for p in fuse(decoder, decoder)[0, 0, 0]]
        [0.804, 0.196]
    """
    if source == 'att':
        return tf.nn.softmax(sgc_logits)
    if source == 'decoder':
        return tf.nn.softmax(decoder_logits)
    if source != 'avg':
        raise ValueError(f'The pseudo-label source is {source!r}; it can be one of {SOURCES}.')
    r = calibration(decoder_logits, sgc_logits, over_replicas) if calibrate else 1.0
    return (tf.nn.softmax(r * decoder_logits) + tf.nn.softmax(r * sgc_logits)) / 2


def sharpen(probabilities: tf.Tensor, temperature: float) -> tf.Tensor:
    """`p^(1/T) / sum_c p^(1/T)`, the sharpening of MixMatch.

    Args:
        probabilities: float32 `[..., C]`, sums to 1.
        temperature: `T` above 0; below 1 sharpens, 1 changes nothing.

    Returns:
        float32 `[..., C]`; sums to 1.

    Example:
        >>> from wss.pseudo_labels.fusion import sharpen
        >>> [round(float(p), 2) for p in sharpen(tf.constant([0.75, 0.25]), 0.5)]
        [0.9, 0.1]
    """
    powered = tf.pow(probabilities, 1.0 / temperature)
    return powered / tf.reduce_sum(powered, axis=-1, keepdims=True)
