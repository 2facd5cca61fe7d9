import types

import pytest

from wss.pipeline import evaluation


@pytest.mark.parametrize(
    ('max_size', 'size'),
    [((6, 9), (17, 17)), ((9, 40), (17, 41)), ((375, 500), (377, 505))],
)
def test_the_evaluation_size_is_one_that_the_network_takes(max_size, size):
    examples = types.SimpleNamespace(max_size=max_size)
    backbone = types.SimpleNamespace(output_stride=8)
    assert evaluation.size_for(examples, backbone) == size
