"""One experiment: data, network, method and training joined, each run in a folder of its own."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from wss.datasets.examples import request
from wss.datasets.files import whole
from wss.datasets.lists import selection
from wss.devices import lost, strategies, tpu_input, workers
from wss.devices.compute import Compute
from wss.devices.strategies import Devices
from wss.inference import folder as image_folder
from wss.inference import predictor
from wss.methods.losses import SupervisedLoss
from wss.methods.method import Method
from wss.methods.update import Update
from wss.pipeline import evaluation
from wss.pipeline.data import Data
from wss.results import scores
from wss.runs import checkpoints, extension
from wss.runs import configuration as run_configuration
from wss.runs import folder as run_folder
from wss.runs import lists as run_lists
from wss.runs import record as run_record
from wss.runs.configuration import Configuration
from wss.training import contracts, log, loop
from wss.training.schedule import Schedule

ONE_DEVICE = Devices('one')
NO_SETTINGS = Configuration()


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The parts of an experiment, and what can be done with them.

    Attributes:
        data: Dataset, views, and which examples are labelled, unlabelled and scored.
        make_network: Makes the network from `num_classes` and `num_image_classes`.
        make_method: Makes the method from a network and a `DatasetInfo`.
        make_optimiser: Makes the optimiser from `steps` (and from `rate_factor`, the factor of its
            learning rates, where `Schedule.reference_batch_size` is set; and from `first_step`,
            from which its schedule starts again, where a run was extended).
        schedule: How many steps, and the intervals between evaluations, checkpoints and logs.
        compute: Precision, and how steps run on the devices.
        update: Weight decay, factors of gradients, and averages of the weights.
        supervised_loss: Options of the loss against label maps.
        initial_weights: Sets weights of the new method, which it is called with; None leaves them
            random. The modules of `networks/weights` have such functions.
        seed: Seed of initialisation, order of the images, views and dropout. A resumed run sees the
            batches and masks of dropout that it would have seen.

    Example:
        >>> from functools import partial
        >>> from wss.datasets.shapes import Shapes
        >>> from wss.experiment import Experiment
        >>> from wss.methods.supervised import Supervised
        >>> from wss.networks.backbones.small import SmallResNet
        >>> from wss.networks.deeplab import DeepLabV3Plus
        >>> from wss.pipeline.data import Data, Validation
        >>> from wss.training.optimisers import momentum_poly
        >>> from wss.training.schedule import Schedule
        >>> from wss.views.views import Views
        >>> make_dataset = partial(Shapes, size=33, counts={'train': 4, 'val': 2})
        >>> make_views = partial(Views, crop_size=(33, 33), cutout_half_size=4)
        >>> make_network = partial(DeepLabV3Plus, make_backbone=SmallResNet)
        >>> data = Data(make_dataset, make_views, validation=Validation('val'))
        >>> parts = data, make_network, Supervised, momentum_poly, Schedule(steps=1)
        >>> result = Experiment(*parts).train('runs/short')
        step 1/1...
        >>> sorted(result), sorted(result['best'])
        (['best', 'last', 'steps'], ['iou', 'miou', 'pixel_accuracy', 'pixels', 'step'])
    """

    data: Data
    make_network: Callable[..., Any]
    make_method: Callable[..., Any]
    make_optimiser: Callable[..., Any]
    schedule: Schedule
    compute: Compute = dataclasses.field(default_factory=Compute)
    update: Update = dataclasses.field(default_factory=Update)
    supervised_loss: SupervisedLoss = dataclasses.field(default_factory=SupervisedLoss)
    initial_weights: Callable[[Any], None] | None = None
    seed: int = 0

    def train(
        self,
        workdir: str | os.PathLike,
        make_configuration: Callable[[], Configuration] = Configuration,
        devices: Devices = ONE_DEVICE,
        profile: bool = False,
        given: Configuration = NO_SETTINGS,
    ) -> dict:
        """Trains from the start, or resumes the run in a folder, and scores the weights.

        Args:
            workdir: Folder of the run: `config.gin`, `dataset.json`, `labelled.txt`,
                `unlabelled.txt`, `lists.json` (where their ids come from, with hashes), `run.json`
                (what ran where, and how it ended), `progress.json`, `checkpoints/`, `events/`
                (TensorBoard) and `result.json`.
            make_configuration: Returns the settings; called when every part is built and nothing is
                written yet.
            devices: Where it computes. The weights do not depend on it, but for the order of sums.
            profile: Whether a TensorBoard profile of a few steps is written.
            given: The settings as they were given. Several workers compare them before anything is
                built, since workers of different settings may wait for each other without end.

        Returns:
            The content of `result.json`: `steps`, and for `last` and `best` the `step` and the
            scores by class on the validation split.

        Raises:
            ValueError: If a setting is out of range, parts do not fit each other, or the folder
                holds another run; or if workers have other settings, versions or images.
            FileNotFoundError: If a file, a folder or a checkpoint is missing.
            OSError: If another process trains in the folder, or it cannot be written.
            FloatingPointError: If a loss is not finite.
        """
        workdir = whole.expanded(workdir)
        strategy = self._start(devices)
        with lost.exits_when_lost(strategy):
            workers.compare(strategy, run_record.compared_versions() | given.shared())
            return self._train(workdir, make_configuration, strategy, profile)

    def _train(self, workdir, make_configuration, strategy, profile):
        """Trains where the settings of all workers are the same."""
        schedule, rate_factor = self.schedule.for_batch(self.data.labelled.batch_size)
        extent = extension.plan(workdir, schedule.steps, schedule.extend)
        self.compute.steps_an_execution(strategy, [*schedule.intervals(), extent.first_step])
        with workers.all_or_none(strategy):
            run_folder.check_free(workdir)
            dataset = contracts.dataset(self.data.make_dataset())
            # Find the lists first: the settings that find them are part of the configuration.
            choices = self.data.choices()
            views = contracts.views(self.data.make_views())
        make_optimiser = contracts.optimiser_for(
            self.make_optimiser, rate_factor=rate_factor, first_step=extent.first_step or None
        )
        method = self._new_method(
            strategy,
            dataset.info,
            views.crop_size,
            functools.partial(make_optimiser, steps=schedule.steps),
            resumes=checkpoints.holds(workdir, 'last'),
        )
        configuration = extension.allowed(make_configuration(), extent)
        with workers.all_or_none(strategy):
            run_configuration.check(workdir, configuration)
            examples = self.data.select(dataset, method, choices)
            streams = {name: (choices[name], part.ids) for name, part in examples.items()}
            scored = examples['labelled']
            if self.data.validation.split:
                scored = request(dataset, self.data.validation.split)
                streams['validation'] = selection.Choice(self.data.validation.split), scored.ids
            run_lists.check(workdir, streams)
        workers.compare(strategy, run_lists.fingerprints(streams) | configuration.shared())

        backbone = method.network.backbone
        make_batches = self.data.training_batches(
            examples, views, backbone.padding_value, self.seed, self.compute.input_workers
        )
        size = evaluation.size_for(scored, backbone)
        make_validation = None
        if self.data.validation.split:
            make_validation = self.data.validation_batches(
                scored, size, backbone.padding_value, strategy.num_replicas_in_sync
            )
        # Refuse what must be refused before anything is written.
        context = tf.distribute.InputContext(num_replicas_in_sync=strategy.num_replicas_in_sync)
        tpu_input.check(strategy, make_batches(0, cache_bytes=0, context=context))
        if make_validation is not None:
            make_validation(context)
        inputs = loop.Inputs(make_batches, make_validation, self.data.images_per_step(examples))
        with contextlib.ExitStack() as stack:
            with workers.all_or_none(strategy):
                if workers.is_chief():
                    stack.enter_context(run_folder.owned(workdir))
                # Another process may have trained in it until now.
                run_configuration.check(workdir, configuration)
                run_lists.check(workdir, streams)
            if workers.is_chief():
                run_folder.claim(workdir, configuration.text)
                run_folder.write_description(workdir, dataset.info, size)
                run_lists.write(workdir, streams)
                extent.report(workdir)
                self._print_schedule(schedule, rate_factor, method)
            notes = stack.enter_context(
                run_record.recorded(workdir, configuration.text, strategy, extent)
            )
            with lost.exits_when_lost(strategy):
                return loop.train(workdir, method, inputs, schedule, self.compute, notes, profile)

    def load(self, workdir: str | os.PathLike, checkpoint: str = 'best') -> Method:
        """Returns the trained method of a run, for use from Python; needs no dataset.

        The method has no optimiser. Its weights are the averages, where it averages.

        Args:
            workdir: Folder of the run.
            checkpoint: `best` or `last`.

        Raises:
            FileNotFoundError: If the folder is not that of a run or has no such checkpoint.
            ValueError: If its files are damaged or of another configuration.
        """
        return self._restored(whole.expanded(workdir), checkpoint, self._start(ONE_DEVICE))

    def evaluate(
        self,
        workdir: str | os.PathLike,
        checkpoint: str = 'best',
        split: str | None = None,
        devices: Devices = ONE_DEVICE,
    ) -> dict:
        """Scores the weights of a run on a split whose examples have masks.

        Args:
            workdir: Folder of the run.
            checkpoint: `best` or `last`.
            split: Name of the split; None for the validation split.
            devices: Where it computes.

        Returns:
            `checkpoint`, `split` and the scores by class.

        Raises:
            FileNotFoundError: See `load`.
            ValueError: See `load`; also if the dataset has other classes than the run.
        """
        workdir = whole.expanded(workdir)
        strategy = self._start(devices)
        dataset = contracts.dataset(self.data.make_dataset())
        split = split or self.data.validation.split
        if split is None:
            raise ValueError('The run has no validation split; name one with --split.')
        with lost.exits_when_lost(strategy):
            method = self._restored(workdir, checkpoint, strategy)
            if dataset.info != method.info:
                raise ValueError(
                    f'The dataset has other classes than the run in {workdir}: '
                    f'{dataset.info.class_names} now, {method.info.class_names} then.'
                )
            examples = request(dataset, split)
            # Images larger than those of the validation split get the room that they need.
            backbone = method.network.backbone
            sizes = (
                run_folder.read_description(workdir)[1],
                evaluation.size_for(examples, backbone),
            )
            size = tuple(max(sides) for sides in zip(*sizes, strict=True))
            make_batches = self.data.validation_batches(
                examples, size, backbone.padding_value, strategy.num_replicas_in_sync
            )
            method.compile()
            found = scores.evaluate(method, make_batches)
        found = scores.by_class(found, method.info.class_names)
        return {'checkpoint': checkpoint, 'split': split, **found}

    def predict(
        self,
        workdir: str | os.PathLike,
        images: str | os.PathLike,
        out: str | os.PathLike,
        checkpoint: str = 'best',
    ) -> image_folder.Predicted:
        """Predicts the images of a folder with the weights of a run; needs no dataset.

        Args:
            workdir: Folder of the run.
            images: Folder of images.
            out: Folder for a mask and an overlay of each.
            checkpoint: `best` or `last`.

        Raises:
            FileNotFoundError: See `load`; also if there is no such folder, or no image in it.
            ValueError: See `load`; also if `out` cannot be the place for the predictions.
        """
        images, out = whole.expanded(images), whole.expanded(out)
        trained = self.predictor(workdir, checkpoint)
        return image_folder.predict_folder(images, out, trained.predict, trained.method.info)

    def predictor(
        self, workdir: str | os.PathLike, checkpoint: str = 'best'
    ) -> predictor.Predictor:
        """Returns what predicts single images with the weights of a run; see `load`."""
        workdir = whole.expanded(workdir)
        method = self.load(workdir, checkpoint)
        return predictor.Predictor(method, run_folder.read_description(workdir)[1])

    def _start(self, devices):
        """Makes the strategy, and sets seed and precision, before anything is built."""
        strategy = strategies.make_strategy(devices)
        strategies.set_seed(self.seed)
        self.compute.prepare(strategy)
        return strategy

    def _built(self, info, crop_size):
        """Builds network and method with all their variables; call it in a strategy's scope."""
        network = contracts.network(
            self.make_network(
                num_classes=info.num_classes, num_image_classes=info.num_image_classes
            )
        )
        network.check_crop_size(crop_size)
        method = contracts.method(self.make_method(network, info))
        method.set_recipe(self.update, self.supervised_loss)
        if self.compute.synchronise_batch_norm:
            method.synchronise_batch_norm()
        method.build_variables(crop_size)
        return method

    def _new_method(self, strategy, info, crop_size, make_optimiser, resumes):
        """Builds a method to be trained, with its optimiser and its initial weights."""
        # Workers share the initial values of variables, so one may be missed here already.
        with lost.exits_when_lost(strategy), strategy.scope():
            method = self._built(info, crop_size)
            method.compile(optimizer=make_optimiser())
            method.optimizer.build(method.trainable_variables)
        if self.initial_weights is not None:
            try:
                self.initial_weights(method)
            except FileNotFoundError:
                if not resumes:  # Else the weights come from the checkpoint.
                    raise
            method.start_averages()
        return method

    def _restored(self, workdir, checkpoint, strategy):
        """Builds the method of a run, without an optimiser, and loads a checkpoint."""
        info, size = run_folder.read_description(workdir)
        with lost.exits_when_lost(strategy), strategy.scope():
            method = self._built(info, size)
        checkpoints.Checkpoints(workdir, method).restore(checkpoint)
        method.use_averages()
        return method

    def _print_schedule(self, schedule, rate_factor, method):
        """Prints the steps and the rate where they follow the batch."""
        if rate_factor is not None:
            rate = log.current_learning_rate(method.optimizer)
            print(
                f'{schedule.steps} steps of {self.data.labelled.batch_size} labelled images, the '
                f'learning rate {rate:.6g} at first: {self.schedule.steps} steps of '
                f'{self.schedule.reference_batch_size} by the rule of the reference batch.',
                flush=True,
            )
