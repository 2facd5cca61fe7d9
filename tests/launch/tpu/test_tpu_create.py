"""`create` and `delete`: what is asked, waited for, refused and left behind."""

import json

import pytest

QUOTA = (
    'ERROR: (gcloud.compute.tpus.queued-resources.create) RESOURCE_EXHAUSTED: Quota limit '
    "'TPUV3sPreemptiblePerProjectPerZoneForTPUAPI' has been exceeded. Limit: 0 in zone x."
)


def granted(cloud, *states, kind='v3-8'):
    """A cloud in which there is nothing, and a request goes through these states."""
    answers = [cloud.ABSENT, *(cloud.resource(state, kind=kind) for state in states)]
    return (
        ('queued-resources describe', answers),
        ('queued-resources create', {}),
        ('tpu-vm describe', cloud.machines()),
    )


def test_it_waits_until_the_machines_are_ready(cloud):
    cloud.plays(
        *granted(cloud, 'WAITING_FOR_RESOURCES', 'WAITING_FOR_RESOURCES', 'PROVISIONING', 'ACTIVE')[
            :2
        ],
        ('tpu-vm describe', [cloud.ABSENT, cloud.machines('CREATING'), cloud.machines(count=1)]),
    )
    result = cloud.quick('create', '--yes')
    assert result.returncode == 0, result.stderr
    assert cloud.verbs() == [
        *('resource describe', 'resource create'),
        *['resource describe'] * 4,
        *('describe', 'resource describe', 'describe', 'resource describe', 'describe'),
    ]
    waited = [line for line in result.stdout.splitlines() if line.startswith('Waiting')]
    assert [line.split(': ')[1].split(' (')[0] for line in waited] == [
        'WAITING_FOR_RESOURCES',
        'PROVISIONING',
        'ACTIVE, machines missing',
        'ACTIVE, machines CREATING',
    ]
    assert 'wss is active' in result.stdout
    kept = json.loads((cloud.remembered / 'wss.json').read_text())
    assert (kept['type'], kept['zone'], kept['project']) == ('v3-8', 'europe-west4-a', 'my-project')


def test_the_price_is_said_and_nothing_is_made_without_consent(cloud):
    cloud.plays(*granted(cloud, 'ACTIVE'))
    result = cloud.start_process('create', *cloud.WHERE, '--spot', typed='y\n')
    assert result.returncode == 1 and 'add --yes' in result.stderr
    assert 'about 8.00 USD an hour' in result.stderr and 'spot costs less' in result.stderr
    assert cloud.verbs() == ['resource describe'] and not cloud.remembered.exists()


@pytest.mark.parametrize(('answer', 'status'), [('y', 0), ('Yes ', 0), ('n', 1), ('', 1)])
def test_the_answer_counts(cloud, load, monkeypatch, capsys, answer, status):
    cloud.plays(*granted(cloud, 'ACTIVE'))
    lifecycle = load('lifecycle')
    monkeypatch.setattr('sys.stdin.isatty', lambda: True, raising=False)
    monkeypatch.setattr('builtins.input', lambda question: print(question) or answer)
    if status:
        with pytest.raises(load('gcloud').Failure, match='Nothing was done'):
            lifecycle.ask('Make it?', False)
    else:
        lifecycle.ask('Make it?', False)
    assert capsys.readouterr().out == 'Make it? [y/N] \n'


def test_a_price_of_ones_own(cloud):
    cloud.plays(*granted(cloud, 'ACTIVE'))
    result = cloud.quick('create', '--yes', '--price_per_hour', '2.4')
    assert '2.40 USD an hour (by --price_per_hour)' in result.stdout


def test_what_exists_is_taken_over_and_paid_once(cloud):
    cloud.plays(
        ('queued-resources describe', [cloud.resource('PROVISIONING'), cloud.resource('ACTIVE')]),
        ('tpu-vm describe', cloud.machines()),
    )
    result = cloud.quick('create')
    assert result.returncode == 0, result.stderr
    assert 'exists already (PROVISIONING); it is taken over' in result.stdout
    assert 'resource create' not in cloud.verbs() and (cloud.remembered / 'wss.json').exists()


def test_machines_that_are_no_queued_resource_are_left_alone(cloud):
    taken = {'status': 1, 'errors': 'ERROR: ALREADY_EXISTS: node wss'}
    cloud.plays(('queued-resources describe', cloud.ABSENT), ('queued-resources create', taken))
    result = cloud.quick('create', '--yes')
    assert result.returncode == 1 and 'ALREADY_EXISTS: node wss' in result.stderr
    assert cloud.verbs()[-1] == 'resource describe'
    assert not (cloud.remembered / 'wss.json').exists()


