"""A user's own images and index masks, in folders."""

import collections
import os
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from wss.datasets.examples import Examples, SelectionError
from wss.datasets.files import agreement, checks, decoding, finding, loading, mask_names, reasons
from wss.datasets.files.meaning import Meaning
from wss.datasets.lists import ids as id_lists
from wss.settings import ranges


class Folder:
    """Images and masks in folders; the id of an image is its path in the folder without ending.

    `images/seq1/0001.jpg` has the id `seq1/0001`, and its mask is `masks/seq1/0001.png`. Masks hold
    class indices (see `decoding.decode_mask`). Images may differ in size. Only `examples` reads the
    folders and lists; `info` does not need them.

    Attributes:
        info: Classes of the dataset.

    Args:
        images: Folder of the images, local or `gs://`; its subfolders count, linked ones too.
        class_names: Name of each class, in the order of the indices.
        masks: Folder of the masks; None without masks. Can be the folder of the images, or inside
            it, if the endings tell the two apart: what is a mask is no image.
        splits: From the name of a split to the file of its ids, one a line (or the file of an
            image, or those of an image and its mask), or to None for every image of the folder, but
            for links to others of its images and those that are named like masks of others
            (`a_mask.png` beside `a.jpg`). None means `{'all': None}`.
        colours: RGB triple of each class in 0..255; the PASCAL VOC colours if None.
        has_background: Whether class 0 is "none of the others". None means True, with a warning if
            the name of class 0 does not say so.
        ignore_value: Value of mask pixels that belong to no class.
        image_endings: Endings of the names of images, in any case.
        mask_endings: Endings of the names of masks, such as `('_mask.png',)`.
        skip_broken: Whether to leave damaged files out, with a warning, instead of refusing them.
        check: `full` decodes every file before training, `headers` compares sizes only.
        name: Name of the dataset.
        masks_drawn_on: What masks fit where the EXIF orientations of image and mask differ:
            `turned`, the image as viewers show it, or `stored`, its pixels as they are stored. None
            refuses such pairs. Images, and their masks with them, are always turned upright.
        mask_values: What counts in masks: `indices`, or `colours`, which are looked up in
            `colours`. None: indices, and masks with palettes must have them in one order.
        ignore_colour: RGB triple of the pixels that belong to no class, where colours count.
        bit_depth: How many bits of 16-bit images hold data (12 for values up to 4095). None: 16,
            and a set of images that hold fewer is refused.

    Raises:
        ValueError: If an argument has another value than above.

    Example:
        >>> from wss.datasets.folder import Folder
        >>> splits = {'train': 'with_masks.txt', 'all': None}
        >>> dataset = Folder('photos', ('background', 'leaf', 'stem'), 'masks', splits)
        >>> dataset.examples('train').ids
        ('a',)
        >>> dataset.examples('all', labels='available').ids
        ('a', 'b', 'c')
    """

    # The ids of a run are recorded, so they cannot change with the places.
    of_host = ('images', 'masks', 'splits')

    def __init__(
        self,
        images: str,
        class_names: Sequence[str],
        masks: str | None = None,
        splits: Mapping[str, str | None] | None = None,
        colours: Sequence[Sequence[int]] | None = None,
        has_background: bool | None = None,
        ignore_value: int = 255,
        image_endings: Sequence[str] = decoding.ENDINGS,
        mask_endings: Sequence[str] = decoding.ENDINGS,
        skip_broken: bool = False,
        check: str = 'full',
        name: str = 'folder',
        masks_drawn_on: str | None = None,
        mask_values: str | None = None,
        ignore_colour: Sequence[int] | None = None,
        bit_depth: int | None = None,
    ):
        self.info = checks.dataset_info(
            'Folder', name, class_names, colours, has_background, ignore_value, bit_depth
        )
        if ignore_colour is not None:
            ranges.several('Folder.ignore_colour', ignore_colour, 3, ranges.whole, 0, 255)
        self._rules = Meaning(
            'Folder',
            masks_drawn_on=masks_drawn_on,
            mask_values=mask_values,
            colours=None if colours is None else self.info.colours,
            ignore_colour=None if ignore_colour is None else tuple(ignore_colour),
        )
        checks.check_modes('Folder', check, skip_broken)
        if splits is not None:
            ranges.mapping('Folder.splits', splits)
            for split, path in splits.items():
                if path is not None:
                    ranges.path(f'Folder.splits[{split!r}]', path)
        ranges.several('Folder.image_endings', image_endings, range(1, 100), ranges.text)
        ranges.several('Folder.mask_endings', mask_endings, range(1, 100), ranges.text)
        ranges.path('Folder.images', images)
        if masks is not None:
            ranges.path('Folder.masks', masks)
        self._images = _path(images)
        self._masks = None if masks is None else _path(masks)
        self._splits = {'all': None} if splits is None else dict(splits)
        self._endings = {'image': tuple(image_endings), 'mask': tuple(mask_endings)}
        self._skip_broken = skip_broken
        self._full = check == 'full'
        self._found = {}  # Kind of file -> id -> path.
        self._copies = set()  # Ids of images that are links to others.
        self._checked = {}  # (image, mask or None) that passed the checks -> what they found.

    def examples(
        self, split: str, labels: str = 'required', ids: Sequence[str] | None = None
    ) -> Examples:
        """Checks the files of a split, or of some of its ids, and gives access to them.

        Args:
            split: Name of a split.
            labels: `required`: every id must have a mask; `available`: an image without a mask is
                ignored everywhere; `none`: masks are not looked for.
            ids: Ids of the split (with or without ending); only their files are read. None for
                all.

        Returns:
            The examples in the order of `ids`, else of the id list of the split, else sorted by id.

        Raises:
            FileNotFoundError: If folders, lists, or files of ids do not exist.
            ValueError: If the split is unknown, the folder or list is empty, an id has two files, a
                file is damaged or refused, or a mask does not fit its image or the classes. One
                error holds all problems. A `SelectionError` if `ids` do not fit the split.
        """
        checks.check_request(self.info.name, split, self._splits, labels)
        if labels == 'required' and self._masks is None:
            raise ValueError(
                f'Dataset {self.info.name!r} has no folder of masks, but labels of split '
                f'{split!r} are needed; set Folder.masks.'
            )
        images = self._photos()
        masks = {}
        if labels != 'none' and self._masks is not None:
            masks = self._find('mask', self._masks, may_be_empty=labels == 'available')
        listed = self._ids(split, images)
        wanted = listed
        if ids is not None:
            wanted = id_lists.narrow(ids, listed, self._endings['image'])
        there, missing = self._with_image(split, wanted, images)
        maskless = [name for name in there if name not in masks] if labels == 'required' else []
        if maskless:
            missing.append(
                f'{len(maskless)} of its ids have no mask in {self._masks}: '
                f'{reasons.list_some(maskless)}.'
            )
        pairs = [(images[name], masks.get(name)) for name in there]
        what = f'split {split!r} of dataset {self.info.name!r}'
        results = checks.check_all(self._check, pairs, what, len(pairs))
        good = checks.keep_good(results, what, self._skip_broken, missing)
        # Of all splits so far, which share one meaning.
        found = {}  # An image that was checked with its mask was so without it.
        for (image, mask), each in self._checked.items():
            if mask or image not in found:
                found[image] = (image, mask, each)
        agreement.check(found.values(), self.info, self._rules)
        heights, widths = zip(*(results[i].size for i in good), strict=True)
        kept = [pairs[i] for i in good]
        has_label = any(mask is not None for _, mask in kept)
        kept_ids = tuple(there[i] for i in good)
        examples = Examples(
            ids=kept_ids,
            load=loading.loader(kept_ids, lambda i: self._read(*kept[i]), has_label, self._full),
            has_label=has_label,
            max_size=(max(heights), max(widths)),
            sizes=np.stack([heights, widths], axis=-1),
            info=self.info,
            skipped=tuple(sorted(set(there) - set(kept_ids))),
            mask_classes=checks.mask_classes(results[i] for i in good) if has_label else None,
            class_pixels=checks.all_class_pixels(results[i] for i in good) if has_label else None,
        )
        # Refuses damaged files that a list names, even if others are left out.
        return examples if ids is None else examples.select(wanted)

    @property
    def split_names(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self._splits)

    def split_ids(self, split: str) -> tuple[str, ...]:
        """Returns the ids of a split, also those without a file; opens no image."""
        return tuple(self._ids(split, self._photos()))

    def _ids(self, split, images):
        """Returns the ids of a split, also those without an image."""
        path = self._splits[split]
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

    def _photos(self):
        """Returns the images by id, without the masks that lie in the folder of the images."""
        images = self._find('image', self._images)
        if self._masks is None or not _is_inside(self._masks, self._images):
            return images
        masks = set(map(os.path.normpath, self._find('mask', self._masks, True).values()))
        photos = {
            name: path for name, path in images.items() if os.path.normpath(path) not in masks
        }
        if not photos:
            raise ValueError(
                f'Dataset {self.info.name!r}: every image in {self._images} is a mask by its name; '
                "set Folder.image_endings and Folder.mask_endings, such as ('_mask.png',), to tell "
                'them apart.'
            )
        return photos

    def _without_masks(self, split, images):
        """Returns the sorted ids of the images that do not look like masks of others."""
        masks = mask_names.masks_among(images)
        if masks:
            mask, photo = min(masks.items())
            warnings.warn(
                f'{len(masks)} files of {self._images} are left out of split {split!r}, since they '
                f'look like masks of others, such as {images[mask]} of {images[photo]}. If they '
                'are masks, set Folder.masks and Folder.mask_endings; if they are images, give '
                'Folder.splits a file of all ids.',
                stacklevel=4,
            )
        return sorted(name for name in images if name not in masks)

    def _with_image(self, split, ids, images):
        """Returns the ids that have an image, and sentences about those without."""
        lost = [name for name in ids if name not in images]
        if not lost:
            return list(ids), []
        example = min(images)
        sentence = (
            f'{len(lost)} ids of {self._splits[split]} have no image in {self._images}: '
            f'{reasons.list_some(lost)} (an id that has one: {example}).'
            f'{id_lists.advice(lost, images)}'
        )
        return [name for name in ids if name in images], [sentence]

    def _find(self, kind, folder, may_be_empty=False):
        """Returns the files of a folder and its subfolders by id."""
        if kind in self._found:
            return self._found[kind]
        try:
            inside = finding.find(folder, self._endings[kind])
        except (FileNotFoundError, NotADirectoryError) as error:
            raise type(error)(
                f'Dataset {self.info.name!r}: the folder of {kind}s {error}. Set Folder.{kind}s; '
                'docs/datasets.md says where known datasets are.'
            ) from error
        if inside.closed:
            raise OSError(f'Dataset {self.info.name!r}: {" ".join(inside.closed[:3])}')
        left_out = ''
        if inside.left_out:
            left_out = finding.left_out_sentence(inside.left_out, folder)
            warnings.warn(f'Dataset {self.info.name!r}: {left_out}', stacklevel=2)
        found = collections.defaultdict(list)
        for file in inside.files:
            name = finding.identifier(id_lists.split_ending(file, self._endings[kind])[0])
            found[name].append(os.path.join(folder, file))
            if kind == 'image' and file in inside.copies:
                self._copies.add(name)
        if not found and not may_be_empty:
            raise FileNotFoundError(
                f'Dataset {self.info.name!r}: the folder of {kind}s {folder} holds no file whose '
                f'name ends in {", ".join(self._endings[kind])}. {left_out}'.strip()
            )
        several = [list(map(finding.shown, files)) for files in found.values() if len(files) > 1]
        if several:
            names = '; '.join(' and '.join(sorted(files)) for files in sorted(several)[:3])
            raise ValueError(
                f'Dataset {self.info.name!r}: {len(several)} ids have more than one {kind}, the '
                f'first: {names}. Delete one of each, or tell them apart with {kind}_endings.'
            )
        self._found[kind] = {name: files[0] for name, files in found.items()}
        return self._found[kind]

    def _check(self, pair):
        if pair not in self._checked:
            found = checks.check_pair(
                *pair, self.info, *_names(*pair), self._rules, full=self._full
            )
            image, _ = pair
            self._checked[pair] = self._checked[image, None] = found
        return self._checked[pair]

    def _read(self, image, mask):
        return checks.decode_pair(image, mask, self.info, *_names(image, mask), self._rules)


def _names(image, mask):
    """Returns the paths of an image and its mask (or None) as text for messages."""
    return finding.shown(image), mask and finding.shown(mask)


def _path(folder):
    return os.path.expanduser(os.fspath(folder)).rstrip('/') or '/'


def _is_inside(folder, parent):
    """Whether a folder is another one or inside it."""
    folder, parent = (os.path.normpath(path) for path in (folder, parent))
    return parent in ('.', folder) or folder.startswith(parent.rstrip('/') + '/')
