"""Damaged photos among good ones, which are predicted into a folder that is in use.

Every good photo is predicted, and the damaged one is predicted or named. No output is half
written, and a mask that the user has drawn or corrected is left as it is.
"""

import contextlib
import os
import pathlib
import random
import shutil

import numpy as np
from PIL import Image

from attack import images, mutations, outcomes
from wss.datasets.info import DatasetInfo
from wss.inference import folder as image_folder

_TRIES = 400
_COLOURS = (0, 0, 0), (0, 200, 0), (200, 0, 0)
_INFO = DatasetInfo('plants', ('background', 'leaf', 'stem'), _COLOURS)
_GOOD = ('a.png', 'sub/c.jpg')
_ODD_NAMES = ('b', 'b.b', ' b', 'b%s', '[b]', "b'", 'ä', 'b\n', '-b', 'b' * 240, '\udcff')


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`."""
    photos = images.photos()

    def attempt(number):
        chance = random.Random(f'predictions {seed} {number}')
        top = folder / 'set'
        shutil.rmtree(top, ignore_errors=True)
        (top / 'photos' / 'sub').mkdir(parents=True)
        for name in _GOOD:
            (top / 'photos' / name).write_bytes(photos[name.endswith('.jpg')][1])
        ending, content = photos[number % len(photos)]
        name = f'{chance.choice(_ODD_NAMES)}.{ending}'
        (top / 'photos' / name).write_bytes(mutations.mutated(content, chance))
        return chance.choice((_fresh, _fresh, _again, _drawn, _obstructed))(top, name, chance)

    return _TRIES, attempt


def _fresh(top, name, chance):
    """Predicts into a new folder."""
    del chance
    return _checked(top, name)


def _again(top, name, chance):
    """Predicts once more, over what a process that was killed may have left."""
    _checked(top, name)
    written = sorted(path for path in (top / 'out').rglob('*') if path.is_file())
    path = chance.choice(written)
    way = chance.choice(('cut off', 'empty', 'part', 'deleted'))
    if way == 'part':
        shutil.copy(path, f'{path}.{2**22 + 1}.part')
    elif way == 'deleted':
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[: chance.randrange(len(content) // 2) if way == 'cut off' else 0])
    return f'{_checked(top, name)} again'


def _drawn(top, name, chance):
    """The user has drawn a mask, or corrected a prediction."""
    place = top / 'out' / 'sub'
    if chance.random() < 0.5:
        _checked(top, name)
    place.mkdir(parents=True, exist_ok=True)
    path = chance.choice((place / 'c.png', place / 'c_overlay.jpg', top / 'out' / 'a.png'))
    drawn = Image.fromarray(np.full(images.SIZE, chance.randrange(3), np.uint8))
    drawn.putpixel((0, 0), 77)
    drawn.save(path)
    content = path.read_bytes()
    _, sentence, _ = _predict(top)
    outcomes.require(path.read_bytes() == content, 'What the user has drawn is overwritten.')
    outcomes.require(bool(sentence), 'A mask that is in the way is passed over without a word.')
    outcomes.require(path.name in sentence, f'The mask is not named: {sentence}')
    return 'refused'


def _obstructed(top, name, chance):
    """A folder stands where an output belongs: it costs that image alone."""
    del name
    place = top / 'out' / 'sub' / chance.choice(('c.png', 'c_overlay.jpg'))
    place.mkdir(parents=True)
    done, sentence, said = _predict(top)
    outcomes.require(not sentence, f'One output costs all: {sentence}')
    outcomes.require(done.unwritten == 1, f'{done.unwritten} images were not written.')
    outcomes.require(any('c.jpg' in line for line in said), f'It is not named: {said}')
    _require_whole(top, 'a.png')
    return 'refused in part'


def _checked(top, name):
    """Predicts, and checks what was written."""
    done, sentence, said = _predict(top)
    outcomes.require(not sentence, f'One photo costs all: {sentence}')
    outcomes.require(done.predicted + done.failed == 3, f'3 photos, but {done}.')
    for good in _GOOD:
        _require_whole(top, good)
    if done.failed:
        shown = os.path.basename(name).encode('utf-8', 'backslashreplace').decode()
        named = any(shown in line or shown.replace('\n', '\\n') in line for line in said)
        outcomes.require(named, f'{shown} is not named: {said}')
        outcomes.require(done.predicted == 2, f'A good photo is lost: {said}')
    else:
        _require_whole(top, name)
    outputs = [path for path in (top / 'out').rglob('*') if path.is_file()]
    outcomes.require(len(outputs) == 2 * done.predicted, f'There are {len(outputs)} outputs.')
    return 'refused in part' if done.failed else 'predicted'


def _require_whole(top, name):
    """Requires a mask and an overlay of one size."""
    target = top / 'out' / os.path.splitext(name)[0]
    with contextlib.ExitStack() as stack:
        try:
            mask = stack.enter_context(Image.open(f'{target}.png'))
            overlay = stack.enter_context(Image.open(f'{target}_overlay.jpg'))
            values = set(np.unique(np.asarray(mask)))
            overlay.load()
        except OSError as error:
            raise outcomes.NotSurvived(f'{name!r} has no whole prediction: {error}') from error
        outcomes.require(mask.size == overlay.size, 'Mask and overlay differ in size.')
        outcomes.require(values <= {0, 1}, f'The mask has values {values}.')


def _predict(top):
    """Predicts; returns the counts or a sentence, and what was reported."""
    said = []
    arguments = top / 'photos', top / 'out', _bright, _INFO, said.append
    done, sentence = outcomes.result_or_sentence(lambda: image_folder.predict_folder(*arguments))
    for line in said:
        outcomes.require_sentence(line)
    return done, sentence, said


def _bright(images):
    """Predicts class 1 where images are bright."""
    return (images.mean(axis=-1) > 127).astype(np.int32), None
