"""The benchmark of a step: what it counts, and what it prints."""

import dataclasses
import json
import sys

import pytest
import step_cost
import tensorflow as tf

from wss.networks.backbones import resnet_v1


@pytest.fixture
def reference(monkeypatch, tmp_path):
    """A reference file of a network with next to no units."""
    variant = dataclasses.replace(resnet_v1.VARIANTS['resnet_v1_50_beta'], units=(2, 1, 1, 1))
    monkeypatch.setitem(resnet_v1.VARIANTS, 'tiny', variant)
    options = {
        'model_variant': 'tiny',
        'crop_size': [33, 33],
        'batch': 2,
        'num_classes': 4,
        'ignore_label': 255,
        'output_stride': 16,
        'atrous_rates': [1, 2, 3],
        'weakly': False,
        'soft_pseudo_label': True,
        'pseudo_label_threshold': 0.0,
        'temperature': 0.5,
        'pseudo_src': 'avg',
        'unlabeled_weight': 1.0,
        'weight_decay': 4e-05,
    }
    path = tmp_path / 'tiny.json'
    path.write_text(json.dumps({'options': options, 'train_flops': 10**10}))
    return path


def test_operations_of_a_matrix_product():
    product = tf.function(lambda batch: tf.matmul(batch, batch, transpose_b=True))
    assert step_cost.count_flops(product, tf.zeros([3, 5])) == 2 * 3 * 5 * 3


def test_what_is_printed(reference, monkeypatch, capsys):
    monkeypatch.setattr(step_cost, '_PEAK_SIDE', 64)
    printed = {}
    for variant in ([], ['--fast']):
        arguments = ['--reference', str(reference), '--steps', '1', '--json', *variant]
        monkeypatch.setattr(sys, 'argv', ['step_cost.py', *arguments])
        step_cost.main()
        result = json.loads(capsys.readouterr().out)
        assert result['flops_ratio'] == result['flops'] / 10**10
        assert result['images_per_second'] == pytest.approx(4 / result['seconds_per_step'])
        printed[result['step']] = result['flops']
    # An inference pass less.
    assert printed['fast'] < printed['faithful']


def test_a_missing_file_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['step_cost.py', '--reference', 'nowhere.json'])
    with pytest.raises(SystemExit):
        step_cost.main()
    assert 'there is no file nowhere.json' in capsys.readouterr().err


def test_every_method_has_a_step(reference):
    """CPS trains two networks, so it costs about twice what the others do of the same passes."""
    options = json.loads(reference.read_text())['options']
    batch = step_cost.make_batch(options, (33, 33), 2)
    flops = {
        name: step_cost.count_flops(step_cost.make_step(options, False, name), batch)
        for name in step_cost.METHODS
    }
    assert flops['supervised'] < min(v for name, v in flops.items() if name != 'supervised')
    # Three passes with two of them backwards, twice; FixMatch has them once.
    assert abs(flops['cps'] / flops['fixmatch'] - 2) < 0.05
    assert flops['unimatch'] > flops['fixmatch'] > flops['supervised']


def test_an_abbreviation_is_no_flag(reference, monkeypatch, capsys):
    """The flag is left out of what the processes get, so it must be spelt out."""
    monkeypatch.setattr(sys, 'argv', ['step_cost.py', '--reference', str(reference), '--compare'])
    with pytest.raises(SystemExit):
        step_cost.main()
    assert 'unrecognized arguments: --compare' in capsys.readouterr().err


def test_a_comparison_is_printed(reference, monkeypatch, capsys):
    words = ['--reference', str(reference), '--steps', '1', '--json', '--compare_onednn']
    given = []
    monkeypatch.setattr(step_cost.onednn, 'compare', lambda *both: given.append(both) or {'a': 1})
    monkeypatch.setattr(sys, 'argv', ['step_cost.py', *words])
    step_cost.main()
    assert json.loads(capsys.readouterr().out) == {'a': 1}
    assert given == [(step_cost.__file__, words)]
