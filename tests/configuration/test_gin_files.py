"""Reading of gin files: what is found, whose settings count, and what mistakes are told."""

import itertools
import pathlib
import re

import gin
import pytest
import tensorflow as tf

from wss.configuration import gin_files, sentences
from wss.experiment import Experiment
from wss.pipeline.data import Data
from wss.runs.configuration import settings

EXPERIMENT = 'gin_configs/experiments/shapes_pseudoseg.gin'


def test_files_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gin_files.parse([EXPERIMENT])
    gin_files.parse(['experiments/shapes_supervised.gin'])
    own = tmp_path / 'own.gin'
    own.write_text("include 'experiments/shapes_supervised.gin'\n")
    gin_files.parse(['own.gin'], ['Schedule.steps = 9'])


@pytest.mark.parametrize(
    ('param', 'message'),
    [
        (
            'Schedule.stepz = 9',
            r'Schedule has no setting stepz; did you mean Schedule\.steps\? \(Schedule.stepz',
        ),
        ('Schedul.steps = 9', r'no Schedul in the configuration; did you mean Schedule\?'),
        ("Schedule.steps = 'many'", r"Schedule\.steps is 'many', but must be an int"),
        ('Schedule.steps = 2.5', r'Schedule\.steps is 2\.5, but must be an int'),
        ('Schedule.steps = many', r'The value many cannot be read'),
        ('Schedule.steps', r'A setting cannot be read \(Schedule\.steps\)'),
        (
            'Experiment.make_method = @PseudoSegg',
            r'no PseudoSegg in the configuration; did you mean PseudoSeg\?',
        ),
        ('Experiment.make_method = 3', r'make_method is 3, but must be a reference such as @'),
        ('Schedule.steps = @PseudoSeg', r'Schedule\.steps is @PseudoSeg, but must be an int'),
        ('Views.crop_size = (97,)', r'crop_size is \(97,\), but must be a tuple of 2: an int, an'),
        ('PseudoSeg.calibrate = 1', r'calibrate is 1, but must be True or False'),
        ('width = 2.5\nSchedule.steps = %width', r'Schedule\.steps is 2\.5, but must be an int'),
        ("n = 'a'\nShapes.counts = {'val': %n}", r"counts is \{'val': 'a'\}, but must be"),
        ('width = 2\nSchedule.steps = %widht', r'uses %widht, which is not .* mean width'),
        ('Views.scales = (1.0, %N)', r'uses %N, which is not defined; add a line N = value'),
        ('a = %b\nb = %a\nSchedule.steps = %a', r'%name is defined by itself'),
        ('Schedule.steps = %gin.REQUIRED', r'The configuration must set Schedule\.steps'),
        ('Data.make_views = @Views()', r'make_views is @.*Views\(\), .* without parentheses'),
    ],
)
def test_mistakes_in_settings(param, message):
    with pytest.raises(ValueError, match=message) as raised:
        gin_files.parse([EXPERIMENT], param.split('\n'))
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('deeplab.DeepLabV3.x = 1', r'deeplab has no DeepLabV3; did you mean DeepLabV3Plus\?'),
        ('dooplab.x = 1', r'The gin file does not import dooplab .*line 3: doop'),
        ('deeplab.DeepLabV3Plus.aspp = 1', r'no setting aspp; did you mean DeepLabV3Plus.aspp_'),
        ('from wss.networks import none', r'imports a missing module.*line 3'),
        ("include 'none.gin'", r'gin file none\.gin does not exist .*line 3'),
        ('deeplab.DeepLabV3Plus.x =', r'A setting cannot be read \(.*mine\.gin, line 3\)'),
    ],
)
def test_mistakes_in_files_are_told_with_their_place(tmp_path, line, message):
    path = tmp_path / 'mine.gin'
    path.write_text(
        f'from __gin__ import dynamic_registration\nfrom wss.networks import deeplab\n{line}\n'
    )
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        gin_files.parse([str(path)])
    assert '\n' not in str(raised.value)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'gin file .* does not exist or is a folder'):
        gin_files.parse([str(tmp_path)])
    with pytest.raises(FileNotFoundError, match=r'The gin file nowhere\.gin does not exist'):
        gin_files.parse(['nowhere.gin'])
    with pytest.raises(FileNotFoundError, match='nowhere is not the folder of a run'):
        gin_files.parse_run('nowhere')


