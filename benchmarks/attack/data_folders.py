"""Folders of photos, masks and id lists in disorder: refused by a sentence, or read right."""

import os
import pathlib
import random
import shutil

import numpy as np
from PIL import Image

from attack import images, mutations, outcomes
from wss.datasets.folder import Folder

_CLASSES = ('background', 'leaf', 'stem')
_TRIES = 400
_NAMES = (
    *('a b', 'a.b.c', '.hidden', 'ä', 'a\u0308', '[1]', 'a*', '~', '%s', '{x}', "it's", '-r', 'A'),
    *('n' * 240, 'new\nline', '日本', 'nul', 'a\\b', os.fsdecode(b'\xff\xfe')),
)


def attempts(folder: pathlib.Path, seed: int):
    """Returns the number of attempts, and the function that makes one; see `workers.work`."""

    def attempt(number):
        chance = random.Random(f'data folders {seed} {number}')
        for path in folder.rglob('*'):
            if not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder / 'set', ignore_errors=True)
        top = folder / 'set'
        _write(top)
        for _ in range(chance.randint(1, 3)):
            chance.choice(_CHANGES)(top, chance)
        return _attempt(top, chance.choice(('full', 'headers')))

    return _TRIES, attempt


def _attempt(top, check):
    splits = {'train': str(top / 'train.txt'), 'val': str(top / 'val.txt'), 'all': None}
    words = set()
    for split, labels in (('train', 'required'), ('val', 'required'), ('all', 'available')):
        dataset = Folder(str(top / 'photos'), _CLASSES, str(top / 'masks'), splits, check=check)
        examples, sentence = outcomes.result_or_sentence(
            lambda dataset=dataset, split=split, labels=labels: dataset.examples(split, labels)
        )
        if sentence:
            words.add('refused')
            continue
        outcomes.require(len(examples) < 20, f'{len(examples)} examples of 4 photos.')
        for i in range(len(examples)):
            example, sentence = outcomes.result_or_sentence(
                lambda examples=examples, i=i: images.load(examples, i)
            )
            if sentence and check == 'full':
                raise outcomes.NotSurvived(f'The check accepted what fails later: {sentence}')
            words.add('read' if example else 'refused')
            if example and labels == 'required':
                _require_pair(example)
    return ' and '.join(sorted(words))


def _require_pair(example):
    """Photo `i` is grey of the value 50 * i and its mask of the class i % 3."""
    value = int(example['image'].flat[0])
    label = int(example['label'].flat[0])
    fits = value % 50 == 0 and label in (value // 50 % 3, 255)
    outcomes.require(fits, f'A photo of value {value} has a mask of class {label}.')


def _write(top):
    for kind in ('photos', 'masks'):
        (top / kind / 'sub').mkdir(parents=True)
    for i, name in enumerate(('a', 'b', 'sub/c', 'sub/d')):
        photo = np.full((10, 12 + i, 3), 50 * i, np.uint8)
        Image.fromarray(photo).save(top / 'photos' / f'{name}.png')
        Image.fromarray(np.full((10, 12 + i), i % 3, np.uint8)).save(top / 'masks' / f'{name}.png')
    (top / 'train.txt').write_text('a\nb\n')
    (top / 'val.txt').write_text('sub/c\nsub/d\n')


def _some_file(top, chance):
    files = sorted(path for path in top.rglob('*') if path.is_file() and not path.is_symlink())
    return chance.choice(files) if files else top / 'train.txt'


def _delete(top, chance):
    _some_file(top, chance).unlink(missing_ok=True)


def _empty(top, chance):
    _some_file(top, chance).write_bytes(b'')


def _damage(top, chance):
    path = _some_file(top, chance)
    if path.suffix == '.txt' and path.exists():
        path.write_bytes(mutations.mutated(path.read_bytes(), chance))


def _list(top, chance):
    """Another form of an id list."""
    path = top / chance.choice(('train.txt', 'val.txt'))
    ids = path.read_bytes().decode('utf-8', 'replace').split() if path.is_file() else ['a']
    forms = (
        '\r\n'.join(ids).encode(),
        '\n'.join(ids).encode('utf-16'),
        b'\xef\xbb\xbf' + '\n'.join(ids).encode(),
        ','.join(ids).encode(),
        '\n'.join(f'{name}.png' for name in ids).encode(),
        '\n'.join(f'photos/{name}.png masks/{name}.png' for name in ids).encode(),
        '\n'.join(f'{top}/photos/{name}.png,{top}/masks/{name}.png' for name in ids).encode(),
        '\n'.join(name.replace('/', '\\') for name in ids).encode(),
        '\n'.join(ids * 2).encode(),
        '\n'.join([*ids, '', '# end', '../../a', '\0', 'x' * 5000]).encode(),
        bytes(range(256)),
    )
    if not path.is_dir():
        path.write_bytes(chance.choice(forms))


def _rename(top, chance):
    path = _some_file(top, chance)
    target = path.with_name(
        chance.choice(_NAMES) + chance.choice((path.suffix, '.PNG', '.txt', ''))
    )
    if path.exists() and not target.exists():
        path.rename(target)


def _twin(top, chance):
    """A second file of the same id."""
    path = _some_file(top, chance)
    if path.exists():
        shutil.copy(path, path.with_suffix(chance.choice(('.bmp', '.PNG', '.jpeg', '.bak'))))


def _link(top, chance):
    """Links to files, to folders, to themselves and to nothing."""
    place = top / chance.choice(('photos', 'masks', 'photos/sub', 'masks/sub')) / 'link.png'
    target = chance.choice((top, place, place.parent, top / 'nothing', _some_file(top, chance)))
    if place.parent.is_dir() and not place.exists() and not place.is_symlink():
        place.symlink_to(target)


def _replace_by_folder(top, chance):
    path = _some_file(top, chance)
    path.unlink(missing_ok=True)
    path.mkdir(exist_ok=True)


def _replace_by_text(top, chance):
    path = _some_file(top, chance)
    if path.suffix != '.txt':
        path.write_text(chance.choice(('not an image', '<html></html>', '\0' * 100)))


def _delete_folder(top, chance):
    shutil.rmtree(top / chance.choice(('photos', 'masks', 'photos/sub')), ignore_errors=True)


_CHANGES = (
    *(_delete, _empty, _damage, _list, _list, _list, _rename, _rename, _twin, _link, _link),
    *(_replace_by_folder, _replace_by_text, _delete_folder),
)
