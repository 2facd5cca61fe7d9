"""`run`: following, connecting again, preemption, and what is not tried again."""

import pytest

TRAINING = ('--workdir', 'gs://my-bucket/a', '--gin_file', 'experiments/shapes_pseudoseg.gin')
COMMAND = ['env', 'TPU_NAME=local', '../wss-env/bin/python', '-u', '-m', 'wss.train', *TRAINING]
COMMAND += ['--strategy', 'tpu', '--tpu', 'local']


def there(cloud, *worker_says, bucket='EUROPE-WEST4', resource=None, machines=None):
    """A cloud with a bucket and an active TPU whose first worker gives these answers."""
    return (
        ('storage buckets', {'output': bucket}),
        ('queued-resources describe', resource or cloud.resource('ACTIVE')),
        ('tpu-vm describe', machines or cloud.machines()),
        ('queued-resources', {}),
        ('tpu-vm delete', {}),
        ('tpu.worker', list(worker_says)),
        ('tpu-vm scp', {}),
        ('tpu.install', {'output': 'wss-ready TensorFlow 2.15.1'}),
    )


def run(cloud, *flags, training=TRAINING):
    return cloud.quick('run', *flags, '--', *training)


def test_it_streams_the_log_and_ends_with_the_run(cloud):
    cloud.plays(
        *there(
            cloud,
            cloud.worker('started', 10),
            cloud.worker('running', 21, 'step 1/4\n'),
            cloud.worker('running', 21),
            cloud.worker('ended', 40, 'step 4/4\nmIoU 60\n', status=0),
            cloud.worker('ended', 40, status=0),
        )
    )
    result = run(cloud)
    assert result.returncode == 0, result.stderr
    assert 'step 1/4\nstep 4/4\nmIoU 60\nFinished. wss still costs about 8.00' in result.stdout
    offsets = [call.rpartition('worker state ')[2] for call in cloud.calls if 'state ' in call]
    assert offsets == ['10', '21', '21', '40']
    assert 'resource delete' not in cloud.verbs()


def test_it_deletes_when_it_is_told_to(cloud):
    done = cloud.worker('ended', 0, status=0)
    rules = there(cloud, cloud.worker('started'), done)
    gone = [cloud.resource('ACTIVE'), cloud.ABSENT]
    cloud.plays(*(dict(rules) | {'queued-resources describe': gone}).items())
    result = run(cloud, '--delete_when_done')
    assert result.returncode == 0, result.stderr
    assert cloud.verbs()[-4:-2] == ['resource delete', 'resource describe']
    assert 'wss is deleted' in result.stdout


def test_a_new_machine_is_set_up_first(cloud):
    cloud.plays(
        *there(
            cloud,
            {'output': 'wss-missing'},
            cloud.worker('started'),
            cloud.worker('ended', 0, status=0),
        )
    )
    result = run(cloud)
    assert result.returncode == 0, result.stderr
    assert cloud.verbs().count('ssh all') == 1 and 'Installed on all machines' in result.stdout


def test_a_mistake_of_the_user_is_not_tried_again(cloud):
    failed = cloud.worker('ended', 20, 'no such dataset\n', status=1)
    end = cloud.worker('ended', 20, status=1)
    cloud.plays(*there(cloud, cloud.worker('started'), failed, end))
    result = run(cloud)
    assert result.returncode == 1
    assert 'no such dataset' in result.stdout and 'failed with exit status 1' in result.stderr
    assert len([call for call in cloud.calls if 'tpu.worker start' in call]) == 1


@pytest.mark.parametrize('status', [75, 143])
def test_what_the_machine_is_to_blame_for_is_started_again(cloud, status):
    cloud.plays(
        *there(
            cloud,
            cloud.worker('started'),
            cloud.worker('ended', 0, status=status),
            cloud.worker('started'),
            cloud.worker('ended', 0, status=0),
        )
    )
    result = run(cloud)
    assert result.returncode == 0, result.stderr
    assert f'exit status {status}). Starting again (1 of 20 times)' in result.stdout
    assert 'resource create' not in cloud.verbs()


def test_restarts_are_bounded(cloud):
    again = [cloud.worker('started'), cloud.worker('ended', 0, status=75)]
    cloud.plays(*there(cloud, *again * 4))
    result = run(cloud, '--max_restarts', '2')
    assert result.returncode == 75 and 'started again 2 times' in result.stderr
    assert len([call for call in cloud.calls if 'tpu.worker start' in call]) == 3


