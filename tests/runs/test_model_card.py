"""The model card of a run: what is filled in, and what is asked."""

import json

from wss.runs import model_card
from wss.runs.folder import read_description


def test_a_run_fills_its_card(trained):
    info = read_description(trained.workdir).info
    card = model_card.text(trained.workdir, info, 'last')
    run = json.loads((trained.workdir / 'run.json').read_text())
    for row in (
        '| classes | ground, dark, light |',
        '| steps | 4 |',
        f'| trained | {run["ended"]} |',
        '| labelled images | 4 |',
        '| unlabelled images | 12 |',
        '| validation images | 5 |',
    ):
        assert f'{row}\n' in card
    assert f'tensorflow {run["versions"]["tensorflow"]}' in card
    assert 'On the validation images, last weights (step 4):' in card
    assert f'mIoU {100 * trained.result["last"]["miou"]:.2f}' in ' '.join(card.split())
    for heading in ('Intended use', 'Data', 'Limits'):
        assert f'## {heading}\n\n[' in card


def test_parts_are_named_and_what_is_missing_is_left_out(tmp_path, tiny):
    settings = {
        'experiment.Experiment.make_network': '@deeplab.DeepLabV3Plus',
        'experiment.Experiment.make_method': '@pseudoseg.PseudoSeg',
        'pseudoseg.PseudoSeg.source': "'avg'",
    }
    (tmp_path / 'run.json').write_text(json.dumps({'configuration': settings, 'git': None}))
    (tmp_path / 'lists.json').write_text('damaged')
    table = model_card.text(tmp_path, tiny.make_info(), 'best').split('## ')[0]
    assert table.splitlines()[4:] == [
        '| | |',
        '|---|---|',
        '| classes | ground, dark, light |',
        '| network | deeplab.DeepLabV3Plus |',
        '| method | pseudoseg.PseudoSeg |',
        '',
    ]
