"""A user's own images and index masks, in folders."""

from collections.abc import Mapping, Sequence

import numpy as np

from wss.datasets import own_classes
from wss.datasets.examples import Examples
from wss.datasets.files import agreement, checks, decoding, drawn, finding, loading
from wss.datasets.files.meaning import Meaning
from wss.datasets.lists import image_labels as label_lists
from wss.datasets.lists.files_by_id import FilesById
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
            it, if the endings tell the two apart: what is a mask is no image. Or an annotation file
            of COCO (`annotations.json`) or of CVAT for images (`annotations.xml`), whose categories
            or labels are names of classes.
        splits: From the name of a split to the file of its ids, one a line (or the file of an
            image, or those of an image and its mask), or to None for every image of the folder, but
            for links to others of its images and those that are named like masks of others
            (`a_mask.png` beside `a.jpg`). None means `{'all': None}`.
        colours: RGB triple of each class in 0..255; the PASCAL VOC colours if None.
        has_background: Whether class 0 is "none of the others". None means True, with a warning if
            the name of class 0 does not say so.
        ignore_value: Value of mask pixels that belong to no class.
        image_endings: Endings of the names of images, in any case.
        mask_endings: Endings of the names of masks, such as `('_mask.png',)`; `('.npy',)` for
            arrays of NumPy, `('.json',)` for files of labelme.
        skip_broken: Whether to leave damaged files out, with a warning, instead of refusing them.
        check: `full` decodes every file before training, `headers` compares sizes only.
        name: Name of the dataset.
        masks_drawn_on: What masks fit where the EXIF orientations of image and mask differ:
            `turned`, the image as viewers show it, or `stored`, its pixels as they are stored. None
            refuses such pairs. Images, and their masks with them, are always turned upright.
        mask_values: What counts in masks: `indices`; `colours`, which are looked up in `colours`;
            or `binary`: 0 is class 0 and 255 is class 1. None: indices, and masks with palettes
            must have them in one order.
        ignore_colour: RGB triple of the pixels that belong to no class, where colours count.
        image_labels: File of the classes that images show, for training with image-level labels
            (`PseudoSeg.weak_labels`): lines such as `a.jpg,leaf,stem`. An image without a line has
            the classes of its mask. See `lists/image_labels.py`.
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
    of_host = ('images', 'masks', 'splits', 'image_labels')

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
        image_labels: str | None = None,
    ):
        self.info = own_classes.dataset_info(
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
        if mask_values == 'binary' and self.info.num_classes != 2:
            raise ValueError(
                f"Folder.mask_values = 'binary' is for two classes; Folder.class_names has "
                f'{self.info.num_classes}.'
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
        if image_labels is not None:
            ranges.path('Folder.image_labels', image_labels)
        self._image_labels = image_labels
        # A file that has all masks, and no folder of them.
        self._annotations = masks if str(masks).lower().endswith(drawn.ANNOTATIONS) else None
        folder = None if self._annotations else masks
        self._files = FilesById('Folder', name, images, folder, splits, image_endings, mask_endings)
        self._skip_broken = skip_broken
        self._full = check == 'full'
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
        checks.check_request(self.info.name, split, self._files.splits, labels)
        if labels == 'required' and not (self._files.has_masks or self._annotations):
            raise ValueError(
                f'Dataset {self.info.name!r} has no folder of masks, but labels of split '
                f'{split!r} are needed; set Folder.masks.'
            )
        images, masks, given = self._files.images(), {}, None
        if self._image_labels and labels != 'required':
            given = self._files.of_names(label_lists.read(self._image_labels, self.info))
        if labels != 'none' and self._annotations:
            masks = self._files.of_names(drawn.in_annotations(self._annotations, self.info))
        elif labels != 'none':
            masks = self._files.masks(may_be_empty=labels == 'available')
        listed = self._files.ids(split, images)
        wanted = listed if ids is None else self._files.narrow(ids, listed)
        there, missing = self._files.with_image(split, wanted, images)
        if labels == 'required':
            missing += self._files.without_mask(there, masks)
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
        image_labels = None
        if given is not None:
            first = int(self.info.has_background)
            shown = {there[i]: results[i].classes for i in good if pairs[i][1]}
            of_masks = {name: one[first:] for name, one in shown.items() if one is not None}
            image_labels = label_lists.of_examples(kept_ids, given, of_masks, self._image_labels)
        examples = Examples(
            ids=kept_ids,
            load=loading.loader(
                kept_ids, lambda i: self._read(*kept[i]), has_label, self._full, image_labels
            ),
            has_label=has_label,
            has_image_label=image_labels is not None,
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
        return tuple(self._files.splits)

    def split_ids(self, split: str) -> tuple[str, ...]:
        """Returns the ids of a split, also those without a file; opens no image."""
        return tuple(self._files.ids(split, self._files.images()))

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
