"""PseudoSeg in TensorFlow 2: semi- and weakly-supervised semantic segmentation."""

__version__ = '0.1.0'
