"""The training loop of a run: from its last checkpoint, or from the start, to its scores."""

import dataclasses
import os
from collections.abc import Callable

import tensorflow as tf

from wss import callbacks, evaluation, run_folder, runtime


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How many steps, and what happens how often.

    Attributes:
        steps: Steps of the whole run; 0 saves and evaluates the initial weights as they are.
        evaluate_every: Steps between evaluations; 0 for the end alone.
        checkpoint_every: Steps between checkpoints to go on from; 0 for the end alone.
        log_every: Steps between log lines and TensorBoard scalars.
        picture_every: Steps between pictures; 0 for none.

    Raises:
        ValueError: If a number is out of range.
    """

    steps: int
    evaluate_every: int
    checkpoint_every: int
    log_every: int
    picture_every: int

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            least = 1 if field.name == 'log_every' else 0
            if value < least:
                raise ValueError(f'run.{field.name} is {value}; it must be {least} or more.')
            if value > 10**9:
                raise ValueError(f'run.{field.name} is {value}; it must be at most {10**9}.')


def train(
    workdir: str | os.PathLike,
    method,
    make_batches: Callable[..., tf.data.Dataset],
    schedule: Schedule,
    validation: tf.data.Dataset | None,
) -> dict:
    """Trains a method to the end of its schedule, from the last checkpoint if there is one.

    Args:
        workdir: Folder of the run.
        method: A compiled `Method` whose variables exist.
        make_batches: From the number of the first batch (and `cache_bytes`, as
            `pipeline.training_batches` has it) to endless batches.
        schedule: How many steps, and what happens how often.
        validation: Batches to score the weights on, or None.

    Returns:
        `steps`, and for `last` and `best` the `step` and the scores by class; also written to
        `result.json`.

    Raises:
        FloatingPointError: If a loss is not finite.
    """
    checkpoints = runtime.Checkpoints(workdir, method)
    is_new = not checkpoints.has('last')
    first_step = 0 if is_new else checkpoints.restore('last')
    scores = None
    if first_step < schedule.steps:
        if first_step:
            print(f'{workdir} holds this run; going on at step {first_step}.', flush=True)
        scores = _fit(workdir, method, make_batches, schedule, validation, checkpoints, first_step)
    elif is_new:
        scores = _keep(method, validation, checkpoints)
    else:
        print(f'{workdir} holds this run, finished; evaluating only.', flush=True)
    result = {'steps': schedule.steps}
    if validation is not None:
        result |= _final_scores(method, validation, checkpoints, scores)
        for which in ('last', 'best'):
            step, miou = result[which]['step'], 100 * result[which]['miou']
            print(f'{which} weights (step {step}): validation mIoU {miou:.2f} %', flush=True)
    run_folder.write_json(os.path.join(workdir, 'result.json'), result)
    return result


def _keep(method, validation, checkpoints):
    """Saves the weights as they are; returns their scores (None if not scored)."""
    print('No steps: the initial weights are saved and evaluated as they are.', flush=True)
    checkpoints.save_last(0)
    if validation is None:
        return None
    scores = evaluation.evaluate(method, validation)
    checkpoints.save_if_best(0, scores['miou'])
    return scores


def _fit(workdir, method, make_batches, schedule, validation, checkpoints, first_step):
    """Runs the steps that are left; returns the scores after the last one (None if not scored)."""
    writer = callbacks.make_writer(workdir)
    steps = schedule.steps
    log = callbacks.Log(first_step, steps, schedule.log_every, writer)
    pictures = callbacks.Pictures(
        first_step,
        steps,
        schedule.picture_every,
        writer,
        lambda: next(iter(make_batches(0, cache_bytes=0))),
    )
    evaluate = None
    if validation is not None:
        evaluate = callbacks.Evaluate(
            first_step,
            steps,
            schedule.evaluate_every,
            writer,
            lambda: evaluation.evaluate(method, validation),
            checkpoints,
            log.say,
        )
    save = callbacks.Save(first_step, steps, schedule.checkpoint_every, checkpoints)
    guard = callbacks.StopAtNaN(first_step, os.path.join(workdir, 'checkpoints'))
    try:
        method.fit(
            make_batches(first_step),
            steps_per_epoch=steps - first_step,
            callbacks=[part for part in (guard, log, pictures, evaluate, save) if part],
            verbose=0,
        )
    except KeyboardInterrupt:
        # The optimiser counts in the step itself, so its number is that of the weights.
        step = int(method.optimizer.iterations)
        if step > first_step:
            checkpoints.save_last(step)
        log.say(f'Saved at step {step}; the same command goes on from there.')
        raise
    finally:
        log.close()
        writer.close()
    return evaluate and evaluate.scores


def _final_scores(method, validation, checkpoints, scores):
    """Returns the scores of the last and the best weights, by class."""
    names = method.info.class_names
    results = {}
    step = int(checkpoints.step)
    for which in ('last', 'best'):
        if which == 'best' and int(checkpoints.best_step) != step:
            step, scores = checkpoints.restore('best'), None
        scores = scores or evaluation.evaluate(method, validation)
        results[which] = {'step': step, **evaluation.by_class(scores, names)}
    return results
