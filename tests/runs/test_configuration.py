import pytest

from wss.runs import configuration as run_configuration
from wss.runs import folder as run_folder
from wss.runs.configuration import Configuration

CONFIG = """from __gin__ import dynamic_registration

# Parameters for Part:
Part.steps = 4
Part.classes = \\
    ('one',
     'two')
"""


def check(workdir, text, may_change=()):
    run_configuration.check(workdir, Configuration(text, frozenset(may_change)))


def test_a_damaged_configuration_is_named(tmp_path):
    run_folder.claim(tmp_path, CONFIG)
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'config.gin').write_bytes(b'\xff\xfe')
    with pytest.raises(ValueError, match=r'config\.gin is damaged: it is not UTF-8 text; restore'):
        check(tmp_path, CONFIG)


def claim_with_checkpoint(folder):
    run_folder.claim(folder, CONFIG)
    (folder / run_folder.CHECKPOINTS).mkdir()


def test_the_same_configuration_may_resume(tmp_path):
    check(tmp_path / 'new', CONFIG)
    claim_with_checkpoint(tmp_path / 'run')
    check(tmp_path / 'run', CONFIG)
    check(tmp_path / 'run', CONFIG.replace('# Parameters for Part:', '# Other'))


@pytest.mark.parametrize(
    ('old', 'new', 'message'),
    [
        ('Part.steps = 4', 'Part.steps = 5', 'Part.steps is 4 there and 5 here'),
        ('Part.steps = 4', '', 'Part.steps is 4 there and not set here'),
        ('Part.steps = 4', 'Part.steps = 4\nPart.x = 1', 'Part.x is not set there and 1 here'),
        ("'two'", "'three'", r"Part.classes is \('one', 'two'\) there and \('one', 'three'\) here"),
    ],
)
def test_another_configuration_is_named(tmp_path, old, new, message):
    claim_with_checkpoint(tmp_path)
    with pytest.raises(ValueError, match=message):
        check(tmp_path, CONFIG.replace(old, new))


def test_a_folder_without_checkpoints_holds_nothing_to_lose(tmp_path):
    run_folder.claim(tmp_path, CONFIG)
    check(tmp_path, CONFIG.replace('4', '5'))


def test_a_file_is_no_workdir(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='file is a file; name a folder'):
        check(tmp_path / 'file', CONFIG)


def test_settings_of_a_text():
    assert run_configuration.settings(CONFIG) == {
        'Part.steps': '4',
        'Part.classes': "('one', 'two')",
    }
    assert run_configuration.settings('') == {}


@pytest.mark.parametrize(
    ('old', 'new'),
    [('Part.steps = 4', 'Part.steps = 5'), ('Part.steps = 4', ''), ('4', '4\nPart.x = 1')],
)
def test_a_setting_that_may_change_does_not_count(tmp_path, old, new):
    claim_with_checkpoint(tmp_path)
    changed = CONFIG.replace(old, new)
    check(tmp_path, changed, ['Part.steps', 'Part.x'])
    with pytest.raises(ValueError, match='holds a run of another configuration'):
        check(tmp_path, changed, ['Part.classes'])


def test_of_two_changes_the_one_that_is_not_allowed_is_named(tmp_path):
    claim_with_checkpoint(tmp_path)
    changed = CONFIG.replace('4', '5').replace('two', 'three')
    with pytest.raises(ValueError, match=r'Part\.classes is .* there and .* here') as caught:
        check(tmp_path, changed, ['Part.steps'])
    assert 'Part.steps' not in str(caught.value)


def test_five_differences_are_named_and_the_others_counted(tmp_path):
    claim_with_checkpoint(tmp_path)
    more = ''.join(f'Part.x{i} = {i}\n' for i in range(7))
    with pytest.raises(ValueError, match=r'Part\.x4 is not set there and 4 here; and 2 more\. G'):
        check(tmp_path, CONFIG + more)


def test_a_check_changes_nothing(tmp_path):
    check(tmp_path / 'new', CONFIG)
    assert not (tmp_path / 'new').exists()
    claim_with_checkpoint(tmp_path)
    check(tmp_path, CONFIG.replace('4', '5'), ['Part.steps'])
    assert (tmp_path / 'config.gin').read_text() == CONFIG
