"""A model card (Mitchell et al., 2019) of a run: what is known is filled in, the rest is asked."""

import os

from wss.datasets.files import whole
from wss.datasets.info import DatasetInfo
from wss.results import scores
from wss.runs import folder, record
from wss.runs import lists as run_lists

FILE = 'MODEL_CARD.md'
_ASKED = {
    'Intended use': 'What is it for, and for whom? What should it not be used for?',
    'Data': 'Where are the images from? Who drew the masks, by which rules? Who may use them?',
    'Limits': 'On which images does it fail? Which people, places or seasons do the images lack?',
}
_PARTS = {'network': 'make_network', 'method': 'make_method'}


def text(workdir: str | os.PathLike, info: DatasetInfo, checkpoint: str) -> str:
    """Returns a model card as Markdown.

    Args:
        workdir: Folder of the run; what its files do not tell is left out.
        info: Its classes.
        checkpoint: `best` or `last`.
    """
    names = record.FILE, folder.RESULT_FILE, run_lists.RECORD_FILE
    run, result, lists = (_dict(whole.read_json(os.path.join(workdir, name))) for name in names)
    sections = [
        '# Model card',
        'Semantic segmentation: a class for each pixel of an image. Written by `wss.export`; what '
        'stands in brackets is to be answered.',
        _table({'classes': ', '.join(info.class_names), **_of_run(run), **_of_lists(lists)}),
    ]
    found = result.get(checkpoint)
    if found:
        sections += [
            '## Scores',
            f'On the validation images, {checkpoint} weights (step {found["step"]}):',
            f'```\n{scores.table(found)}\n```',
        ]
    for heading, question in _ASKED.items():
        sections += [f'## {heading}', f'[{question}]']
    return '\n\n'.join(sections) + '\n'


def _dict(value):
    return value if isinstance(value, dict) else {}


def _of_run(run):
    """Returns the parts (the values of `...Experiment.make_method` and the like) and the rest."""
    found, settings = {}, _dict(run.get('configuration'))
    for part, setting in _PARTS.items():
        for name, value in settings.items():
            if name.endswith(f'Experiment.{setting}'):
                found[part] = str(value).lstrip('@')
    versions = _dict(run.get('versions'))
    return {
        **found,
        'steps': _dict(run.get('result')).get('steps'),
        'trained': run.get('ended'),
        'commit': run.get('git'),
        'versions': ', '.join(f'{name} {version}' for name, version in versions.items()),
    }


def _of_lists(lists):
    return {f'{name} images': _dict(one).get('count') for name, one in lists.items()}


def _table(rows):
    lines = [f'| {name} | {value} |' for name, value in rows.items() if value]
    return '\n'.join(['| | |', '|---|---|', *lines])
