"""The training loop of a run: from its last checkpoint, or from the start, to its scores."""

import dataclasses
import gc
import io
import os
from collections.abc import Callable

import tensorflow as tf
import tf_keras as keras

from wss.datasets.files import whole
from wss.devices import workers
from wss.devices.compute import Compute
from wss.pipeline import evaluation
from wss.results import scores as results
from wss.runs import checkpoints, events
from wss.runs import folder as run_folder
from wss.training import (
    callbacks,
    label_quality,
    log,
    monitor,
    progress,
    signals,
    validation_pictures,
)
from wss.training.schedule import Schedule

_CONFIGURATION = 'configuration'  # Tag in TensorBoard.


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The batches of a run.

    Attributes:
        make_batches: From the number of the first batch (and `cache_bytes` and `context`, see
            `batches.training_batches`) to endless batches.
        make_validation: Makes batches to score the weights (`evaluation.WholeImages`), or None.
        images_per_step: Images that a step learns from.
    """

    make_batches: Callable[..., tf.data.Dataset]
    make_validation: evaluation.WholeImages | None
    images_per_step: int


def train(
    workdir: str | os.PathLike,
    method,
    inputs: Inputs,
    schedule: Schedule,
    compute: Compute,
    notes: dict,
    profile: bool = False,
) -> dict:
    """Trains a method to the end of its schedule, from the last checkpoint if there is one.

    Args:
        workdir: Folder of the run.
        method: A compiled `Method` whose variables exist.
        inputs: The batches for training and for scores.
        schedule: How many steps, and what happens after which of them.
        compute: How steps run.
        notes: Gets `first_step` and `result` for `run.json`.
        profile: Whether a TensorBoard profile of a few steps is written.

    Returns:
        `steps`, and for `last` and `best` the `step` and the scores by class; for a method whose
        pseudo labels have several sources `label_sources`, their quality on the validation images.
        Also written to `result.json`.

    Raises:
        FloatingPointError: If a loss is not finite.
        SystemExit: With status 143 after SIGTERM, 129 after SIGHUP; the run is saved.
        KeyboardInterrupt: After Ctrl-C; the run is saved, except after a second Ctrl-C.
    """
    means = monitor.Means(method.quality)
    saved = checkpoints.Checkpoints(workdir, method, means)
    is_new = not saved.has('last')
    notes['first_step'] = first_step = saved.resume()
    scores = None
    # A process may have died between the last checkpoint and its evaluation.
    is_unscored = inputs.make_validation is not None and not saved.scored(first_step)
    if not schedule.steps and (is_new or is_unscored):
        scores = _keep(method, inputs.make_validation, saved)
    elif first_step < schedule.steps or is_unscored:
        if first_step:
            _report(f'{workdir} holds this run; resuming at step {first_step}.')
        count = compute.steps_an_execution(
            method.distribute_strategy, [*schedule.intervals(), first_step]
        )
        method.compile(
            optimizer=method.optimizer, steps_per_execution=count, jit_compile=compute.jit_compile
        )
        session = _Session(workdir, method, inputs, schedule, first_step, saved, means, profile)
        scores = _fit(session)
    else:
        _report(f'{workdir} holds this run, finished; evaluating only.')
    notes['result'] = result = {'steps': schedule.steps}
    if inputs.make_validation is not None:
        result |= _final_scores(method, inputs.make_validation, saved, scores)
        last, best = result['last'], result['best']
        if last['step'] != best['step']:
            miou = 100 * last['miou']
            _report(f'Last weights (step {last["step"]}): validation mIoU {miou:.2f} %.')
        _report(f'Validation, best weights (step {best["step"]}):\n{results.table(best)}')
    _write_result(workdir, result)
    if inputs.make_validation is not None:  # With the scores written, it can cost nothing.
        step = result['best']['step']
        sources = label_quality.report(workdir, method, inputs.make_validation, step)
        if sources:
            result |= sources
            _write_result(workdir, result)
    return result


def _write_result(workdir, result):
    if workers.is_chief():
        whole.write_json(os.path.join(workdir, run_folder.RESULT_FILE), result)


def _report(text):
    if workers.is_chief():
        print(text, flush=True)


def _scores(method, make_validation, stops=()):
    """Scores the present weights; prints its progress."""
    shown = [progress.EvaluationProgress(make_validation.plan)] if workers.is_chief() else []
    return results.evaluate(method, make_validation, [*stops, *shown])


def _keep(method, make_validation, saved):
    """Saves the weights as they are; returns their scores (None if not scored)."""
    _report('No steps: the initial weights are saved and evaluated as they are.')
    saved.save_last(0)
    if make_validation is None:
        return None
    scores = _scores(method, make_validation)
    saved.save_if_best(0, scores['miou'])
    saved.note_score(0, scores['miou'])
    return scores


@dataclasses.dataclass(frozen=True)
class _Session:
    """What the steps of this process need."""

    workdir: str | os.PathLike
    method: keras.Model
    inputs: Inputs
    schedule: Schedule
    first_step: int
    saved: checkpoints.Checkpoints
    means: monitor.Means
    profile: bool

    def is_kept(self, tag: str, step: int) -> bool:
        """Whether a TensorBoard point of an earlier process stays: it is not written again."""
        if tag.startswith(f'{callbacks.SCORES}/') and not self.saved.scored(step):
            return False
        return step <= self.first_step


def _fit(session):
    """Runs the steps that are left and scores what is not scored; returns the latest scores."""
    first, method = session.first_step, session.method
    is_chief = workers.is_chief()
    writer = _make_writer(session) if is_chief else tf.summary.create_noop_writer()
    written = log.Log(
        first,
        session.schedule,
        writer,
        session.means,
        monitor.Speed(session.inputs.images_per_step),
        os.path.join(session.workdir, log.PROGRESS_FILE) if is_chief else None,
        None if is_chief else io.StringIO(),
    )
    number = None  # The signal that ended the run.
    with signals.Watch() as watch:
        steps_between = _callbacks(session, writer, written, watch)
        scored = [part for part in steps_between if isinstance(part, callbacks.Evaluate)]
        try:
            if first == session.schedule.steps:
                scored[0].set_model(method)  # As `fit` does.
                scored[0].on_train_begin()
            else:
                method.fit(
                    method.distribute_strategy.distribute_datasets_from_function(
                        lambda context: session.inputs.make_batches(first, context=context)
                    ),
                    steps_per_epoch=session.schedule.steps - first,
                    callbacks=steps_between,
                    verbose=0,
                )
        except signals.Stopped as stopped:
            # The optimiser counts in the step itself, so its number is that of the weights.
            step = int(method.optimizer.iterations.numpy())
            session.saved.save_last(step)
            written.report(f'Saved at step {step}; the same command resumes from there.')
            number = stopped.number
        finally:
            written.close()
            writer.close()
    if number is not None:
        # Free the iterator of an unfinished evaluation: at the exit of Python, TensorFlow would
        # wait for it without end.
        gc.collect()
        signals.leave(number)
    return scored[0].scores if scored else None


def _make_writer(session):
    """Makes the TensorBoard writer of the run, and writes the configuration if it is missing."""
    tags = events.trim(session.workdir, session.is_kept)
    writer = events.make_writer(session.workdir)
    if _CONFIGURATION not in tags:
        path = os.path.join(session.workdir, run_folder.CONFIG_FILE)
        events.write_text(writer, _CONFIGURATION, whole.read(path).decode(), 0)
    return writer


def _callbacks(session, writer, written, watch):
    """Returns the callbacks, in the order in which they run."""
    first, schedule, saved = session.first_step, session.schedule, session.saved
    strategy = session.method.distribute_strategy

    def first_batch():
        return next(iter(session.inputs.make_batches(0, cache_bytes=0)))

    found = [
        callbacks.StopAtNaN(first, os.path.join(session.workdir, run_folder.CHECKPOINTS)),
        written,
        callbacks.Pictures(first, schedule, writer, first_batch),
        callbacks.Save(first, schedule, saved),
    ]
    make_validation = session.inputs.make_validation
    if make_validation is not None:
        # Workers wait for each other's counts, so one alone cannot end an evaluation.
        stops = [] if workers.is_multi_worker(strategy) else [_StopEvaluation(watch)]

        def score():
            return _scores(session.method, make_validation, stops)

        draw = None
        if schedule.picture_every:
            draw = validation_pictures.ValidationPictures(session.method, make_validation).draw
        found.append(
            callbacks.Evaluate(first, schedule, writer, score, draw, saved, written.report)
        )
    found.append(
        callbacks.Stop(first, watch, lambda value: workers.mean_over_workers(strategy, value))
    )
    if session.profile:
        found.append(callbacks.Profile(first, os.path.join(session.workdir, events.FOLDER)))
    return found


class _StopEvaluation(keras.callbacks.Callback):
    """Ends an evaluation between two batches when a signal has arrived."""

    def __init__(self, watch):
        super().__init__()
        self.watch = watch

    def on_test_batch_end(self, batch, logs=None):
        self.watch.check()


def _final_scores(method, make_validation, saved, scores):
    """Returns the scores of the last and the best weights, by class."""
    names = method.info.class_names
    found = {}
    step = int(saved.step)
    for which in ('last', 'best'):
        if which == 'best' and saved.best_step != step:
            step, scores = saved.restore('best'), None
        scores = scores or _scores(method, make_validation)
        found[which] = {'step': step, **results.by_class(scores, names)}
    return found
