"""One experiment: data, network, method and training joined, each run in a folder of its own."""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

from wss.datasets.files import whole
from wss.devices import gpus, lost, strategies, tpu_input, workers
from wss.devices.compute import Compute
from wss.devices.strategies import Devices
from wss.inference import folder as image_folder
from wss.inference import predictor
from wss.inference.averaging import PLAIN, Averaging
from wss.inference.evaluation import Evaluation
from wss.inference.outputs import Outputs
from wss.inference.predictor import MASKS
from wss.methods.losses import SupervisedLoss
from wss.methods.method import Method
from wss.methods.update import Update
from wss.pipeline.data import Data
from wss.pipeline.frame import Frame
from wss.results import scores
from wss.runs import checkpoints, extension
from wss.runs import configuration as run_configuration
from wss.runs import folder as run_folder
from wss.runs import lists as run_lists
from wss.runs import record as run_record
from wss.runs.configuration import Configuration
from wss.settings import ranges
from wss.training import building, contracts, loop, preparation, scoring, summary
from wss.training.progress import EvaluationProgress
from wss.training.schedule import Schedule

ONE_DEVICE = Devices('one')
_PARTS = {
    'data': Data,
    'schedule': Schedule,
    'compute': Compute,
    'update': Update,
    'supervised_loss': SupervisedLoss,
}
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
        initial_weights: Sets weights of the new method, which it is called with, and may return a
            sentence about it, to be printed; None leaves them random. The modules of
            `networks/weights` have such functions.
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
        Run folder: runs/short...
        >>> sorted(result), result['best']['classes'] <= 7
        (['best', 'last', 'steps'], True)
    """

    data: Data
    make_network: Callable[..., Any]
    make_method: Callable[..., Any]
    make_optimiser: Callable[..., Any]
    schedule: Schedule
    compute: Compute = dataclasses.field(default_factory=Compute)
    update: Update = dataclasses.field(default_factory=Update)
    supervised_loss: SupervisedLoss = dataclasses.field(default_factory=SupervisedLoss)
    initial_weights: Callable[[Any], Any] | None = None
    seed: int = 0

    def __post_init__(self):
        for name, kind in _PARTS.items():
            ranges.part(f'Experiment.{name}', getattr(self, name), kind)
        ranges.whole('Experiment.seed', self.seed, 0, ranges.SEEDS)
        contracts.makers(self)

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
            # Find the lists first: the settings that find them are part of the configuration.
            dataset, choices = preparation.find(self.data, self.initial_weights)
            views = contracts.views(self.data.make_views())
        make_optimiser = contracts.optimiser_for(
            # Also a `first_step` of 0: a default would become a setting of the run, and stay it.
            self.make_optimiser,
            rate_factor=rate_factor,
            first_step=extent.first_step,
        )
        make_optimiser = functools.partial(make_optimiser, steps=schedule.steps)
        method = building.new_method(self, strategy, dataset.info, views.crop_size, make_optimiser)
        with workers.all_or_none(strategy):
            imported = preparation.import_weights(
                method,
                self.initial_weights,
                select=lambda: self.data.select(dataset, method, choices),
                resumes=checkpoints.holds(workdir, 'last'),
            )
        configuration = extension.allowed(make_configuration(), extent)
        frame = self.data.frame(method.network.backbone)
        with workers.all_or_none(strategy):
            run_configuration.check(workdir, configuration)
            streams = preparation.select(self.data, dataset, method, choices, views.crop_size)
            run_lists.check(workdir, streams.lists)
        workers.compare(strategy, run_lists.fingerprints(streams.lists) | configuration.shared())

        inputs = self._inputs(streams, views, frame, strategy)
        batch_sizes = self.data.batch_sizes(streams.training)
        preparation.check_batches(strategy, method, inputs, batch_sizes, schedule.steps)
        with contextlib.ExitStack() as stack:
            with workers.all_or_none(strategy):
                if workers.is_chief():
                    stack.enter_context(run_folder.owned(workdir))
                # Another process may have trained in it until now.
                run_configuration.check(workdir, configuration)
                run_lists.check(workdir, streams.lists)
            if workers.is_chief():
                run_folder.claim(workdir, configuration.text)
                run_folder.write_description(workdir, dataset.info, frame.size, frame.long_side)
                run_lists.write(workdir, streams.lists)
                self._print_start(workdir, streams, views.crop_size, schedule.steps, strategy)
                if rate_factor is not None:
                    rule = summary.batch_rule(self.schedule, schedule, batch_sizes, method)
                    print(rule, flush=True)
                extent.report(workdir)
                if imported and not run_folder.holds_checkpoints(workdir):
                    print(imported, flush=True)
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
        workdir = whole.expanded(workdir)
        return building.method_of_run(self, self._start(ONE_DEVICE), workdir, checkpoint)[0]

    def evaluate(
        self,
        workdir: str | os.PathLike,
        checkpoint: str = 'best',
        split: str | None = None,
        devices: Devices = ONE_DEVICE,
        averaging: Averaging = PLAIN,
    ) -> dict:
        """Scores the weights of a run on a split whose examples have masks.

        Args:
            workdir: Folder of the run.
            checkpoint: `best` or `last`.
            split: Name of the split; None for the validation split.
            devices: Where it computes; one device where copies or windows are averaged.
            averaging: Which copies and windows of each image are predicted and averaged.

        Returns:
            `checkpoint`, its `step`, `split` and the scores by class; also the fields of
            `averaging` where something is averaged.

        Raises:
            FileNotFoundError: See `load`.
            ValueError: See `load`; also if the dataset has other classes than the run.
        """
        if not averaging.is_plain:
            asked = 'An evaluation with --scales, --flip, --window or --veto'
            strategies.only_one(devices, asked)
            return self.evaluate_images(workdir, checkpoint, split, averaging).scores
        strategy = self._start(devices)
        with lost.exits_when_lost(strategy):
            run = scoring.find(self, strategy, whole.expanded(workdir), checkpoint, split)
            make_batches = self._validation_batches(run.examples, run.frame, strategy)
            return run.described(scoring.in_batches(run.method, make_batches, strategy))

    def evaluate_images(
        self,
        workdir: str | os.PathLike,
        checkpoint: str = 'best',
        split: str | None = None,
        averaging: Averaging = PLAIN,
    ) -> Evaluation:
        """Scores the weights of a run image by image, on one device.

        Args:
            workdir: See `evaluate`, as the others.
            checkpoint: `best` or `last`.
            split: Name of the split; None for the validation split.
            averaging: Which copies and windows of each image are predicted and averaged.

        Returns:
            The scores, which have boundary IoU here, and what was found of each image.

        Raises:
            FileNotFoundError: See `evaluate`.
            ValueError: See `evaluate`.
        """
        strategy = self._start(ONE_DEVICE)
        run = scoring.find(self, strategy, whole.expanded(workdir), checkpoint, split)
        trained = predictor.Predictor(run.method, run.frame.size, run.frame.long_side)
        copies = dataclasses.asdict(averaging)
        predict = functools.partial(trained.predict, **copies)
        found, confusion, images = scores.evaluate_singly(predict, run.examples, EvaluationProgress)
        named = run.described(found if averaging.is_plain else {**copies, **found})
        return Evaluation(named, confusion, images, run.examples, predict)

    def predict(
        self,
        workdir: str | os.PathLike,
        images: str | os.PathLike | Sequence[str | os.PathLike],
        out: str | os.PathLike,
        checkpoint: str = 'best',
        averaging: Averaging = PLAIN,
        outputs: Outputs = MASKS,
        batch_size: int = 1,
    ) -> image_folder.Predicted:
        """Predicts the images of a folder with the weights of a run; needs no dataset.

        An image that is damaged or too large for the memory is reported, and costs the others
        nothing.

        Args:
            workdir: Folder of the run.
            images: Folder of images, or one image; also several, patterns and lists of these.
            out: Folder for a mask and an overlay of each.
            checkpoint: `best` or `last`.
            averaging: Which copies and windows of each image are predicted and averaged.
            outputs: What else is written for each image.
            batch_size: How many images of one size, or windows, are predicted at a time.

        Raises:
            FileNotFoundError: See `load`; also if there is no such folder, or no image in it.
            ValueError: See `load`; also if `out` cannot be the place for the predictions.
            OSError: If `out` cannot be written, or the disk is full.
        """
        trained = self.predictor(workdir, checkpoint)
        return trained.predict_folder(images, out, averaging, outputs, batch_size)

    def predictor(
        self, workdir: str | os.PathLike, checkpoint: str = 'best'
    ) -> predictor.Predictor:
        """Returns what predicts single images with the weights of a run; see `load`."""
        workdir = whole.expanded(workdir)
        method = self.load(workdir, checkpoint)
        frame = self.frame_of_run(workdir, method)
        return predictor.Predictor(method, frame.size, frame.long_side)

    def frame_of_run(self, workdir: str | os.PathLike, method: Method) -> Frame:
        """Returns how a run brings whole images before its network: a `Frame`.

        Args:
            workdir: Folder of the run.
            method: Its method.

        Raises:
            ValueError: If the present settings say something else.
        """
        _, size, long_side = run_folder.read_description(workdir)
        asked = self.data.frame(method.network.backbone)
        # Runs of earlier versions have a size that no setting says.
        for name, now, then in (
            ('Validation.size', asked.size or size, size),
            ('Data.long_side', asked.long_side, long_side),
        ):
            if now != then:
                raise ValueError(
                    f'{name} is {now}, but the run in {workdir} was made with {then}. Scores and '
                    'predictions of a run have one rule of sizes: keep its setting, or train '
                    'with the new one.'
                )
        return dataclasses.replace(asked, size=size, long_side=long_side)

    def _start(self, devices):
        """Makes the strategy, and sets seed and precision, before anything is built."""
        strategy = strategies.make_strategy(devices)
        gpus.warn_of_closed()
        strategies.set_seed(self.seed)
        self.compute.prepare(strategy)
        return strategy

    def _inputs(self, streams, views, frame, strategy):
        """Returns the batches of a run: `loop.Inputs`."""
        make_batches = self.data.training_batches(
            streams.training, views, frame.padding_value, self.seed, self.compute.input_workers
        )
        make_validation = None
        if streams.validation is not None:
            make_validation = self._validation_batches(streams.validation, frame, strategy)
        images_per_step = sum(self.data.batch_sizes(streams.training).values())
        return loop.Inputs(make_batches, make_validation, images_per_step)

    def _validation_batches(self, examples, frame, strategy):
        return self.data.validation_batches(
            examples, frame, strategy.num_replicas_in_sync, fill=tpu_input.is_tpu(strategy)
        )

    def _print_start(self, workdir, streams, crop_size, steps, strategy):
        """Prints what the run is."""
        facts = summary.Facts(
            workdir=os.fspath(workdir),
            examples=streams.examples,
            batch_sizes=self.data.batch_sizes(streams.training),
            crop_size=crop_size,
            steps=steps,
            devices=run_record.devices(strategy),
            precision=self.compute.precision,
        )
        print('\n'.join(summary.lines(facts)), flush=True)
