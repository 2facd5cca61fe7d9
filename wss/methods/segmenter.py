"""What every method shares once it is trained: scores, predictions, averages of the weights."""

import contextlib
import types

import tensorflow as tf
import tf_keras as keras

from wss.datasets.info import DatasetInfo
from wss.methods import execution
from wss.methods.update import average, average_rate
from wss.networks import resize
from wss.results import metrics


class Segmenter(keras.Model):
    """Scores and predicts with a network, and keeps the measures of a method.

    Attributes:
        second_network: Another network of the same making; None for a method without one.
        averages: Moving averages of the trainable variables, in their order; may be empty.

    Args:
        network: The segmentation network (see `networks/network.py`).
        info: Classes of the dataset.
    """

    def __init__(self, network: keras.Model, info: DatasetInfo):
        super().__init__(autocast=False)
        self.network = network
        self.second_network = None
        self.info = info
        self.averages = []
        # In a namespace, so that Keras does not put them into checkpoints: counts of an evaluation
        # are no state of training, and sums over replicas cannot be restored on others of them.
        self.running = types.SimpleNamespace(
            confusion=metrics.ConfusionMatrix(info.num_classes, info.ignore_value),
            quality={},
            is_fresh=None,
            pairs=[],  # The variables of both networks, side by side.
        )

    @property
    def evaluated_network(self) -> keras.Model:
        """The network that is scored, predicts and is exported."""
        return self.network

    @property
    def label_settings(self) -> dict[str, tuple[str, bool]]:
        """The setting that chooses each of `label_sources`, and whether the method has it."""
        return {}

    @property
    def confusion(self) -> metrics.ConfusionMatrix:
        """Counts of the evaluation step."""
        return self.running.confusion

    @property
    def quality(self) -> dict[str, metrics.PseudoLabelQuality | metrics.ImageLabelQuality]:
        """Running measures of pseudo labels and classifier by name; empty if a method has none."""
        return self.running.quality

    @property
    def metrics(self):
        """Empty, since `fit` and `evaluate` would reset measures that are listed here."""
        return []

    def make_test_function(self, force=False):
        """Makes what `evaluate` calls (see `execution.test_function`)."""
        if self.test_function is None or force:
            self.test_function = execution.test_function(self)
        return self.test_function

    def update_averages(self, decay: float | None) -> None:
        """Moves the averages, if there are any, towards the weights after an update."""
        if self.averages:
            rate = average_rate(decay, self.optimizer.iterations)
            for last, variable in zip(self.averages, self.trainable_variables, strict=True):
                last.assign(average(last, variable, rate))

    def start_averages(self) -> None:
        """Starts the averages, if there are any, from the present weights."""
        if self.averages:
            for mean, variable in zip(self.averages, self.trainable_variables, strict=True):
                mean.assign(variable)

    def use_averages(self) -> None:
        """Replaces the weights by their averages, if there are any.

        Only trainable variables have averages. The moving statistics of batch norm, which come from
        the raw weights, do not change.
        """
        if self.averages:
            for variable, mean in zip(self.trainable_variables, self.averages, strict=True):
                variable.assign(mean)

    @contextlib.contextmanager
    def averaged(self):
        """Inside a `with`, replaces the weights by their averages, if there are any."""
        if not self.averages:
            yield
            return
        raw = [tf.identity(variable) for variable in self.trainable_variables]
        try:
            self.use_averages()
            yield
        finally:
            for variable, value in zip(self.trainable_variables, raw, strict=True):
                variable.assign(value)

    @tf.autograph.experimental.do_not_convert
    def test_step(self, data):
        """Adds a batch of `evaluation.WholeImages` to `confusion`."""
        self.count(data, self.predict_scores(data['image']))
        return {}

    def count(self, data, scores) -> None:
        """Compares the labels of scores, float `[N, h, w, C]`, with those of a batch."""
        rows, columns = data.get('rows'), data.get('columns')
        # All images of a batch have the same.
        grid = None if rows is None else resize.Grid(rows[0], columns[0])
        predicted = self._labels(scores, data['image'], grid)
        self.confusion.update_state(data['label'], predicted)

    def extra_scores(self) -> dict[str, float]:
        """Returns further scores of the evaluation, beside those of `confusion`, by name."""
        return {}

    def reset_scores(self) -> None:
        """Resets the counts, before an evaluation."""
        self.confusion.reset_state()

    def predict_scores(self, images: tf.Tensor) -> tf.Tensor:
        """Computes a score of each class, of which labels are the highest: the decoder's logits.

        Args:
            images: float32 `[N, H, W, 3]` in [0, 255].

        Returns:
            float `[N, h, w, C]`, at any resolution; its corner pixels are those of the images.
        """
        network = self.evaluated_network
        return network.decode(network.features(images), resize.spatial_size(images))

    def label_sources(
        self, images: tf.Tensor, valid: tf.Tensor, image_label: tf.Tensor | None
    ) -> dict[str, tf.Tensor]:
        """Returns what pseudo labels of images may come from, by name.

        Args:
            images: float32 `[N, H, W, 3]` in [0, 255].
            valid: float32 `[N, H, W]`, 0 for padding.
            image_label: float32 `[N, K]`, the image-level labels where they are known, or None.

        Returns:
            Distributions, float32 `[N, h, w, C]`; empty for a method that has one source only.
        """
        del images, valid, image_label
        return {}

    def predict_labels(self, images: tf.Tensor, grid: resize.Grid | None = None) -> tf.Tensor:
        """Predicts classes.

        Args:
            images: float32 `[N, H, W, 3]` in [0, 255].
            grid: Rows `[H']` and columns `[W']` at which classes are asked for; None for all.

        Returns:
            int32 `[N, H', W']`.
        """
        return self._labels(self.predict_scores(images), images, grid)

    def predict_probabilities(
        self, images: tf.Tensor, grid: resize.Grid | None = None, veto: float = 0.0
    ) -> tf.Tensor:
        """Predicts float32 `[N, H', W', C]`, whose sum over the classes is 1; see the labels.

        Args:
            images: See `predict_labels`.
            grid: See `predict_labels`.
            veto: Classes that the image-level classifier gives a lower probability are left out
                of an image; 0 leaves none out. The background never is.
        """
        size = resize.spatial_size(images)
        grid = grid or resize.all_pixels(size)
        if not veto:
            return self.probabilities(resize.sample(self.predict_scores(images), size, grid))
        scores, image_logits = self.scores_and_image_logits(images)
        found = self.probabilities(resize.sample(scores, size, grid))
        return without_ruled_out(found, image_logits, veto, self.info.has_background)

    def scores_and_image_logits(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns `predict_scores`, and the logits of the image-level classifier, `[N, K]`."""
        network = self.evaluated_network
        if type(self).predict_scores is Segmenter.predict_scores:
            return network(images, training=False)  # Both from one pass.
        return self.predict_scores(images), network.classify(network.features(images))

    def probabilities(self, scores: tf.Tensor) -> tf.Tensor:
        """Turns scores, float32 `[..., C]`, into probabilities."""
        return tf.nn.softmax(scores)

    def _labels(self, scores, images, grid=None):
        size = resize.spatial_size(images)
        return resize.sample_labels(scores, size, grid or resize.all_pixels(size))

    def call(self, images, training=False):
        """Returns the logits at stride 4, float `[N, h, w, C]`."""
        return self.evaluated_network(images, training=training)[0]


def without_ruled_out(
    probabilities: tf.Tensor, image_logits: tf.Tensor, veto: float, has_background: bool
) -> tf.Tensor:
    """Leaves out classes that the image-level classifier rules out.

    Args:
        probabilities: float32 `[N, h, w, C]`, whose sum over the classes is 1.
        image_logits: float `[N, K]`, of the classes without the background.
        veto: Probability below which a class is ruled out.
        has_background: Whether class 0 is the background, which is never ruled out.

    Returns:
        float32 `[N, h, w, C]`, whose sum is 1. Where all classes are ruled out, nothing changes.

    Example:
        >>> from wss.methods.segmenter import without_ruled_out
        >>> probabilities = tf.constant([[[[0.125, 0.375, 0.5]]]])
        >>> logits = tf.constant([[3.0, -3.0]])  # 0.95 and 0.05.
        >>> without_ruled_out(probabilities, logits, 0.1, has_background=True).numpy().tolist()
        [[[[0.25, 0.75, 0.0]]]]
    """
    kept = tf.cast(tf.sigmoid(tf.cast(image_logits, tf.float32)) >= veto, tf.float32)
    if has_background:
        kept = tf.pad(kept, [[0, 0], [1, 0]], constant_values=1.0)
    left = probabilities * kept[:, tf.newaxis, tf.newaxis, :]
    sums = tf.reduce_sum(left, axis=-1, keepdims=True)
    return tf.where(sums > 0, tf.math.divide_no_nan(left, sums), probabilities)
