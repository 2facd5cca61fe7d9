"""What a sweep refuses before it starts anything."""

import pytest
from sweeping import check, folder

GRID = ['--grid', 'A.b = [1, 2]']


def test_another_configuration_is_refused(sweeps, capsys):
    assert sweeps.start(*GRID) == 0
    capsys.readouterr()
    said = sweeps.refused(capsys, '--grid', 'A.d = [1]')
    assert 'sweep holds a sweep of another configuration: --grid has A.b only there' in said
    said = sweeps.refused(capsys, *GRID, '--gin_param', 'run.steps = 3')
    assert '--gin_param has run.steps = 3 only here' in said
    said = sweeps.refused(capsys, *GRID, '--seed_settings', 'run.labelled_seed')
    assert '--seed_settings has run.seed only there' in said
    (sweeps.path / 'base.gin').write_text('A.c = 5  # Changed.\n')
    said = sweeps.refused(capsys, *GRID)
    assert 'A.c in base.gin was 1 and is 5' in said
    (sweeps.path / 'base.gin').write_text('# The same.\nA.c  =  1\n')
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
    for text in ('', '{', '[]', '{"runs": 1}', '{"runs": {"x": 1}}'):
        (sweeps.path / 'sweep' / 'sweep.json').write_text(text)
        assert 'sweep.json is damaged' in sweeps.refused(capsys)


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (['--seeds', '0'], '--seeds is 0; it must be 1 to 1000.'),
        (['--seeds', 'x'], "invalid int value: 'x'"),
        (['--jobs', '0'], '--jobs is 0'),
        (['--retries', '-1'], '--retries is -1'),
        (['--gin_file', 'gone.gin'], 'gone.gin does not exist'),
        (['--grid', 'gin_file = ["gone.gin"]'], 'gone.gin does not exist'),
        (['--workdir', '/'], 'name a folder'),
        (['--workdir', 'gs://'], 'name a folder'),
        (['--workdir', 'base.gin/x'], 'base.gin/x, cannot be written: Not a directory.'),
        (['--train_command', '/no/python -m x'], '/no/python, which is not there'),
        (['--local_folder', 'x'], '--local_folder is for'),
        (['--slot', 'gpu=x'], 'is none; it can be local'),
        (['--slot', 'tpu='], 'is none; it can be local'),
        (['--slot', 'ssh host'], 'is none; it can be local'),
        (['--slot', 'no-such-program {command}'], 'no-such-program, which is not there'),
        (['--slot', "ssh host '{command}"], 'quotation mark that is not closed'),
        (['--train_command', ' '], '--train_command is empty'),
        (['--grids', 'x'], 'Unrecognized arguments'),
        (['--seed', '3'], 'Unrecognized arguments'),
    ],
)
def test_flags_that_are_refused(sweeps, capsys, flags, said):
    assert said in sweeps.refused(capsys, *flags)
    assert not (sweeps.path / 'sweep').exists()


def test_the_check_may_be_impossible(monkeypatch):
    monkeypatch.setattr(check.sys, 'executable', '/bin/false')
    assert check.find_errors([]) == ({}, 'status 1')


def test_results_that_are_cut_off_are_none(tmp_path):
    assert folder.read_result(str(tmp_path)) is None
    for text in ('', '{"steps": ', '[]', 'null'):
        (tmp_path / 'result.json').write_text(text)
        assert folder.read_result(str(tmp_path)) is None
