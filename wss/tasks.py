"""What `experiment.run` can be asked to do, and all of it that needs no training."""

import dataclasses
from collections.abc import Callable

from wss import checkpoints, evaluation, pipeline, prediction, run_folder, runtime
from wss.datasets.info import Examples


@dataclasses.dataclass(frozen=True)
class Train:
    """Trains, or goes on training, and evaluates at the end.

    Attributes:
        config_text: The configuration as text, or a function that returns it; called when
            everything is built and nothing is written yet.
        devices: Where it computes. The weights do not depend on it, but for the order of sums.
        profile: Whether a TensorBoard profile of a few steps is written.
    """

    config_text: str | Callable[[], str] = ''
    devices: runtime.Devices = dataclasses.field(default_factory=runtime.Devices)
    profile: bool = False


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Evaluates a trained run.

    Attributes:
        checkpoint: `best` or `last`.
        split: Name of the split; the validation split by default.
        devices: Where it computes.
    """

    checkpoint: str = 'best'
    split: str | None = None
    devices: runtime.Devices = dataclasses.field(default_factory=runtime.Devices)


@dataclasses.dataclass(frozen=True)
class Predict:
    """Predicts the images of a folder with a trained run; needs no dataset.

    Attributes:
        images: Folder of images.
        out: Folder for masks and overlays.
        checkpoint: `best` or `last`.
    """

    images: str
    out: str
    checkpoint: str = 'best'
    devices = runtime.Devices('one')


@dataclasses.dataclass(frozen=True)
class Load:
    """Returns the trained method, a `Method`, for use from Python; needs no dataset.

    Attributes:
        checkpoint: `best` or `last`.
    """

    checkpoint: str = 'best'
    devices = runtime.Devices('one')


def load(folder: str, task: Load | Predict | Evaluate, make_method: Callable):
    """Restores a trained method.

    Args:
        folder: Folder of the run.
        task: Says which checkpoint.
        make_method: Makes the method from a `DatasetInfo` and the size of an image.

    Returns:
        The method, its weights averaged if it averages, and the evaluation size.

    Raises:
        FileNotFoundError: If the folder is not that of a run or has no such checkpoint.
        ValueError: If its files are damaged or of another configuration.
    """
    info, size = run_folder.read_description(folder)
    method = make_method(info, size)
    checkpoints.Checkpoints(folder, method).restore(task.checkpoint)
    method.use_averages()
    return method, size


def predict(folder: str, task: Predict, make_method: Callable):
    """Predicts the images of a folder (see `prediction.predict_folder` and `load`)."""
    method, size = load(folder, task, make_method)
    predict_image = prediction.make_predictor(method, size)
    return prediction.predict_folder(task.images, task.out, predict_image, method.info)


def evaluate(
    folder: str, task: Evaluate, make_method: Callable, dataset, split: str, batch_size: int
) -> dict:
    """Scores a trained run on a split (see `load`).

    Args:
        folder: Folder of the run.
        task: Says which checkpoint.
        make_method: Makes the method from a `DatasetInfo` and the size of an image.
        dataset: The dataset.
        split: A split of it whose examples have masks.
        batch_size: Images a batch.

    Returns:
        `checkpoint`, `split` and the scores of `evaluation.by_class`.

    Raises:
        ValueError: Also if the dataset has other classes than the run.
    """
    method, size = load(folder, task, make_method)
    info = method.info
    if dataset.info != info:
        raise ValueError(
            f'The dataset has other classes than the run in {folder}: '
            f'{dataset.info.class_names} now, {info.class_names} then.'
        )
    examples = dataset.examples(split)
    # Images larger than those of the validation split get the room that they need.
    size = tuple(max(sides) for sides in zip(size, evaluation_size(examples, method), strict=True))
    padding_value = method.network.backbone.padding_value

    def make_batches(context):
        return pipeline.evaluation_batches(
            examples, info, size, padding_value, batch_size, context=context
        )

    scores = evaluation.by_class(evaluation.evaluate(method, make_batches), info.class_names)
    return {'checkpoint': task.checkpoint, 'split': split, **scores}


def evaluation_size(examples: Examples, method) -> tuple[int, int]:
    """Returns the height and width to which a method's images are padded for evaluation."""
    stride = method.network.backbone.output_stride
    # The network refuses crops below this, and a run must be able to make it anew at this size.
    smallest = 2 * stride + 1
    return pipeline.evaluation_size([max(side, smallest) for side in examples.max_size], stride)
