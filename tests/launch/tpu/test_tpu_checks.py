"""What is checked before a TPU costs money: arguments of training, and flags."""

import pytest

FILE = ('--gin_file', 'gin_configs/experiments/shapes_pseudoseg.gin')
PAPER = ('--gin_file', 'gin_configs/experiments/paper/voc_4_pseudoseg_xception_65.gin')
DATA = ('--gin_param', "data_dir = 'gs://b-1/data'")
CHECKPOINT = ('--gin_param', 'checkpoint = "gs://b-1/x/model.ckpt"')


@pytest.fixture
def checks(load):
    return load('checks')


@pytest.mark.parametrize(
    'arguments',
    [
        ('--workdir', 'gs://b-1/runs/a', *FILE),
        ('--workdir=gs://b-1/runs/a', '--gin_file=experiments/shapes_pseudoseg.gin'),
        ('-workdir', 'gs://b-1/a', *FILE, '--gin_param', 'run.steps = 5'),
        ('--workdir', 'gs://b-1/a', *PAPER, *DATA, *CHECKPOINT),
        ('--workdir', 'gs://b-1/a', '--gin_file', 'gs://b-1/mine.gin', '--profile'),
    ],
)
def test_good_arguments_pass(checks, arguments):
    checks.check(list(arguments))
    assert checks.bucket(list(arguments)) == 'b-1'


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ((), 'Nothing is to be run'),
        (('python', '-m', 'wss.train'), 'is no flag of wss.train'),
        (FILE, '--workdir is missing'),
        ((*FILE, '--workdir'), '--workdir at the end has no value'),
        (('--workdir', 'runs/a', *FILE), 'is no folder on gs://'),
        (('--workdir', '/gs://b-1/a', *FILE), 'is no folder on gs://'),
        (('--workdir', 'gs://b-1', *FILE), 'is no folder on gs://'),
        (('--workdir', 'gs://b-1/', *FILE), 'is no folder on gs://'),
        (('--workdir', 'gs:/b-1/a', *FILE), 'is no folder on gs://'),
        (('--workdir', 'gs://BUCKET/a', *FILE), 'is no folder on gs://'),
        (('--workdir', 'gs://b-1/a', '--workdir=gs://b-1/b', *FILE), 'given twice'),
        (('--workdir', 'gs://b-1/a'), '--gin_file is missing'),
        (('--workdir', 'gs://b-1/a', '--gin_file', 'nowhere.gin'), 'nowhere.gin is not there'),
        (('--workdir', 'gs://b-1/a', '--gin_file', '/etc/hosts'), 'is outside of what is sent'),
        (('--workdir', 'gs://b-1/a', '--gin_file', '../x.gin'), 'is outside of what is sent'),
        (('--workdir', 'gs://b-1/a', *FILE, '--tpu', 'local'), '--tpu is set by "run"'),
        (('--workdir', 'gs://b-1/a', *FILE, '--strategy=one'), '--strategy is set by "run"'),
        (('--workdir', 'gs://b-1/a', *PAPER, *DATA), 'look for checkpoint on the local disk'),
        (('--workdir', 'gs://b-1/a', *PAPER, *CHECKPOINT), 'look for data_dir on the local disk'),
        (
            ('--workdir', 'gs://b-1/a', *FILE, '--gin_param', "data_dir = '/data'"),
            'names a folder of this computer',
        ),
    ],
)
def test_what_would_fail_later_is_refused_now(checks, cloud, arguments, said):
    result = cloud.quick('run', '--', *arguments)
    assert result.returncode == 1 and said in result.stderr
    assert not cloud.calls


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (('--type', 'v3-9'), 'there is no such size'),
        (('--type', 'v3-32', '--stack', 'next'), 'no image for v3-32'),
        (('--zone', 'europe-west4'), 'is no zone'),
        (('--zone', 'us-central1-a; rm'), 'is no zone'),
        (('--project', 'My Project'), 'is no id of a project'),
        (('--name', 'My_TPU'), 'lower-case letters'),
        (('--name', '-x'), 'expected one argument'),
        (('--name', '../x'), 'lower-case letters'),
        (('--price_per_hour', '-1'), 'must be 0 or more'),
        (('--price_per_hour', 'nan'), 'must be 0 or more'),
        (('--poll_seconds', '-1'), 'must be from 0'),
        (('--poll_seconds', 'nan'), 'must be from 0'),
        (('--max_polls', '0'), 'must be from 1'),
        (('--spot', '--reserved'), 'not allowed with'),
        (('--stack', 'old'), 'invalid choice'),
        (('--sp',), 'unrecognized arguments'),
        (('--steps', '5'), 'belong together'),
        (('--', '--workdir', 'x'), 'create takes nothing after "--"'),
    ],
)
def test_wrong_flags_are_refused_before_any_call(cloud, flags, said):
    result = cloud.quick('create', '--yes', *flags)
    assert result.returncode in (1, 2) and said in result.stderr
    assert not cloud.calls and not cloud.remembered.exists()


def test_an_image_of_ones_own_goes_past_the_table(cloud):
    flags = ('--type', 'v3-32', '--stack', 'next', '--runtime_version', 'tpu-vm-tf-2.20.0-pod-se')
    result = cloud.quick('create', '--dry_run', *flags)
    assert '--runtime-version=tpu-vm-tf-2.20.0-pod-se' in result.stdout
