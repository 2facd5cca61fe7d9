"""A tiny run, trained by a configuration, for examples that load one."""

import pytest

from wss.configuration import gin_files
from wss.experiment import Experiment


@pytest.fixture(scope='session')
def tiny_run(tmp_path_factory):
    """The folder of a supervised run of two steps on generated scenes. Tests leave it as it is."""
    workdir = tmp_path_factory.mktemp('runs') / 'mine'
    settings = (
        'Schedule.steps = 2',
        'Shapes.size = 33',
        'Views.crop_size = (33, 33)',
        'Views.cutout_half_size = 4',
        'Labelled.amount = 2',
        'Labelled.batch_size = 2',
        "Shapes.counts = {'train': 4, 'val': 2, 'test': 2}",
        'Schedule.picture_every = 0',
    )
    gin_files.parse(['experiments/shapes_supervised.gin'], settings)
    gin_files.build(Experiment).train(str(workdir), gin_files.operative)
    return workdir
