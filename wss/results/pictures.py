"""Pictures of images, label maps and scores, as uint8 arrays, and masks as palette PNG files."""

import io
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_IGNORED = (255, 255, 255)
_INK = (30, 30, 30)
_PAPER = (250, 250, 250)
_GAP = 6
_PART = 2**20
_JPEG_SIDE = 65500  # Of the library that writes JPEG files.


def palette(colours, ignore_value: int = 255) -> np.ndarray:
    """Returns uint8 `[256, 3]`: the class colours, white for the ignore value, black elsewhere."""
    table = np.zeros([256, 3], np.uint8)
    table[: len(colours)] = colours
    table[ignore_value] = _IGNORED
    return table


def colour_labels(labels: np.ndarray, colours, ignore_value: int = 255) -> np.ndarray:
    """Draws label maps in the colours of their classes.

    Args:
        labels: Integers `[..., H, W]`, classes or the ignore value, which is drawn white.
        colours: `C` RGB triples in 0..255.
        ignore_value: In 0..255.

    Returns:
        uint8 `[..., H, W, 3]`.

    Example:
        >>> from wss.results.pictures import colour_labels
        >>> colour_labels(np.array([[0, 1, 255]]), ((0, 0, 0), (255, 0, 0))).tolist()
        [[[0, 0, 0], [255, 0, 0], [255, 255, 255]]]
    """
    return palette(colours, ignore_value)[np.asarray(labels)]


def overlay(image: np.ndarray, labels: np.ndarray, info) -> np.ndarray:
    """Lays class colours over an image, half each; background and ignored pixels keep the image.

    Args:
        image: uint8 or float `[..., H, W, 3]` in 0..255.
        labels: Integers `[..., H, W]`.
        info: The `DatasetInfo`.

    Returns:
        uint8 `[..., H, W, 3]`.
    """
    image, labels = np.asarray(image), np.asarray(labels)
    drawn = np.empty([*labels.shape, 3], np.uint8)
    pixels, classes, places = image.reshape(-1, 3), labels.reshape(-1), drawn.reshape(-1, 3)
    # A part at a time: the float copies would need ten times the memory of the image.
    for first in range(0, len(classes), _PART):
        part = slice(first, first + _PART)
        places[part] = _overlaid(pixels[part], classes[part], info)
    return drawn


def _overlaid(pixels, labels, info):
    coloured = colour_labels(labels, info.colours, info.ignore_value).astype(np.float32)
    kept = (labels == info.ignore_value) | (info.has_background & (labels == 0))
    mixed = np.where(kept[:, None], pixels, 0.5 * pixels.astype(np.float32) + 0.5 * coloured)
    return as_picture(mixed)


def colour_scores(scores: np.ndarray, colours) -> np.ndarray:
    """Draws the likeliest class, the darker the lower its score; a black class 0 is drawn grey.

    Args:
        scores: Float `[..., h, w, C]`, mostly in [0, 1]; values outside are clipped.
        colours: `C` RGB triples in 0..255.

    Returns:
        uint8 `[..., h, w, 3]`.
    """
    table = np.array(colours, np.float32)
    if not table[0].any():
        table[0] = 90  # Darkened black would not show how sure it is.
    confidence = np.clip(np.max(scores, axis=-1, keepdims=True), 0, 1)
    return as_picture(table[np.argmax(scores, axis=-1)] * confidence)


