"""What must be remembered of a TPU between commands: one small JSON file for each name."""

import dataclasses
import json
import math
import os
import pathlib
import re

from tpu import kinds
from tpu.gcloud import Failure

PROVISIONS = ('on_demand', 'spot', 'reserved')
_NAME = re.compile(r'[a-z]([-a-z0-9]{0,61}[a-z0-9])?')
_ZONE = re.compile(r'[a-z]+-[a-z]+[0-9]+-[a-z]')
_PROJECT = re.compile(r'([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]')


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that is needed to make a TPU, and to make it again."""

    name: str
    type: str = ''
    zone: str = ''
    project: str = ''
    stack: str = 'reference'
    provision: str = 'on_demand'
    runtime_version: str = ''
    price_per_hour: float | None = None
    service_account: str = ''
    network: str = ''
    subnetwork: str = ''

    @property
    def image(self) -> str:
        """The image of the machines."""
        return self.runtime_version or kinds.runtime_version(self.type, self.stack)

    @property
    def price(self) -> float:
        """US dollars an hour: as given, or by the table."""
        if self.price_per_hour is not None:
            return self.price_per_hour
        return kinds.price_per_hour(self.type)


FIELDS = {field.name for field in dataclasses.fields(Settings)}


def folder() -> pathlib.Path:
    """Returns the folder of the files: `WSS_TPU_FOLDER`, or one in the user's configuration."""
    given = os.environ.get('WSS_TPU_FOLDER')
    configuration = os.environ.get('XDG_CONFIG_HOME') or pathlib.Path.home() / '.config'
    return pathlib.Path(given) if given else pathlib.Path(configuration) / 'wss' / 'tpu'


def archive(name: str) -> pathlib.Path:
    """Returns where the packed checkout of a TPU is kept, to be installed again."""
    return folder() / f'{name}.tar.gz'


def load(name: str, given: dict, remembered: bool = True) -> Settings:
    """Reads what is known of a TPU, puts flags over it, and checks it.

    Args:
        name: Name of the TPU.
        given: Values of flags; None where a flag was left out.
        remembered: Whether the file counts, where there is one.

    Raises:
        Failure: If something is missing or not possible.
    """
    if not _NAME.fullmatch(name):
        raise Failure(
            f'--name {name!r}: names have up to 63 lower-case letters, digits and dashes, and '
            'begin with a letter.'
        )
    given = {key: value for key, value in given.items() if value is not None}
    kept = _read(name)
    for key in ('zone', 'project'):
        if kept.get(key) and given.get(key, kept[key]) != kept[key]:
            raise Failure(
                f'--{key} {given[key]}: a TPU {name!r} is remembered in {kept["zone"]}, project '
                f'{kept["project"]}. "delete" it without --{key}, or give another --name.'
            )
    settings = Settings(**({'name': name} | (kept if remembered else {}) | given))
    for key in ('type', 'zone'):
        if not getattr(settings, key):
            raise Failure(
                f'Of the TPU {name!r} no {key} is known here; give --{key} (and the other flags of '
                '"create"), or --name of another. What exists is taken over by "create" with the '
                'same flags.'
            )
    kinds.check_type(settings.type)
    if not _ZONE.fullmatch(settings.zone):
        raise Failure(f'--zone {settings.zone!r} is no zone; one is "us-central1-a".')
    if settings.project and not _PROJECT.fullmatch(settings.project):
        raise Failure(f'--project {settings.project!r} is no id of a project.')
    if not (math.isfinite(settings.price) and settings.price >= 0):
        raise Failure(f'--price_per_hour {settings.price:g} must be 0 or more.')
    if not settings.runtime_version:
        kinds.runtime_version(settings.type, settings.stack)
    return settings


def save(settings: Settings) -> None:
    """Writes the settings of a TPU, for the next command."""
    path = _path(settings.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix('.new')
    new.write_text(json.dumps(dataclasses.asdict(settings), indent=2) + '\n', encoding='utf-8')
    new.replace(path)


def forget(name: str) -> None:
    """Removes what is kept of a TPU."""
    for path in (_path(name), archive(name)):
        path.unlink(missing_ok=True)


def _path(name):
    return folder() / f'{name}.json'


def _read(name):
    path = _path(name)
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
        price = found.pop('price_per_hour')
        sound = set(found) <= FIELDS and found['name'] == name
        sound = sound and all(isinstance(value, str) for value in found.values())
        sound = sound and (price is None or isinstance(price, (int, float)))
        sound = sound and found['stack'] in kinds.STACKS and found['provision'] in PROVISIONS
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise Failure(f'{path} is damaged; delete it and run "create" with the flags as before.')
    return found | {'price_per_hour': price}
