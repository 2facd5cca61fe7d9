"""The classes of the paper's datasets (Zou et al., 2021, section 4.1)."""

import re

from wss.datasets.files import palette
from wss.datasets.info import DatasetInfo

_VOC_NAMES = (
    'background',
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
    'dog',
    'horse',
    'motorbike',
    'person',
    'pottedplant',
    'sheep',
    'sofa',
    'train',
    'tvmonitor',
)
VOC = DatasetInfo('voc_seg', _VOC_NAMES, palette.distinct_colours(len(_VOC_NAMES)))

# The 80 things in the order of their category ids, after the background.
_COCO_NAMES = (
    'background',
    'person',
    'bicycle',
    'car',
    'motorcycle',
    'airplane',
    'bus',
    'train',
    'truck',
    'boat',
    'traffic light',
    'fire hydrant',
    'stop sign',
    'parking meter',
    'bench',
    'bird',
    'cat',
    'dog',
    'horse',
    'sheep',
    'cow',
    'elephant',
    'bear',
    'zebra',
    'giraffe',
    'backpack',
    'umbrella',
    'handbag',
    'tie',
    'suitcase',
    'frisbee',
    'skis',
    'snowboard',
    'sports ball',
    'kite',
    'baseball bat',
    'baseball glove',
    'skateboard',
    'surfboard',
    'tennis racket',
    'bottle',
    'wine glass',
    'cup',
    'fork',
    'knife',
    'spoon',
    'bowl',
    'banana',
    'apple',
    'sandwich',
    'orange',
    'broccoli',
    'carrot',
    'hot dog',
    'pizza',
    'donut',
    'cake',
    'chair',
    'couch',
    'potted plant',
    'bed',
    'dining table',
    'toilet',
    'tv',
    'laptop',
    'mouse',
    'remote',
    'keyboard',
    'cell phone',
    'microwave',
    'oven',
    'toaster',
    'sink',
    'refrigerator',
    'book',
    'clock',
    'vase',
    'scissors',
    'teddy bear',
    'hair drier',
    'toothbrush',
)
COCO = DatasetInfo('coco_seg', _COCO_NAMES, palette.distinct_colours(len(_COCO_NAMES)))

# Name, colour and `labelIds` value of the classes that are scored, in the order of their train ids.
_CITYSCAPES = (
    ('road', (128, 64, 128), 7),
    ('sidewalk', (244, 35, 232), 8),
    ('building', (70, 70, 70), 11),
    ('wall', (102, 102, 156), 12),
    ('fence', (190, 153, 153), 13),
    ('pole', (153, 153, 153), 17),
    ('traffic light', (250, 170, 30), 19),
    ('traffic sign', (220, 220, 0), 20),
    ('vegetation', (107, 142, 35), 21),
    ('terrain', (152, 251, 152), 22),
    ('sky', (70, 130, 180), 23),
    ('person', (220, 20, 60), 24),
    ('rider', (255, 0, 0), 25),
    ('car', (0, 0, 142), 26),
    ('truck', (0, 0, 70), 27),
    ('bus', (0, 60, 100), 28),
    ('train', (0, 80, 100), 31),
    ('motorcycle', (0, 0, 230), 32),
    ('bicycle', (119, 11, 32), 33),
)
CITYSCAPES = DatasetInfo(
    'cityscapes_seg',
    tuple(name for name, _, _ in _CITYSCAPES),
    tuple(colour for _, colour, _ in _CITYSCAPES),
    has_background=False,
)
CITYSCAPES_LABEL_IDS = tuple(label_id for _, _, label_id in _CITYSCAPES)

# Known before the dataset is built. Other datasets are not here: their builds hold their classes.
BY_NAME = {info.name: info for info in (VOC, COCO, CITYSCAPES)}

# Words by which the first class says that it is "none of the others".
_BACKGROUND = re.compile(
    'back(gr?o?u?nd?)?s?|backgr.*|b[gk]|bgr|bkgd?|un(label+ed|label|annotated|classified|assigned|'
    'defined|known|specified)|void|none?|not?|no(label|class|object|data)s?|null|nothing|empty|others?|rest|remainder|remaining|'
    'misc.*|clutter|ignored?|neg(ative)?|zero|hintergrund|fondo?|sfondo|achtergrond|fundo|tlo'
)


def names_background(name: str) -> bool:
    """Whether the name of a class says "none of the others", such as `background` or `__bg__`."""
    words = re.findall('[a-z]+', re.sub('([a-z])([A-Z])', r'\1 \2', name).lower())
    return any(_BACKGROUND.fullmatch(word) for word in [*words, ''.join(words)])
