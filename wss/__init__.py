"""PseudoSeg in TensorFlow 2: semi- and weakly-supervised semantic segmentation."""

__version__ = '0.3.0'


def load(workdir, checkpoint: str = 'best'):
    """Loads a trained run, for use from Python; the first call imports TensorFlow.

    Args:
        workdir: Folder of the run.
        checkpoint: `best` (by validation mIoU) or `last`.

    Returns:
        A `wss.inference.predictor.Predictor`, with `predict`, `overlay` and `classes`.

    Raises:
        FileNotFoundError: If the folder is not that of a run or has no such checkpoint.
        ValueError: If its files are damaged.

    Example:
        >>> import wss
        >>> model = wss.load('runs/mine')
        >>> model.predict('photo.jpg').shape
        (60, 80)
    """
    from wss.configuration import gin_files
    from wss.experiment import Experiment

    gin_files.parse_run(workdir)
    return gin_files.build(Experiment).predictor(workdir, checkpoint)