def as_picture(values: np.ndarray) -> np.ndarray:
    """Rounds values in 0..255 to uint8, clipping values outside."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def panel(columns: dict[str, np.ndarray], height: int | None = None) -> np.ndarray:
    """Arranges pictures in columns with their names above, and one row for each example.

    Args:
        columns: By name uint8 `[n, H, W, 3]`; sizes may differ between columns.
        height: Pixels to which every picture is scaled; by default the largest height,
            at least 96.

    Returns:
        uint8 `[rows, columns, 3]`, one picture.

    Raises:
        ValueError: If there is no column, or columns differ in their number of pictures.

    Example:
        >>> from wss.results.pictures import panel
        >>> column = np.zeros([2, 40, 40, 3], np.uint8)
        >>> panel({'image': column, 'truth': column}, height=40).shape
        (109, 98, 3)
    """
    numbers = {name: len(pictures) for name, pictures in columns.items()}
    if not columns or len(set(numbers.values())) != 1:
        raise ValueError(f'A panel needs columns of equally many pictures; got {numbers}.')
    height = height or max(96, *(pictures.shape[1] for pictures in columns.values()))
    font = ImageFont.load_default(size=max(11, min(20, height // 8)))
    head = int(font.size * 1.6)
    widths = {
        name: max(
            round(height * pictures.shape[2] / pictures.shape[1]), int(font.getlength(name)) + 2
        )
        for name, pictures in columns.items()
    }
    rows = next(iter(numbers.values()))
    size = (sum(widths.values()) + _GAP * (len(columns) + 1), head + rows * (height + _GAP))
    sheet = Image.new('RGB', size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    left = _GAP
    for name, pictures in columns.items():
        draw.text((left + widths[name] / 2, head / 2), name, fill=_INK, font=font, anchor='mm')
        for row, picture in enumerate(pictures):
            tile = _scaled(picture, height)
            place = left + (widths[name] - tile.width) // 2, head + row * (height + _GAP)
            sheet.paste(tile, place)
        left += widths[name] + _GAP
    return np.asarray(sheet)


def legend(class_names, colours, width: int) -> np.ndarray:
    """Draws the names of the classes beside their colours, in lines of at most `width` pixels.

    Returns:
        uint8 `[height, width, 3]`.
    """
    font = ImageFont.load_default(size=14)
    square, line = 14, 22
    places, left, top = [], _GAP, 4
    class_names = [' '.join(name.split()) for name in class_names]  # Pillow wants one line.
    for name in class_names:
        needed = square + 5 + int(font.getlength(name)) + 14
        if left > _GAP and left + needed > width:
            left, top = _GAP, top + line
        places.append((left, top))
        left += needed
    sheet = Image.new('RGB', (width, top + line), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for name, colour, (x, y) in zip(class_names, colours, places, strict=True):
        draw.rectangle((x, y, x + square, y + square), fill=tuple(colour), outline=_INK)
        draw.text((x + square + 5, y + square / 2), name, fill=_INK, font=font, anchor='lm')
    return np.asarray(sheet)


def method_panel(pictures: dict, info, rows: int = 4) -> np.ndarray:
    """Draws what `Method.pictures` returned.

    Args:
        pictures: `images` float `[n, H, W, 3]` in 0..255, `labels` integers `[n, H, W]` and
            `scores` float `[n, h, w, C]`, each by name; arrays or tensors.
        info: The `DatasetInfo`.
        rows: How many examples to show at most.

    Returns:
        uint8 `[height, width, 3]`: the first image, labels, scores, further images, and a legend.
    """

    def first(kind):
        return {name: np.asarray(values)[:rows] for name, values in pictures[kind].items()}

    images = {name: as_picture(values) for name, values in first('images').items()}
    labels = {
        name: colour_labels(values, info.colours, info.ignore_value)
        for name, values in first('labels').items()
    }
    scores = {name: colour_scores(values, info.colours) for name, values in first('scores').items()}
    main = next(iter(images))
    return with_legend(panel({main: images.pop(main), **labels, **scores, **images}), info)


def validation_panel(examples: list, info, height: int = 192) -> np.ndarray:
    """Draws whole images beside their masks and their predictions, with a legend of the classes.

    Args:
        examples: For each image its pixels, uint8 or float `[H, W, 3]` in 0..255, and its true and
            predicted labels, integers `[H, W]`; sizes may differ, also those of one image.
        info: The `DatasetInfo`.
        height: Pixels to which every picture is scaled.

    Returns:
        uint8 `[height, width, 3]`.
    """
    columns = {'image': [], 'truth': [], 'prediction': []}
    for image, *labels in examples:
        coloured = (colour_labels(label, info.colours, info.ignore_value) for label in labels)
        for column, picture in zip(columns.values(), (as_picture(image), *coloured), strict=True):
            column.append(np.asarray(_scaled(picture, height)))
    width = max(picture.shape[1] for column in columns.values() for picture in column)
    sheet = panel({name: np.stack([_widened(p, width) for p in c]) for name, c in columns.items()})
    return with_legend(sheet, info)


def with_legend(sheet: np.ndarray, info) -> np.ndarray:
    """Adds the names and colours of the classes below a picture `[H, W, 3]`."""
    return np.concatenate([sheet, legend(info.class_names, info.colours, sheet.shape[1])])


def write_picture(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes uint8 `[H, W, 3]` as an image file; the ending of its name decides the kind."""
    Image.fromarray(picture).save(path)


def encode_png(picture: np.ndarray) -> bytes:
    """Returns uint8 `[H, W, 3]`, or grey as uint8 or uint16 `[H, W]`, as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format='PNG')
    return file.getvalue()


def encode_mask(labels: np.ndarray, colours, ignore_value: int = 255) -> bytes:
    """Returns a label map as a PNG file of class indices, with the class colours as its palette.

    Args:
        labels: Integers `[H, W]` in 0..255.
        colours: `C` RGB triples in 0..255.
        ignore_value: In 0..255.
    """
    mask = Image.fromarray(np.asarray(labels).astype(np.uint8))
    mask.putpalette(palette(colours, ignore_value).tobytes())
    file = io.BytesIO()
    mask.save(file, format='PNG')
    return file.getvalue()


def encode_jpeg(picture: np.ndarray, comment: bytes) -> tuple[bytes, tuple[int, int]]:
    """Returns a picture as a JPEG file, scaled down where a side is too long for one.

    Args:
        picture: uint8 `[H, W, 3]`.
        comment: Text that the file holds.

    Returns:
        The file, and width and height of the picture in it.
    """
    image = Image.fromarray(picture)
    if max(image.size) > _JPEG_SIDE:
        image.thumbnail((_JPEG_SIDE, _JPEG_SIDE), Image.Resampling.BOX)
    file = io.BytesIO()
    image.save(file, format='JPEG', comment=comment)
    return file.getvalue(), image.size


def _widened(picture, width):
    """Adds paper at the right of a picture `[H, W, 3]`, up to a width."""
    room = [(0, 0), (0, width - picture.shape[1]), (0, 0)]
    return np.pad(picture, room, constant_values=_PAPER[0])


def _scaled(picture, height):
    """Scales to a height; whole factors up repeat pixels, so that borders stay sharp."""
    width = max(1, round(height * picture.shape[1] / picture.shape[0]))
    kind = Image.Resampling.NEAREST if height >= picture.shape[0] else Image.Resampling.BOX
    return Image.fromarray(picture).resize((width, height), kind)
