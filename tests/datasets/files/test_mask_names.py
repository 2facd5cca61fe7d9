import pytest

from wss.datasets.files import mask_names


@pytest.mark.parametrize(
    ('photo', 'mask'),
    [
        ('a', 'a_mask'),
        ('a', 'a-Label'),
        ('a', 'a.seg'),
        ('a', 'mask_a'),
        ('IMG 1', 'IMG 1 mask'),
        ('ISIC_0001', 'ISIC_0001_segmentation'),
        ('x', 'x_gt_labelIds'),
        ('trip/a', 'trip/a_GT'),
        ('a', 'masks/a'),
        ('images/a', 'labels/a'),
        ('train/images/a', 'train/ground_truth/a'),
        ('images/a', 'masks/a_mask'),
    ],
)
def test_masks_are_found(photo, mask):
    assert mask_names.masks_among(['z', mask, photo]) == {mask: photo}


@pytest.mark.parametrize(
    'ids',
    [
        ['a_mask', 'b_mask'],  # No photo beside them.
        ['masked', 'unmasked'],
        ['a', 'a_large', 'a_1'],
        ['one/a', 'two/a_mask'],
        ['masks/a', 'masks/b'],
        ['label', 'mask'],
    ],
)
def test_photos_are_not_taken_for_masks(ids):
    assert mask_names.masks_among(ids) == {}
