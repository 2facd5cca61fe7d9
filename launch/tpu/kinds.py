"""What Cloud TPUs there are: sizes, images of their machines, variables, and list prices.

Facts are from Google's documentation and test suites as stored in 2024 to 2026; `docs/tpu.md` names
the sources and says which could not be verified. `--runtime_version` and `--price_per_hour` of
`tpu_pod.py` take precedence over the tables.
"""

import difflib
from typing import NamedTuple

from tpu.gcloud import Failure

STACKS = ('reference', 'next')


class Generation(NamedTuple):
    """One generation of TPUs.

    Attributes:
        sizes: Numbers that follow the dash in a type: TensorCores, or chips of v5e.
        per_chip: How many of that number one chip has.
        one_host: The largest number that one machine holds; above it are pods.
        device_api: How TensorFlow 2.15 reaches the chips: 'se' (stream executor) or 'pjrt'.
        base_image: Image without TensorFlow.
        price: US dollars for a chip and hour, list price on demand, in the cheapest region.
    """

    sizes: tuple[int, ...]
    per_chip: int
    one_host: int
    device_api: str
    base_image: str
    price: float


_UBUNTU = 'tpu-ubuntu2204-base'
GENERATIONS = {
    'v2': Generation((8, 32, 128, 256, 512), 2, 8, 'se', _UBUNTU, 1.125),
    'v3': Generation((8, 32, 64, 128, 256, 512, 1024, 2048), 2, 8, 'se', _UBUNTU, 2.0),
    'v4': Generation((8, 16, 32, 64, 128, 256, 512, 1024, 2048), 2, 8, 'pjrt', _UBUNTU, 3.22),
    'v5litepod': Generation(
        (1, 4, 8, 16, 32, 64, 128, 256), 1, 8, 'pjrt', 'v2-alpha-tpuv5-lite', 1.2
    ),
}
TYPES = tuple(f'{name}-{size}' for name, made in GENERATIONS.items() for size in made.sizes)
_REFERENCE_TENSORFLOW = '2.15.1'  # That of setup.py: the image brings it, pip must not change it.


def check_type(name: str) -> None:
    """Raises a `Failure` with what may have been meant if there is no such type."""
    if name in TYPES:
        return
    generation, _, size = name.lower().partition('-')
    generation = {'v5e': 'v5litepod', 'v5lite': 'v5litepod'}.get(generation, generation)
    near = f'{generation}-{size}'
    if near in TYPES:
        raise Failure(f'--type {name}: this type is called {near}.')
    if generation in GENERATIONS:
        near = ', '.join(f'{generation}-{size}' for size in GENERATIONS[generation].sizes)
        raise Failure(f'--type {name}: there is no such size; there are {near}.')
    close = difflib.get_close_matches(near, TYPES, 3, 0.4)
    meant = f' Perhaps {" or ".join(close)}?' if close else ''
    raise Failure(
        f'--type {name} is not known here.{meant} Types are v2-8 to v2-512, v3-8 to v3-2048, '
        'v4-8 to v4-2048, and v5litepod-1 to v5litepod-256.'
    )


def split_type(name: str) -> tuple[Generation, int]:
    """Returns the generation of a known type and its number."""
    generation, _, size = name.partition('-')
    return GENERATIONS[generation], int(size)


def is_pod(name: str) -> bool:
    """Whether a known type has more than one machine."""
    generation, size = split_type(name)
    return size > generation.one_host


def runtime_version(name: str, stack: str) -> str:
    """Returns the image for a type and a dependency stack.

    Raises:
        Failure: If there is none.
    """
    generation, _ = split_type(name)
    if stack == 'reference':
        pod = '-pod' if is_pod(name) else ''
        return f'tpu-vm-tf-{_REFERENCE_TENSORFLOW}{pod}-{generation.device_api}'
    if is_pod(name):
        raise Failure(
            f'--stack next has no image for {name}: the machines of a pod run a TensorFlow server '
            'that their image brings, and no image brings TensorFlow 2.20. Take --stack reference, '
            f'or a type with one machine, such as {name.partition("-")[0]}-{generation.one_host}.'
        )
    return generation.base_image


def environment(name: str, tpu: str, stack: str) -> dict[str, str]:
    """Returns the variables that training on a TPU needs.

    Args:
        name: A known type.
        tpu: Name of the TPU.
        stack: 'reference' or 'next'.
    """
    if is_pod(name):
        # The client on the first machine must leave the chips to the server beside it.
        return {'TPU_NAME': tpu, 'TPU_LOAD_LIBRARY': '0'}
    variables = {'TPU_NAME': 'local'}
    if stack == 'next':
        library = '~/wss-env/libtpu.so'  # install.py puts a link there.
    elif split_type(name)[0].device_api == 'pjrt':
        library = '/lib/libtpu.so'
    else:
        return variables
    return variables | {
        'NEXT_PLUGGABLE_DEVICE_USE_C_API': 'true',
        'TF_PLUGGABLE_DEVICE_LIBRARY_PATH': library,
    }


def price_per_hour(name: str) -> float:
    """Returns US dollars an hour for all chips of a type, by list price on demand."""
    generation, size = split_type(name)
    return generation.price * size / generation.per_chip
