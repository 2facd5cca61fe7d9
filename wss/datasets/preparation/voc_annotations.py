"""The annotation files of PASCAL VOC (XML) and of the Semantic Boundaries Dataset (.mat)."""

import io
from xml.etree import ElementTree

import numpy as np
import scipy.io

from wss.datasets.classes import VOC

_INDEX = {name: index for index, name in enumerate(VOC.class_names)}


def classes_of_xml(content: bytes, name: str) -> list[int]:
    """Returns the classes of the objects that the annotation of an image names.

    Every object counts, also those that VOC marks as difficult or truncated: it is in the image.
    Parts of persons (head, hand, foot) are no objects.

    Args:
        content: Content of the file.
        name: What messages call it.

    Returns:
        Sorted class indices, without repetition.

    Raises:
        ValueError: If the file is no annotation of VOC, or names a class that VOC does not have.
    """
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # The last two: encodings.
        raise ValueError(
            f'{name} is damaged: it is no XML ({error}). Unpack or download its archive again.'
        ) from error
    if root.tag != 'annotation':
        raise ValueError(f'{name} is no annotation of VOC: its root is <{root.tag}>.')
    found = set()
    for element in root.findall('object'):
        label = (element.findtext('name') or '').strip()
        if _INDEX.get(label, 0) == 0:
            raise ValueError(
                f'{name} names an object of class {label!r}; the classes are '
                f'{", ".join(VOC.class_names[1:])}.'
            )
        found.add(_INDEX[label])
    return sorted(found)


def mask_of_mat(content: bytes, name: str) -> np.ndarray:
    """Returns the mask of a `.mat` file of the Semantic Boundaries Dataset.

    Args:
        content: Content of the file.
        name: What messages call it.

    Returns:
        Class indices uint8 `[H, W]`. There is no ignored border around objects, unlike in VOC.

    Raises:
        ValueError: If the file is damaged or of another structure.
    """
    expected = (
        "the Semantic Boundaries Dataset has a struct 'GTcls' with a field 'Segmentation', a "
        'matrix of class indices, in the files of its folder cls'
    )
    try:
        content = scipy.io.loadmat(io.BytesIO(content))
    except Exception as error:  # Damaged files make the reader raise nearly anything.
        raise ValueError(
            f'{name} is damaged or no .mat file of version 5: {str(error).rstrip(".")}. Unpack or '
            'download its archive again.'
        ) from error
    struct = content.get('GTcls')
    if struct is None:
        found = ', '.join(key for key in content if not key.startswith('__')) or 'nothing'
        raise ValueError(f'{name} holds {found}, but {expected}.')
    fields = getattr(struct, 'dtype', np.dtype(float)).names or ()
    if 'Segmentation' not in fields or struct.size != 1:
        has = f'with the fields {", ".join(fields)}' if fields else 'that is no single struct'
        raise ValueError(f"{name} has a 'GTcls' {has}, but {expected}.")
    mask = struct['Segmentation'].flat[0]
    if mask.ndim != 2 or not mask.size or not np.issubdtype(mask.dtype, np.integer):
        raise ValueError(
            f"{name} has a 'Segmentation' of shape {mask.shape} and type {mask.dtype}, but "
            f'{expected}.'
        )
    return mask
