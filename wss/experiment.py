"""One experiment: data, network, method, training, evaluation and prediction, all in one folder."""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from wss import (
    cluster,
    log,
    pipeline,
    provenance,
    run_folder,
    run_record,
    runtime,
    schedules,
    selection,
    tasks,
    training,
)
from wss.tasks import Evaluate, Load, Predict, Train


def run(
    workdir: str,
    task: Train | Evaluate | Predict | Load,
    *,
    make_dataset: Callable[[], Any],
    make_network: Callable[..., Any],
    make_method: Callable[..., Any],
    make_optimizer: Callable[..., Any],
    make_views: Callable[[], Any],
    steps: int,
    labelled_split: str = 'train',
    labelled_list: str | Callable[[], str] | None = None,
    labelled_count: int | float | None = None,
    labelled_seed: int = 0,
    labelled_every_class: bool = False,
    unlabelled_split: str = 'train',
    unlabelled_list: str | Callable[[], str] | None = None,
    unlabelled_masks: bool = True,
    exclude_labelled: bool = False,
    validation_split: str | None = 'val',
    labelled_batch_size: int = 8,
    unlabelled_batch_size: int = 8,
    reference_batch_size: int | None = None,
    evaluation_batch_size: int = 8,
    evaluate_every: int = 500,
    checkpoint_every: int = 500,
    log_every: int = 50,
    picture_every: int = 500,
    input_workers: int | None = None,
    seed: int = 0,
    precision: str = 'float32',
    synchronise_batch_norm: bool = False,
    steps_per_execution: int | None = None,
    jit_compile: bool = False,
    initial_weights: Callable[[Any], None] | None = None,
):
    """Runs one experiment in the folder `workdir`.

    Args:
        workdir: Folder of the run: `config.gin`, `dataset.json`, `labelled.txt`, `unlabelled.txt`,
            `lists.json` (where their ids come from, with hashes), `run.json` (what ran where, and
            how it ended), `checkpoints/`, `events/` (TensorBoard) and `result.json`.
        task: What to do.
        make_dataset: Makes the dataset.
        make_network: Makes the network from `num_classes` and `num_image_classes`.
        make_method: Makes the method from a network and a `DatasetInfo`.
        make_optimizer: Makes the optimiser from `steps` (and from `rate_factor`, the factor of
            its learning rates, if there is a `reference_batch_size`).
        make_views: Makes the `Views`.
        steps: Training steps in all; 0 saves and evaluates the initial weights as they are.
        labelled_split: Split of the labelled images, all of which have masks.
        labelled_list: File of ids, one a line, to which the labelled images are narrowed; or what
            returns its path when the run trains (`official_lists.find`). Only these are looked at.
        labelled_count: How many of them (int) or which share (float) is drawn; None for all.
        labelled_seed: Seed of that draw.
        labelled_every_class: Whether every class that one of them shows must be in the draw.
        unlabelled_split: Split of the unlabelled images; their masks, if any, are only used to
            measure pseudo labels (and for image-level labels in weak mode).
        unlabelled_list: File of ids to which the unlabelled images are narrowed, or what returns
            its path.
        unlabelled_masks: Whether masks of unlabelled images are read at all. False saves time and
            leaves pseudo labels unmeasured; in weak mode the dataset must then give image-level
            labels by itself.
        exclude_labelled: Whether labelled images are left out of the unlabelled ones; the paper
            keeps them in.
        validation_split: Split on which the best weights are chosen; None for no evaluation.
        labelled_batch_size: Labelled images a step, of all replicas together.
        unlabelled_batch_size: Unlabelled images a step, of all replicas together.
        reference_batch_size: Labelled images a step for which `steps` and the learning rates are
            meant. With `labelled_batch_size` instead, the run takes as many steps as see the same
            number of images, at rates in proportion to the batch; settings of how often something
            happens stay as they are. None for steps and rates as they are.
        evaluation_batch_size: Images a batch in evaluation, of all replicas together; rounded up to
            a multiple of them, since what fills a batch does not count.
        evaluate_every: Steps between evaluations; 0 for the end alone.
        checkpoint_every: Steps between checkpoints to go on from; 0 for the end alone.
        log_every: Steps between log lines and TensorBoard scalars.
        picture_every: Steps between pictures; 0 for none.
        input_workers: Threads that make views; None for as many as there are cores. What they make
            does not depend on it.
        seed: Seed of initialisation, order of the images, views and dropout. A run that goes on
            from a checkpoint sees the batches and masks of dropout that it would have seen.
        precision: `float32` or `mixed_bfloat16` (see `runtime.set_precision`).
        synchronise_batch_norm: Whether batch norm takes its statistics over the batches of all
            replicas, not over that of each replica as in the authors' program.
        steps_per_execution: Steps between two looks at their values and at signals, of which all
            settings of how often something happens are multiples; None for 1 on a CPU, and for up
            to 20 on GPUs and TPUs.
        jit_compile: Whether XLA compiles the step; for one GPU. On TPUs it always does.
        initial_weights: Sets weights of the new method, which it is called with; None leaves them
            random. In `networks`, `weights.py`, `tf1_checkpoint.py` and `keras_weights.py` have
            such functions.

    Returns:
        For `Train` the content of `result.json`: `steps`, and for `last` and `best` the `step` and
        the scores by class on the validation split. For `Evaluate` the scores by class. For
        `Predict` how many images were predicted and how many could not be read. For `Load` the
        method.

    Raises:
        ValueError: If a setting is out of range, parts do not fit each other, or the folder holds
            a run of another configuration.
        FileNotFoundError: If a file, a folder or a checkpoint is missing.
        FloatingPointError: If a loss is not finite.
    """
    strategy = runtime.make_strategy(task.devices)
    runtime.set_seed(seed)
    runtime.set_precision(precision)
    replicas = strategy.num_replicas_in_sync
    evaluation_batch_size = -(-evaluation_batch_size // replicas) * replicas
    if jit_compile and replicas > 1:
        raise ValueError('run.jit_compile is for one device; on TPUs XLA compiles by itself.')

    configured_steps = steps
    if reference_batch_size is not None:
        batches = labelled_batch_size, reference_batch_size
        steps = schedules.steps_for_batch(steps, *batches)
        make_optimizer = functools.partial(
            make_optimizer, rate_factor=schedules.rate_factor_for_batch(*batches)
        )

    def make(info, crop_size):
        # Workers share the initial values of variables, so one may be missed here already.
        with runtime.company(strategy), strategy.scope():
            network = make_network(
                num_classes=info.num_classes, num_image_classes=info.num_image_classes
            )
            _fitting(network, 'make_network', 'check_crop_size').check_crop_size(crop_size)
            method = _fitting(make_method(network, info), 'make_method', 'compute_losses')
            if synchronise_batch_norm:
                method.synchronise_batch_norm()
            method.build_variables(crop_size)
            method.compile(optimizer=make_optimizer(steps=steps))
            method.optimizer.build(method.trainable_variables)
        return method

    if isinstance(task, Load):
        return tasks.load(workdir, task, make)[0]
    if isinstance(task, Predict):
        return tasks.predict(workdir, task, make)
    dataset = _fitting(make_dataset(), 'make_dataset', 'examples')
    if isinstance(task, Evaluate):
        split = task.split or validation_split
        if split is None:
            raise ValueError('The run has no validation split; name one with --split.')
        with runtime.company(strategy):
            return tasks.evaluate(workdir, task, make, dataset, split, evaluation_batch_size)

    schedule = training.Schedule(
        steps, evaluate_every, checkpoint_every, log_every, picture_every, steps_per_execution
    )
    runtime.steps_per_execution(strategy, steps_per_execution, schedule.marks())
    # Before the configuration is asked for, to which it belongs what the lists are found by.
    choices = {
        'labelled': selection.Choice(
            labelled_split,
            _path(labelled_list),
            labelled_count,
            labelled_seed,
            labelled_every_class,
        ),
        'unlabelled': selection.Choice(unlabelled_split, _path(unlabelled_list)),
    }
    views = _fitting(make_views(), 'make_views', 'crop_size')
    method = make(dataset.info, views.crop_size)
    if initial_weights is not None:
        initial_weights(method)
        method.start_averages()
    config_text = task.config_text() if callable(task.config_text) else task.config_text
    run_folder.check(workdir, config_text)

    labelled = selection.labelled_examples(dataset, choices['labelled'])
    selection.check_classes(labelled, dataset.info)
    left_out = labelled.ids if exclude_labelled else ()
    unlabelled = selection.unlabelled_examples(
        dataset, method, choices['unlabelled'], left_out, unlabelled_masks
    )
    chosen = {'labelled': labelled, 'unlabelled': unlabelled}
    streams = {name: (choices[name], part.ids) for name, part in chosen.items() if part is not None}
    provenance.check(workdir, streams)
    padding_value = method.network.backbone.padding_value

    def make_batches(first_step, **options):
        return pipeline.training_batches(
            labelled,
            unlabelled,
            dataset.info,
            views,
            padding_value,
            labelled_batch_size,
            unlabelled_batch_size,
            seed,
            first_step,
            workers=input_workers,
            **options,
        )

    # Refuses what it must before anything is written.
    context = tf.distribute.InputContext(num_replicas_in_sync=replicas)
    runtime.check_input(strategy, make_batches(0, cache_bytes=0, context=context))
    scored = dataset.examples(validation_split) if validation_split else labelled
    size = tasks.evaluation_size(scored, method)

    def make_validation(context):
        return pipeline.evaluation_batches(
            scored, dataset.info, size, padding_value, evaluation_batch_size, context=context
        )

    if validation_split:
        make_validation(context)
    if cluster.is_chief():
        run_folder.claim(workdir, config_text)
        run_folder.write_description(workdir, dataset.info, size)
        provenance.write(workdir, streams)
    if reference_batch_size is not None and cluster.is_chief():
        rate = log.current_learning_rate(method.optimizer)
        print(
            f'{steps} steps of {labelled_batch_size} labelled images, the learning rate '
            f'{rate:.6g} at first: {configured_steps} steps of {reference_batch_size} by the rule '
            'of the reference batch.',
            flush=True,
        )
    with run_record.recorded(workdir, config_text, strategy) as notes, runtime.company(strategy):
        return training.train(
            workdir,
            method,
            make_batches,
            schedule,
            make_validation if validation_split else None,
            labelled_batch_size + (unlabelled_batch_size if unlabelled is not None else 0),
            notes,
            task.profile,
            jit_compile,
        )


def _path(list_file):
    """Returns the path of a list, which a callable finds."""
    return list_file() if callable(list_file) else list_file


def _fitting(part, setting, attribute):
    """Returns a part, if it is of the kind that a setting is for."""
    if not hasattr(part, attribute):
        raise ValueError(
            f'run.{setting} makes a {type(part).__name__}, which is of another kind: it has no '
            f'{attribute}; name another in its place.'
        )
    return part
