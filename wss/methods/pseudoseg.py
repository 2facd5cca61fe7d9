"""PseudoSeg (Zou et al., ICLR 2021): consistency with labels fused from decoder and SGC."""

import tensorflow as tf

from wss.methods import consistency, losses
from wss.methods.method import Method
from wss.networks import resize
from wss.networks.network import same_in_training
from wss.pseudo_labels import fusion, grad_cam, self_attention
from wss.pseudo_labels.self_attention import SelfAttentionGradCAM, hypercolumn
from wss.results import metrics
from wss.settings import ranges
from wss.views import mixing


class PseudoSeg(Method):
    """Semi- and weakly-supervised segmentation with well-calibrated pseudo labels.

    Args:
        network: See `Method`.
        info: See `Method`.
        weak_labels: Weak mode: unlabelled images come with true image-level labels, which gate
            their activation maps and train the classifier. Otherwise the gate is the classifier's
            own prediction, and the classifier trains on the labelled images.
        source: `avg` (fused), `att` (SGC alone) or `decoder` (decoder alone, an ablation).
        calibrate: Whether fusion scales both logits by their joint root mean square.
        calibrate_over_replicas: Whether that mean runs over the batches of all replicas; in the
            authors' program it runs over that of one replica.
        temperature: Sharpening temperature of soft pseudo labels, 0.01 to 100; 1 switches it off.
        soft: Soft pseudo labels; False takes their argmax (and does not sharpen).
        threshold: Pixels whose pseudo label is less probable do not count; 0 counts all.
        consistency_weight: Factor of the consistency loss, 0 to 1000.
        consistency_warm_up: Steps in which that factor rises linearly from 0; 0 for none, as in the
            paper.
        self_attention: Whether SGC spreads the activation map over similar pixels. False leaves the
            plain map in its place (an ablation).
        attention_width: Channels of query and key, 1 to 4096.
        attention_blocks: How many of the last backbone blocks attention uses to compare pixels.
        sgc_variant: 2, or 1 for the older form (see `SelfAttentionGradCAM`).
        sgc_start: `glorot`, or `identity` for short runs (see `SelfAttentionGradCAM`).
        sgc_multiplier: Factor of the steps of SGC, 1e-6 to 1000, on top of that of fresh layers.
        sgc_batch_norm_decay: Decay of its moving statistics, which only pictures use.
        gate_threshold: Probability at which a class counts as predicted.
        cam_from_training_pass: Faster variant: take the weak view's activation map from the
            training-mode pass instead of an inference-mode pass of its own.
        monitored_confidence: Probability from which `quality` counts a pixel as confident, if
            `threshold` is 0.

    Raises:
        ValueError: If an option is outside its range.

    Example:
        >>> from wss.datasets.shapes import Shapes
        >>> from wss.methods.pseudoseg import PseudoSeg
        >>> from wss.networks.backbones.small import SmallResNet
        >>> from wss.networks.deeplab import DeepLabV3Plus
        >>> method = PseudoSeg(DeepLabV3Plus(7, 6, SmallResNet), Shapes().info, temperature=0.7)
        >>> image, valid = tf.zeros([1, 33, 33, 3]), tf.ones([1, 33, 33])
        >>> label, image_label = tf.zeros([1, 33, 33], tf.int32), tf.zeros([1, 6])
        >>> labelled = {'image': image, 'label': label, 'valid': valid, 'image_label': image_label}
        >>> unlabelled = {'weak': image, 'strong': image, 'valid': valid}
        >>> sorted(method.compute_losses(labelled, unlabelled))
        ['classification', 'consistency', 'sgc', 'supervised']
    """

    needs_unlabelled = True
    mixes = True

    def __init__(
        self,
        network,
        info,
        weak_labels: bool = False,
        source: str = 'avg',
        calibrate: bool = True,
        calibrate_over_replicas: bool = False,
        temperature: float = 0.5,
        soft: bool = True,
        threshold: float = 0.0,
        consistency_weight: float = 1.0,
        consistency_warm_up: int = 0,
        self_attention: bool = True,
        attention_width: int = 128,
        attention_blocks: int = 2,
        sgc_variant: int = 2,
        sgc_start: str = 'glorot',
        sgc_multiplier: float = 1.0,
        sgc_batch_norm_decay: float = 0.999,
        gate_threshold: float = 0.5,
        cam_from_training_pass: bool = False,
        monitored_confidence: float = 0.8,
    ):
        super().__init__(network, info)
        blocks = network.backbone.blocks
        ranges.whole('PseudoSeg.attention_blocks', attention_blocks, 1, len(blocks))
        self.attention_blocks = blocks[-attention_blocks:]
        self.weak_labels = self.needs_image_labels = weak_labels
        self.source = source
        self.calibrate = calibrate
        self.calibrate_over_replicas = calibrate_over_replicas
        self.temperature = temperature
        self.soft = soft
        self.threshold = threshold
        consistency.set_options(self, consistency_weight, consistency_warm_up)
        self.gate_threshold = gate_threshold
        self.sgc_multiplier = sgc_multiplier
        self.cam_from_training_pass = cam_from_training_pass
        self.monitored_confidence = monitored_confidence
        ranges.switch('PseudoSeg.self_attention', self_attention)
        self._check(attention_width, sgc_variant, sgc_start, sgc_batch_norm_decay)
        self.sgc = SelfAttentionGradCAM(
            info.num_classes,
            info.has_background,
            attention_width,
            sgc_variant,
            sgc_start,
            sgc_batch_norm_decay,
            self_attention,
        )
        for name in ('decoder', 'sgc', 'fused'):
            self.quality[name] = metrics.PseudoLabelQuality(
                info.num_classes, info.ignore_value, threshold or monitored_confidence, name
            )
        classes = info.class_names[int(info.has_background) :]
        self.quality['classifier'] = metrics.ImageLabelQuality(classes, 'classifier')

    def _check(self, width, variant, start, decay):
        """Refuses settings out of range."""
        ranges.whole('PseudoSeg.attention_width', width, 1, self_attention.MOST_WIDTH)
        ranges.choice('PseudoSeg.sgc_variant', variant, self_attention.VARIANTS)
        ranges.choice('PseudoSeg.sgc_start', start, self_attention.STARTS)
        ranges.number('PseudoSeg.sgc_multiplier', self.sgc_multiplier, 1e-6, 1000)
        ranges.share('PseudoSeg.sgc_batch_norm_decay', decay)
        ranges.choice('PseudoSeg.source', self.source, fusion.SOURCES)
        ranges.number('PseudoSeg.temperature', self.temperature, 0.01, 100)
        for name in ('threshold', 'gate_threshold', 'monitored_confidence'):
            ranges.share(f'PseudoSeg.{name}', getattr(self, name))
        for name in (
            'weak_labels',
            'calibrate',
            'calibrate_over_replicas',
            'soft',
            'cam_from_training_pass',
        ):
            ranges.switch(f'PseudoSeg.{name}', getattr(self, name))

    def compute_losses(self, labelled, unlabelled):
        """See `Method.compute_losses`; the unlabelled part needs `image_label` in weak mode."""
        network = self.network
        size = resize.spatial_size(labelled['image'])

        # Weak view: the pseudo label, and nothing else, comes from it (stop_gradient), except that
        # its features train the classifier in weak mode. The activation map comes first: it reads
        # the moving statistics that the training-mode pass changes. A frozen backbone needs no pass
        # of its own for it, since both modes compute the same.
        cam_features = None
        if not self.cam_from_training_pass and not same_in_training(network.backbone):
            cam_features = network.features(unlabelled['weak'], training=False)
        weak_features = network.features(unlabelled['weak'], training=True)
        weak_logits = tf.stop_gradient(network.decode(weak_features, size, training=True))
        valid = resize.nearest(unlabelled['valid'], resize.spatial_size(weak_logits))
        sgc_logits = self.weak_sgc(unlabelled, cam_features or weak_features, valid)
        pseudo_label = self.pseudo_label(weak_logits, sgc_logits)
        confident = self.confident(pseudo_label)
        self._measure(unlabelled, valid, weak_logits, sgc_logits, pseudo_label)
        self._measure_classifier(unlabelled, cam_features or weak_features)

        # Strong view: learns the pseudo label. With CutMix both show boxes of other images.
        target = pseudo_label
        if not self.soft:
            target = tf.one_hot(tf.argmax(pseudo_label, axis=-1), self.info.num_classes)
        strong, target, valid, confident = mixing.mix_all(
            (unlabelled['strong'], target, valid, confident), unlabelled.get('box'), size
        )
        strong_features = network.features(strong, training=True)
        strong_logits = network.decode(strong_features, size, training=True)

        # Labelled images: decoder, classifier and SGC from one pass.
        features = network.features(labelled['image'], training=True)
        logits = network.decode(features, size, training=True)
        image_logits = network.classify(features, training=True)
        sgc_valid = resize.nearest(labelled['valid'], resize.spatial_size(logits))
        _, labelled_sgc = self.activation_and_sgc(features, labelled['image_label'], sgc_valid)
        class_logits, class_labels = image_logits, labelled['image_label']
        if self.weak_labels:
            class_logits = network.classify(weak_features, training=True)
            class_labels = unlabelled['image_label']

        return {
            'supervised': self.supervised(logits, labelled['label']),
            'sgc': self.supervised(labelled_sgc, labelled['label']),
            'classification': losses.classification(class_logits, class_labels),
            'consistency': consistency.factor(self)
            * losses.consistency(strong_logits, target, valid, confident),
        }

    def own_multipliers(self):
        """See `Method.own_multipliers`; that of SGC."""
        return {variable.ref(): self.sgc_multiplier for variable in self.sgc.trainable_variables}

    def weak_sgc(self, unlabelled, features, valid, training=True):
        """Computes the SGC logits of the weak view, float32 `[M, h, w, C]`, without gradient."""
        gate = self.gate(unlabelled, features)
        _, sgc_logits = self.activation_and_sgc(features, gate, valid, training)
        return tf.stop_gradient(sgc_logits)

    def gate(self, unlabelled, features):
        """Image-level labels of the unlabelled images, float32 `[M, K]`: given, or predicted."""
        return unlabelled['image_label'] if self.weak_labels else self.predicted_gate(features)

    def predicted_gate(self, features):
        """Image-level labels that the classifier predicts, float32 `[M, K]` of 0 and 1."""
        return grad_cam.predicted_labels(self.network.classify(features), self.gate_threshold)

    def activation_and_sgc(self, features, image_label, valid, training=True):
        """Computes activation map `[N, h', w', K]` in [0, 1] and SGC logits `[N, h', w', C]`."""
        last = tf.stop_gradient(features[self.network.last_block])
        kernel = tf.stop_gradient(self.network.classifier.kernel)
        cam = grad_cam.gate_and_normalise(grad_cam.class_activation(last, kernel), image_label)
        size = resize.spatial_size(cam)
        columns = hypercolumn(features, self.attention_blocks, size)
        return cam, self.sgc(cam, columns, resize.nearest(valid, size), training=training)

    def pseudo_label(self, decoder_logits, sgc_logits):
        """Fuses and sharpens: float32 `[M, h, w, C]`, sums to 1 over classes, no gradient."""
        decoder_logits = tf.cast(decoder_logits, tf.float32)
        sgc_logits = resize.bilinear(sgc_logits, resize.spatial_size(decoder_logits))
        options = self.source, self.calibrate, self.calibrate_over_replicas
        fused = fusion.fuse(decoder_logits, sgc_logits, *options)
        if self.soft and self.temperature != 1:
            fused = fusion.sharpen(fused, self.temperature)
        return tf.stop_gradient(fused)

    def confident(self, pseudo_label):
        """Marks the pixels whose pseudo label is probable enough: float32 `[M, h, w]`, 0 or 1."""
        return tf.cast(tf.reduce_max(pseudo_label, axis=-1) >= self.threshold, tf.float32)

    @property
    def label_settings(self):
        """See `Segmenter.label_settings`."""
        sources = {'decoder': 'decoder', 'sgc': 'att', 'fused': 'avg'}
        return {n: (f'PseudoSeg.source = {s!r}', s == self.source) for n, s in sources.items()}

    def label_sources(self, images, valid, image_label):
        """See `Segmenter.label_sources`; `fused` is the label of `source = 'avg'`."""
        logits, _, sgc_logits = self._stages(images, valid, image_label)
        logits = tf.cast(logits, tf.float32)
        sgc_logits = resize.bilinear(sgc_logits, resize.spatial_size(logits))
        fused = fusion.fuse(logits, sgc_logits, 'avg', self.calibrate)
        return {
            'decoder': tf.nn.softmax(logits),
            'sgc': tf.nn.softmax(sgc_logits),
            'fused': fusion.sharpen(fused, self.temperature) if self.soft else fused,
        }

    def _stages(self, images, valid, image_label):
        """Computes decoder logits, activation map and SGC logits as inference does."""
        features = self.network.features(images)
        logits = self.network.decode(features, resize.spatial_size(images))
        gate = self.predicted_gate(features) if image_label is None else image_label
        valid = resize.nearest(valid, resize.spatial_size(logits))
        return logits, *self.activation_and_sgc(features, gate, valid, training=False)

    def build_layers(self, crop_size):
        """See `Method.build_layers`; builds the SGC layers too."""
        super().build_layers(crop_size)
        features = self.network.features(tf.zeros([1, *crop_size, 3]))
        image_label = tf.zeros([1, self.info.num_image_classes])
        self.activation_and_sgc(features, image_label, tf.ones([1, *crop_size]), training=False)

    def _measure(self, unlabelled, valid, weak_logits, sgc_logits, pseudo_label):
        """Compares the pseudo labels with masks, if the unlabelled images have them."""
        if 'label' not in unlabelled:
            return
        label = resize.nearest(unlabelled['label'], resize.spatial_size(weak_logits))
        sgc_logits = resize.bilinear(sgc_logits, resize.spatial_size(weak_logits))
        self.quality['decoder'].update_state(label, tf.nn.softmax(weak_logits), valid)
        self.quality['sgc'].update_state(label, tf.nn.softmax(sgc_logits), valid)
        self.quality['fused'].update_state(label, pseudo_label, valid)

    def _measure_classifier(self, unlabelled, features):
        """Compares what the gate predicts with image-level labels, if the images have them."""
        if 'image_label' in unlabelled:
            predicted = self.predicted_gate(features)
            self.quality['classifier'].update_state(unlabelled['image_label'], predicted)

    def pictures(self, labelled, unlabelled):
        """See `Method.pictures`; shows unlabelled images and the stages of their pseudo labels."""
        known = unlabelled['image_label'] if self.weak_labels else None
        logits, cam, sgc_logits = self._stages(unlabelled['weak'], unlabelled['valid'], known)
        if self.info.has_background:
            cam = grad_cam.add_background(cam, 1.0)
        truth = {'truth': unlabelled['label']} if 'label' in unlabelled else {}
        return {
            'images': {'image': unlabelled['weak'], 'strong view': mixing.strong_view(unlabelled)},
            'labels': {**truth, 'prediction': self.predict_labels(unlabelled['weak'])},
            'scores': {
                'CAM': cam,
                'SGC': tf.nn.softmax(sgc_logits),
                'pseudo label': self.pseudo_label(logits, sgc_logits),
            },
        }
