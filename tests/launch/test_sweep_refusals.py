"""What a sweep refuses before it starts anything."""

import pytest
from sweeping import folder

GRID = ['--grid', 'A.b = [1, 2]']


def test_another_configuration_is_refused(sweeps, capsys):
    (sweeps.path / 'base.gin').write_text("include 'more.gin'\nA.c = 1\n")
    (sweeps.path / 'more.gin').write_text('A.e = 1\n')
    assert sweeps.start(*GRID) == 0
    capsys.readouterr()
    error = sweeps.refused(capsys, '--grid', 'A.d = [1]')
    assert (
        "sweep holds a sweep of another configuration: --grid was ['A.b'] and is ['A.d']" in error
    )
    error = sweeps.refused(capsys, *GRID, '--gin_param', 'Schedule.steps = 3')
    assert "--gin_param was [] and is ['Schedule.steps = 3']" in error
    error = sweeps.refused(capsys, *GRID, '--seed_settings', 'Labelled.seed')
    assert "--seed_settings was ['Experiment.seed'] and is ['Labelled.seed']" in error
    (sweeps.path / 'more.gin').write_text('A.e = 5\n')
    assert 'more.gin has changed' in sweeps.refused(capsys, *GRID)
    (sweeps.path / 'more.gin').write_text('A.e = 1\n')
    assert sweeps.start(*GRID) == 0
    assert len(sweeps.starts()) == 2


def test_folders_that_are_refused(sweeps, capsys):
    (sweeps.path / 'sweep').write_text('')
    assert 'is a file' in sweeps.refused(capsys)
    (sweeps.path / 'sweep').unlink()
    (sweeps.path / 'sweep').mkdir()
    (sweeps.path / 'sweep' / 'config.gin').write_text('')
    assert 'holds a run' in sweeps.refused(capsys)
    (sweeps.path / 'sweep' / 'config.gin').unlink()
    for text in ('', '{', '[]', '{"runs": 1}', '{"shared": {"flags": 1}}'):
        (sweeps.path / 'sweep' / 'sweep.json').write_text(text)
        assert 'sweep.json is damaged' in sweeps.refused(capsys)


@pytest.mark.parametrize(
    ('flags', 'reason'),
    [
        (['--seeds', '0'], '--seeds and --jobs must be 1 or more.'),
        (['--seeds', 'x'], "invalid int value: 'x'"),
        (['--jobs', '0'], '--seeds and --jobs must be 1 or more.'),
        (['--gin_file', 'gone.gin'], 'gone.gin does not exist'),
        (['--grid', 'gin_file = ["gone.gin"]'], 'gone.gin does not exist'),
        (['--grid', 'A.b = [1]', '--grid', 'A.b = [2]'], 'two --grid'),
        (['--workdir', '/'], 'name a folder'),
        (['--workdir', 'gs://'], 'name a folder'),
        (['--workdir', 'base.gin/x'], "Not a directory: 'base.gin/x'"),
        (['--slot', 'gpu=x'], 'must be local'),
        (['--slot', 'tpu='], 'must be local'),
        (['--slot', 'ssh host'], 'must be local'),
        (['--slot', 'no-such-program {flags}'], 'no-such-program, which is missing'),
        (['--slot', "ssh host '{flags}"], 'unclosed quotation mark'),
        (['--grids', 'x'], 'Unrecognized arguments'),
        (['--seed', '3'], 'Unrecognized arguments'),
    ],
)
def test_flags_that_are_refused(sweeps, capsys, flags, reason):
    assert reason in sweeps.refused(capsys, *flags)
    assert not (sweeps.path / 'sweep').exists()


def test_configurations_that_cannot_be_read_are_refused(sweeps, capsys):
    error = sweeps.refused(capsys, '--grid', 'Bad.name = [1, 2]', '--seeds', '2')
    assert (
        error == 'Nothing is called Bad.name = 1. So 4 of 4 runs cannot start; nothing was started.'
    )
    assert not (sweeps.path / 'sweep').exists()
    assert sweeps.start('--grid', 'Bad.name = [1]', '--skip_check') == 0


def test_the_check_may_be_impossible(sweeps, capsys):
    (sweeps.path / 'wss' / 'configuration' / 'gin_files.py').write_text('import missing_package')
    assert sweeps.start() == 0
    assert "cannot be checked here (ModuleNotFoundError: No module named 'missing" in (
        capsys.readouterr().out
    )


def test_results_that_are_cut_off_are_none(tmp_path):
    path = tmp_path / 'result.json'
    assert folder.read_json(str(path)) is None
    deep, wide = '[' * 10**5, '{"last": {"miou": 1e400}}'
    for text in ('', '{"steps": ', '[]', 'null', deep, wide, '{"a": NaN}', '{"a": "\0"}'):
        path.write_text(text)
        assert folder.read_json(str(path)) is None
    for text in ('{"last": 3}', '{"best": []}', '{"last": {"miou": "a"}}', wide):
        path.write_text(text)
        assert folder.read_result(str(tmp_path)) is None
    path.write_text('{"last": {"miou": 0.5, "pixel_accuracy": 1}, "best": null}')
    assert folder.read_result(str(tmp_path))['last']['miou'] == 0.5
