"""Odd values of settings, one at a time; python -m benchmarks.attack.settings tries all."""

import pytest

from benchmarks.attack import settings


@pytest.mark.parametrize('setting', ['Update.weight_decay', 'Compute.input_workers', 'Labelled.li'])
def test_odd_values_are_refused_by_name(setting):
    tried, survived, failures = settings.run(setting)
    assert tried == survived == len(settings.ODD)
    assert failures == []


def test_every_setting_is_tried():
    tried = {one.setting for one in settings.tries()}
    assert {'Experiment.seed', 'Folder.skip_broken', 'npz.load.parts', 'Views.hue'} <= tried
    assert len(tried) > 100
