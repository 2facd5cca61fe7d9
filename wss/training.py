"""The training loop of a run: from its last checkpoint, or from the start, to its scores."""

import dataclasses
import io
import os
from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from wss import (
    callbacks,
    checkpoints,
    cluster,
    evaluation,
    event_log,
    log,
    monitor,
    run_folder,
    runtime,
    signals,
)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How many steps, and what happens how often.

    Attributes:
        steps: Steps of the whole run; 0 saves and evaluates the initial weights as they are.
        evaluate_every: Steps between evaluations; 0 for the end alone.
        checkpoint_every: Steps between checkpoints to go on from; 0 for the end alone.
        log_every: Steps between log lines and TensorBoard scalars.
        picture_every: Steps between pictures; 0 for none.
        steps_per_execution: See `runtime.steps_per_execution`.

    Raises:
        ValueError: If a number is out of range.
    """

    steps: int
    evaluate_every: int
    checkpoint_every: int
    log_every: int
    picture_every: int
    steps_per_execution: int | None = None

    def __post_init__(self):
        least = {'log_every': 1, 'steps_per_execution': 1}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == 'steps_per_execution':
                continue
            if value < least.get(field.name, 0):
                raise ValueError(
                    f'run.{field.name} is {value}; it must be {least.get(field.name, 0)} or more.'
                )
            if value > 10**9:
                raise ValueError(f'run.{field.name} is {value}; it must be at most {10**9}.')

    def marks(self) -> list[int]:
        """Returns the steps after which, or every so many of which, something is to happen."""
        every = self.evaluate_every, self.checkpoint_every, self.log_every, self.picture_every
        return [self.steps, *(number for number in every if number < self.steps)]


def train(
    workdir: str | os.PathLike,
    method,
    make_batches: Callable[..., tf.data.Dataset],
    schedule: Schedule,
    make_validation: Callable[..., tf.data.Dataset] | None,
    images_per_step: int,
    notes: dict,
    profile: bool = False,
    jit_compile: bool = False,
) -> dict:
    """Trains a method to the end of its schedule, from the last checkpoint if there is one.

    Args:
        workdir: Folder of the run.
        method: A compiled `Method` whose variables exist.
        make_batches: From the number of the first batch (and `cache_bytes` and `context`, as
            `pipeline.training_batches` has them) to endless batches.
        schedule: How many steps, and what happens how often.
        make_validation: Makes batches to score the weights on (see `evaluation.evaluate`), or None.
        images_per_step: Images that a step learns from.
        notes: Gets `first_step` and `result` for `run.json`.
        profile: Whether a TensorBoard profile of a few steps is written.
        jit_compile: Whether XLA compiles the step.

    Returns:
        `steps`, and for `last` and `best` the `step` and the scores by class; also written to
        `result.json`.

    Raises:
        FloatingPointError: If a loss is not finite.
        SystemExit: With status 143, after SIGTERM; the run is saved.
        KeyboardInterrupt: After Ctrl-C; the run is saved, except after a second Ctrl-C.
    """
    means = monitor.Means(method.quality)
    saved = checkpoints.Checkpoints(workdir, method, means)
    is_new = not saved.has('last')
    notes['first_step'] = first_step = saved.go_on()
    scores = None
    # A process may have died between the last checkpoint and the scores of its weights.
    is_unscored = make_validation is not None and not saved.scored(first_step)
    if not schedule.steps and (is_new or is_unscored):
        scores = _keep(method, make_validation, saved)
    elif first_step < schedule.steps or is_unscored:
        if first_step:
            _say(f'{workdir} holds this run; going on at step {first_step}.')
        count = runtime.steps_per_execution(
            method.distribute_strategy,
            schedule.steps_per_execution,
            [*schedule.marks(), first_step],
        )
        method.compile(
            optimizer=method.optimizer, steps_per_execution=count, jit_compile=jit_compile
        )
        speed = monitor.Speed(images_per_step)
        parts = _Parts(workdir, schedule, first_step, saved, means, speed, profile)
        scores = _fit(parts, method, make_batches, make_validation)
    else:
        _say(f'{workdir} holds this run, finished; evaluating only.')
    notes['result'] = result = {'steps': schedule.steps}
    if make_validation is not None:
        result |= _final_scores(method, make_validation, saved, scores)
        for which in ('last', 'best'):
            step, miou = result[which]['step'], 100 * result[which]['miou']
            _say(f'{which} weights (step {step}): validation mIoU {miou:.2f} %')
    if cluster.is_chief():
        run_folder.write_json(os.path.join(workdir, 'result.json'), result)
    return result


def _say(text):
    if cluster.is_chief():
        print(text, flush=True)


def _keep(method, make_validation, saved):
    """Saves the weights as they are; returns their scores (None if not scored)."""
    _say('No steps: the initial weights are saved and evaluated as they are.')
    saved.save_last(0)
    if make_validation is None:
        return None
    scores = evaluation.evaluate(method, make_validation)
    saved.save_if_best(0, scores['miou'])
    saved.note_score(0, scores['miou'])
    return scores


@dataclasses.dataclass(frozen=True)
class _Parts:
    """What the steps of this process are made with."""

    workdir: str | os.PathLike
    schedule: Schedule
    first_step: int
    saved: checkpoints.Checkpoints
    means: monitor.Means
    speed: monitor.Speed
    profile: bool


def _fit(parts, method, make_batches, make_validation):
    """Runs the steps that are left and scores what is not scored; returns the latest scores."""
    first, steps = parts.first_step, parts.schedule.steps
    strategy = method.distribute_strategy
    is_chief = cluster.is_chief()
    if is_chief:
        event_log.trim(parts.workdir, lambda tag, step: _stays(parts, tag, step))
    writer = event_log.make_writer(parts.workdir) if is_chief else tf.summary.create_noop_writer()
    stream = None if is_chief else io.StringIO()
    progress = log.Log(
        first, steps, parts.schedule.log_every, writer, parts.means, parts.speed, stream
    )
    with signals.Watch() as watch:
        steps_between = _callbacks(
            parts, method, make_batches, make_validation, writer, progress, watch
        )
        scored = [part for part in steps_between if isinstance(part, callbacks.Evaluate)]
        try:
            if first == steps:
                scored[0].on_train_begin()
            else:
                method.fit(
                    strategy.distribute_datasets_from_function(
                        lambda context: make_batches(first, context=context)
                    ),
                    steps_per_epoch=steps - first,
                    callbacks=steps_between,
                    verbose=0,
                )
        except signals.Stopped as stopped:
            # The optimiser counts in the step itself, so its number is that of the weights.
            step = int(method.optimizer.iterations.numpy())
            parts.saved.save_last(step)
            progress.say(f'Saved at step {step}; the same command goes on from there.')
            signals.leave(stopped.number)
        finally:
            progress.close()
            writer.close()
    return scored[0].scores if scored else None


def _stays(parts, tag, step):
    """Whether a point of an earlier process stays: what this one does not write again."""
    if tag.startswith(f'{callbacks.SCORES}/') and not parts.saved.scored(step):
        return False
    return step <= parts.first_step


def _callbacks(parts, method, make_batches, make_validation, writer, progress, watch):
    """Returns what happens between the steps, in its order."""
    schedule, saved, first = parts.schedule, parts.saved, parts.first_step
    strategy = method.distribute_strategy
    pictures = callbacks.Pictures(
        first,
        schedule.steps,
        schedule.picture_every,
        writer,
        lambda: next(iter(make_batches(0, cache_bytes=0))),
    )
    found = [
        callbacks.StopAtNaN(first, os.path.join(parts.workdir, run_folder.CHECKPOINTS)),
        progress,
        pictures,
        callbacks.Save(first, schedule.steps, schedule.checkpoint_every, saved),
    ]
    if make_validation is not None:
        # Workers wait for each other's counts: one alone cannot leave an evaluation.
        stops = [] if runtime.is_multi_worker(strategy) else [_BetweenBatches(watch)]
        evaluate = callbacks.Evaluate(
            first,
            schedule.steps,
            schedule.evaluate_every,
            writer,
            lambda: evaluation.evaluate(method, make_validation, stops),
            saved,
            progress.say,
        )
        found.append(evaluate)
    found.append(
        callbacks.Stop(first, watch, lambda value: runtime.mean_over_workers(strategy, value))
    )
    if parts.profile:
        found.append(callbacks.Profile(first, os.path.join(parts.workdir, event_log.FOLDER)))
    return found


class _BetweenBatches(keras.callbacks.Callback):
    """Leaves an evaluation when a signal has come."""

    def __init__(self, watch):
        super().__init__()
        self.watch = watch

    def on_test_batch_end(self, batch, logs=None):
        self.watch.check()


def _final_scores(method, make_validation, saved, scores):
    """Returns the scores of the last and the best weights, by class."""
    names = method.info.class_names
    results = {}
    step = int(saved.step)
    for which in ('last', 'best'):
        if which == 'best' and saved.best_step != step:
            step, scores = saved.restore('best'), None
        scores = scores or evaluation.evaluate(method, make_validation)
        results[which] = {'step': step, **evaluation.by_class(scores, names)}
    return results
