"""What every method shares in training: the step, the recipe and the making of variables."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from wss.datasets.info import DatasetInfo
from wss.devices import replicas
from wss.methods import execution, gradients, losses
from wss.methods.initial_weights import import_into
from wss.methods.segmenter import Segmenter
from wss.methods.update import Update, scale_steps
from wss.networks import batch_norm


class Method(Segmenter):
    """Trains a network; a method adds only `compute_losses`.

    Attributes:
        needs_unlabelled: Whether batches must have an `unlabelled` part.
        needs_image_labels: Whether every unlabelled image must have an image-level label.
        mixes: Whether it shows boxes of other images where batches have them (`views/mixing.py`).
        strong_views: How many strong views it learns from.
        needs_second_network: Whether it has a second network, of the same making.
        fresh: int64 variable, whether each trainable variable started fresh, 0 or 1; None if it
            does not matter.

    Args:
        network: The segmentation network (see `networks/network.py`).
        info: Classes of the dataset.
    """

    needs_unlabelled = False
    needs_image_labels = False
    mixes = False
    strong_views = 1
    needs_second_network = False

    def __init__(self, network: keras.Model, info: DatasetInfo):
        super().__init__(network, info)
        self.set_recipe(Update(), losses.SupervisedLoss())
        self.fresh = None

    def set_recipe(self, update: Update, supervised_loss: losses.SupervisedLoss) -> None:
        """Sets the recipe that all methods share; call it before `build_variables`.

        Args:
            update: Options of the update of the weights.
            supervised_loss: Options of the loss against label maps.

        Raises:
            ValueError: If the loss has options for other classes.
        """
        supervised_loss.check_classes(self.info.num_classes)
        self.update = update
        self.supervised_loss = supervised_loss

    @property
    def trained_networks(self) -> list[keras.Model]:
        """The networks that gradients train: of their kernels and layers the recipe speaks."""
        return [self.network]

    def decayed_kernels(self) -> list[tf.Variable]:
        """Kernels under weight decay, of all trained networks."""
        return [k for network in self.trained_networks for k in network.decayed_kernels()]

    def compute_losses(self, labelled, unlabelled) -> dict[str, tf.Tensor]:
        """Returns the losses of one step by name, each a float32 scalar with its weight applied.

        Each is scaled so that its mean over all replicas is the loss of the whole batch. The
        functions of `losses` do that. So does a mean over as many elements on every replica.

        Args:
            labelled: `image` float32 `[N, H, W, 3]` in [0, 255], `label` int32 `[N, H, W]`, `valid`
                float32 `[N, H, W]`, `image_label` float32 `[N, K]`.
            unlabelled: None, or `weak` and `strong` float32 `[M, H, W, 3]`, `valid` float32
                `[M, H, W]`, and `label` and `image_label` where they are known. With CutMix `box`
                int32 `[M, 4]`, with two strong views `strong_2` (and `box_2`).
        """
        raise NotImplementedError

    def supervised(self, logits, labels) -> tf.Tensor:
        """Computes the supervised loss, float32 scalar; see `losses.supervised`.

        Args:
            logits: float `[N, h, w, C]`.
            labels: int32 `[N, H, W]`, classes or the dataset's ignore value.
        """
        step = 0 if self.optimizer is None else self.optimizer.iterations
        return self.supervised_loss(logits, labels, self.info.ignore_value, step)

    def step_losses(self, data) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Returns the losses of a batch by name, and their sum.

        Raises:
            ValueError: If `compute_losses` returns no losses, or reads unlabelled images that the
                method does not ask for.
        """
        unlabelled, own = data.get('unlabelled'), type(self).__name__
        try:
            values = self.compute_losses(data['labelled'], unlabelled)
        except (AttributeError, TypeError) as error:
            if unlabelled is None and 'NoneType' in str(error):
                raise ValueError(
                    f'{own}.compute_losses reads unlabelled images, but is given None: set '
                    f'needs_unlabelled = True in {own}.'
                ) from error
            raise
        return values, losses.total(values, own)

    # Autograph would convert every function below once more; nothing here needs it.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, data):
        """Applies one update; returns this step's losses, their sum and the gradient's L2 norm.

        Every replica returns the values of the whole batch: gradients, losses and moving statistics
        are averaged over the replicas in one operation. The gradient and its norm include weight
        decay. The update does not need the loss of weight decay; `decay_loss` computes it for logs.
        """
        with tf.GradientTape() as tape:
            values, total = self.step_losses(data)
        variables = self.trainable_variables
        grads = tape.gradient(total, variables)
        grads, values = gradients.over_replicas(
            grads, {**values, 'loss': total}, self.non_trainable_variables
        )
        if self.update.weight_decay:
            kernels = self.decayed_kernels()
            grads = gradients.add_decay(grads, variables, kernels, self.update.weight_decay)
        norm = tf.linalg.global_norm([g for g in grads if g is not None])
        multipliers = gradients.multipliers(self, variables)
        scaled = {i: f for i, f in enumerate(gradients.step_factors(self, variables)) if f != 1}
        scaled_variables = [variables[i] for i in scaled]
        before = [tf.identity(variable) for variable in scaled_variables]
        self.optimizer.apply_gradients(
            (
                (g if m == 1 else m * g, v)
                for g, m, v in zip(grads, multipliers, variables, strict=True)
                if g is not None
            ),
            skip_gradients_aggregation=True,
        )
        if scaled:
            scale_steps(scaled_variables, before, scaled.values())
        self.update_averages(self.update.average_decay)
        self.after_update()
        return {**values, 'gradient_norm': norm}

    def make_train_function(self, force=False):
        """Makes what `fit` calls: an execution of some steps (see `execution.train_function`)."""
        if self.train_function is None or force:
            with self.distribute_strategy.scope():
                for layer in batch_norm.layers_of(self):
                    layer.choose_decay()
                if self.fresh is not None:
                    self.running.is_fresh = [bool(f) for f in replicas.local(self.fresh)]
            self.train_function = execution.train_function(self)
        return self.train_function

    def decay_loss(self) -> tf.Tensor:
        """Computes the L2 term of the present weights, `weight_decay`, float32 scalar."""
        return losses.weight_decay(self.decayed_kernels(), self.update.weight_decay)

    def after_update(self) -> None:
        """Called by every replica after each update; does nothing unless a method overrides it."""

    def start_second_network(self, imported: set) -> str:
        """Sets initial weights of the second network, once those of the first are there.

        By default it gets the backbone that was imported into the first. Its other layers stay as
        they are: two equal networks would learn nothing of each other.

        Args:
            imported: `variable.ref()` of the variables that the import changed.

        Returns:
            A sentence about it; '' if there is nothing to say.
        """
        backbone = {v.ref() for v in self.second_network.backbone.variables}
        if imported & backbone:  # Such as those of a run that had two networks.
            return ''
        pairs = [(a, b) for a, b in self.running.pairs if a.ref() in imported]
        pairs = [(first, second) for first, second in pairs if second.ref() in backbone]
        for first, second in pairs:
            second.assign(first)
        rule = 'The second network starts with the same backbone; its other layers start fresh.'
        return rule if pairs else ''

    def own_multipliers(self) -> dict:
        """Returns factors of the steps of a method's own layers, by `variable.ref()`."""
        return {}

    def import_weights(self, initial_weights: Callable[[Any], Any] | None) -> str | None:
        """Sets initial weights; call it after `build_variables`, before training.

        Imported moving statistics keep their constant decay, layers that are left as they were get
        `Update.fresh_multiplier`, and averages of weights start from the initial ones.

        Args:
            initial_weights: What is called with the method, or None.

        Returns:
            The text that it returns, if it does.
        """
        return import_into(self, initial_weights)

    def synchronise_batch_norm(self) -> None:
        """Makes batch norm use statistics of all replicas; call it before `build_variables`."""
        for layer in self.submodules:
            if isinstance(layer, keras.layers.BatchNormalization):
                batch_norm.over_replicas(layer)

    def build_variables(self, crop_size) -> None:
        """Creates every variable by one pass over empty images of `(height, width)` pixels."""
        self.build_layers(crop_size)
        frozen = {'backbone': [n.backbone for n in self.trained_networks], 'all': [self]}
        batch_norm.freeze(frozen.get(self.update.freeze_batch_norm, []))
        for layer in batch_norm.layers_of(self):
            if self.update.statistics_warm_up and layer.trainable:
                layer.count_updates()
        if self.update.fresh_multiplier != 1:
            # A checkpoint keeps it, so that a resumed run need not compare weights again.
            self.fresh = tf.Variable(
                tf.ones([len(self.trainable_variables)], tf.int64),
                trainable=False,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
        if self.update.average_decay:
            # Every replica computes the same average.
            options = {'trainable': False, 'aggregation': tf.VariableAggregation.ONLY_FIRST_REPLICA}
            self.averages = [tf.Variable(v, **options) for v in self.trainable_variables]
        if self.evaluated_network is not self.network:
            self.evaluated = self.evaluated_network  # A second name: checkpoints say which it is.
        self.built = True

    def build_layers(self, crop_size) -> None:
        """Creates the variables of all layers; part of `build_variables`."""
        for network in (self.network, self.second_network):
            if network is not None:
                network(tf.zeros([1, *crop_size, 3]), training=False)
        if self.second_network is not None:
            # Now, since Keras sorts the variables of what is not trained in another way.
            pairs = zip(self.network.variables, self.second_network.variables, strict=True)
            self.running.pairs = list(pairs)

    def pictures(self, labelled, unlabelled) -> dict[str, dict[str, tf.Tensor]]:
        """Returns pictures of a batch.

        Returns:
            `images`: float32 `[n, H, W, 3]` in [0, 255] by name; `labels`: int32 `[n, H, W]`;
            `scores`: float32 `[n, h, w, C]`, higher is likelier.
        """
        del unlabelled
        return {
            'images': {'image': labelled['image']},
            'labels': {
                'truth': labelled['label'],
                'prediction': self.predict_labels(labelled['image']),
            },
            'scores': {},
        }
