"""The weak and the strong view of one example (Zou et al., 2021, section 3)."""

import dataclasses

import tensorflow as tf

from wss.datasets.info import DatasetInfo
from wss.settings import ranges
from wss.views import colour, cutout, geometry
from wss.views import strong as strong_views
from wss.views.image_label import classes_present
from wss.views.strong import Augmentation

Example = dict[str, tf.Tensor]


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
        contrast_mean: Strong view: the mean colour around which contrast is changed: 'crop' for
            that of the pixels that the crop shows, 'image' for that of the whole scaled image, as
            in the authors' program, which takes more time. All else is the same.
        cutout_half_size: Strong view: half the side of the CutOut square in pixels; 0 for none, at
            most the longer side of the crop.
        strong: Further augmentations of the strong view, after the colours and in this order:
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
    contrast_mean: str = 'crop'
    cutout_half_size: int = 50
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
        ranges.share(f'{name}flip_probability', self.flip_probability)
        ranges.share(f'{name}strong_probability', self.strong_probability)
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
            `weak` and `strong` float32 `[h, w, 3]` in 0..255; `valid` float32 `[h, w]`, 0 on
            padding and in the CutOut square; `label` int32 `[h, w]` if the example has one, the
            ignore value where `valid` is 0; `image_label` float32 `[num_image_classes]` if the
            example has one or has a label map.
        """
        geometry_seed, colour_seed, strong_seed, cutout_seed = _seeds(seed)
        place = self._geometry(example, geometry_seed)
        square = cutout.sample_square(self.crop_size, self.cutout_half_size, cutout_seed)
        valid = geometry.inside(place, self.crop_size) & ~cutout.inside(square, self.crop_size)
        visible, strong = self._colours(example['image'], place, colour_seed)
        weak = geometry.on_canvas(visible, place, self.crop_size, padding_value)
        strong = geometry.on_canvas(strong, place, self.crop_size, padding_value)
        if self.strong:  # These see the padding, which some of them change.
            strong = self._more_strength(strong, strong_seed)
            strong = tf.where(valid[..., None], strong, tf.constant(padding_value, tf.float32))
        strong = cutout.filled(strong, square, padding_value)
        views = {'weak': weak, 'strong': strong, 'valid': tf.cast(valid, tf.float32)}
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

    def _colours(self, image, place, seed) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns float32 `[vh, vw, 3]` twice: what the crop shows, and that in other colours."""
        strengths = (self.brightness, self.contrast, self.saturation, self.hue)
        if self.contrast_mean == 'crop':
            visible = geometry.visible_crop(image, place, self.crop_size)
            return visible, colour.jitter(visible, *strengths, seed)
        scaled = geometry.scaled_image(image, place)
        changed = colour.jitter(scaled, *strengths, seed)
        visible, changed = (
            geometry.crop_of_scaled(pixels, place, self.crop_size) for pixels in (scaled, changed)
        )
        return visible, changed

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


def _seeds(seed: tf.Tensor) -> list[tf.Tensor]:
    """Returns the four seeds of an example: geometry, colours, further augmentations, CutOut."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, 4), num=4)
