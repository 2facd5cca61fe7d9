"""Predicts the images of a folder: masks with a palette, and overlays to look at."""

import os
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from wss import pictures, pipeline
from wss.datasets import decoding
from wss.datasets.info import DatasetInfo


def make_predictor(method, size: tuple[int, int]) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from an image of any size to its label map.

    Args:
        method: A `Method` with its weights.
        size: Height and width to which images are padded, as they were for evaluation; a larger
            image gets a size of its own, one more than a multiple of the output stride.

    Returns:
        A function from uint8 `[H, W, 3]` to int32 `[H, W]`.
    """

    @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.float32)], autograph=False)
    def predict(images):
        return predict_padded(method, images, size)

    return lambda image: predict(image[np.newaxis].astype(np.float32))[0].numpy()


def predict_padded(method, images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Predicts images padded as in evaluation.

    Args:
        method: A `Method` with its weights.
        images: float32 `[N, H, W, 3]` in [0, 255].
        size: See `make_predictor`.

    Returns:
        int32 `[N, H, W]`.
    """
    backbone = method.network.backbone
    given = tf.shape(images)[1:3]
    own_size = tf.stack(pipeline.evaluation_size((given[0], given[1]), backbone.output_stride))
    padded_size = tf.where(tf.reduce_all(given <= size), tf.constant(size), own_size)
    room = padded_size - given
    paddings = [[0, 0], [0, room[0]], [0, room[1]], [0, 0]]
    inside = tf.pad(tf.ones_like(images[..., :1], tf.bool), paddings)
    padded = tf.where(inside, tf.pad(images, paddings), tf.constant(backbone.padding_value))
    return method.predict_labels(padded)[:, : given[0], : given[1]]


def predict_folder(
    images: str | os.PathLike,
    out: str | os.PathLike,
    predict_image: Callable[[np.ndarray], np.ndarray],
    info: DatasetInfo,
    say: Callable[[str], None] = print,
) -> tuple[int, int]:
    """Writes `NAME.png` (class indices with a palette) and `NAME_overlay.jpg` for every image.

    Args:
        images: Folder of images; its subfolders count and are kept.
        out: Folder to write to; made if need be.
        predict_image: From `make_predictor`.
        info: The classes and their colours.
        say: Prints a line about an image that cannot be read.

    Returns:
        How many images were predicted, and how many could not be read.

    Raises:
        FileNotFoundError: If there is no such folder or no image in it.
        ValueError: If `out` is the folder of the images or lies in it, or two images would write
            the same file.
    """
    places = _places(pathlib.Path(images), pathlib.Path(out))
    failed = 0
    for source, target in places.items():
        try:
            image = decoding.decode_image(source)
        except (ValueError, OSError) as error:
            say(str(error))
            failed += 1
            continue
        labels = predict_image(image)
        target.parent.mkdir(parents=True, exist_ok=True)
        pictures.write_mask(f'{target}.png', labels, info.colours, info.ignore_value)
        shown = pictures.overlay(image, labels, info)
        pictures.write_picture(f'{target}_overlay.jpg', shown)
    return len(places) - failed, failed


def _places(images, out):
    """Returns, for every image of a folder, its target without ending."""
    if not images.is_dir():
        raise FileNotFoundError(f'The folder of images {images} does not exist.')
    if images.resolve() in (out.resolve(), *out.resolve().parents):
        raise ValueError(
            f'The predictions would be written among the images ({out} is {images} or lies in '
            'it); give another --out.'
        )
    if out.exists() and not out.is_dir():
        raise ValueError(f'{out} is a file; give a folder for the predictions.')
    sources = sorted(
        path
        for path in images.rglob('*')
        if path.suffix.lower() in decoding.ENDINGS
        and not any(part.startswith('.') for part in path.relative_to(images).parts)
    )
    if not sources:
        raise FileNotFoundError(
            f'{images} holds no image (no file whose name ends in {", ".join(decoding.ENDINGS)}).'
        )
    places = {path: out / path.relative_to(images).with_suffix('') for path in sources}
    by_target = {}
    for source, target in places.items():
        if target in by_target:
            raise ValueError(
                f'{by_target[target]} and {source} would both give {target}.png; rename one.'
            )
        by_target[target] = source
    written = {pathlib.Path(f'{target}.png').resolve() for target in by_target}
    overwritten = sorted(written.intersection(path.resolve() for path in sources))
    if overwritten:
        raise ValueError(f'A mask would be written over {overwritten[0]}; give another --out.')
    for target in by_target:
        mask, overlay = pathlib.Path(f'{target}.png'), pathlib.Path(f'{target}_overlay.jpg')
        # What an earlier prediction wrote has its overlay beside it, a mask made by hand has not.
        if mask.exists() and not overlay.exists():
            raise ValueError(f'{mask} is there and is no prediction; give another --out.')
    return places


def save_model(method, size: tuple[int, int], out: str | os.PathLike) -> None:
    """Writes a SavedModel whose signature takes `images` and returns `labels`, as `predict` does.

    `images` is float32 `[N, H, W, 3]` in [0, 255] with any sizes, `labels` int32 `[N, H, W]`.

    Args:
        method: A `Method` with its weights.
        size: See `make_predictor`.
        out: Folder to write to.
    """
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, 'images')

    @tf.function(input_signature=[spec], autograph=False)
    def predict(images):
        return {'labels': predict_padded(method, images, size)}

    module = tf.Module()
    module.network = method.network
    module.predict = predict
    tf.saved_model.save(module, str(out), signatures={'serving_default': predict})
