"""A finished run of the evidence, as a run leaves it behind."""

import json

from evidencing import page, rows, runs

from wss.configuration import gin_files

SUPERVISED = next(row for row in rows.ROWS if row.name == 'supervised')


def finish(run, test=0.25, **changes):
    """Writes what a finished run leaves behind."""
    runs.note(run)
    folder = runs.pathlib.Path(run.workdir)
    (folder / 'checkpoints').mkdir(parents=True)
    gin_files.parse(run.files, [*run.params, *changes.pop('lines', ())])
    (folder / 'config.gin').write_text(gin_files.given().text)
    contents = {
        'result.json': {'steps': 4, 'last': {'miou': 0.2}},
        runs.SCORE_FILE: {'miou': test},
        'run.json': {'git': 'abc', 'sessions': [{'cpu_seconds': 1800}, {'cpu_seconds': 900}]},
        'progress.json': {'seconds_per_step': 1.5},
    } | changes
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))


def plan(home, **options):
    return runs.plan([SUPERVISED], str(home), seeds=1, **options)


def write_page(path):
    """Writes a page with empty places for the tables."""
    path.write_text(''.join(f'<!-- begin {n} -->\n<!-- end {n} -->\n' for n in page.HEADS))
