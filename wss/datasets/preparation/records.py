"""The records that builders write, in one format for every dataset, and their checks."""

import io
from collections.abc import Iterable

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from wss.datasets.files import checks, decoding, depth
from wss.datasets.info import DatasetInfo
from wss.datasets.records import pixels

_JPEG, _PNG = b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n'


def features() -> tfds.features.FeaturesDict:
    """Returns the features of a record; `example` explains them."""
    return tfds.features.FeaturesDict(
        {
            'id': tfds.features.Text(),
            'image': tfds.features.Image(shape=(None, None, 3)),
            'label': tfds.features.Image(shape=(None, None, 1), encoding_format='png'),
            'has_label': tfds.features.Scalar(np.bool_),
            'mask_classes': tfds.features.Sequence(tfds.features.Scalar(np.int64)),
            'has_image_label': tfds.features.Scalar(np.bool_),
            'image_classes': tfds.features.Sequence(tfds.features.Scalar(np.int64)),
            'height': tfds.features.Scalar(np.int64),
            'width': tfds.features.Scalar(np.int64),
        }
    )


def example(
    name: str,
    image: bytes,
    image_name: str,
    info: DatasetInfo,
    mask: np.ndarray | bytes | None = None,
    mask_name: str = '',
    image_classes: Iterable[int] | None = None,
    decode: bool = True,
) -> dict:
    """Makes and checks one record.

    Sizes are those of the stored pixels. EXIF orientation is ignored, because official masks
    belong to the pixels as they are stored.

    Args:
        name: Id, as in the official lists.
        image: Content of a JPEG or PNG file, which the record holds as it is, but for PNG of 16
            bits, which becomes 8 (see `DatasetInfo.bit_depth`).
        image_name: Name of the image in messages.
        info: Classes of the dataset.
        mask: Class indices `[H, W]` of any integer type, `info.ignore_value` where ignored, which
            fit the stored pixels; or the content of a mask file (see `decoding.decode_mask`), whose
            EXIF orientation must be that of the image; None if the image has no mask.
        mask_name: Name of the mask in messages.
        image_classes: Foreground classes from another source than the mask, in any order,
            repetitions allowed; None without such a source.
        decode: Whether to decode the image, to check that it is whole. False reads its header
            alone, which is enough for files of an archive with the right checksum.

    Returns:
        A record for `features()`: `id`; `image`; `label`, a PNG of the mask (all ignored without
        one); `has_label`; `mask_classes`, the sorted classes that the mask shows, the background
        among them; `has_image_label`; `image_classes`, sorted; `height` and `width` in pixels.

    Raises:
        ValueError: If the image is damaged or not a JPEG or PNG file, or holds fewer bits than its
            file and `info.bit_depth` is not set; EXIF turns image and mask differently; the mask
            has another size or values that are not classes; or `image_classes` are not foreground
            classes.
    """
    if not image.startswith((_JPEG, _PNG)):
        raise ValueError(f'{image_name} is damaged, or not a JPEG or PNG file.')
    if isinstance(mask, bytes):
        mask = _stored_mask(mask, mask_name, image, image_name)
    if decode or _is_16_bit(image):
        image, (height, width) = _checked(image, image_name, info)
    else:
        height, width = decoding.image_size(image, image_name, upright=False)
    shown: list[int] = []
    if mask is None:
        label = np.full((height, width), info.ignore_value, np.uint8)
    else:
        checks.check_size((height, width), mask.shape, image_name, mask_name)
        checks.check_values(mask, info, mask_name)
        label = mask.astype(np.uint8)
        shown = np.flatnonzero(checks.classes_of(label, info)).tolist()
    found = sorted({int(value) for value in image_classes or ()})
    first = int(info.has_background)
    if found and not (first <= found[0] and found[-1] < info.num_classes):
        raise ValueError(
            f'The image-level classes {found} of {name} are not all in {first} to '
            f'{info.num_classes - 1}.'
        )
    return {
        'id': name,
        'image': image,
        'label': _png(label),
        'has_label': mask is not None,
        'mask_classes': shown,
        'has_image_label': image_classes is not None,
        'image_classes': found,
        'height': height,
        'width': width,
    }


def _stored_mask(mask, mask_name, image, image_name):
    """Returns the class indices of a mask file, refused if EXIF turns it unlike its image."""
    stored, turn = decoding.read_mask(mask, mask_name), decoding.read_header(image).orientation
    if stored.orientation != turn:
        raise ValueError(
            f'Image {image_name} has the EXIF orientation {turn}, but its mask {mask_name} has '
            f'{stored.orientation} (1 stands for none). Save both as viewers show them, without '
            'EXIF data.'
        )
    return stored.pixels


def _is_16_bit(image):
    return image.startswith(_PNG) and image[24:25] == b'\x10'


def _checked(image, name, info):
    """Returns the content of an image, in 8 bits, and its size, as training will read it."""
    stored = decoding.read_image(image, name, info.bit_depth)
    if stored.high is not None and depth.is_dark(stored.high):
        bits = depth.likely_bits(stored.high)
        raise ValueError(
            f'{name} has 16 bits, but almost all pixels are at most {stored.high} of 65535. Set '
            f'bit_depth of the DatasetInfo to {bits} if the images hold {bits} bits, or to 16 if '
            'this is a dark picture.'
        )
    if _is_16_bit(image):
        image = _png(stored.pixels)
    try:
        size = tuple(pixels.decode(tf.constant(image)).shape[:2])
    except tf.errors.OpError as error:
        raise decoding.BrokenFileError(
            f'{name} is damaged: the decoder of training cannot read it. Save it again.'
        ) from error
    checks.check_size(stored.pixels.shape[:2], size, name, f'{name}, read by TensorFlow,')
    return image, size


def _png(label):
    # The encoder of tfds keeps a TensorFlow session for every image size.
    file = io.BytesIO()
    Image.fromarray(label).save(file, format='PNG')
    return file.getvalue()
