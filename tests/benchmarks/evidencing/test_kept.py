"""Scores that stay when the folder of a run is deleted."""

import dataclasses
import json
import pathlib
import shutil

import evidence
import pytest
from evidencing import kept, page, quality, rows, runs, scored

from tests.benchmarks.evidencing.finished_run import finish, plan, write_page

DOCS = pathlib.Path(__file__).resolve().parents[3] / 'docs'


def test_scores_outlive_the_folder_of_the_run(tmp_path, capsys):
    home, scores, page = tmp_path / 'home', tmp_path / 'kept.json', tmp_path / 'page.md'
    [run] = plan(home, steps=4)
    finish(run)
    write_page(page)
    flags = ['--workdir', str(home), '--steps', '4', '--scores', str(scores)]
    assert evidence.main([*flags, '--tables']) == 0
    shutil.rmtree(home)
    assert evidence.main([*flags, '--tables', '--page', str(page)]) == 0
    assert '| supervised | 1 of 3 † | 20.0 | 25.0 | - | - | - |' in page.read_text()
    one = json.loads(scores.read_text())['supervised']['0']
    assert one.pop('settings') == kept.digest(run.settings)
    assert scored.Scored(**one) == scored.Scored(0.2, 0.25, 4, 45, 1.5, 'abc')

    # The second and third seed are still to be trained, the first is not.
    capsys.readouterr()
    assert evidence.main([*flags, '--only', 'supervised', '--dry_run']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [f'seed_{seed}' in line for seed, line in enumerate(lines, 1)] == [True, True]


def test_scores_of_other_settings_do_not_count_and_stay(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run)
    path = tmp_path / 'kept.json'
    kept.write(path, {}, scored.read(tmp_path, 4), 4)
    shutil.rmtree(tmp_path / 'supervised')
    found = kept.merge(kept.read(path), scored.read(tmp_path, 5), str(tmp_path), 5)
    assert not any(found.values())
    before = path.read_text()
    kept.write(path, kept.read(path), found, 5)
    assert path.read_text() == before


def test_a_run_in_its_folder_wins(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run, test=0.25)
    path = tmp_path / 'kept.json'
    kept.write(path, {}, {'supervised': {0: scored.Scored(0.1, 0.1, 4)}}, 4)
    found = kept.merge(kept.read(path), scored.read(tmp_path, 4), str(tmp_path), 4)
    assert found['supervised'][0].test == 0.25


def test_a_file_from_before_the_quality_of_labels_is_read(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run)
    path = tmp_path / 'kept.json'
    kept.write(path, {}, scored.read(tmp_path, 4), 4)
    content = json.loads(path.read_text())
    assert content['supervised']['0'].pop('quality') is None
    path.write_text(json.dumps(content))
    assert kept.has(kept.read(path), run)
    found = kept.merge(kept.read(path), {row.name: {} for row in rows.ROWS}, str(tmp_path), 4)
    assert found['supervised'][0] == scored.Scored(0.2, 0.25, 4, 45, 1.5, 'abc')


def test_a_trial_that_becomes_a_row_of_a_table_lacks_a_score(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run)
    [(seed, one)] = scored.read(tmp_path, 4)['supervised'].items()
    path, as_trial = tmp_path / 'kept.json', dataclasses.replace(one, test=None)
    kept.write(path, {}, {'supervised': {seed: as_trial}}, 4)
    assert kept.has(kept.read(path), run, is_trial=True)
    assert not kept.has(kept.read(path), run)
    found = kept.merge(kept.read(path), {row.name: {} for row in rows.ROWS}, str(tmp_path), 4)
    assert not found['supervised']


def test_the_quality_of_a_run_without_its_events_stays(tmp_path):
    [run] = plan(tmp_path, steps=4)
    finish(run)
    path, known = tmp_path / 'kept.json', dict.fromkeys(quality.NAMES, 0.5)
    found = scored.read(tmp_path, 4)
    with_quality = dataclasses.replace(found['supervised'][0], quality=known)
    kept.write(path, {}, {'supervised': {0: with_quality}}, 4)
    kept.write(path, kept.read(path), found, 4)
    assert kept.read(path)['supervised']['0']['quality'] == known
    # Of other settings it is another run.
    kept.write(path, kept.read(path), found, 5)
    assert kept.read(path)['supervised']['0']['quality'] is None


def test_an_incomplete_quality_is_refused(tmp_path):
    path = tmp_path / 'kept.json'
    one = dataclasses.asdict(scored.Scored(0.2, 0.25, 4, quality={'recall': 0.5}))
    path.write_text(json.dumps({'supervised': {'0': {'settings': '', **one}}}))
    with pytest.raises(ValueError, match='the quality of seed 0 is incomplete'):
        kept.read(path)


def test_a_digest_tells_settings_apart():
    [row] = rows.choose(['supervised'])
    assert kept.digest({'a': '1', 'b': '2'}) == kept.digest({'b': '2', 'a': '1'})
    digests = {kept.digest(runs.wanted(row, seed, 4)) for seed in (0, 1)}
    assert len(digests) == 2


@pytest.mark.parametrize(
    'text', ['{', '[]', '{"supervised": {"0": {"test": 1}}}', '{"a": {"b": 1}}']
)
def test_a_damaged_file_is_refused(tmp_path, capsys, text):
    path = tmp_path / 'kept.json'
    path.write_text(text)
    flags = ['--workdir', str(tmp_path / 'home'), '--tables', '--scores', str(path)]
    assert evidence.main(flags) == 1
    assert f'--scores {path} is damaged' in capsys.readouterr().err
    assert path.read_text() == text


def test_the_pages_show_the_kept_scores(tmp_path):
    """A recipe that changes leaves scores behind that are no longer those of the pages."""
    scores = kept.read(DOCS / 'evidence.json')
    assert scores
    found = kept.merge(scores, {row.name: {} for row in rows.ROWS}, str(tmp_path))
    pages = [tmp_path / 'evidence.md', tmp_path / 'evidence_runs.md']
    for path in pages:
        shutil.copy(DOCS / path.name, path)
    page.fill_pages(pages, page.parts(found))
    for path in pages:
        assert path.read_text('utf-8') == (DOCS / path.name).read_text('utf-8')
