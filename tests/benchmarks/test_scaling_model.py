"""The model of many cores: its formulas by hand, and what is printed."""

import json
import sys

import pytest

FILES = ['datasets/voc.gin', 'methods/pseudoseg_paper.gin', 'networks/resnet_v1_50_imagenet.gin']


@pytest.fixture
def model(load_benchmark):
    return load_benchmark('scaling_model')


def machine(model, **changes):
    options = {'name': 'm', 'peak': 1e12, 'replicas_per_host': 4, 'inside': 1e9, 'between': 1e8}
    return model.Machine(**(options | {'latency': 1e-3, 'host_cores': 10} | changes))


def test_one_host_by_hand(model):
    work = model.Work(flops=1e10, reduced=8e6, decoded=5e6, host_seconds=0.01)
    found = model.expected(work, machine(model), replicas=4, pairs=5, utilisation=0.5)
    # 5 * 1e10 operations at 5e11 a second; 3 + 3 messages of 2e6 bytes at 1e9 a second, each with a
    # millisecond; 4 * 5 pairs of 0.01 seconds on 10 cores.
    expected = {
        'compute': 0.1,
        'reduce': 6 * (0.002 + 0.001),
        'input': 0.02,
        'step': 0.118,
        'efficiency': 0.1 / 0.118,
        'pairs_per_second': 20 / 0.118,
        'host_cores': 0.2 / 0.118,
        'host_bytes': 20 * 5e6 / 0.118,
    }
    assert found == pytest.approx(expected)


def test_several_hosts_are_as_fast_as_the_slowest_link(model):
    work = model.Work(flops=1e10, reduced=8e6, decoded=5e6, host_seconds=0.01)
    found = model.expected(work, machine(model, latency=0.0), 8, 5, 0.5)
    assert found['reduce'] == pytest.approx(14 * 1e6 / 1e8)
    # Each host makes the pairs of its own four replicas.
    assert found['input'] == pytest.approx(0.02)
    assert found['pairs_per_second'] == pytest.approx(40 / 0.24)


def test_one_replica_reduces_nothing(model):
    work = model.Work(flops=1e10, reduced=8e6, decoded=5e6, host_seconds=0.01)
    found = model.expected(work, machine(model), 1, 1, 1.0)
    assert found['reduce'] == 0 and found['efficiency'] == 1


def test_a_host_that_is_too_slow_is_the_limit(model):
    work = model.Work(flops=1e10, reduced=0, decoded=0, host_seconds=1.0)
    found = model.expected(work, machine(model, latency=0.0), 4, 5, 0.5)
    assert found['step'] == found['input'] == 2.0
    assert found['efficiency'] == pytest.approx(0.05)
    assert found['host_cores'] == pytest.approx(200.0)


def test_strong_scaling_ends_at_one_pair_a_replica(model):
    found = model.plans(32)
    assert found['weak'] == [(8, 4), (32, 4), (256, 4)]
    assert found['strong'] == [(8, 4), (32, 1)]


def test_what_is_printed(model, shallow, monkeypatch, capsys, tmp_path):
    file = tmp_path / 'small.gin'
    includes = [f"include '{name}'\n" for name in FILES]
    file.write_text(''.join(includes) + 'views.Views.crop_size = (65, 129)\n')
    monkeypatch.setattr(sys, 'argv', ['scaling_model.py', '--gin_file', str(file), '--json'])
    model.main()
    results = json.loads(capsys.readouterr().out)
    # Three images of three numbers, two masks of validity and a label a pixel; 20 + 20 classes.
    assert results['work']['decoded'] == 4 * (65 * 129 * (9 + 2 + 1) + 40)
    assert results['work']['flops'] == results['cost']['flops_per_image_pair'] > 0
    for rows in results['plans'].values():
        assert len(rows) == 3 * len(model.MACHINES)
    row = results['plans']['weak'][0]
    # The run sees 30,000 times 64 pairs, with whatever batch.
    assert row['hours'] * 3600 * row['pairs_per_second'] == pytest.approx(30_000 * 64)
    model.show(results)
    assert f'| {row["machine"]} | 8 | 4, 32 |' in capsys.readouterr().out


def test_a_share_above_1_is_refused(model, monkeypatch, capsys):
    given = ['scaling_model.py', '--gin_file', 'x.gin', '--utilisation', '1.5']
    monkeypatch.setattr(sys, 'argv', given)
    with pytest.raises(SystemExit):
        model.main()
    assert '--utilisation must be above 0' in capsys.readouterr().err
