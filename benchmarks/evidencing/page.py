"""Writes what was measured into files, and between the marks of a page."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping

from evidencing import rows, tables
from wss.datasets.files import whole

PARTS = {
    'main': 'The main runs',
    'warm': 'Rivals with a warm-up',
    'longer': 'Longer runs',
    'options': 'One option changed',
    'labels': 'More labels',
    'earlier': 'The earlier recipe',
}
HEADS = {**PARTS, 'quality': 'The three labels', 'cost': 'What the runs cost'}
_NOTE = (
    'mIoU in percent of the last weights: mean ± sample standard deviation over seeds. '
    f'{tables.ONE_SEED}: one seed, so the difference has no interval. *learnt* is the label that a '
    'run learns; crops are unlabelled ones after half of the steps, photos those of validation.'
)


def parts(found: Mapping[str, tables.Scores]) -> dict[str, str]:
    """Returns the tables, as Markdown, by the name of their place in a page."""
    by_table = {name: [row for row in rows.ROWS if row.table == name] for name in PARTS}
    texts = {name: tables.scores_table(chosen, found) for name, chosen in by_table.items()}
    return texts | {
        'quality': tables.quality_table(rows.ROWS, found),
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
        parts: Texts by the names of their places.

    Raises:
        ValueError: If the page lacks one of the places.

    Example:
        >>> from evidencing.page import fill
        >>> fill('<!-- begin a -->\\nold\\n<!-- end a -->', {'a': 'new'})
        '<!-- begin a -->\\nnew\\n<!-- end a -->'
    """
    for name, part in parts.items():
        begin, end = f'<!-- begin {name} -->\n', f'<!-- end {name} -->'
        pattern = re.compile(f'({re.escape(begin)}).*?({re.escape(end)})', re.DOTALL)
        text, number = pattern.subn(lambda found, p=part: f'{found[1]}{p}\n{found[2]}', text)
        if number != 1:
            raise ValueError(f'The page has {number} places {begin.strip()} ... {end}; it needs 1.')
    return text


def fill_page(path: str | os.PathLike, parts: Mapping[str, str]) -> None:
    """Replaces what stands between the marks of a page in a file; see `fill`."""
    page = pathlib.Path(path)
    whole.write(page, fill(page.read_text('utf-8'), parts))