def sentence(function):
    """What a user is told about the error that a function raises."""
    with pytest.raises(Exception) as raised:
        function()
    return sentences.user_sentence(raised.value)


def train(workdir='folder'):
    """Trains what was parsed, up to the error that a test expects."""
    gin_files.build(Experiment).train(workdir, gin_files.operative)


def test_missing_settings_are_named():
    gin_files.parse(['datasets/shapes.gin'])
    assert sentence(train) == (
        'The configuration does not set Experiment.make_network, Experiment.make_method.'
    )
    gin_files.parse([])
    assert sentence(train).startswith('The configuration sets nothing of Experiment; give a --gin')


def test_errors_of_users_are_sentences_and_defects_are_not():
    gin_files.parse([EXPERIMENT], ['SmallResNet.output_stride = 7'])
    assert sentence(train) == 'SmallResNet.output_stride is 7; it can be 8 or 16.'
    assert 'No such file' in sentence(lambda: pathlib.Path('/nowhere/file').read_text())
    assert sentence(lambda: int('x')) is None
    assert sentence(lambda: tf.function(lambda: tf.ones([2, -3]))()) is None
    assert sentence(lambda: {}['x']) is None


def test_memory_that_does_not_suffice():
    exhausted = tf.errors.ResourceExhaustedError(
        None,
        None,
        'Graph execution error:\n\nOOM when allocating tensor with shape[8,97,3] and type',
    )
    for error in (
        exhausted,
        MemoryError('Unable to allocate 9 GiB for an array with shape (8, 97, 3)'),
    ):
        text = sentences.user_sentence(error)
        assert text.startswith('The memory does not suffice (for an array of 8 x 97 x 3 numbers)')
        assert 'Labelled.batch_size' in text


def test_files_that_tensorflow_cannot_reach(tmp_path):
    text = sentence(lambda: tf.io.gfile.GFile(str(tmp_path)).read())
    assert text.startswith('A file cannot be read or written: ') and str(tmp_path) in text
    full = tf.errors.ResourceExhaustedError(None, None, 'Error:\n/w/ckpt; No space left on device')
    assert sentences.user_sentence(full) == 'The disk is full: /w/ckpt; No space left on device.'
    # Not with TensorFlow's files, but inside an operation.
    (tmp_path / 'file').touch()
    saved = tf.train.Checkpoint(x=tf.Variable(1.0))
    text = sentence(lambda: saved.write(str(tmp_path / 'file' / 'ckpt')))
    assert text.startswith('A file cannot be read or written: ')
    assert text.endswith(f'{tmp_path}/file is not a directory.')
    locked = tf.errors.PermissionDeniedError(None, None, '/w/ckpt_temp; Read-only file system')
    assert sentences.user_sentence(locked).endswith(
        ' written: /w/ckpt_temp; Read-only file system.'
    )


@pytest.mark.parametrize(
    ('param', 'message'),
    [
        (
            'Data.make_views = @Shapes',
            'Data.make_views must make views; it made a Shapes, .* no crop_size',
        ),
        ('Data.make_dataset = @Views', 'Data.make_dataset must make a dataset; it made a Views'),
        (
            'Experiment.make_network = @Shapes',
            'Experiment.make_network is Shapes; it must be',
        ),
        (
            'Experiment.make_method = @Shapes',
            'Experiment.make_method is Shapes; it must be',
        ),
        ('Experiment.make_optimiser = @Shapes', 'Experiment.make_optimiser is Shapes;'),
        (
            'Experiment.initial_weights = @Shapes',
            'Experiment.initial_weights is Shapes;',
        ),
        (
            'Experiment.schedule = @Compute()',
            'Experiment.schedule is a Compute; it must be',
        ),
        ('Data.labelled = @Schedule()', 'Data.labelled is a Schedule; it must be made by Labelled'),
        (
            'DeepLabV3Plus.make_backbone = @Shapes',
            'DeepLabV3Plus.make_backbone must make a',
        ),
    ],
)
def test_parts_in_the_wrong_place(tmp_path, param, message):
    gin_files.parse([EXPERIMENT], [param])
    assert re.match(message, sentence(lambda: train(tmp_path / 'run')))


