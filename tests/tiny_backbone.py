"""A backbone of three convolutions, which a step is traced with in little time."""

import tf_keras as keras

from wss.networks.layers import ConvBatchNorm


class TinyBackbone(keras.layers.Layer):
    """Blocks at strides 4 and 8; see `network.check_backbone`.

    Args:
        filters: Channels of the stem and of the two blocks.
        name: Name of the layer.
    """

    padding_value = (127.5, 127.5, 127.5)
    output_stride = 8
    blocks = ('block_1', 'block_2')

    def __init__(self, filters=(16, 16, 16), name='tiny_backbone'):
        super().__init__(name=name, autocast=False)
        self.stem = ConvBatchNorm(filters[0], stride=2, name='stem')
        self.first = ConvBatchNorm(filters[1], stride=2, name=self.blocks[0])
        self.second = ConvBatchNorm(filters[2], stride=2, name=self.blocks[1])

    def call(self, images, training=False):
        """Returns the maps of the blocks, and `stride_4`."""
        maps = self.stem(images * (2 / 255) - 1, training=training)
        first = self.first(maps, training=training)
        return {
            'block_1': first,
            'block_2': self.second(first, training=training),
            'stride_4': first,
        }
