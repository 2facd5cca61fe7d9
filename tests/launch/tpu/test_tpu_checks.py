"""What is refused before a TPU costs money: a run without a folder on gs://, and wrong flags."""

import pytest

FILE = ('--gin_file', 'gin_configs/experiments/shapes_pseudoseg.gin')


@pytest.mark.parametrize(
    'arguments',
    [
        ('--workdir', 'gs://b-1/runs/a', *FILE),
        ('--workdir=gs://b-1/runs/a', '--gin_file=experiments/shapes_pseudoseg.gin'),
        ('-workdir', 'gs://b-1/a', *FILE, '--gin_param', 'Schedule.steps = 5'),
        ('--workdir', 'runs/a', '--workdir', 'gs://b-1/a'),  # absl takes the last one.
    ],
)
def test_a_folder_on_a_bucket_is_accepted(load, arguments):
    assert load('training').bucket_of(list(arguments)) == 'b-1'


@pytest.mark.parametrize(
    ('arguments', 'printed'),
    [
        ((), '--workdir is missing'),
        (FILE, '--workdir is missing'),
        ((*FILE, '--workdir'), '--workdir is missing'),
        (('--workdir', 'runs/a', *FILE), '--workdir runs/a must be a folder on gs://'),
        (('--workdir', '/gs://b-1/a', *FILE), 'must be a folder on gs://'),
        (('--workdir', 'gs://b-1', *FILE), 'must be a folder on gs://'),
        (('--workdir', 'gs://b-1/', *FILE), 'must be a folder on gs://'),
        (('--workdir', 'gs:/b-1/a', *FILE), 'must be a folder on gs://'),
        (('--workdir', 'gs://BUCKET/a', *FILE), 'must be a folder on gs://'),
        (('--workdir', 'gs://b-1/a', '--workdir=runs/b', *FILE), 'must be a folder on gs://'),
    ],
)
def test_a_run_that_would_be_lost_with_the_tpu_is_refused(cloud, arguments, printed):
    result = cloud.quick('run', '--', *arguments)
    assert result.returncode == 1 and printed in result.stderr
    assert not cloud.calls


@pytest.mark.parametrize(
    ('flags', 'printed'),
    [
        (('--type', 'v3_8'), 'is unknown'),
        (('--type', 'v6e-8'), 'have no TensorFlow'),
        (('--name', 'My_TPU'), 'lower-case letters'),
        (('--name', '-x'), 'expected one argument'),
        (('--name', '../x'), 'lower-case letters'),
        (('--price_per_hour', 'much'), 'invalid float'),
        (('--sp',), 'unrecognized arguments'),
    ],
)
def test_wrong_flags_are_refused_before_any_call(cloud, flags, printed):
    result = cloud.quick('create', '--yes', *flags)
    assert result.returncode in (1, 2) and printed in result.stderr
    assert not cloud.calls and not cloud.remembered.exists()


def test_only_create_and_run_pass_flags_on(cloud):
    result = cloud.quick('delete', '--', '--network=mine')
    assert result.returncode == 2 and 'delete takes nothing after "--"' in result.stderr


def test_another_image_replaces_that_of_the_table(cloud):
    result = cloud.quick('create', '--dry_run', '--runtime_version', 'tpu-vm-tf-2.15.0-pod-se')
    assert '--runtime-version=tpu-vm-tf-2.15.0-pod-se' in result.stdout