def test_settings_that_nothing_uses_are_refused_before_anything_is_written(tmp_path):
    workdir = tmp_path / 'run'
    gin_files.parse([EXPERIMENT], ["Shapes.counts = {'train': 12, 'val': 2}", 'unused = 3'])
    text = sentence(lambda: train(workdir))
    assert text.startswith('The configuration sets unused, which nothing in this run uses')
    assert not workdir.exists()


def test_a_setting_that_the_program_itself_supplies_is_refused(tmp_path):
    gin_files.parse([EXPERIMENT], ['DeepLabV3Plus.num_classes = 3'])
    text = sentence(lambda: train(tmp_path / 'run'))
    assert 'deeplab.DeepLabV3Plus.num_classes, which nothing' in text


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b"include 'experiments/shapes_supervised.gin'\nSchedule.steps = (1,\n", 'not closed'),
        ('# Straße\n'.encode('latin-1'), 'not UTF-8'),
        (b"include 'broken.gin'\n", 'includes itself'),
    ],
)
def test_broken_files(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'broken.gin').write_bytes(content)
    with pytest.raises(ValueError, match=rf'broken\.gin.*{message}'):
        gin_files.parse(['broken.gin'])


def test_one_setting_alone():
    gin_files.parse(['datasets/shapes.gin'], ["Shapes.counts = {'train': 3}"])
    assert gin_files.built(Data, 'make_dataset').counts == {'train': 3}
    for files in (['methods/supervised.gin'], []):
        gin_files.parse(files)
        with pytest.raises(ValueError, match=r'does not set Data\.make_dataset; give a --gin_file'):
            gin_files.built(Data, 'make_dataset')


def bound(files, params=()):
    """Every setting of a configuration as text, by name."""
    gin_files.parse(files, params)
    return settings(gin.config_str())


@pytest.mark.parametrize(
    'files',
    [
        ('datasets/voc_4.gin', 'methods/pseudoseg_paper.gin', 'networks/xception_65_imagenet.gin'),
        ('datasets/shapes.gin', 'methods/pseudoseg.gin', 'networks/small_shapes.gin'),
    ],
)
def test_files_give_the_same_in_every_order(files):
    found = []
    for order in itertools.permutations(files):
        gin_files.parse(order)
        experiment = gin_files.build(Experiment)
        experiment.data.make_dataset(), experiment.data.make_views()
        network = experiment.make_network(num_classes=3, num_image_classes=2)
        experiment.make_method(network, gin_files.built(Data, 'make_dataset').info)
        found.append((gin.config_str(), gin.operative_config_str()))
    assert len(found) == 6
    assert len(set(found)) == 1