def test_preemption_creates_the_tpu_again_and_resumes(cloud):
    """The connection breaks, the resource is suspended; the new one is granted after a while."""
    states = ['ACTIVE'] + ['SUSPENDING', 'SUSPENDED', 'SUSPENDED', None]
    states += ['WAITING_FOR_RESOURCES', 'ACTIVE']
    resource = [cloud.resource(state) if state else cloud.ABSENT for state in states]
    cloud.plays(
        *there(
            cloud,
            cloud.worker('started'),
            cloud.worker('running', 9, 'step 1/2\n'),
            cloud.DEAD,
            {'output': 'wss-missing'},
            cloud.worker('started'),
            cloud.worker('ended', 9, 'step 2/2\n', status=0),
            cloud.worker('ended', 9, status=0),
            resource=resource,
            machines=[cloud.machines(), cloud.ABSENT, cloud.machines()],
        )
    )
    result = run(cloud, '--spot')
    assert result.returncode == 0, result.stderr
    verbs = cloud.verbs()
    made = verbs.index('resource create')
    assert verbs.index('resource delete') < made < verbs.index('ssh all')
    created = [call for call in cloud.calls if 'queued-resources create' in call]
    assert len(created) == 1 and '--spot' in created[0] and '--accelerator-type=v3-8' in created[0]
    assert 'step 1/2' in result.stdout and 'step 2/2' in result.stdout
    assert 'wss was lost: it is SUSPENDING.' in result.stdout


def test_preemption_shows_in_the_machines_before_the_resource(cloud):
    cloud.plays(
        *there(
            cloud,
            cloud.worker('started'),
            cloud.DEAD,
            {'output': 'wss-missing'},
            cloud.worker('started'),
            cloud.worker('ended', 0, status=0),
            resource=[*[cloud.resource('ACTIVE')] * 4, cloud.ABSENT, cloud.resource('ACTIVE')],
            machines=[cloud.machines(), *[cloud.machines('PREEMPTED')] * 3, cloud.machines()],
        )
    )
    result = run(cloud)
    assert result.returncode == 0, result.stderr
    assert 'machines PREEMPTED' in result.stdout
    assert 'resource create' in cloud.verbs()


@pytest.mark.parametrize('state', ['DELETING', None])
def test_a_tpu_that_somebody_deletes_is_not_made_again(cloud, state):
    after = cloud.resource(state) if state else cloud.ABSENT
    resource = [cloud.resource('ACTIVE'), after]
    answers = (cloud.worker('started'), cloud.DEAD)
    cloud.plays(*there(cloud, *answers, resource=resource))
    result = run(cloud)
    assert result.returncode == 1 and 'was deleted, not preempted' in result.stderr
    assert 'resource create' not in cloud.verbs()


def test_preemption_while_it_is_set_up_again(cloud):
    resource = [cloud.resource('ACTIVE')] * 2 + [cloud.resource('SUSPENDED')] * 2
    resource += [cloud.ABSENT, cloud.resource('ACTIVE')]
    rules = dict(
        there(
            cloud,
            {'output': 'wss-missing'},
            {'output': 'wss-missing'},
            cloud.worker('started'),
            cloud.worker('ended', 0, status=0),
            resource=resource,
        )
    )
    cloud.plays(*(rules | {'tpu-vm scp': [cloud.DEAD, {}]}).items())
    result = run(cloud)
    assert result.returncode == 0, result.stderr
    assert 'was lost during setup' in result.stdout


def test_quota_may_be_gone_when_the_tpu_is_created_again(cloud):
    quota = {'status': 1, 'errors': 'ERROR: Quota limit has been exceeded'}
    rules = {'queued-resources create': quota} | dict(
        there(cloud, resource=[cloud.resource('SUSPENDED')] * 4 + [cloud.ABSENT])
    )
    cloud.plays(*rules.items())
    result = run(cloud)
    assert result.returncode == 1 and 'has no quota' in result.stderr


def test_a_short_loss_of_the_connection_is_nothing(cloud):
    cloud.plays(
        *there(
            cloud,
            cloud.worker('started'),
            *(cloud.DEAD, cloud.DEAD),
            cloud.worker('ended', 0, status=0),
        )
    )
    result = run(cloud)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count('No answer from worker 0') == 1
    assert 'resource create' not in cloud.verbs()


def test_a_worker_that_stays_silent_is_named_and_left_alone(cloud):
    cloud.plays(*there(cloud, cloud.worker('started'), cloud.DEAD))
    result = run(cloud)
    assert result.returncode == 75
    assert 'Worker 0 of wss does not answer after 3 attempts' in result.stderr
    assert 'Connection timed out' in result.stderr
    assert 'resource delete' not in cloud.verbs()


def test_a_training_that_runs_is_followed_and_not_started(cloud):
    cloud.plays(
        *there(
            cloud,
            cloud.worker('already', 5, command=COMMAND),
            cloud.worker('ended', 5, status=0),
        )
    )
    result = run(cloud)
    assert result.returncode == 0 and 'runs already' in result.stdout


