"""What is remembered of a TPU between commands: one small JSON file for each name."""

import dataclasses
import json
import os
import pathlib
import re

from tpu import kinds
from tpu.gcloud import Failure


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that is needed to make a TPU, and to make it again."""

    name: str
    type: str = ''
    zone: str = ''
    project: str = ''
    spot: bool = False
    runtime_version: str = ''
    price_per_hour: float | None = None
    gcloud_flags: list[str] = dataclasses.field(default_factory=list)

    @property
    def image(self) -> str:
        """The image of the machines."""
        return self.runtime_version or kinds.runtime_version(self.type)

    @property
    def price(self) -> float:
        """US dollars an hour: as given, or by the table."""
        if self.price_per_hour is None:
            return kinds.price_per_hour(self.type)
        return self.price_per_hour


FIELDS = {field.name for field in dataclasses.fields(Settings)}


def folder() -> pathlib.Path:
    """Returns the folder of the files: `WSS_TPU_FOLDER`, or one in the user's configuration."""
    configuration = os.environ.get('XDG_CONFIG_HOME') or pathlib.Path.home() / '.config'
    given = os.environ.get('WSS_TPU_FOLDER')
    return pathlib.Path(given or pathlib.Path(configuration, 'wss', 'tpu'))


def archive(name: str) -> pathlib.Path:
    """Returns where the packed checkout of a TPU is kept, to be installed again."""
    return folder() / f'{name}.tar.gz'


def load(name: str, given: dict, fresh: bool = False) -> Settings:
    """Reads the settings of a TPU, replaces those that are given, and checks them.

    Args:
        name: Name of the TPU.
        given: Values of flags; None where a flag is missing.
        fresh: Ignore what is remembered, except where the TPU is.

    Raises:
        Failure: If a setting is missing or wrong.
    """
    if not re.fullmatch('[a-z]([-a-z0-9]{0,61}[a-z0-9])?', name):
        raise Failure(
            f'--name {name!r} is not a name: it needs up to 63 lower-case letters, digits and '
            'dashes, with a letter first.'
        )
    given = {key: value for key, value in given.items() if value is not None}
    kept = _read(name)
    for key in ('zone', 'project'):
        if kept.get(key) and given.get(key, kept[key]) != kept[key]:
            raise Failure(
                f'--{key} {given[key]}: a TPU {name!r} is remembered in {kept["zone"]}, project '
                f'{kept["project"]}. "delete" it without --{key}, or give another --name.'
            )
    settings = Settings(**({'name': name} | ({} if fresh else kept) | given))
    for key in ('type', 'zone'):
        if not getattr(settings, key):
            raise Failure(
                f'The {key} of the TPU {name!r} is unknown here. Give --{key} and the other flags '
                'of "create", or the --name of another TPU. "create" with the flags of an existing '
                'TPU takes it over.'
            )
    kinds.split_type(settings.type)  # Refuses what is unknown.
    return settings


def save(settings: Settings) -> None:
    """Writes the settings of a TPU, for the next command."""
    path = _path(settings.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix('.new')
    new.write_text(json.dumps(dataclasses.asdict(settings), indent=1) + '\n', encoding='utf-8')
    new.replace(path)


def forget(name: str) -> None:
    """Deletes what is kept of a TPU."""
    for path in (_path(name), archive(name)):
        path.unlink(missing_ok=True)


def _path(name):
    return folder() / f'{name}.json'


def _read(name):
    path = _path(name)
    try:
        kept = json.loads(path.read_text(encoding='utf-8'))
        float(Settings(**kept).price)
        return kept
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, Failure) as error:
        raise Failure(
            f'{path} is damaged. Delete it and run "create" with the same flags as before.'
        ) from error
