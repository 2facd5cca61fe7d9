"""Which runs of the evidence are trained, refused, or finished."""

import json

import evidence
import pytest
from evidencing import rows, runs, scored
from evidencing.row import LISTS, Row

from tests.benchmarks.evidencing.finished_run import finish, plan, write_page


def test_a_finished_run_is_not_trained_again(tmp_path):
    [run] = plan(tmp_path, steps=4)
    assert (run.state, run.name) == ('waiting', 'supervised/seed_0')
    finish(run)
    [again] = plan(tmp_path, steps=4, data='elsewhere', weights='weights.h5')
    assert again.state == 'finished'
    found = scored.read(tmp_path, 4)
    assert found.pop('supervised') == {0: scored.Scored(0.2, 0.25, 4, 45, 1.5, 'abc')}
    assert not any(found.values())


def test_a_run_without_a_test_score_is_resumed(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run)
    (tmp_path / run.name / runs.SCORE_FILE).unlink()
    assert plan(tmp_path, steps=4)[0].state == 'waiting'
    assert not scored.read(tmp_path, 4)['supervised']


def test_a_trial_is_finished_without_a_test_score(tmp_path):
    trial = Row('trial', 'trial', ('methods/supervised.gin',), table='trials', seeds=1)
    [run] = runs.plan([trial], str(tmp_path), steps=4)
    finish(run)
    (tmp_path / run.name / runs.SCORE_FILE).unlink()
    assert runs.plan([trial], str(tmp_path), steps=4)[0].state == 'finished'
    found = scored.read(tmp_path, 4, [trial])
    assert found == {'trial': {0: scored.Scored(0.2, None, 4, 45, 1.5, 'abc')}}


def test_other_settings_are_refused_and_not_counted(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run)
    [other] = plan(tmp_path, steps=5)
    assert other.state == 'refused'
    assert 'Schedule.steps was 4 and is 5' in other.reason
    assert not scored.read(tmp_path, 5)['supervised']


def test_a_gin_file_that_changed_before_the_run_began(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run, lines=['Views.crop_size = (99, 99)'])
    [again] = plan(tmp_path, steps=4)
    assert 'Views.crop_size was (99, 99) and is (161, 161)' in again.reason


def test_a_default_that_a_file_sets_now_is_no_change(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run, lines=['Views.flip_probability = 0.5'])
    del run.settings['views.Views.scales']
    runs.note(run)  # As if the file had not set it then: the run took the default.
    assert plan(tmp_path, steps=4)[0].state == 'finished'


def test_settings_may_change_while_nothing_is_trained(tmp_path):
    [run] = plan(tmp_path, steps=4)
    runs.note(run)
    assert plan(tmp_path, steps=5)[0].state == 'waiting'


def test_a_killed_session_leaves_the_cpu_time_unknown(tmp_path):
    [run] = plan(tmp_path, steps=4)
    sessions = [{'cpu_seconds': None}, {'cpu_seconds': 900}]
    finish(run, **{'run.json': {'git': None, 'sessions': sessions}})
    assert scored.read_run(run.workdir).cpu_minutes is None
    (tmp_path / run.name / 'result.json').write_text('{')
    with pytest.raises(ValueError, match=r'result\.json is missing or damaged'):
        scored.read_run(run.workdir)


def test_main_rows_come_first_seed_by_seed(tmp_path):
    chosen = rows.choose(['decoder', 'pseudoseg', 'supervised'])
    names = [run.name for run in runs.plan(chosen, str(tmp_path), steps=4)]
    assert names == [
        *(f'{name}/seed_{seed}' for seed in range(3) for name in ('supervised', 'pseudoseg')),
        'decoder/seed_0',
    ]


def test_a_row_takes_more_steps(tmp_path):
    [longer] = rows.choose(['supervised_longer'])
    run = runs.planned(longer, 0, str(tmp_path), 10)
    assert 'Schedule.steps = 25' in run.params


