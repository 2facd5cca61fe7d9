"""The images and masks of folders by id, and the ids of each split."""

import collections
import os
import warnings
from collections.abc import Mapping, Sequence

from wss.datasets.examples import SelectionError
from wss.datasets.files import finding, mask_names, reasons, whole
from wss.datasets.lists import ids as id_lists


class FilesById:
    """Finds the files of a dataset; each folder is read once, when it is first needed.

    Args:
        owner: Class whose settings these are, for messages.
        dataset: Name of the dataset, for messages.
        images: See `Folder`, as the others.
        masks: None without masks.
        splits: None for one split `all` of every image.
        image_endings: In any case.
        mask_endings: In any case.
    """

    def __init__(
        self,
        owner: str,
        dataset: str,
        images: str,
        masks: str | None,
        splits: Mapping[str, str | None] | None,
        image_endings: Sequence[str],
        mask_endings: Sequence[str],
    ):
        self._owner = owner
        self._dataset = dataset
        self._images = _path(images)
        self._masks = None if masks is None else _path(masks)
        self.splits = {'all': None} if splits is None else dict(splits)
        self._endings = {'image': tuple(image_endings), 'mask': tuple(mask_endings)}
        self._found = {}  # Kind of file -> id -> path.
        self._copies = set()  # Ids of images that are links to others.

    @property
    def has_masks(self) -> bool:
        """Whether there is a folder of masks."""
        return self._masks is not None

    def images(self) -> dict[str, str]:
        """Returns the images by id, without the masks that lie in the folder of the images.

        Raises:
            FileNotFoundError: If there is no such folder, or no image in it.
            ValueError: If an id has two files, or every image is a mask by its name.
        """
        images = self._find('image', self._images)
        if self._masks is None or not _is_inside(self._masks, self._images):
            return images
        masks = set(map(os.path.normpath, self._find('mask', self._masks, True).values()))
        photos = {
            name: path for name, path in images.items() if os.path.normpath(path) not in masks
        }
        if not photos:
            raise ValueError(
                f'Dataset {self._dataset!r}: every image in {self._images} is a mask by its name; '
                f'set {self._owner}.image_endings and {self._owner}.mask_endings, such as '
                "('_mask.png',), to tell them apart."
            )
        return photos

    def masks(self, may_be_empty: bool = False) -> dict[str, str]:
        """Returns the masks by id; empty without a folder of masks.

        Args:
            may_be_empty: Whether the folder may have no masks.

        Raises:
            FileNotFoundError: If there is no such folder, or no mask in it.
            ValueError: If an id has two files.
        """
        return {} if self._masks is None else self._find('mask', self._masks, may_be_empty)

    def of_names(self, by_name: Mapping[str, str]) -> dict[str, str]:
        """Returns what belongs to images by their ids.

        A name fits the image whose path it ends with: other folders at its beginning do not matter.

        Args:
            by_name: By paths of images, with their endings.

        Raises:
            ValueError: If two names fit one image.
        """
        found, names, images = {}, {}, self.images()
        for name, value in by_name.items():
            parts = finding.same_name(name).split('/')
            whole_name = id_lists.split_ending('/'.join(parts), self._endings['image'])[0]
            ids = (
                finding.identifier('/'.join(whole_name.split('/')[i:])) for i in range(len(parts))
            )
            fitting = next((one for one in ids if one in images), None)
            if fitting in found:
                raise ValueError(
                    f'Dataset {self._dataset!r}: both {names[fitting]} and {name} are image '
                    f'{fitting}.'
                )
            if fitting is not None:
                found[fitting], names[fitting] = value, name
        return found

    def ids(self, split: str, images: Mapping[str, str]) -> list[str]:
        """Returns the ids of a split, also those without an image.

        Args:
            split: Name of a split.
            images: From `images`.

        Raises:
            FileNotFoundError: If the list of the split does not exist.
            ValueError: If it cannot be read, or names an id in two ways.
        """
        path = self.splits[split]
        if path is None:
            own = {name: file for name, file in images.items() if name not in self._copies}
            return self._without_masks(split, own)
        try:
            ids = id_lists.match_ids(id_lists.read_ids(path), images, self._endings['image'])
        except SelectionError as error:
            raise ValueError(f'Id list {path} cannot be read: {error}') from error
        twice = [name for name, count in collections.Counter(ids).items() if count > 1]
        if twice:
            raise ValueError(
                f'Id list {path} names ids with and without ending: {reasons.list_some(twice)}.'
            )
        return list(ids)

    def narrow(self, ids: Sequence[str], listed: Sequence[str]) -> tuple[str, ...]:
        """Returns some of the listed ids; see `lists.ids.narrow`."""
        return id_lists.narrow(ids, listed, self._endings['image'])

    def with_image(
        self, split: str, ids: Sequence[str], images: Mapping[str, str]
    ) -> tuple[list[str], list[str]]:
        """Returns the ids that have an image, and sentences about those without."""
        lost = [name for name in ids if name not in images]
        if not lost:
            return list(ids), []
        example = min(images)
        sentence = (
            f'{len(lost)} ids of {self.splits[split]} have no image in {self._images}: '
            f'{reasons.list_some(lost)} (an id that has one: {example}).'
            f'{id_lists.advice(lost, images)}'
        )
        return [name for name in ids if name in images], [sentence]

    def without_mask(self, ids: Sequence[str], masks: Mapping[str, str]) -> list[str]:
        """Returns a sentence about the ids that have no mask, if there are any."""
        maskless = [name for name in ids if name not in masks]
        if not maskless:
            return []
        return [
            f'{len(maskless)} of its ids have no mask in {self._masks}: '
            f'{reasons.list_some(maskless)}.'
        ]

    def _without_masks(self, split, images):
        """Returns the sorted ids of the images that do not look like masks of others."""
        masks = mask_names.masks_among(images)
        if masks:
            mask, photo = min(masks.items())
            warnings.warn(
                f'{len(masks)} files of {self._images} are left out of split {split!r}, since they '
                f'look like masks of others, such as {images[mask]} of {images[photo]}. If they '
                f'are masks, set {self._owner}.masks and {self._owner}.mask_endings; if they are '
                f'images, give {self._owner}.splits a file of all ids.',
                stacklevel=4,
            )
        return sorted(name for name in images if name not in masks)

    def _find(self, kind, folder, may_be_empty=False):
        """Returns the files of a folder and its subfolders by id."""
        if kind in self._found:
            return self._found[kind]
        try:
            inside = finding.find(folder, self._endings[kind])
        except (FileNotFoundError, NotADirectoryError) as error:
            raise type(error)(
                f'Dataset {self._dataset!r}: the folder of {kind}s {error}. Set '
                f'{self._owner}.{kind}s; docs/datasets.md says where known datasets are.'
            ) from error
        if inside.closed:
            raise OSError(f'Dataset {self._dataset!r}: {" ".join(inside.closed[:3])}')
        left_out = ''
        if inside.left_out:
            left_out = finding.left_out_sentence(inside.left_out, folder)
            warnings.warn(f'Dataset {self._dataset!r}: {left_out}', stacklevel=2)
        found = collections.defaultdict(list)
        for file in inside.files:
            name = finding.identifier(id_lists.split_ending(file, self._endings[kind])[0])
            found[name].append(os.path.join(folder, file))
            if kind == 'image' and file in inside.copies:
                self._copies.add(name)
        if not found and not may_be_empty:
            raise FileNotFoundError(
                f'Dataset {self._dataset!r}: the folder of {kind}s {folder} holds no file whose '
                f'name ends in {", ".join(self._endings[kind])}. {left_out}'.strip()
            )
        several = [list(map(finding.shown, files)) for files in found.values() if len(files) > 1]
        if several:
            names = '; '.join(' and '.join(sorted(files)) for files in sorted(several)[:3])
            raise ValueError(
                f'Dataset {self._dataset!r}: {len(several)} ids have more than one {kind}, the '
                f'first: {names}. Delete one of each, or tell them apart with '
                f'{self._owner}.{kind}_endings.'
            )
        self._found[kind] = {name: files[0] for name, files in found.items()}
        return self._found[kind]


def _path(folder):
    return whole.expanded(folder).rstrip('/') or '/'


def _is_inside(folder, parent):
    """Whether a folder is another one or inside it."""
    folder, parent = (os.path.normpath(path) for path in (folder, parent))
    return parent in ('.', folder) or folder.startswith(parent.rstrip('/') + '/')
