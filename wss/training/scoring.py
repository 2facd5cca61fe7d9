"""Scores the weights of a run on the masks of a split."""

import dataclasses

import tensorflow as tf

from wss.datasets.examples import Examples, request
from wss.datasets.lists import validation_masks
from wss.devices import tpu_input, workers
from wss.methods.method import Method
from wss.pipeline.evaluation import WholeImages
from wss.pipeline.frame import Frame
from wss.results import scores
from wss.training import building, contracts
from wss.training.progress import EvaluationProgress


@dataclasses.dataclass(frozen=True)
class Scored:
    """The weights of a run, and what they are scored on.

    Attributes:
        method: The method with its weights.
        what: `checkpoint`, its `step`, and `split`.
        examples: The images and masks.
        frame: How images are scaled and padded.
    """

    method: Method
    what: dict
    examples: Examples
    frame: Frame

    def described(self, found: dict) -> dict:
        """Returns scores by class, with what was scored."""
        return {**self.what, **scores.by_class(found, self.method.info.class_names)}


def find(experiment, strategy, workdir: str, checkpoint: str, split: str | None) -> Scored:
    """Returns the weights of a run and the masks to score them on.

    Args:
        experiment: The `Experiment` of the run.
        strategy: Where the method is built.
        workdir: Folder of the run.
        checkpoint: `best` or `last`.
        split: Name of the split; None for the validation split.

    Raises:
        FileNotFoundError: If the folder is not that of a run or has no such checkpoint.
        ValueError: If there is no such split, or the dataset has other classes than the run.
    """
    dataset = contracts.dataset(experiment.data.make_dataset())
    split = split or experiment.data.validation.split
    if split is None:
        raise ValueError('The run has no validation split; name one with --split.')
    method, step = building.method_of_run(experiment, strategy, workdir, checkpoint)
    if dataset.info != method.info:
        raise ValueError(
            f'The dataset has other classes than the run in {workdir}: '
            f'{dataset.info.class_names} now, {method.info.class_names} then.'
        )
    examples = request(dataset, split)
    validation_masks.check(examples, dataset.info, split, to_train=False)
    what = {'checkpoint': checkpoint, 'step': step, 'split': split}
    return Scored(method, what, examples, experiment.frame_of_run(workdir, method))


def in_batches(method: Method, make_batches: WholeImages, strategy) -> dict:
    """Returns the scores of a method in batches, on all devices; see `scores.evaluate`."""
    context = tf.distribute.InputContext(num_replicas_in_sync=strategy.num_replicas_in_sync)
    tpu_input.check_shapes(strategy, make_batches(context))
    method.compile()
    shown = [EvaluationProgress(make_batches.plan)] if workers.is_chief() else []
    return scores.evaluate(method, make_batches, shown)
