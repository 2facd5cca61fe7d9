"""Learning rates by hand."""

import numpy as np
import pytest

from wss import schedules


def rate(optimizer, step):
    return float(optimizer._learning_rate(step))


def test_momentum_poly_by_hand():
    optimizer = schedules.momentum_poly(100, learning_rate=0.5, power=2.0)
    # 0.5 (1 - step / 100)^2.
    for step, expected in [(0, 0.5), (50, 0.125), (90, 0.005), (100, 0.0), (150, 0.0)]:
        np.testing.assert_allclose(rate(optimizer, step), expected, atol=1e-7)
    assert optimizer.momentum == 0.9


@pytest.mark.parametrize(
    'options', [{'learning_rate': 0.0}, {'momentum': 1.0}, {'power': -1.0}, {'steps': 0}]
)
def test_momentum_poly_outside_its_range(options):
    with pytest.raises(ValueError, match='momentum_poly needs'):
        schedules.momentum_poly(**{'steps': 10, **options})
