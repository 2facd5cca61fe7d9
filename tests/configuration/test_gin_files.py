"""Reading of gin files: what is found, and what is said about mistakes."""

import pathlib
import re

import pytest
import tensorflow as tf

from wss import experiment
from wss.configuration import gin_files, sentences

EXPERIMENT = 'gin_configs/experiments/shapes_pseudoseg.gin'


def test_files_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gin_files.parse([EXPERIMENT])
    gin_files.parse(['experiments/shapes_supervised.gin'])
    own = tmp_path / 'own.gin'
    own.write_text("include 'experiments/shapes_supervised.gin'\n")
    gin_files.parse(['own.gin'], ['run.steps = 9'])


@pytest.mark.parametrize(
    ('param', 'message'),
    [
        ('run.stepz = 9', r'run has no setting stepz; did you mean steps\? \(run.stepz = 9\)'),
        ('rum.steps = 9', r'knows no rum; did you mean run\?'),
        ("run.steps = 'many'", r"run\.steps is 'many', but must be an int"),
        ('run.steps = 2.5', r'run\.steps is 2\.5, but must be an int'),
        ('run.steps = many', r'The value many cannot be read'),
        ('run.steps', r'A setting cannot be read \(run\.steps\)'),
        ('run.make_method = @PseudoSegg', r'knows no PseudoSegg; did you mean PseudoSeg\?'),
        ('run.make_method = 3', r'make_method is 3, but must be a reference such as @'),
        ('run.steps = @PseudoSeg', r'run\.steps is @PseudoSeg, but must be an int'),
        ('Views.crop_size = (97,)', r'crop_size is \(97,\), but must be a tuple of 2: an int, an'),
        ('PseudoSeg.calibrate = 1', r'calibrate is 1, but must be True or False'),
        ('width = 2.5\nrun.steps = %width', r'run\.steps is 2\.5, but must be an int'),
        ("n = 'a'\nShapes.counts = {'val': %n}", r"counts is \{'val': 'a'\}, but must be"),
        ('width = 2\nrun.steps = %widht', r'uses %widht, which nothing .* mean width'),
        ('Views.scales = (1.0, %N)', r'uses %N, which nothing defines; add a line N = value'),
        ('a = %b\nb = %a\nrun.steps = %a', r'%name is defined by itself'),
        ('run.steps = %gin.REQUIRED', r'The configuration must set run\.steps'),
        ('run.make_views = @Views()', r'make_views is @.*Views\(\), .* without parentheses'),
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
        ('dooplab.x = 1', r'Nothing called dooplab is imported in the gin file .*line 3: doop'),
        ('deeplab.DeepLabV3Plus.aspp = 1', r'no setting aspp; did you mean aspp_'),
        ('from wss.networks import none', r'imports what is not there.*line 3'),
        ("include 'none.gin'", r'gin file none\.gin does not exist .*line 3'),
        ('deeplab.DeepLabV3Plus.x =', r'A setting cannot be read \(.*mine\.gin, line 3\)'),
    ],
)
def test_mistakes_in_files_are_said_with_their_place(tmp_path, line, message):
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


def test_missing_settings_are_named():
    gin_files.parse([], [])
    run = gin_files.configured(experiment.run)
    text = sentence(lambda: run('folder', experiment.Train()))
    assert text.startswith('The configuration does not set run.make_dataset, run.make_network')


def test_errors_of_users_are_sentences_and_defects_are_not():
    gin_files.parse([EXPERIMENT], ['SmallResNet.output_stride = 7'])
    run = gin_files.configured(experiment.run)
    text = sentence(lambda: run('folder', experiment.Train()))
    assert text == 'SmallResNet.output_stride is 7; it can be 8 or 16.'
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
        assert 'run.labelled_batch_size' in text


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
        ('run.make_views = @Shapes', 'run.make_views makes a Shapes, which is of another kind'),
        ('run.make_dataset = @Views', 'run.make_dataset makes a Views, which is of another kind'),
        ('run.make_network = @Shapes', 'Shapes stands where .* another kind: it takes no num_clas'),
    ],
)
def test_parts_in_the_wrong_place(tmp_path, param, message):
    gin_files.parse([EXPERIMENT], [param])
    run = gin_files.configured(experiment.run)
    assert re.match(message, sentence(lambda: run(tmp_path / 'run', experiment.Train())))


def test_settings_that_nothing_uses_are_refused_before_anything_is_written(tmp_path):
    workdir = tmp_path / 'run'
    gin_files.parse([EXPERIMENT], ["Shapes.counts = {'train': 12, 'val': 2}", 'unused = 3'])
    run = gin_files.configured(experiment.run)
    text = sentence(lambda: run(workdir, experiment.Train(gin_files.operative_text)))
    assert text.startswith('The configuration sets unused, which nothing in this run uses')
    assert not workdir.exists()


def test_a_setting_that_the_program_itself_supplies_is_refused(tmp_path):
    gin_files.parse([EXPERIMENT], ['DeepLabV3Plus.num_classes = 3'])
    run = gin_files.configured(experiment.run)
    text = sentence(lambda: run(tmp_path / 'run', experiment.Train(gin_files.operative_text)))
    assert 'deeplab.DeepLabV3Plus.num_classes, which nothing' in text


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b"include 'experiments/shapes_supervised.gin'\nrun.steps = (1,\n", 'not closed'),
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
    assert gin_files.setting(experiment.run, 'make_dataset')().counts == {'train': 3}
    for files in (['methods/supervised.gin'], []):
        gin_files.parse(files)
        with pytest.raises(ValueError, match=r'does not set run\.make_dataset; give a --gin_file'):
            gin_files.setting(experiment.run, 'make_dataset')
