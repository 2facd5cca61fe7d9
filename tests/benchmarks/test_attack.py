"""The attacks: a few of each kind are survived, and what is not survived is counted."""

import json
import random
import shutil

import pytest
from attack import attack, mutations, outcomes, settings, workers


def attempts(module, tmp_path, tries):
    """Makes a few attempts in this process."""
    _, attempt = module.attempts(tmp_path, 0)
    return [attempt(number) for number in range(tries)]


KINDS = ['images', 'records', 'archives', 'settings', 'gin_files', 'data_folders', 'predictions']


@pytest.mark.parametrize('kind', KINDS)
def test_a_few_attacks_are_survived(tmp_path, kind):
    module = __import__(f'attack.{kind}', fromlist=['attempts'])
    words = attempts(module, tmp_path, 12)
    assert len(words) == 12 and any('refused' in word for word in words)


@pytest.mark.parametrize('setting', ['Update.weight_decay', 'Compute.input_workers', 'Labelled.li'])
def test_odd_values_of_a_setting_are_refused_by_its_name(setting):
    tried = [one for one in settings.tries() if one.setting.startswith(setting)]
    assert len(tried) == len(settings.ODD)
    assert 'refused' in {settings.attempt(one) for one in tried}


def test_every_part_is_built_with_the_value_that_is_tried():
    """Minus infinity has no meaning anywhere; a part that no configuration has would take it."""
    tried = [one for one in settings.tries() if one.value == '-1e999']
    assert {settings.attempt(one) for one in tried} == {'refused'}


def test_every_setting_is_tried(tmp_path):
    tried = {one.setting for one in settings.tries()}
    assert {'Experiment.seed', 'Folder.skip_broken', 'npz.load.parts', 'Views.hue'} <= tried
    assert len(tried) > 100
    assert settings.attempts(tmp_path, 0)[0] == len(tried) * len(settings.ODD)


def test_a_value_without_a_meaning_must_not_be_accepted(monkeypatch):
    monkeypatch.setattr(settings, '_build', lambda one: None)
    absurd = next(one for one in settings.tries() if one.value == '-1e999')
    with pytest.raises(outcomes.NotSurvived, match='= -1e999: accepted'):
        settings.attempt(absurd)


def test_a_mutation_always_changes_the_content_and_follows_from_the_seed():
    content = bytes(range(100))
    changed = [mutations.mutated(content, random.Random(i)) for i in range(300)]
    assert content not in changed
    assert len(set(changed)) > 200
    assert changed == [mutations.mutated(content, random.Random(i)) for i in range(300)]
    assert mutations.mutated(b'', random.Random(0)) != b''


def test_an_outcome_is_a_result_or_a_sentence_and_a_trace_is_neither():
    def refuse(text):
        raise OSError(text)

    assert outcomes.result_or_sentence(lambda: 5) == (5, None)
    assert (
        outcomes.result_or_sentence(lambda: refuse('The disk is full.'))[1] == 'The disk is full.'
    )
    with pytest.raises(ZeroDivisionError):
        outcomes.result_or_sentence(lambda: 1 / 0)
    with pytest.raises(outcomes.NotSurvived, match='not a sentence'):
        outcomes.result_or_sentence(lambda: refuse('Traceback (most recent call last): ...'))


PROGRAM = """
import os, signal

def attempts(folder, seed):
    def attempt(number):
        print('printed by the program')
        if number == 1:
            raise ValueError('a trace')
        if number == 3:
            os._exit(7)
        if number == 4:
            signal.pause()
        return 'read'
    return 6, attempt
"""


def test_traces_crashes_and_endless_attempts_are_counted(tmp_path, monkeypatch):
    own = tmp_path / 'attack'
    own.mkdir()
    (own / '__init__.py').write_text('')
    (own / 'workers.py').write_text('from own_workers import work\n')
    (own / 'odd.py').write_text(PROGRAM)
    shutil.copy(workers.__file__, tmp_path / 'own_workers.py')
    start = workers._PROGRAM.replace('{path!r}', f'[{str(tmp_path)!r}]')
    monkeypatch.setattr(workers, '_PROGRAM', start)
    outcome = workers.run('odd', tmp_path / 'files', 0, None, seconds=5.0)
    assert (outcome.tried, outcome.survived) == (6, 3)
    assert outcome.failures == [
        '1: ValueError: a trace',
        '3: the process ended, status 7',
        '4: the process ended, status -9',
    ]
    assert 'printed by the program' in (tmp_path / 'files' / 'log.txt').read_text()


def test_the_command_prints_counts_and_its_status_tells_of_losses(tmp_path, capsys, monkeypatch):
    outcomes_of = {'images': workers.Outcome(5), 'records': workers.Outcome(4, ['2: a trace'])}
    monkeypatch.setattr(workers, 'run', lambda kind, *_: outcomes_of[kind])
    flags = ['--workdir', str(tmp_path), '--json', '--only']
    assert attack.main([*flags, 'images']) == 0
    assert attack.main([*flags, 'images,records']) == 1
    printed = capsys.readouterr().out
    assert '2: a trace' in printed and '9 attempts, 1 not survived.' in printed
    counts = {'images': {'tried': 5, 'survived': 5}, 'records': {'tried': 4, 'survived': 3}}
    assert json.dumps(counts) in printed
    with pytest.raises(SystemExit):
        attack.main([*flags, 'nothing'])