HEAD = (
    'from __gin__ import dynamic_registration\n'
    'from wss.datasets import shapes\n'
    'from wss.methods import pseudoseg\n'
    'from wss.training import schedule\n'
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a gin file into the folder in which the test runs."""
    monkeypatch.chdir(tmp_path)

    def write_lines(name, *lines):
        pathlib.Path(name).write_text(HEAD + '\n'.join(lines) + '\n')

    return write_lines


def steps_in_every_order(*files):
    """`Schedule.steps` of files in every order, or the sentence that refuses them."""
    found = set()
    for order in itertools.permutations(files):
        try:
            found.add(bound(order)['schedule.Schedule.steps'])
        except ValueError as error:
            found.add(str(error))
    assert len(found) == 1
    return found.pop()


def test_a_file_overrides_what_it_includes(write):
    write('base.gin', 'schedule.Schedule.steps = 1')
    write('over.gin', "include 'base.gin'", 'schedule.Schedule.steps = 2')
    write('early.gin', 'schedule.Schedule.steps = 3', "include 'base.gin'")
    write('beside.gin', "include 'base.gin'")
    write('above.gin', "include 'over.gin'", "include 'beside.gin'")
    write('last.gin', "include 'above.gin'", 'schedule.Schedule.steps = 4')
    assert steps_in_every_order('base.gin') == '1'
    assert steps_in_every_order('over.gin') == '2'
    assert steps_in_every_order('early.gin') == '3'
    assert steps_in_every_order('over.gin', 'base.gin', 'beside.gin') == '2'
    assert steps_in_every_order('above.gin') == steps_in_every_order('above.gin', 'base.gin') == '2'
    assert steps_in_every_order('last.gin', 'over.gin', 'base.gin', 'above.gin') == '4'


def test_files_that_contradict_each_other_are_refused(write):
    write('base.gin', 'schedule.Schedule.steps = 1')
    write('two.gin', "include 'base.gin'", 'schedule.Schedule.steps = 2')
    write('three.gin', "include 'base.gin'", 'schedule.Schedule.steps = 3')
    write('one.gin', "include 'base.gin'", 'schedule.Schedule.steps = 1')
    text = steps_in_every_order('two.gin', 'three.gin')
    assert text == (
        'three.gin sets Schedule.steps = 3 and two.gin sets it to 2. The order of the files does '
        'not decide: leave one of them out, give the setting with --gin_param, or set it in a file '
        'that includes both.'
    )
    # A file that says again what it includes means it.
    assert 'one.gin sets Schedule.steps = 1 and two' in steps_in_every_order('one.gin', 'two.gin')
    # Nor does the order of includes.
    write('both.gin', "include 'two.gin'", "include 'three.gin'")
    assert steps_in_every_order('both.gin') == text
    write('both.gin', "include 'three.gin'", "include 'two.gin'", 'schedule.Schedule.steps = 5')
    assert steps_in_every_order('both.gin') == '5'
    # What the sentence advises helps.
    assert bound(['two.gin', 'three.gin'], ['Schedule.steps = 7'])['schedule.Schedule.steps'] == '7'


def test_files_that_agree_are_not_refused(write):
    write('a.gin', 'n = 4', 'schedule.Schedule.steps = %n', "shapes.Shapes.counts = {'val': 2}")
    write('b.gin', 'schedule.Schedule.steps = %n', "shapes.Shapes.counts = {'val': 2}")
    assert steps_in_every_order('a.gin', 'b.gin') == '%n'
    write('b.gin', 'm = 4', 'schedule.Schedule.steps = %m')
    assert 'a.gin sets Schedule.steps = %n and b.gin sets it to %m' in steps_in_every_order(
        'a.gin', 'b.gin'
    )
    write('b.gin', 'n = 5')
    assert 'a.gin sets n = 4 and b.gin sets it to 5' in steps_in_every_order('a.gin', 'b.gin')


def test_of_two_networks_one_is_refused():
    files = ['networks/xception_65.gin', 'networks/resnet_v1_50.gin']
    for order in (files, files[::-1]):
        with pytest.raises(
            ValueError, match=r'^networks/resnet_v1_50\.gin sets .*xception_65\.gin'
        ):
            gin_files.parse(order)


def test_settings_of_the_command_line_win(write):
    write('mine.gin', "include 'experiments/folder_pseudoseg.gin'", 'schedule.Schedule.steps = 9')
    param = ['Schedule.steps = 3', 'Schedule.steps = 4']
    assert bound(['mine.gin'], param)['schedule.Schedule.steps'] == '4'
    assert bound(['methods/pseudoseg_paper.gin'], ['batch_size = 2'])['batch_size'] == '2'


def test_a_users_file_overrides_an_experiment(write):
    write(
        'mine.gin',
        'from wss.datasets import folder',
        "include 'experiments/folder_pseudoseg.gin'",
        "folder.Folder.images = 'pictures'",
        'pseudoseg.PseudoSeg.temperature = 0.7',
        'schedule.Schedule.steps = 9',
    )
    for files in (['mine.gin'], ['mine.gin', 'datasets/folder.gin', 'methods/pseudoseg.gin']):
        for order in itertools.permutations(files):
            found = bound(order)
            assert found['folder.Folder.images'] == "'pictures'"
            assert found['schedule.Schedule.steps'] == '9'
            assert found['pseudoseg.PseudoSeg.temperature'] == '0.7'
            assert found['pseudoseg.PseudoSeg.sgc_start'] == "'identity'"
    weak = bound(['mine.gin', 'methods/pseudoseg_weak.gin'])
    assert weak['pseudoseg.PseudoSeg.weak_labels'] == 'True'


def test_files_that_include_each_other(write):
    write('a.gin', "include 'b.gin'")
    write('b.gin', "include 'a.gin'")
    with pytest.raises(ValueError, match=r'^The gin file a\.gin includes itself\.$'):
        gin_files.parse(['a.gin'])