def test_another_training_is_not_disturbed(cloud):
    busy = cloud.worker('busy', command=['python', 'other'])
    cloud.plays(*there(cloud, busy))
    result = run(cloud)
    assert result.returncode == 1 and 'Another training runs on wss: python other' in result.stderr


def test_a_machine_that_was_restarted_is_used_again(cloud):
    cloud.plays(
        *there(
            cloud,
            *(cloud.worker('started'), cloud.worker('lost')),
            *(cloud.worker('started'), cloud.worker('ended', status=0)),
        )
    )
    result = run(cloud)
    assert result.returncode == 0 and 'the machine was restarted' in result.stdout


def test_a_tpu_that_is_not_there_is_not_made(cloud):
    cloud.plays(*there(cloud, resource=cloud.ABSENT))
    result = run(cloud)
    assert result.returncode == 1 and 'create it with "create"' in result.stderr


def test_a_bucket_that_is_not_there_ends_it_first(cloud):
    missing = {'status': 1, 'errors': 'ERROR: (gcloud.storage) gs://my-bucket not found: 404.'}
    cloud.plays(*(dict(there(cloud)) | {'storage buckets': missing}).items())
    result = run(cloud)
    assert result.returncode == 1 and 'gs://my-bucket of --workdir cannot be' in result.stderr
    assert len(cloud.calls) == 1


@pytest.mark.parametrize(('place', 'noted'), [('US-EAST1', True), ('EU', False), ('US', True)])
def test_a_bucket_far_away_is_noted(cloud, place, noted):
    done = (cloud.worker('started'), cloud.worker('ended', status=0))
    cloud.plays(*there(cloud, *done, bucket=place))
    assert ('across regions costs' in run(cloud).stdout) is noted


def test_a_pod_is_told_its_name_and_keeps_off_the_chips(cloud):
    rules = there(cloud, cloud.worker('started'), cloud.worker('ended', status=0))
    pod = {'queued-resources describe': cloud.resource('ACTIVE', kind='v4-32')}
    cloud.plays(*(dict(rules) | pod).items())
    given = ('--type', 'v4-32', '--name', 'pod')
    result = cloud.quick('run', *given, '--', *TRAINING)
    assert result.returncode == 0, result.stderr
    (call,) = [call for call in cloud.calls if 'tpu.worker start' in call]
    assert 'start env TPU_NAME=pod TPU_LOAD_LIBRARY=0 ../wss-env/bin/python' in call
    assert '--worker=0' in call and call.endswith('--strategy tpu --tpu pod')


def test_status_says_how_everything_is(cloud):
    running = cloud.worker('running', command=COMMAND)
    progress = {'output': '{"step": 120,\n "seconds_left": 9000.0}\n'}
    cloud.plays(
        ('storage cat gs://my-bucket/a/progress.json', progress),
        *there(cloud, running, machines=cloud.machines(count=4)),
    )
    result = cloud.quick('status')
    assert result.returncode == 0
    told = dict(line.split(':', 1) for line in result.stdout.splitlines())
    assert told['state'].strip() == 'ACTIVE, machines READY' and told['machines'].strip() == '4'
    assert told['training'].strip() == 'running'
    assert told['progress'].strip() == '{"step": 120, "seconds_left": 9000.0}'


def test_status_of_a_run_that_has_just_begun(cloud):
    missing = {'status': 1, 'errors': 'ERROR: gs://my-bucket/a/progress.json not found'}
    cloud.plays(('storage cat', missing), *there(cloud, cloud.worker('running', command=COMMAND)))
    assert 'progress: none yet' in cloud.quick('status').stdout


@pytest.mark.parametrize(
    ('answer', 'printed'),
    [
        ({'status': 255}, 'unknown, worker 0 does not answer'),
        ({'output': 'wss-missing'}, 'none, not set up'),
        ({'output': 'wss-state {broken'}, 'unknown'),
    ],
)
def test_status_of_a_worker_that_answers_little(cloud, answer, printed):
    cloud.plays(*there(cloud, answer))
    assert printed in cloud.quick('status').stdout


def test_status_without_a_tpu(cloud):
    cloud.plays(('describe', cloud.ABSENT))
    result = cloud.quick('status')
    assert result.returncode == 0 and 'state:    missing' in result.stdout


def test_logs_pass_on_what_the_machine_says(cloud):
    cloud.plays(('tail -n 100', {'output': 'step 7/9'}))
    assert 'step 7/9' in cloud.start_process('logs', *cloud.WHERE).stdout
    cloud.plays(('tail -n 100', cloud.DEAD))
    result = cloud.start_process('logs', *cloud.WHERE)
    assert result.returncode == 1 and 'gave no log (exit status 255)' in result.stderr
