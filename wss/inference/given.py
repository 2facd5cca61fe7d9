"""Images as a caller gives them."""

import os

import numpy as np
from PIL import Image

from wss.datasets.files import decoding, depth

Picture = str | os.PathLike | Image.Image | np.ndarray


def as_rgb(image: Picture, bit_depth: int | None = None) -> np.ndarray:
    """Returns an image as uint8 or float RGB `[H, W, 3]` in 0..255; see `Predictor.predict`."""
    if isinstance(image, Image.Image):
        return decoding.to_rgb(image, bit_depth=bit_depth)
    if isinstance(image, str | os.PathLike):
        return decoding.decode_image(image, bit_depth=bit_depth)
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f'The image is a {type(image).__name__}; it must be a path, a PIL image or an array.'
        )
    if image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
        raise ValueError(f'The image has the shape {image.shape}; it must be [H, W, 3], RGB.')
    if image.dtype == np.uint16:
        if bit_depth is None:
            raise ValueError(
                'The image is an array of uint16, and how many bits hold data is not known. Scale '
                'it to 0..255, such as image / 4095 * 255 for 12 bits, or convert it to uint8 if '
                'its values are in 0..255 already.'
            )
        return depth.to_8_bits(image, bit_depth, 'The image')
    if image.dtype != np.uint8:
        if not np.issubdtype(image.dtype, np.number) or np.iscomplexobj(image):
            raise ValueError(f'The image has values of type {image.dtype}; they must be numbers.')
        low, high = image.min(), image.max()
        if not (np.isfinite([low, high]).all() and low >= 0 and high <= 255):
            raise ValueError(f'The image has values in {low}..{high}; they must be in 0..255.')
        if np.issubdtype(image.dtype, np.floating) and 0 < high <= 1:
            raise ValueError('The image has values in 0..1; multiply them by 255.')
    return image