def test_another_type_of_that_name_is_refused(cloud):
    cloud.plays(('queued-resources describe', cloud.resource('ACTIVE', kind='v2-8')))
    result = cloud.quick('create', '--yes')
    assert result.returncode == 1
    assert 'exists already' in result.stderr and 'is a v2-8, not a v3-8' in result.stderr


def test_a_preempted_one_is_removed_first(cloud):
    states = [cloud.resource('SUSPENDED'), cloud.ABSENT, cloud.resource('ACTIVE')]
    cloud.plays(
        ('queued-resources describe', states),
        ('queued-resources', {}),
        ('tpu-vm describe', [cloud.ABSENT, cloud.machines()]),
    )
    result = cloud.quick('create', '--yes')
    assert result.returncode == 0, result.stderr
    verbs = cloud.verbs()
    assert verbs.index('resource delete') < verbs.index('resource create')


def test_quota_says_what_to_ask_for(cloud):
    rules = dict(granted(cloud)) | {'queued-resources create': {'status': 1, 'errors': QUOTA}}
    cloud.plays(*rules.items())
    result = cloud.quick('create', '--yes', '--spot')
    assert result.returncode == 1
    assert 'quota of v3-8 (spot) in zone europe-west4-a' in result.stderr
    assert 'TPUV3sPreemptible' in result.stderr and 'Traceback' not in result.stderr


def test_quota_may_be_missing_only_later(cloud):
    failed = cloud.resource('FAILED', 'Quota exceeded for TPU v3')
    cloud.plays(
        ('queued-resources describe', [cloud.ABSENT, cloud.resource('ACCEPTED'), failed]),
        ('queued-resources create', {}),
    )
    result = cloud.quick('create', '--yes')
    assert result.returncode == 1 and 'IAM & Admin, Quotas' in result.stderr


@pytest.mark.parametrize(
    ('errors', 'printed'),
    [
        ('You do not currently have an active account selected.', 'gcloud auth login'),
        ('ERROR: Reauthentication failed. cannot prompt', 'gcloud auth login'),
        ('ERROR: Cloud TPU API has not been used in project 1 before', 'services enable tpu'),
        ('ERROR: PERMISSION_DENIED: Permission tpu.nodes.create denied', 'roles/tpu.admin'),
        ('ERROR: INVALID_ARGUMENT: accelerator type v3-8 not found in zone', 'has no v3-8'),
        ('ERROR: There is no more capacity in the zone', 'no free v3-8'),
        ('ERROR: This API method requires billing to be enabled.', 'no billing account'),
        ("ERROR: Invalid choice: 'queued-resources'.", 'gcloud components update'),
        ('ERROR: something new', 'Google Cloud: ERROR: something new'),
    ],
)
def test_errors_are_explained(cloud, errors, printed):
    rules = dict(granted(cloud)) | {'queued-resources create': {'status': 1, 'errors': errors}}
    cloud.plays(*rules.items())
    result = cloud.quick('create', '--yes')
    assert result.returncode == 1 and printed in result.stderr


def test_not_logged_in_is_not_asked_twice(cloud):
    login = {'status': 1, 'errors': 'ERROR: run "gcloud auth login" to obtain new credentials'}
    cloud.plays(('queued-resources describe', login))
    result = cloud.quick('create', '--yes')
    assert result.returncode == 1 and 'You are not logged in' in result.stderr
    assert len(cloud.calls) == 1


def test_waiting_outlives_a_short_loss_of_the_connection(cloud):
    answers = [cloud.ABSENT, cloud.DEAD, cloud.DEAD, cloud.resource('ACTIVE')]
    cloud.plays(*(dict(granted(cloud)) | {'queued-resources describe': answers}).items())
    assert cloud.quick('create', '--yes').returncode == 0


def test_gcloud_may_be_missing(cloud):
    (cloud.bin / 'gcloud').unlink()
    result = cloud.quick('create', '--yes')
    assert result.returncode == 1 and 'install the Google Cloud CLI' in result.stderr


def test_a_call_that_hangs_ends_with_what_it_started(cloud, load):
    cloud.script('gcloud', 'sleep 600 & wait')
    result = load('gcloud').Gcloud(None).call('anything', seconds=0.2)
    assert result.status == 255 and 'no answer in 0.2 seconds' in result.errors


def test_no_project_is_a_sentence(cloud):
    cloud.plays(('config get-value project', {'output': '(unset)'}))
    result = cloud.start('create', '--type', 'v3-8', '--zone', 'europe-west4-a', '--yes')
    assert result.returncode == 1 and 'give --project ID' in result.stderr


