"""What --dry_run prints, word for word, and that it runs nothing."""

import shlex

import pytest

PLACE = '--zone=europe-west4-a --project=my-project'
RESOURCE = f'gcloud compute tpus queued-resources describe wss {PLACE} --format=json'
NODE = f'gcloud compute tpus tpu-vm describe wss {PLACE} --format=json'
GUARD = 'test -f wss-env/wss-installed || { echo wss-missing; exit 0; }; cd wss-checkout/launch && '
ON_FIRST = f"gcloud compute tpus tpu-vm ssh wss {PLACE} --quiet --worker=0 '--command={GUARD}"
TRAINING = ['--workdir', 'gs://my-bucket/runs/a', '--gin_file', 'experiments/shapes_pseudoseg.gin']


def printed(cloud, verb, *arguments):
    """The lines of a dry run, which must have called nothing."""
    result = cloud.start(verb, '--dry_run', *arguments)
    assert result.returncode == 0, result.stderr
    assert not cloud.calls and not cloud.remembered.exists()
    return result.stdout.splitlines()


def test_create(cloud):
    assert printed(cloud, 'create', *cloud.WHERE, '--spot', '--', '--valid-until-duration=6h') == [
        RESOURCE,
        f'gcloud compute tpus queued-resources create wss {PLACE} --node-id=wss '
        '--accelerator-type=v3-8 --runtime-version=tpu-vm-tf-2.15.1-se --spot '
        '--valid-until-duration=6h --quiet',
        RESOURCE,
        NODE,
    ]


def test_create_with_the_project_of_gcloud(cloud):
    given = ('--type', 'v5litepod-16', '--zone', 'us-west4-a', '--name', 'pod')
    lines = printed(cloud, 'create', *given, '--', '--reserved', '--service-account=a@b.com')
    assert lines[0] == 'gcloud config get-value project'
    assert lines[2] == (
        'gcloud compute tpus queued-resources create pod --zone=us-west4-a --project=PROJECT '
        '--node-id=pod --accelerator-type=v5litepod-16 '
        '--runtime-version=tpu-vm-tf-2.15.1-pod-pjrt --reserved '
        '--service-account=a@b.com --quiet'
    )


def test_setup(cloud):
    lines = printed(cloud, 'setup', *cloud.WHERE)
    archive = cloud.remembered / 'wss.tar.gz'
    assert lines[:2] == [RESOURCE, NODE]
    assert lines[2].startswith('# packs the files') and lines[2].endswith(str(archive))
    assert lines[3:] == [
        f'gcloud compute tpus tpu-vm scp {archive} wss:wss.tar.gz {PLACE} --worker=all --quiet',
        f'gcloud compute tpus tpu-vm ssh wss {PLACE} --quiet --worker=all '
        "'--command=rm -rf wss-new && mkdir wss-new && tar -xzf wss.tar.gz -C wss-new && "
        "cd wss-new/launch && python3 -m tpu.install'",
    ]


def test_run(cloud):
    assert printed(cloud, 'run', *cloud.WHERE, '--', *TRAINING) == [
        "gcloud storage buckets describe gs://my-bucket '--format=value(location)' "
        '--project=my-project',
        *(RESOURCE, NODE),
        f'{ON_FIRST}python3 -m tpu.worker start env TPU_NAME=local ../wss-env/bin/python -u '
        f"-m wss.train {' '.join(TRAINING)} --strategy tpu --tpu local'",
        f"{ON_FIRST}python3 -m tpu.worker state 0'",
    ]


def test_run_quotes_for_both_shells(cloud):
    parameter = "Compute.precision = 'mixed_bfloat16'"
    lines = printed(cloud, 'run', *cloud.WHERE, '--', *TRAINING, '--gin_param', parameter)
    here = shlex.split(lines[3])
    there = shlex.split(here[-1].removeprefix('--command='))
    assert here[-2] == '--worker=0'
    expected = [*TRAINING, '--gin_param', parameter, '--strategy', 'tpu', '--tpu', 'local']
    assert there[there.index('wss.train') + 1 :] == expected


@pytest.mark.parametrize(
    ('flags', 'command'),
    [
        ([], 'tail -n 100 wss-run/log'),
        (['--follow', '--lines', '5'], 'tail -n 5 -F wss-run/log'),
    ],
)
def test_logs(cloud, flags, command):
    assert printed(cloud, 'logs', *cloud.WHERE, *flags) == [
        f"gcloud compute tpus tpu-vm ssh wss {PLACE} --quiet --worker=0 '--command={command}'"
    ]


def test_status(cloud):
    lines = printed(cloud, 'status', *cloud.WHERE)
    assert lines == [RESOURCE, NODE, f"{ON_FIRST}python3 -m tpu.worker state'"]


def test_delete(cloud):
    assert printed(cloud, 'delete', *cloud.WHERE) == [
        f'gcloud compute tpus queued-resources delete wss {PLACE} --force --quiet',
        RESOURCE,
        NODE,
    ]


def test_it_needs_no_gcloud(cloud):
    (cloud.bin / 'gcloud').unlink()
    assert printed(cloud, 'delete', *cloud.WHERE)
