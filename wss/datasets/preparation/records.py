"""The records that builders write, in one format for every dataset, and their checks."""

import io
from collections.abc import Iterable

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from wss.datasets.files import checks, decoding
from wss.datasets.info import DatasetInfo

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
    mask: np.ndarray | None = None,
    mask_name: str = '',
    image_classes: Iterable[int] | None = None,
    decode: bool = True,
) -> dict:
    """Makes and checks one record.

    Sizes are those of the stored pixels. EXIF orientation is ignored, because official masks
    belong to the pixels as they are stored.

    Args:
        name: Id, as in the official lists.
        image: Content of a JPEG or PNG file, which the record holds as it is.
        image_name: Name of the image in messages.
        info: Classes of the dataset.
        mask: Class indices `[H, W]` of any integer type, `info.ignore_value` where ignored; None
            if the image has no mask.
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
        ValueError: If the image is damaged or not a JPEG or PNG file, the mask has another size or
            values that are not classes, or `image_classes` are not foreground classes.
    """
    if not image.startswith((_JPEG, _PNG)):
        raise ValueError(f'{image_name} is damaged, or not a JPEG or PNG file.')
    if decode:
        height, width = decoding.decode_image(image, image_name, upright=False).shape[:2]
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


def _png(label):
    # The encoder of tfds keeps a TensorFlow session for every image size.
    file = io.BytesIO()
    Image.fromarray(label).save(file, format='PNG')
    return file.getvalue()
