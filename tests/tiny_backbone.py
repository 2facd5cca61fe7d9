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
        names = ('stem', *self.blocks)
        self.convolutions = [
            ConvBatchNorm(width, stride=2, name=layer)
            for layer, width in zip(names, filters, strict=True)
        ]

    def call(self, images, training=False):
        """Returns the maps of the blocks, and `stride_4`."""
        maps, found = images * (2 / 255) - 1, []
        for convolution in self.convolutions:
            maps = convolution(maps, training=training)
            found.append(maps)
        return {'block_1': found[1], 'block_2': found[2], 'stride_4': found[1]}
