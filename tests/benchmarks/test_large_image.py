"""The benchmark of large images: that it predicts one in windows, and what it counts."""

import large_image
import numpy as np
import pytest

from wss.inference.averaging import Averaging


def test_it_measures_an_image_in_windows(trained):
    model = trained.experiment.predictor(trained.workdir, 'last')
    seen = []

    def predict_images(images, how, *_):
        seen.append((images.shape, how.window))
        return np.zeros(images.shape[:3], np.int32), None

    model.predict_images = predict_images
    found = large_image.measure(model, (300, 400), Averaging(window=65))
    assert seen == [((1, 65, 65, 3), 65), ((1, 300, 400, 3), 65)]
    assert found['seconds'] > 0 and found.get('gigabytes', 1) > 0


def test_the_peak_is_the_most_memory_since_its_start():
    before = large_image._start_of_peak()
    if before is None:
        pytest.skip('This system does not tell the peak of memory.')
    assert large_image._memory('VmHWM') - before < 0.5e8  # Whatever it was earlier.
    np.ones(10**8, np.uint8)
    assert large_image._memory('VmHWM') - before > 0.9e8
