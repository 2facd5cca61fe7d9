"""What a dataset is to the rest of the library: its classes."""

import dataclasses
import inspect

# Metadata of the settings that a resumed run may change, since they do not change the weights.
MAY_CHANGE = {'may_change': True}
# Of those that may also differ between the workers of a run: where the same data are, and what
# depends on the machine. A class that is no dataclass names such settings in `of_host`.
OF_HOST = {'may_change': True, 'of_host': True}


def may_change(part, name: str) -> bool:
    """Whether a resumed run may change a setting of a part of the library.

    Args:
        part: A class or function that has settings.
        name: The setting.
    """
    return _is_marked(part, name, 'may_change')


def of_host(part, name: str) -> bool:
    """Whether workers of one run may have different values of a setting; see `may_change`."""
    return _is_marked(part, name, 'of_host')


def _is_marked(part, name, key):
    part = inspect.unwrap(part)
    if dataclasses.is_dataclass(part):
        fields = {field.name: field for field in dataclasses.fields(part)}
        return name in fields and fields[name].metadata.get(key, False)
    return name in getattr(part, 'of_host', ())


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """The classes of a dataset.

    Attributes:
        name: Name of the dataset, for messages and file names.
        class_names: `C` names; class `i` of a label map is `class_names[i]`.
        colours: `C` RGB triples in 0..255, for pictures and the palette of predicted masks.
        has_background: Whether class 0 is "none of the others". Image-level labels, the classifier
            and the activation maps leave it out.
        ignore_value: Value of the pixels of a label map that belong to no class: above every
            class, at most 255.
        bit_depth: How many bits of 16-bit images hold data; None for all 16.

    Raises:
        ValueError: If names and colours differ in number, names repeat, there are fewer than two
            classes, or `ignore_value` is a class.

    Example:
        >>> from wss.datasets.info import DatasetInfo
        >>> info = DatasetInfo('plants', ('background', 'leaf'), ((0, 0, 0), (0, 200, 0)))
        >>> info.num_classes, info.num_image_classes
        (2, 1)
    """

    name: str
    class_names: tuple[str, ...]
    colours: tuple[tuple[int, int, int], ...]
    has_background: bool = True
    ignore_value: int = 255
    bit_depth: int | None = None

    def __post_init__(self):
        if len(self.class_names) != len(self.colours):
            raise ValueError(
                f'Dataset {self.name!r} has {len(self.class_names)} class names and '
                f'{len(self.colours)} colours; give one colour for each class.'
            )
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f'Dataset {self.name!r} repeats a class name: {self.class_names}.')
        if len(self.class_names) < 2:
            raise ValueError(
                f'Dataset {self.name!r} has {len(self.class_names)} class; segmentation needs two '
                'or more (the background counts as one).'
            )
        if not len(self.class_names) <= self.ignore_value <= 255:
            raise ValueError(
                f'Dataset {self.name!r}: ignore_value {self.ignore_value} must lie above its '
                f'{len(self.class_names)} classes and be at most 255.'
            )

    @property
    def num_classes(self) -> int:
        """`C`, which includes the background, if there is one."""
        return len(self.class_names)

    @property
    def num_image_classes(self) -> int:
        """Classes of an image-level label: `C - 1` with a background, else `C`."""
        return self.num_classes - int(self.has_background)


def parse_info(content) -> DatasetInfo:
    """Returns the `DatasetInfo` that became `content` by `dataclasses.asdict` and JSON.

    Raises:
        ValueError: If a field is missing, surplus or wrong. The sentence has no subject or full
            stop.
    """

    def is_byte(value):
        return type(value) is int and 0 <= value <= 255

    def is_list(value, fits):
        return isinstance(value, list) and all(map(fits, value))

    rules = {
        'name': lambda value: isinstance(value, str),
        'class_names': lambda value: is_list(value, lambda name: isinstance(name, str)),
        'colours': lambda value: is_list(value, lambda c: is_list(c, is_byte) and len(c) == 3),
        'has_background': lambda value: isinstance(value, bool),
        'ignore_value': is_byte,
        'bit_depth': lambda value: value is None or (type(value) is int and 8 <= value <= 16),
    }
    if isinstance(content, dict):
        content = {'bit_depth': None} | content  # Older files do not have it.
    if not isinstance(content, dict) or set(content) != set(rules):
        raise ValueError(f'it must hold {", ".join(rules)} and nothing else')
    for name, fits in rules.items():
        if not fits(content[name]):
            raise ValueError(f'{name} is {content[name]!r}')
    names, colours = tuple(content['class_names']), tuple(map(tuple, content['colours']))
    return DatasetInfo(**content | {'class_names': names, 'colours': colours})
