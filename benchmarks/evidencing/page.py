"""Writes what was measured into files, and between the marks of a page."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping, Sequence

from evidencing import rows, tables
from wss.datasets.files import whole

PARTS = {
    'main': 'The main runs',
    'options': 'One option changed',
    'labels': 'More masks',
    'rivals': 'More runs of the rivals',
    'earlier': 'The earlier recipe',
}
HEADS = {
    **PARTS,
    'quality': 'The three labels',
    'trials': 'What was tried with the rivals',
    'cost': 'What the runs cost',
}
_PLACE = re.compile(r'(<!-- begin (\w+) -->\n).*?(<!-- end \2 -->)', re.DOTALL)
_NOTE = (
    'mIoU in percent of the last weights: mean ± sample standard deviation over seeds. '
    f'{tables.ONE_SEED}: one seed, so the difference has no interval. *learnt* is the label that a '
    'run learns; crops are unlabelled ones after half of the steps, photos those of validation.'
)


def parts(found: Mapping[str, tables.Scores]) -> dict[str, str]:
    """Returns the tables, as Markdown, by the name of their place in a page."""
    by_table = {name: [row for row in rows.ROWS if row.table == name] for name in PARTS}
    texts = {
        name: tables.scores_table(chosen, found, name == 'main')
        for name, chosen in by_table.items()
    }
    today = [row for row in rows.ROWS if row.table not in ('earlier', 'trials')]
    return texts | {
        'quality': tables.quality_table(today, found),
        'trials': tables.looks_table(rows.looks(), found),
        'cost': tables.cost_table(rows.ROWS, found),
    }


def write_tables(home: str | os.PathLike, found: Mapping[str, tables.Scores]) -> None:
    """Writes `tables.md` for readers and `scores.json` for programs into the folder of the runs."""
    os.makedirs(home, exist_ok=True)
    texts = parts(found)
    sections = [f'## {HEADS[name]}\n\n{text}\n' for name, text in texts.items()]
    whole.write(os.path.join(home, 'tables.md'), '\n'.join([_NOTE + '\n', *sections]))
    content = {
        name: {str(seed): dataclasses.asdict(one) for seed, one in sorted(scores.items())}
        for name, scores in found.items()
    }
    whole.write_json(os.path.join(home, 'scores.json'), content)


def fill(text: str, parts: Mapping[str, str]) -> str:
    """Replaces what stands between the marks of a page.

    Args:
        text: The page. A place begins with `<!-- begin NAME -->` and ends with `<!-- end NAME -->`,
            each on a line of its own.
        parts: Texts by the names of their places, with those of the page among them.

    Example:
        >>> from evidencing.page import fill
        >>> fill('<!-- begin a -->\\nold\\n<!-- end a -->', {'a': 'new', 'b': ''})
        '<!-- begin a -->\\nnew\\n<!-- end a -->'
    """
    return _PLACE.sub(lambda found: f'{found[1]}{parts[found[2]]}\n{found[3]}', text)


def fill_pages(paths: Sequence[str | os.PathLike], parts: Mapping[str, str]) -> None:
    """Replaces what stands between the marks of pages in files; see `fill`.

    Raises:
        ValueError: If the pages do not have one place for each part.
    """
    texts = {path: pathlib.Path(path).read_text('utf-8') for path in paths}
    places = [found[2] for text in texts.values() for found in _PLACE.finditer(text)]
    for name in (*parts, *places):
        if name not in parts or places.count(name) != 1:
            raise ValueError(
                f'The pages of --page have {places.count(name)} places <!-- begin {name} --> ... '
                f'<!-- end {name} -->; they need {int(name in parts)}.'
            )
    for path, text in texts.items():
        whole.write(path, fill(text, parts))