def test_a_row_that_cannot_be_read_fails_alone(tmp_path):
    row = Row('new', 'new', ('methods/missing.gin',))
    [run] = runs.plan([row], str(tmp_path), seeds=1)
    assert run.state == 'failed' and 'missing.gin does not exist' in run.reason


def test_rows_have_names_of_their_own_and_baselines():
    names = [row.name for row in rows.ROWS]
    assert len(set(names)) == len(names)
    for row in rows.ROWS:
        assert row.against is None or row.against in names
        assert row.labels in LISTS


@pytest.mark.parametrize(
    'name',
    ['supervised', 'all_labels', 'pseudoseg', 'weak', 'hard', 'sgc']
    + [f'{rival}_warm' for rival in ('fixmatch', 'unimatch', 'mean_teacher', 'cps')],
)
def test_settings_of_a_row(name):
    [row] = rows.choose([name])
    settings = runs.wanted(row, 7, 12)
    assert settings['experiment.Experiment.seed'] == '7'
    expected = 'train.txt' if name == 'all_labels' else 'labelled_85.txt'
    assert settings['data.Labelled.list_file'] == expected


@pytest.mark.parametrize(
    ('flags', 'message'),
    [
        (['--only', 'best'], "--only names 'best'"),
        (['--only', 'cps_warm_half'], "'cps_warm_half', which is no row"),
        (['--only', 'cps_warm', '--trials'], "'cps_warm', which is no trial"),
        (['--seeds', '11'], '--seeds is 11'),
        (['--jobs', '0'], '--jobs is 0'),
        (['--steps', '0'], '--steps is 0'),
        (['--only', 'supervised', '--data', 'nowhere'], '--data is nowhere'),
    ],
)
def test_flags_are_refused_with_a_sentence(tmp_path, capsys, flags, message):
    assert evidence.main(['--workdir', str(tmp_path / 'home'), *flags]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'home').exists()


def test_a_dry_run_prints_commands(tmp_path, capsys):
    flags = ['--workdir', str(tmp_path / 'home'), '--only', 'supervised', '--dry_run']
    assert evidence.main(flags) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all('TF_NUM_INTRAOP_THREADS=1' in line and 'wss.evaluate' in line for line in lines)
    assert not (tmp_path / 'home').exists()


def test_trials_are_never_scored_on_test(tmp_path, capsys):
    flags = ['--workdir', str(tmp_path / 'home'), '--trials', '--dry_run']
    assert evidence.main(flags) == 0
    lines = capsys.readouterr().out.splitlines()
    trials = [row for row in rows.ROWS if row.table == 'trials']
    assert len(lines) == len(trials) > 0  # One seed each.
    for line, row in zip(lines, trials, strict=True):
        assert f'{row.name}/seed_0' in line and 'wss.train' in line
        assert 'wss.evaluate' not in line


def test_what_was_tried_is_listed_for_each_rival():
    rivals = 'fixmatch', 'unimatch', 'mean_teacher', 'cps'
    for looks, name in zip(rows.looks()[:-1], rivals, strict=True):
        names = [row.name for row in looks]
        assert {name, f'{name}_warm'} < set(names)
        assert all(one.startswith(name) and 'longer' not in one for one in names)
    listed = {row.name for looks in rows.looks() for row in looks}
    assert {row.name for row in rows.ROWS if row.is_trial} <= listed


def test_tables_are_written_without_training(tmp_path, capsys):
    [run] = plan(tmp_path, steps=4)
    finish(run)
    page = tmp_path / 'page.md'
    write_page(page)
    flags = ['--workdir', str(tmp_path), '--steps', '4', '--tables', '--page', str(page)]
    assert evidence.main(flags) == 0
    assert '| supervised | 1 of 3 † | 20.0 | 25.0 | - | - | - |' in page.read_text()
    assert '| supervised | 1 of 3 † | 20.0 | 25.0 |' in (tmp_path / 'tables.md').read_text()
    assert json.loads((tmp_path / 'scores.json').read_text())['supervised']['0']['test'] == 0.25
