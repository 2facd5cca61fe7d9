"""Trains on Cloud TPUs, single machines and pods, by the `gcloud` command.

    python launch/tpu_pod.py create --type v3-8 --zone europe-west4-a --spot
    python launch/tpu_pod.py setup
    python launch/tpu_pod.py run -- --workdir gs://BUCKET/runs/NAME --gin_file FILE
    python launch/tpu_pod.py status
    python launch/tpu_pod.py logs --follow
    python launch/tpu_pod.py delete

Flags of `create` are remembered for the other verbs. `--dry_run` prints the commands and runs
nothing. docs/tpu.md goes from a Google project to a finished run. Needs Python 3.10 alone.
"""

import argparse
import dataclasses
import sys

from tpu import checkout, checks, kinds, lifecycle, memory, report, training
from tpu.gcloud import Failure, Gcloud, Patience

DEFAULT_NAME = 'wss'


def number(kind, least, most=1_000_000):
    """Returns a reader of numbers between `least` and `most`."""

    def read(text):
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f'must be from {least} to {most}')
        return value

    read.__name__ = 'number'
    return read


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all verbs."""
    tpu = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add = tpu.add_argument
    add('--name', default=DEFAULT_NAME, help=f'name of the TPU ({DEFAULT_NAME})')
    add('--type', help='v2-8, v3-32, v4-32, v5litepod-16, ...')
    add('--zone', help='such as us-central1-a')
    add('--project', help="id of the Google project; that of gcloud's configuration by default")
    add('--stack', choices=kinds.STACKS, help='which TensorFlow (reference: 2.15)')
    kind = tpu.add_mutually_exclusive_group()
    for name in memory.PROVISIONS:
        kind.add_argument(f'--{name}', dest='provision', action='store_const', const=name)
    add('--runtime_version', help='another image than that of the stack')
    add('--price_per_hour', type=float, help='US dollars an hour of the whole TPU')
    add('--service_account', help='which account the machines have')
    add('--network', help='another network than "default"')
    add('--subnetwork', help='a part of it')
    add('--dry_run', action='store_true', help='print the commands, run nothing')
    add('--poll_seconds', type=number(float, 0), default=20.0, help='seconds between looks (20)')
    add('--max_polls', type=number(int, 1), default=60_480, help='looks before it gives up')
    add('--connection_retries', type=number(int, 1), default=30, help='for a silent worker (30)')

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')

    def verb(name, text):
        usual = {'parents': [tpu], 'allow_abbrev': False}
        return verbs.add_parser(name, help=text, description=text, **usual)

    create = verb('create', 'request a TPU and wait until it is there; asks, since it costs')
    create.add_argument('--yes', action='store_true', help='do not ask')
    create.add_argument('--steps', type=number(int, 1), help='say what so many steps cost')
    create.add_argument('--step_seconds', type=number(float, 0), help='if one takes so long')
    create.add_argument('--valid_until', default='', help='give the request up after, such as 6h')
    verb('setup', 'install this checkout on all machines')
    run = verb('run', 'train until finished; arguments of wss.train follow after "--"')
    run.add_argument('--max_restarts', type=number(int, 0), default=20, help='(20)')
    run.add_argument('--delete_when_done', action='store_true', help='then delete the TPU')
    logs = verb('logs', 'show the log of training, or of the TPU server of another worker')
    logs.add_argument('--worker', type=number(int, 0), default=0, help='(0)')
    logs.add_argument('--lines', type=number(int, 1), default=100, help='of the last (100)')
    logs.add_argument('--follow', action='store_true', help='go on with what comes')
    verb('status', 'say how the TPU and its run are')
    delete = verb('delete', 'delete the TPU; asks')
    delete.add_argument('--yes', action='store_true', help='do not ask')
    return parser


def with_project(settings, dry_run):
    """Fills in the project from the configuration of gcloud, as gcloud does itself."""
    if settings.project:
        return settings
    answer = Gcloud(settings, dry_run).call('config', 'get-value', 'project', assume='PROJECT')
    project = answer.output.strip()
    if not project or project == '(unset)':
        raise Failure('No project is known; give --project ID, or "gcloud config set project ID".')
    return dataclasses.replace(settings, project=project)


def act(given, flags):
    """Does what the command line says; returns the exit status."""
    changes = {key: value for key, value in vars(given).items() if key in memory.FIELDS}
    anew = given.verb == 'create' and given.type is not None
    settings = memory.load(given.name, changes, remembered=not anew)
    if given.verb == 'run':
        checks.check(flags)
    if given.verb == 'create' and (given.steps is None) != (given.step_seconds is None):
        raise Failure('--steps and --step_seconds belong together; give both or none.')
    patience = Patience(given.poll_seconds, given.max_polls, given.connection_retries)
    gcloud = Gcloud(with_project(settings, given.dry_run), given.dry_run, patience)
    if given.verb == 'create':
        more = ''
        if given.steps:
            more = lifecycle.cost_of_run(gcloud.settings, given.steps, given.step_seconds)
        lifecycle.create(gcloud, given.yes, given.valid_until, more)
    elif given.verb == 'setup':
        checkout.setup(gcloud)
    elif given.verb == 'run':
        training.run(gcloud, flags, given.max_restarts)
        if given.delete_when_done:
            lifecycle.delete(gcloud, True)
        elif not given.dry_run:
            price = lifecycle.cost(gcloud.settings)
            print(f'Finished. {given.name} still costs {price}: "delete" ends that.')
    elif given.verb == 'logs':
        return report.show_logs(gcloud, given.worker, given.lines, given.follow)
    elif given.verb == 'status':
        report.show_status(gcloud)
    else:
        lifecycle.delete(gcloud, given.yes)
    return 0


def main(arguments: list[str]) -> int:
    """Reads a command line and acts; returns the exit status."""
    flags = None
    if '--' in arguments:
        at = arguments.index('--')
        arguments, flags = arguments[:at], arguments[at + 1 :]
    parser = make_parser()
    given = parser.parse_args(arguments)
    if flags is not None and given.verb != 'run':
        parser.error(f'{given.verb} takes nothing after "--"')
    try:
        return act(given, flags or [])
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.status
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            '\nStopped here. A request, a TPU and a training that are under way stay so: the same '
            'command goes on with them, "delete" ends them.',
            file=sys.stderr,
        )
        return 130


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
