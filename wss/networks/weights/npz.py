"""Network weights as small files, to start other runs from."""

import io
import os
import pathlib

import numpy as np
import tensorflow as tf

from wss.settings import ranges

_SHIPPED = pathlib.Path(__file__).parent / 'pretrained'
_PARTS = ('backbone', 'classifier')
_ZIP = b'PK\x03\x04'  # The beginning of an `.npz` file.


def check_target(path: str | os.PathLike) -> None:
    """Refuses a file that `save` must not replace, before a run is loaded.

    Raises:
        ValueError: If it is a folder, or a file that is not an `.npz` file.
    """
    path = os.path.expanduser(os.fspath(path))
    if tf.io.gfile.isdir(path):
        raise ValueError(f'{path} is a folder; name a file for the weights, such as {path}/w.npz.')
    if not tf.io.gfile.exists(path):
        return
    with tf.io.gfile.GFile(path, 'rb') as file:
        beginning = file.read(len(_ZIP))
    if not _ZIP.startswith(beginning):
        raise ValueError(f'{path} exists and is not a file of weights; name another file.')


def save(network, path: str | os.PathLike, parts: tuple[str, ...] = _PARTS) -> None:
    """Saves parts of a network to an `.npz` file, as float16; it is written whole or not at all.

    Args:
        network: The network, built.
        path: File to write, local or `gs://`.
        parts: Names of layers of the network, such as `backbone`.

    Raises:
        ValueError: If the network lacks a part, a weight is beyond the range of float16, or the
            path is none for weights (see `check_target`).
    """
    check_target(path)
    with np.errstate(over='ignore'):
        arrays = {
            name: variable.numpy().astype(np.float16)
            for name, variable in _variables(network, parts).items()
        }
    for name, array in arrays.items():
        if not np.all(np.isfinite(array)):
            raise ValueError(
                f'{name} has values that are beyond the range of float16 (65504) or not finite, '
                f'so {path} was not written; export weights of another run or checkpoint.'
            )
    path = os.path.expanduser(os.fspath(path))
    content = io.BytesIO()  # NumPy seeks while it writes, which `gs://` files cannot.
    np.savez_compressed(content, **arrays)
    part = f'{path}.{os.getpid()}.part'
    try:
        with tf.io.gfile.GFile(part, 'wb') as file:
            file.write(content.getvalue())
        tf.io.gfile.rename(part, path, overwrite=True)
    except BaseException:
        if tf.io.gfile.exists(part):
            tf.io.gfile.remove(part)
        raise


def load(method, path: str, parts: tuple[str, ...] = ('backbone',)) -> str:
    """Starts the network of a method from a file that `save` wrote.

    Args:
        method: A `Method` whose variables exist.
        path: The file, or the name of one that comes with the package.
        parts: Which parts to load; the file must have all of their weights.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, lacks a weight of these parts or has one of another shape.
    """
    ranges.path('npz.load.path', path)
    ranges.several('npz.load.parts', parts, range(1, 20), ranges.text)
    path = os.path.expanduser(os.fspath(path))
    shipped = _SHIPPED / path
    found = path if tf.io.gfile.exists(path) else str(shipped)
    if not tf.io.gfile.exists(found) or tf.io.gfile.isdir(found):
        names = ', '.join(sorted(file.name for file in _SHIPPED.glob('*.npz')))
        raise FileNotFoundError(
            f'There is no weights file {path}; name a file, or one of those that come with the '
            f'package: {names}.'
        )
    try:
        with tf.io.gfile.GFile(found, 'rb') as file, np.load(file) as arrays:
            stored = {name: arrays[name].astype(np.float32) for name in arrays.files}
    except Exception as error:  # Zip, pickle and NumPy each have errors of their own.
        raise ValueError(f'The weights file {found} cannot be read: {error}') from error
    for part in parts:
        if not isinstance(getattr(method.network, part, None), tf.Module):
            ranges.refuse('npz.load.parts', parts, f'parts of the network, such as {_PARTS}')
    wanted = _variables(method.network, parts)
    for name, variable in wanted.items():
        if name not in stored:
            raise ValueError(
                f'The weights file {found} has no {name}; it has weights of '
                f'{", ".join(sorted({key.split("/")[0] for key in stored}))}. It was made for '
                'another network, or for fewer parts.'
            )
        if stored[name].shape != tuple(variable.shape):
            raise ValueError(
                f'{name} is {stored[name].shape} in the weights file {found} and '
                f'{tuple(variable.shape)} in the network; use the network it was made for, or '
                'leave that part fresh (npz.load.parts).'
            )
    for name, variable in wanted.items():
        variable.assign(stored[name])
    unused = sorted({name.split('/')[0] for name in stored if name not in wanted})
    left = f' (left unused: {", ".join(unused)})' if unused else ''
    return (
        f'Loaded {len(wanted)} weights of {" and ".join(parts)} from {found}{left}; the rest of '
        'the network starts fresh.'
    )


def _variables(network, parts) -> dict[str, tf.Variable]:
    """Returns the weights of parts by a name that does not depend on what is around them.

    Counts, of updates and of masks of dropout, are no weights.
    """
    named = {}
    for part in parts:
        layer = getattr(network, part, None)
        if not isinstance(layer, tf.Module):
            raise ValueError(f'The network has no part {part!r}; weights are of {_PARTS}.')
        for variable in (v for v in layer.variables if v.dtype.is_floating):
            inside = variable.name.rsplit(f'{layer.name}/', 1)[-1].removesuffix(':0')
            named[f'{part}/{inside}'] = variable
    return named
