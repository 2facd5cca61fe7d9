"""Class colours for datasets without colours of their own."""


def distinct_colours(count: int, first: int = 0) -> tuple[tuple[int, int, int], ...]:
    """Returns the colours of the PASCAL VOC colour map, which differ for all 256 indices.

    The bits of the index go in turn to red, green and blue, to the most significant bit of the
    colour first, so that small indices differ strongly.

    Args:
        count: Number of colours.
        first: Index of the first one; index 0 is black, which suits a background.

    Returns:
        `count` RGB triples in 0..255.

    Raises:
        ValueError: If the range leaves 0..255, beyond which colours repeat.
    """
    if count < 0 or first < 0 or first + count > 256:
        raise ValueError(f'The colour map has 256 colours; {count} from {first} on are not there.')
    return tuple(_colour(index) for index in range(first, first + count))


def _colour(index: int) -> tuple[int, int, int]:
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= ((index >> bit) & 1) << (7 - bit // 3)
    return tuple(channels)
