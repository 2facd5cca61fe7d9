"""Cloud TPUs: images of their machines, environment variables, and list prices.

The facts are from Google's documentation and test suites as stored in 2024 to 2026. `docs/tpu.md`
names the sources and what could not be verified. `--runtime_version` and `--price_per_hour` of
`tpu_pod.py` take precedence over the table.
"""

import re
from typing import NamedTuple

from tpu.gcloud import Failure


class Generation(NamedTuple):
    """One generation of TPUs.

    Attributes:
        per_chip: How much one chip adds to the number in a type: 2 for TensorCores, 1 for chips.
        device_api: How TensorFlow 2.15 reaches the chips: 'se' (stream executor) or 'pjrt'.
        price: US dollars an hour for a chip: list price on demand, in the cheapest region.
    """

    per_chip: int
    device_api: str
    price: float


GENERATIONS = {
    'v2': Generation(2, 'se', 1.125),
    'v3': Generation(2, 'se', 2.0),
    'v4': Generation(2, 'pjrt', 3.22),
    'v5litepod': Generation(1, 'pjrt', 1.2),
}
_ONE_MACHINE = 8  # The largest number in a type that one machine holds; above it are pods.


def split_type(name: str) -> tuple[Generation, int]:
    """Returns the generation of a type such as 'v3-8', and its number.

    Which numbers exist in a zone is left to Google Cloud, which refuses the others.

    Raises:
        Failure: If the generation is unknown or has no TensorFlow.
    """
    generation, _, size = name.partition('-')
    if generation in GENERATIONS and re.fullmatch('[1-9][0-9]*', size):
        return GENERATIONS[generation], int(size)
    if re.match('v([6-9]|[1-9][0-9])', name):
        raise Failure(f'--type {name}: TPU v6e and later have no TensorFlow. Use v2 to v5e.')
    raise Failure(
        f'--type {name} is unknown. Types are v2-8, v3-8, v4-8 and larger, and v5litepod-1 (v5e) '
        'and larger.'
    )


def is_pod(name: str) -> bool:
    """Whether a type has more than one machine."""
    return split_type(name)[1] > _ONE_MACHINE


def runtime_version(name: str) -> str:
    """Returns the image for a type: that with the TensorFlow of setup.py."""
    return f'tpu-vm-tf-2.15.1{"-pod" if is_pod(name) else ""}-{split_type(name)[0].device_api}'


def environment(name: str, tpu: str) -> dict[str, str]:
    """Returns the variables that training needs on a TPU of type `name` that is called `tpu`."""
    if is_pod(name):
        # The client on the first machine must leave the chips to the server beside it.
        return {'TPU_NAME': tpu, 'TPU_LOAD_LIBRARY': '0'}
    variables = {'TPU_NAME': 'local'}
    if split_type(name)[0].device_api == 'pjrt':
        variables['NEXT_PLUGGABLE_DEVICE_USE_C_API'] = 'true'
        variables['TF_PLUGGABLE_DEVICE_LIBRARY_PATH'] = '/lib/libtpu.so'
    return variables


def price_per_hour(name: str) -> float:
    """Returns US dollars an hour for all chips of a type, by list price on demand."""
    generation, size = split_type(name)
    return generation.price * size / generation.per_chip
