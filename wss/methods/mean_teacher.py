"""Mean Teacher (Tarvainen and Valpola, NeurIPS 2017) with CutMix (French et al., BMVC 2020)."""

import tensorflow as tf

from wss.devices import replicas
from wss.methods import consistency, weak_label
from wss.methods.method import Method
from wss.methods.update import move_averages
from wss.networks import resize
from wss.results import metrics
from wss.settings import ranges
from wss.views import mixing


def teacher_rate(updates, decay: float) -> tf.Tensor:
    """Share of the last teacher in the next: `min(1 - 1 / (n + 1), decay)` after update `n`.

    Args:
        updates: `n`, the updates so far, integer scalar from 1.
        decay: Share in the long run.

    Returns:
        float32 scalar.
    """
    updates = tf.cast(updates, tf.float32)
    return tf.minimum(1.0 - 1.0 / (updates + 1.0), decay)


def squared_error(probabilities, target, valid, weight) -> tf.Tensor:
    """`weight * sum over classes of (p - t)^2`, the mean over valid pixels; 0 without one.

    Args:
        probabilities: float32 `[N, h, w, C]` of the student.
        target: float32 `[N, h, w, C]` of the teacher.
        valid: float32 `[N, h, w]`, 1 where pixels count.
        weight: float32 scalar.

    Returns:
        float32 scalar.
    """
    errors = tf.reduce_sum(tf.square(probabilities - target), axis=-1)
    pixels = replicas.mean(tf.reduce_sum(valid))
    return tf.math.divide_no_nan(weight * tf.reduce_sum(errors * valid), pixels)


class MeanTeacher(Method):
    """The student learns the probabilities of a teacher, its own moving average.

    `L_supervised + weight * share * |p_student(mixed) - mixed p_teacher|^2`: the squared error,
    summed over the classes, times the share of valid pixels of which the teacher's confidence
    reaches the threshold (French et al., section 3). The teacher is evaluated. It averages the
    moving statistics of batch norm as it does the weights and runs in inference mode; in the
    programs of both papers it normalises by its batch.

    Args:
        network: See `Method`.
        info: See `Method`.
        decay: Decay of the average in the long run, 0 to 0.999999.
        threshold: Confidence that counts for the share, 0 to 1.
        consistency_weight: Factor of the consistency loss, 0 to 1000.
        consistency_warm_up: Steps in which that factor rises linearly from 0; 0 for none.

    Raises:
        ValueError: If an option is outside its range.
    """

    needs_unlabelled = True
    needs_second_network = True
    mixes = True

    def __init__(
        self,
        network,
        info,
        decay: float = 0.99,
        threshold: float = 0.97,
        consistency_weight: float = 1.0,
        consistency_warm_up: int = 0,
    ):
        super().__init__(network, info)
        ranges.number('MeanTeacher.decay', decay, 0, 0.999999)
        ranges.share('MeanTeacher.threshold', threshold)
        self.decay = decay
        self.threshold = threshold
        consistency.set_options(self, consistency_weight, consistency_warm_up)
        self.quality['teacher'] = metrics.PseudoLabelQuality(
            info.num_classes, info.ignore_value, threshold, 'teacher'
        )

    @property
    def teacher(self):
        """The second network."""
        return self.second_network

    evaluated_network = teacher

    def compute_losses(self, labelled, unlabelled):
        """See `Method.compute_losses`; returns `supervised` and `consistency`."""
        network, size = self.network, resize.spatial_size(labelled['image'])

        # Teacher: probabilities of the weak view, without gradient.
        features = self.teacher.features(unlabelled['weak'], training=False)
        weak_logits = tf.cast(self.teacher.decode(features, size, training=False), tf.float32)
        target = tf.nn.softmax(tf.stop_gradient(weak_logits))  # [M, h, w, C]
        valid = resize.nearest(unlabelled['valid'], resize.spatial_size(target))
        weak_label.measure(self.quality['teacher'], unlabelled, weak_logits, valid)

        # Student: with CutMix, image and target show boxes of other images.
        strong, target, valid = mixing.mix_all(
            (unlabelled['strong'], target, valid), unlabelled.get('box'), size
        )
        strong_features = network.features(strong, training=True)
        strong_logits = network.decode(strong_features, size, training=True)
        probabilities = tf.nn.softmax(tf.cast(strong_logits, tf.float32))
        share = self._confident_share(target, valid)
        error = squared_error(probabilities, target, valid, share)

        features = network.features(labelled['image'], training=True)
        logits = network.decode(features, size, training=True)
        return {
            'supervised': self.supervised(logits, labelled['label']),
            'consistency': consistency.factor(self) * error,
        }

    def _confident_share(self, target, valid):
        """Share of the valid pixels of the whole batch whose confidence reaches the threshold."""
        confident = weak_label.at_least(tf.reduce_max(target, axis=-1), self.threshold)
        confident, pixels = replicas.mean((tf.reduce_sum(confident * valid), tf.reduce_sum(valid)))
        return tf.math.divide_no_nan(confident, pixels)

    def build_layers(self, crop_size):
        """See `Method.build_layers`; the teacher is not trained."""
        super().build_layers(crop_size)
        self.teacher.trainable = False

    def start_second_network(self, imported):
        """See `Method.start_second_network`; the teacher starts as the student does."""
        del imported
        for student, teacher in self.running.pairs:
            teacher.assign(student)
        return 'The teacher starts as the student.'

    def after_update(self):
        """Moves the teacher towards the student."""
        rate = teacher_rate(self.optimizer.iterations, self.decay)
        students, teachers = zip(*self.running.pairs, strict=True)
        move_averages(teachers, students, rate)

    def pictures(self, labelled, unlabelled):
        """See `Method.pictures`; shows unlabelled images and the teacher's labels."""
        del labelled
        return weak_label.pictures(self, unlabelled)
