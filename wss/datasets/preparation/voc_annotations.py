"""The annotation files of PASCAL VOC (XML) and of the Semantic Boundaries Dataset (.mat)."""

import io
from xml.etree import ElementTree

import numpy as np
import scipy.io

from wss.datasets.classes import VOC

_INDEX = {name: index for index, name in enumerate(VOC.class_names)}


def classes_of_xml(content: bytes, name: str) -> list[int]:
    """Returns the classes of the objects in the annotation of an image.

    Every object counts, also difficult and truncated ones: they are in the image. Parts of persons
    (head, hand, foot) are not objects.

    Args:
        content: Content of the file.
        name: Name of the file in messages.

    Returns:
        Sorted class indices, without repetition.

    Raises:
        ValueError: If the file is not an annotation of VOC, or names an unknown class.
    """
    try:
        root = ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:  # The last two: encodings.
        raise ValueError(
            f'{name} is damaged: it is not XML ({error}). Unpack or download its archive again.'
        ) from error
    if root.tag != 'annotation':
        raise ValueError(f'{name} is not an annotation of VOC: its root is <{root.tag}>.')
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
        name: Name of the file in messages.

    Returns:
        Class indices uint8 `[H, W]`. Unlike in VOC, objects have no ignored border.

    Raises:
        ValueError: If the file is damaged or has another structure.
    """
    expected = (
        "the Semantic Boundaries Dataset has a struct 'GTcls' with a field 'Segmentation', a "
        'matrix of class indices, in the files of its folder cls'
    )
    try:
        content = scipy.io.loadmat(io.BytesIO(content))
    except Exception as error:  # Damaged files make SciPy raise errors of many types.
        raise ValueError(
            f'{name} is damaged or not a .mat file of version 5: {str(error).rstrip(".")}. Unpack '
            'or download its archive again.'
        ) from error
    struct = content.get('GTcls')
    if struct is None:
        found = ', '.join(key for key in content if not key.startswith('__')) or 'nothing'
        raise ValueError(f'{name} holds {found}, but {expected}.')
    fields = getattr(struct, 'dtype', np.dtype(float)).names or ()
    if 'Segmentation' not in fields or struct.size != 1:
        has = f'with the fields {", ".join(fields)}' if fields else 'that is not a single struct'
        raise ValueError(f"{name} has a 'GTcls' {has}, but {expected}.")
    mask = struct['Segmentation'].flat[0]
    if mask.ndim != 2 or not mask.size or not np.issubdtype(mask.dtype, np.integer):
        raise ValueError(
            f"{name} has a 'Segmentation' of shape {mask.shape} and type {mask.dtype}, but "
            f'{expected}.'
        )
    return mask
