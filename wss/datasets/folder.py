"""A user's own images and index masks, in folders."""

import collections
import os
from collections.abc import Mapping, Sequence

import tensorflow as tf

from wss.datasets.examples import Examples
from wss.datasets.files import checks, decoding, loading
from wss.datasets.lists import ids as id_lists


class Folder:
    """Images and masks in folders; the id of an image is its path in the folder without ending.

    `images/seq1/0001.jpg` has the id `seq1/0001`, and its mask is `masks/seq1/0001.png`. Masks hold
    class indices (see `decoding.decode_mask`). Images may differ in size. Only `examples` reads the
    folders and lists; `info` does not need them.

    Attributes:
        info: Classes of the dataset.

    Args:
        images: Folder of the images, local or `gs://`; its subfolders count.
        class_names: Name of each class, in the order of the indices.
        masks: Folder of the masks; None without masks. Can be the folder of the images if the
            endings tell the two apart.
        splits: From the name of a split to the file of its ids, one a line (with or without
            ending), or to None for every image of the folder. None means `{'all': None}`.
        colours: RGB triple of each class in 0..255; the PASCAL VOC colours if None.
        has_background: Whether class 0 is "none of the others".
        ignore_value: Value of mask pixels that belong to no class.
        image_endings: Endings of the names of images, in any case.
        mask_endings: Endings of the names of masks, such as `('_mask.png',)`.
        skip_broken: Whether to leave damaged files out, with a warning, instead of refusing them.
        check: `full` decodes every file before training, `headers` compares sizes only.
        name: Name of the dataset.

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
        has_background: bool = True,
        ignore_value: int = 255,
        image_endings: Sequence[str] = decoding.ENDINGS,
        mask_endings: Sequence[str] = decoding.ENDINGS,
        skip_broken: bool = False,
        check: str = 'full',
        name: str = 'folder',
    ):
        self.info = checks.dataset_info(name, class_names, colours, has_background, ignore_value)
        checks.check_mode(name, check)
        if splits is not None and (not isinstance(splits, Mapping) or not splits):
            raise ValueError(
                f'Dataset {name!r}: splits must map names of splits to id lists, not {splits!r}.'
            )
        for endings in (image_endings, mask_endings):
            if isinstance(endings, str) or not endings:
                raise ValueError(
                    f"Dataset {name!r}: endings must be a sequence such as ('.png',), "
                    f'not {endings!r}.'
                )
        self._images = _path(images)
        self._masks = None if masks is None else _path(masks)
        self._splits = {'all': None} if splits is None else dict(splits)
        self._endings = {'image': tuple(image_endings), 'mask': tuple(mask_endings)}
        self._skip_broken = skip_broken
        self._full = check == 'full'
        self._found = {}  # Kind of file -> id -> path.
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
                f'{split!r} are needed; set masks.'
            )
        images = self._find('image', self._images)
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
                f'{checks.list_some(maskless)}.'
            )
        pairs = [(images[name], masks.get(name)) for name in there]
        what = f'split {split!r} of dataset {self.info.name!r}'
        results = checks.check_all(self._check, pairs, what, len(pairs))
        good = checks.keep_good(results, what, self._skip_broken, missing)
        heights, widths = zip(*(results[i].size for i in good), strict=True)
        kept = [pairs[i] for i in good]
        has_label = any(mask is not None for _, mask in kept)
        kept_ids = tuple(there[i] for i in good)
        examples = Examples(
            ids=kept_ids,
            load=loading.loader(kept_ids, lambda i: self._read(*kept[i]), has_label, self._full),
            has_label=has_label,
            max_size=(max(heights), max(widths)),
            info=self.info,
            skipped=tuple(sorted(set(there) - set(kept_ids))),
            mask_classes=checks.mask_classes(results[i] for i in good) if has_label else None,
        )
        # Refuses damaged files that a list names, even if others are left out.
        return examples if ids is None else examples.select(wanted)

    def _ids(self, split, images):
        """Returns the ids of a split, also those without an image."""
        path = self._splits[split]
        if path is None:
            return sorted(images)
        ids = id_lists.match_ids(id_lists.read_ids(path), images, self._endings['image'])
        twice = [name for name, count in collections.Counter(ids).items() if count > 1]
        if twice:
            raise ValueError(
                f'Id list {path} names ids with and without ending: {checks.list_some(twice)}.'
            )
        return list(ids)

    def _with_image(self, split, ids, images):
        """Returns the ids that have an image, and sentences about those without."""
        lost = [name for name in ids if name not in images]
        if not lost:
            return list(ids), []
        example = min(images)
        sentence = (
            f'{len(lost)} ids of {self._splits[split]} have no image in {self._images}: '
            f'{checks.list_some(lost)} (an id that has one: {example}).'
        )
        return [name for name in ids if name in images], [sentence]

    def _find(self, kind, folder, may_be_empty=False):
        """Returns the files of a folder and its subfolders by id."""
        if kind in self._found:
            return self._found[kind]
        if not tf.io.gfile.isdir(folder):
            raise FileNotFoundError(
                f'Dataset {self.info.name!r}: the folder of {kind}s {folder} does not exist.'
            )
        found = collections.defaultdict(list)
        for parent, _, files in tf.io.gfile.walk(folder):
            inside = parent[len(folder) :].strip('/')
            # Hidden files are ignored, such as those that macOS writes beside the real ones.
            if any(part.startswith(('.', '__MACOSX')) for part in inside.split('/')):
                continue
            for file in files:
                stem, ending = id_lists.split_ending(file, self._endings[kind])
                if ending and not file.startswith('.'):
                    name = f'{inside}/{stem}' if inside else stem
                    found[name].append(os.path.join(parent, file))
        if not found and not may_be_empty:
            raise FileNotFoundError(
                f'Dataset {self.info.name!r}: the folder of {kind}s {folder} holds no file whose '
                f'name ends in {", ".join(self._endings[kind])}.'
            )
        several = [files for files in found.values() if len(files) > 1]
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
            image, mask = pair
            found = checks.check_pair(image, mask, self.info, image, mask, full=self._full)
            self._checked[pair] = self._checked[image, None] = found
        return self._checked[pair]

    def _read(self, image, mask):
        return checks.decode_pair(image, mask, self.info, image, mask)


def _path(folder):
    return os.path.expanduser(os.fspath(folder)).rstrip('/') or '/'
