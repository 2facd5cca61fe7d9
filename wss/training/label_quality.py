"""Reports at the end of a run which source of pseudo labels can be trusted."""

import os

from wss.datasets.files import whole
from wss.devices import tpu_input, workers
from wss.inference import label_sources
from wss.inference.progress import Progress
from wss.pipeline.evaluation import WholeImages
from wss.results import pictures, reliability
from wss.runs import events

PICTURE = 'reliability.png'
_TAG = 'reliability'


def report(workdir: str | os.PathLike, method, validation: WholeImages, step: int) -> dict:
    """Measures the sources on the validation images, prints and draws what was found.

    Every worker measures all images, since none may compute alone; the chief reports. Nothing is
    measured on a TPU, which would compile a program for each size of the images.

    Args:
        workdir: Folder of the run; gets `reliability.png`, and TensorBoard the same picture.
        method: The trained method.
        validation: The validation images.
        step: Step of the weights.

    Returns:
        `label_sources` for `result.json`: `images`, `step`, `image_labels` (`known` from the masks,
        or `predicted`), `best`, and for each source
        `miou`, `pixel_accuracy`, `calibration_error` and `confidence`, in 0..1. Empty for a method
        that has one source only.
    """
    if tpu_input.is_tpu(method.distribute_strategy):
        return {}
    examples = validation.examples
    shown = Progress('measured', min(len(examples), label_sources.MOST))
    on_image = shown.show if workers.is_chief() else lambda number: None
    quality = label_sources.measure(method, validation.frame, examples, on_image)
    shown.clear()
    if quality is None:
        return {}
    known = 'known' if method.needs_image_labels else 'predicted'
    facts = {'images': quality.images, 'step': step, 'image_labels': known, 'best': quality.best()}
    found = {'label_sources': {**facts, **quality.summary()}}
    if not workers.is_chief():
        return found
    print(f'{quality.table()}\n{quality.sentence(method.label_settings)}', flush=True)
    picture = reliability.picture(quality.reliability)
    whole.write(os.path.join(workdir, PICTURE), pictures.encode_png(picture))
    events.trim(workdir, lambda tag, step: tag != _TAG)  # That of a process before.
    writer = events.make_writer(workdir)
    events.write_picture(writer, _TAG, picture, step)
    writer.close()
    return found