def test_delete_removes_resource_and_machines(cloud):
    cloud.plays(
        ('queued-resources describe', [cloud.resource('DELETING'), cloud.ABSENT]),
        ('queued-resources delete', {}),
        ('tpu-vm describe', cloud.machines()),
        ('tpu-vm delete', {}),
    )
    result = cloud.quick('delete', '--yes')
    assert result.returncode == 0 and 'wss is deleted' in result.stdout
    assert cloud.verbs() == [
        *('resource delete', 'resource describe', 'resource describe', 'describe', 'delete')
    ]
    assert '--force' in cloud.calls[0]


def test_delete_of_nothing_is_no_mistake(cloud):
    cloud.plays(('describe', cloud.ABSENT), ('delete', cloud.ABSENT))
    for _ in range(2):
        result = cloud.quick('delete', '--yes')
        assert result.returncode == 0 and 'neither the resource nor machines exist' in result.stdout


def test_delete_tries_again_while_the_resource_is_busy(cloud):
    busy = {'status': 1, 'errors': 'ERROR: FAILED_PRECONDITION: it is being provisioned'}
    cloud.plays(
        ('queued-resources delete', [busy, busy, {}]),
        ('queued-resources describe', [*[cloud.resource('SUSPENDING')] * 3, cloud.ABSENT]),
        ('tpu-vm describe', cloud.ABSENT),
    )
    assert cloud.quick('delete', '--yes').returncode == 0
    assert cloud.verbs().count('resource delete') == 3


def test_delete_asks(cloud):
    result = cloud.quick('delete')
    assert result.returncode == 1 and 'add --yes' in result.stderr and not cloud.calls


def test_the_flags_of_create_are_remembered(cloud):
    cloud.plays(*granted(cloud, 'ACTIVE'))
    cloud.quick('create', '--yes', '--name', 'mine')
    result = cloud.start('status', '--name', 'mine', '--dry_run')
    assert result.returncode == 0
    assert 'describe mine --zone=europe-west4-a --project=my-project' in result.stdout
    result = cloud.start('status')
    assert result.returncode == 1 and "The type of the TPU 'wss' is unknown" in result.stderr


@pytest.mark.parametrize('verb', ['create', 'delete', 'status'])
def test_a_tpu_is_not_forgotten_for_one_elsewhere(cloud, verb):
    cloud.plays(*granted(cloud, 'ACTIVE'))
    cloud.quick('create', '--yes')
    calls = cloud.calls
    yes = () if verb == 'status' else ('--yes',)
    result = cloud.quick(verb, *yes, '--zone', 'us-central1-b')
    assert result.returncode == 1 and "'wss' is remembered in europe-west4-a" in result.stderr
    assert cloud.calls == calls and (cloud.remembered / 'wss.json').exists()


def test_a_request_that_is_refused_is_not_remembered(cloud):
    rules = dict(granted(cloud)) | {'queued-resources create': {'status': 1, 'errors': QUOTA}}
    cloud.plays(*rules.items())
    assert cloud.quick('create', '--yes').returncode == 1
    cloud.plays(*granted(cloud, 'ACTIVE'))
    assert cloud.quick('create', '--yes', '--zone', 'us-central1-b').returncode == 0


def test_a_request_without_an_answer_is_remembered(cloud):
    rules = dict(granted(cloud, 'PROVISIONING')) | {'queued-resources create': cloud.DEAD}
    cloud.plays(*rules.items())
    assert cloud.quick('create', '--yes').returncode == 1
    assert (cloud.remembered / 'wss.json').exists()


def test_a_folder_that_cannot_be_written_is_named(cloud):
    cloud.plays(*granted(cloud, 'ACTIVE'))
    cloud.remembered.write_text('a file')
    result = cloud.quick('create', '--yes')
    assert result.returncode == 1 and str(cloud.remembered) in result.stderr
    assert 'resource create' not in cloud.verbs()


def test_an_answer_that_is_no_json_is_a_sentence(cloud):
    cloud.plays(('queued-resources describe', {'output': 'Hello'}))
    result = cloud.quick('create', '--yes')
    assert result.returncode == 1 and 'something that is not JSON' in result.stderr


def test_what_was_remembered_does_not_leak_into_another(cloud):
    cloud.plays(*granted(cloud, 'ACTIVE'))
    cloud.quick('create', '--yes', '--spot', '--price_per_hour', '1')
    result = cloud.quick('create', '--yes', '--dry_run')
    assert '--spot' not in result.stdout


def test_a_damaged_memory_is_named(cloud):
    cloud.remembered.mkdir()
    for text in ('{', '[]', '{"name": "wss"}', '{"name": "wss", "price_per_hour": "x"}'):
        (cloud.remembered / 'wss.json').write_text(text)
        result = cloud.start('status')
        assert result.returncode == 1 and 'wss.json is damaged' in result.stderr
