"""The weak and the strong view of one example (Zou et al., 2021, section 3)."""

import dataclasses

import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.settings import ranges
from wss.views import blur, colour, cutout, geometry, mixing
from wss.views import strong as strong_views
from wss.views.image_label import classes_present
from wss.views.strong import Augmentation

Example = dict[str, tf.Tensor]

# What has a seed of its own.
_JITTER, _GREY, _BLUR, _SIGMA, _BOX, _SECOND_VIEW, _CUTOUT = range(7)


@dataclasses.dataclass(frozen=True)
class Views:
    """Options of the views, and the views themselves.

    Attributes:
        crop_size: Height and width of every view in pixels, at most 8192.
        scales: Factors by which an image is scaled before the crop, each equally likely, in
            0.01..100.
        flip_probability: Probability of a left-right flip.
        brightness: Strong view: largest addend on 0..1 values; this and the next two at most 10.
        contrast: Strong view: largest departure of the contrast factor from 1.
        saturation: Strong view: largest departure of the saturation factor from 1.
        hue: Strong view: largest turn of the hue, in turns; at most 0.5.
        jitter_probability: Strong view: probability of these four changes; 1 in the paper.
        contrast_mean: Strong view: the mean colour around which contrast is changed: 'crop' for
            that of the pixels that the crop shows, 'image' for that of the whole scaled image, as
            in the authors' program, which takes more time. All else is the same.
        greyscale_probability: Strong view: probability that it is grey, after the colours.
        blur_probability: Strong view: probability of a Gaussian blur, after that.
        blur_sigma: Lowest and highest standard deviation of the blur in pixels, 0.01 to 100.
        cutout_half_size: Strong view: half the side of the CutOut square in pixels; 0 for none, at
            most the longer side of the crop.
        cutout_probability: Strong view: probability of that square; 1 in the paper.
        cutmix_probability: Strong view: probability that a method shows it a box of another image
            of the batch (CutMix, `mixing.py`); 0 in the paper.
        strong_views: How many strong views, 1 or 2; the second has random numbers of its own in all
            but geometry and CutOut.
        strong: Further augmentations of the strong view, after the blur and in this order:
            'gaussian_blur', 'equalize' and 'sharpness', which need tensorflow-addons, and functions
            of an image and a seed (`strong.Augmentation`, `docs/extending.md`).
        strong_probability: Probability of each of `strong`.
        image_labels: Image-level label of an unlabelled example that has a label map but no image
            label of its own: 'view' for the classes that `label` of the view shows, without those
            that CutOut hides, as in the authors' program; 'image' for the classes of the whole
            image, which an annotator who sees the whole photograph would give.

    Raises:
        ValueError: If an option is out of range or of the wrong type, or if an augmentation of
            `strong` cannot be used.

    Example:
        >>> from wss.datasets.shapes import Shapes
        >>> from wss.views.views import Views
        >>> dataset = Shapes(size=65, counts={'train': 1})
        >>> example = dataset.examples('train').load(tf.constant(0, tf.int64))
        >>> views = Views(crop_size=(33, 33), cutout_half_size=4)
        >>> view = views.unlabelled(example, dataset.info, (127.5, 127.5, 127.5), seed=[0, 1])
        >>> tuple(view['weak'].shape)
        (33, 33, 3)
        >>> sorted(view)
        ['image_label', 'label', 'strong', 'valid', 'weak']
    """

    crop_size: tuple[int, int] = (513, 513)
    scales: tuple[float, ...] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    flip_probability: float = 0.5
    brightness: float = 0.5
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 0.25
    jitter_probability: float = 1.0
    contrast_mean: str = 'crop'
    greyscale_probability: float = 0.0
    blur_probability: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    cutout_half_size: int = 50
    cutout_probability: float = 1.0
    cutmix_probability: float = 0.0
    strong_views: int = 1
    strong: tuple[str | Augmentation, ...] = ()
    strong_probability: float = 0.5
    image_labels: str = 'view'

    def __post_init__(self):
        name = 'Views.'
        ranges.several(f'{name}crop_size', self.crop_size, 2, ranges.whole, 1, 8192)
        ranges.several(f'{name}scales', self.scales, range(1, 1001), ranges.number, 0.01, 100)
        if not isinstance(self.strong, tuple | list):
            ranges.refuse(f'{name}strong', self.strong, 'a tuple of names and functions')
        for field in ('crop_size', 'scales', 'strong'):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        for field in ('flip', 'jitter', 'greyscale', 'blur', 'cutout', 'cutmix', 'strong'):
            ranges.share(f'{name}{field}_probability', getattr(self, f'{field}_probability'))
        ranges.several(f'{name}blur_sigma', self.blur_sigma, 2, ranges.number, 0.01, 100)
        if self.blur_sigma[0] > self.blur_sigma[1]:
            ranges.refuse(f'{name}blur_sigma', self.blur_sigma, 'the lowest, then the highest')
        ranges.choice(f'{name}strong_views', self.strong_views, (1, 2))
        for field in ('brightness', 'contrast', 'saturation'):
            ranges.number(f'{name}{field}', getattr(self, field), 0, 10)
        ranges.number(f'{name}hue', self.hue, 0, 0.5)
        ranges.choice(f'{name}contrast_mean', self.contrast_mean, ('crop', 'image'))
        longest = max(self.crop_size)
        described = f'a whole number, 0 to {longest}, the longer side of crop_size'
        ranges.whole(f'{name}cutout_half_size', self.cutout_half_size, 0, longest, described)
        ranges.choice(f'{name}image_labels', self.image_labels, ('view', 'image'))
        for one in self.strong:
            if not isinstance(one, str) and not callable(one):
                ranges.refuse(f'{name}strong', self.strong, 'a tuple of names and functions')
        strong_views.check(self.strong, self.crop_size)

    def labelled(self, example: Example, info: DatasetInfo, padding_value, seed) -> Example:
        """Returns the weak view of an example with a label map.

        Args:
            example: `image` uint8 `[H, W, 3]` and `label` int32 `[H, W]`.
            info: Classes of the dataset.
            padding_value: Three floats in 0..255, the RGB outside the image.
            seed: int32 or int64 `[2]`; the view is a function of the example and the seed.

        Returns:
            `image` float32 `[h, w, 3]` in 0..255; `label` int32 `[h, w]`, the ignore value on
            padding; `valid` float32 `[h, w]`, 1 in the image and 0 on padding; `image_label`
            float32 `[num_image_classes]`, the classes that `label` shows.
        """
        place = self._geometry(example, _seeds(seed)[0])
        label = geometry.crop_label(example['label'], place, self.crop_size, info.ignore_value)
        return {
            'image': geometry.crop_image(example['image'], place, self.crop_size, padding_value),
            'label': label,
            'valid': tf.cast(geometry.inside(place, self.crop_size), tf.float32),
            'image_label': classes_present(label, info),
        }

    def unlabelled(self, example: Example, info: DatasetInfo, padding_value, seed) -> Example:
        """Returns the weak and the strong view of an example, in one geometry.

        Args:
            example: `image` uint8 `[H, W, 3]` and, where they exist, `label` int32 `[H, W]` (for
                monitoring) and `image_label` float32 `[num_image_classes]`.
            info: Classes of the dataset.
            padding_value: Three floats in 0..255, the RGB outside the image and in the square.
            seed: int32 or int64 `[2]`; the views are a function of the example and the seed.

        Returns:
            `weak` and `strong` float32 `[h, w, 3]` in 0..255, `strong_2` too with two strong views;
            `box` int32 `[4]` (`mixing.sample_box`) with CutMix, of each strong view (`box_2`);
            `valid` float32 `[h, w]`, 0 on padding and in the CutOut square; `label` int32 `[h, w]`
            if the example has one, the ignore value where `valid` is 0; `image_label` float32
            `[num_image_classes]` if the example has one or has a label map.
        """
        geometry_seed, _, _, cutout_seed = _seeds(seed)
        place = self._geometry(example, geometry_seed)
        square = self._square(cutout_seed)
        valid = geometry.inside(place, self.crop_size) & ~cutout.inside(square, self.crop_size)
        pixels, visible = self._pixels(example['image'], place)
        views = {
            'weak': geometry.on_canvas(visible, place, self.crop_size, padding_value),
            'valid': tf.cast(valid, tf.float32),
        }
        for number in range(self.strong_views):
            own = _folded(seed, _SECOND_VIEW) if number else seed
            strong = self._coloured(pixels, place, own)
            strong = geometry.on_canvas(strong, place, self.crop_size, padding_value)
            if self.strong:  # These see the padding, which some of them change.
                strong = self._more_strength(strong, _seeds(own)[2])
                strong = tf.where(valid[..., None], strong, tf.constant(padding_value, tf.float32))
            ending = f'_{number + 1}' if number else ''
            views[f'strong{ending}'] = cutout.filled(strong, square, padding_value)
            if self.cutmix_probability:
                views[f'box{ending}'] = mixing.sample_box(
                    self.crop_size, self.cutmix_probability, _folded(own, _BOX)
                )
        if 'label' in example:
            label = geometry.crop_label(example['label'], place, self.crop_size, info.ignore_value)
            views['label'] = tf.where(valid, label, info.ignore_value)
            seen = views['label'] if self.image_labels == 'view' else example['label']
            views['image_label'] = classes_present(seen, info)
        if 'image_label' in example:
            views['image_label'] = tf.ensure_shape(example['image_label'], [info.num_image_classes])
        return views

    def _geometry(self, example: Example, seed: tf.Tensor) -> geometry.Geometry:
        size = tf.shape(example['image'])[:2]
        return geometry.sample_geometry(
            size, self.crop_size, self.scales, self.flip_probability, seed
        )

    def _square(self, seed) -> cutout.Square:
        square = cutout.sample_square(self.crop_size, self.cutout_half_size, seed)
        if self.cutout_probability == 1:
            return square
        chosen = tf.random.stateless_uniform([], _folded(seed, _CUTOUT)) < self.cutout_probability
        return cutout.Square(*(tf.where(chosen, side, 0) for side in square))

    def _pixels(self, image, place) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns float32 `[.., .., 3]` twice: whose colours change, and what the crop shows."""
        if self.contrast_mean == 'crop':
            visible = geometry.visible_crop(image, place, self.crop_size)
            return visible, visible
        scaled = geometry.scaled_image(image, place)
        return scaled, geometry.crop_of_scaled(scaled, place, self.crop_size)

    def _coloured(self, pixels, place, seed) -> tf.Tensor:
        """Returns float32 `[vh, vw, 3]`: what the crop shows, in other colours and blurred."""
        strengths = (self.brightness, self.contrast, self.saturation, self.hue)
        seeds = [_folded(seed, number) for number in (_JITTER, _GREY, _BLUR, _SIGMA)]

        def jitter(image):
            return colour.jitter(image, *strengths, _seeds(seed)[1])

        def blurred(image):
            return blur.random_blur(image, self.blur_sigma, seeds[3])

        changed = _sometimes(jitter, pixels, self.jitter_probability, seeds[0])
        if self.contrast_mean == 'image':
            changed = geometry.crop_of_scaled(changed, place, self.crop_size)
        changed = _sometimes(colour.greyscale, changed, self.greyscale_probability, seeds[1])
        return _sometimes(blurred, changed, self.blur_probability, seeds[2])

    def _more_strength(self, image, seed) -> tf.Tensor:
        """Returns float32 `[h, w, 3]` in 0..255: the image after `self.strong`."""
        changed = image / 255.0
        seeds = tf.random.experimental.stateless_split(seed, 2 * len(self.strong))
        for i, one in enumerate(self.strong):
            chosen = tf.random.stateless_uniform([], seeds[2 * i]) < self.strong_probability
            augment, before, seed = strong_views.function(one), changed, seeds[2 * i + 1]
            changed = tf.cond(
                chosen, lambda f=augment, x=before, s=seed: f(x, s), lambda x=before: x
            )
        return tf.ensure_shape(changed, image.shape) * 255.0


def _sometimes(change, image: tf.Tensor, probability: float, seed: tf.Tensor) -> tf.Tensor:
    """Returns the changed image with a probability, else the image."""
    if probability in (0, 1):
        return change(image) if probability else image
    chosen = tf.random.stateless_uniform([], seed) < probability
    return tf.cond(chosen, lambda: change(image), lambda: image)


def _folded(seed: tf.Tensor, number: int) -> tf.Tensor:
    """Returns a seed of its own for a part; those of `_seeds` are as they were without it."""
    return tf.random.experimental.stateless_fold_in(seed, number)


def _seeds(seed: tf.Tensor) -> list[tf.Tensor]:
    """Returns the four seeds of an example: geometry, colours, further augmentations, CutOut."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, 4), num=4)
