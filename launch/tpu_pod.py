"""Trains on Cloud TPUs, single machines and pods, by the `gcloud` command.

    python launch/tpu_pod.py create --type v3-8 --zone europe-west4-a --spot
    python launch/tpu_pod.py setup
    python launch/tpu_pod.py run -- --workdir gs://BUCKET/runs/NAME --gin_file FILE
    python launch/tpu_pod.py status
    python launch/tpu_pod.py logs --follow
    python launch/tpu_pod.py delete

The other verbs remember the flags of `create`. `--dry_run` prints the commands and runs nothing.
docs/tpu.md goes from a Google project to a finished run. Needs Python 3.10 and nothing else.
"""

import argparse
import dataclasses
import sys

from tpu import checkout, lifecycle, memory, report, training
from tpu.gcloud import DryRun, Failure, Gcloud


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all verbs."""
    tpu = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add = tpu.add_argument
    add('--name', default='wss', help='name of the TPU (wss)')
    add('--type', help='v2-8, v3-32, v4-32, v5litepod-16, ...')
    add('--zone', help='such as us-central1-a')
    add('--project', help="id of the Google project; that of gcloud's configuration by default")
    add('--spot', action='store_true', default=None, help='cheaper; may be preempted')
    add('--runtime_version', help='another image')
    add('--price_per_hour', type=float, help='US dollars an hour of the whole TPU')
    add('--dry_run', action='store_true', help='print the commands, run nothing')

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')

    def verb(name, text):
        return verbs.add_parser(
            name, help=text, description=text, parents=[tpu], allow_abbrev=False
        )

    create = verb('create', 'request a TPU and wait for it; flags of gcloud follow after "--"')
    create.add_argument('--yes', action='store_true', help='do not ask')
    verb('setup', 'install this checkout on all machines')
    run = verb('run', 'train until finished; arguments of wss.train follow after "--"')
    run.add_argument('--max_restarts', type=int, default=20, help='(20)')
    run.add_argument('--delete_when_done', action='store_true', help='then delete the TPU')
    logs = verb('logs', 'show the log of training')
    logs.add_argument('--lines', type=int, default=100, help='of the last (100)')
    logs.add_argument('--follow', action='store_true', help='print new lines as they come')
    verb('status', 'print the state of the TPU and its run')
    delete = verb('delete', 'delete the TPU; asks')
    delete.add_argument('--yes', action='store_true', help='do not ask')
    return parser


def make_gcloud(given: argparse.Namespace, flags: list[str]) -> Gcloud:
    """Returns the `gcloud` command for the TPU of a command line, or a dry run of it."""
    changes = {key: value for key, value in vars(given).items() if key in memory.FIELDS}
    if given.verb == 'create' and flags:
        changes['gcloud_flags'] = flags
    fresh = given.verb == 'create' and given.type is not None
    settings = memory.load(given.name, changes, fresh)
    gcloud = DryRun(settings, given.verb != 'create') if given.dry_run else Gcloud(settings)
    if not settings.project:  # As gcloud does itself.
        project = gcloud.call('config', 'get-value', 'project').output.strip()
        if not project or project == '(unset)':
            raise Failure(
                'The project is unknown; give --project ID, or run "gcloud config set project ID".'
            )
        gcloud.settings = dataclasses.replace(settings, project=project)
    return gcloud


def act(given: argparse.Namespace, flags: list[str]) -> int:
    """Does what the command line asks for; returns the exit status."""
    if given.verb == 'run':
        training.bucket_of(flags)  # Refuses a wrong one before any call.
    gcloud = make_gcloud(given, flags)
    if given.verb == 'create':
        lifecycle.create(gcloud, given.yes)
    elif given.verb == 'setup':
        checkout.setup(gcloud)
    elif given.verb == 'run':
        training.run(gcloud, flags, given.max_restarts)
        if given.delete_when_done:
            lifecycle.delete(gcloud, True)
        else:
            price = lifecycle.cost(gcloud.settings)
            gcloud.report(f'Finished. {given.name} still costs {price}: "delete" ends that.')
    elif given.verb == 'logs':
        return report.show_logs(gcloud, given.lines, given.follow)
    elif given.verb == 'status':
        report.show_status(gcloud)
    else:
        lifecycle.delete(gcloud, given.yes)
    return 0


def main(arguments: list[str]) -> int:
    """Reads a command line and acts; returns the exit status."""
    flags = []
    if '--' in arguments:
        at = arguments.index('--')
        arguments, flags = arguments[:at], arguments[at + 1 :]
    parser = make_parser()
    given = parser.parse_args(arguments)
    if flags and given.verb not in ('create', 'run'):
        parser.error(f'{given.verb} takes nothing after "--"')
    try:
        return act(given, flags)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.status
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            '\nStopped here. A request, a TPU and a training stay as they are: the same command '
            'resumes, "delete" ends them.',
            file=sys.stderr,
        )
        return 130


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
