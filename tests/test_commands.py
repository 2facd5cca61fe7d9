"""The commands as users start them: what they write and print, and their exit status."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXPERIMENT = 'gin_configs/experiments/shapes_pseudoseg.gin'
SMALL = (
    'Schedule.steps = 2',
    'Schedule.log_every = 1',
    'Labelled.amount = 4',
    'Labelled.batch_size = 2',
    'Unlabelled.batch_size = 2',
    'Validation.batch_size = 2',
    "Shapes.counts = {'train': 8, 'val': 3}",
    'Shapes.size = 49',
    'Views.crop_size = (49, 49)',
)


def start(folder, command, *arguments):
    """Runs a command in a folder with the package on the path."""
    return subprocess.run(
        [sys.executable, '-m', f'wss.{command}', *arguments],
        cwd=folder,
        env={'PATH': '/usr/bin:/bin', 'PYTHONPATH': str(ROOT), 'HOME': str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_parts_of_a_cpu_score_as_one(tmp_path):
    """Training and evaluation from end to end, since a process can have one such strategy only."""
    others = 'Schedule.picture_every = 1', 'Compute.synchronise_batch_norm = True'
    batches = 'Schedule.reference_batch_size = 2', 'Validation.batch_size = 3'  # Of two, 4.
    settings = params(*SMALL, *others, *batches)
    command = ('train', '--gin_file', EXPERIMENT, *settings)
    for name, devices in (('one', ()), ('two', ('--replicas', '2', '--profile'))):
        result = start(tmp_path, *command, '--workdir', name, *devices)
        assert (result.returncode, result.stderr) == (0, ''), result.stderr
    one, two = (
        json.loads((tmp_path / name / 'result.json').read_text()) for name in ('one', 'two')
    )
    assert one['last']['pixels'] == two['last']['pixels'] == 3 * 49 * 49
    assert two['last']['miou'] == pytest.approx(one['last']['miou'], abs=0.01)
    record = json.loads((tmp_path / 'two' / 'run.json').read_text())
    assert (record['devices']['strategy'], record['devices']['replicas']) == ('MirroredStrategy', 2)
    # What two replicas trained is evaluated on any number of them.
    scores = {}
    for devices in ((), ('--replicas', '2')):
        result = start(tmp_path, 'evaluate', '--workdir', 'two', '--checkpoint', 'last', *devices)
        assert (result.returncode, result.stderr) == (0, ''), result.stderr
        path = tmp_path / 'two' / 'evaluation-last-val.json'
        scores[devices] = json.loads(path.read_text())['iou']
    assert scores[()] == scores['--replicas', '2'] == two['last']['iou']
    odd = refused(
        start(tmp_path, *command, '--workdir', 'odd', '--strategy', 'mirrored', '--replicas', '3')
    )
    assert odd.startswith('Labelled.batch_size = 2 cannot be divided among 3 replicas')
    assert not (tmp_path / 'odd').exists()


def params(*settings):
    return [part for setting in settings for part in ('--gin_param', setting)]


def refused(result):
    """The one sentence of a run that was refused."""
    assert result.returncode == 1, result.stderr
    assert 'Traceback' not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder in which `run` was trained."""
    folder = tmp_path_factory.mktemp('commands')
    result = start(folder, 'train', '--workdir', 'run', '--gin_file', EXPERIMENT, *params(*SMALL))
    assert result.returncode == 0, result.stderr
    assert result.stderr == ''
    assert 'step 2/2' in result.stdout
    assert 'weights of backbone and classifier' in result.stdout
    assert result.stdout.endswith(
        'Next commands:\n'
        '    python -m wss.evaluate --workdir run\n'
        '    python -m wss.predict --workdir run --images FOLDER --out FOLDER\n'
        '    python -m wss.export --workdir run --out FOLDER\n'
        '    tensorboard --logdir run\n'
    )
    return folder


def test_training_leaves_a_folder_that_says_everything(folder):
    run = folder / 'run'
    text = (run / 'config.gin').read_text()
    assert 'schedule.Schedule.steps = 2' in text
    assert 'pseudoseg.PseudoSeg.temperature = 0.5' in text  # A default.
    assert str(folder) not in text
    assert json.loads((run / 'result.json').read_text())['steps'] == 2
    sample = {'amount': 4, 'seed': 0, 'every_class': False}
    assert json.loads((run / 'lists.json').read_text())['labelled']['sample'] == sample
    assert list((run / 'events').iterdir())


def test_training_again_needs_the_folder_alone(folder):
    result = start(folder, 'train', '--workdir', 'run')
    assert result.returncode == 0, result.stderr
    assert 'finished; evaluating only' in result.stdout
    assert 'starts fresh' not in result.stdout


def test_training_with_other_settings_is_refused(folder):
    result = start(folder, 'train', '--workdir', 'run', *params('Experiment.seed = 1'))
    assert 'experiment.Experiment.seed is 0 there and 1 here' in refused(result)


def test_evaluation_prints_a_table_and_writes_json(folder):
    result = start(folder, 'evaluate', '--workdir', 'run', '--checkpoint', 'last')
    assert result.returncode == 0, result.stderr
    said = result.stdout.splitlines()
    assert said[0] == 'Split val, last weights (step 2) of run:'
    assert said[1].split() == ['class', 'IoU', '%', 'precision', '%', 'recall', '%']
    scores = json.loads((folder / 'run' / 'evaluation-last-val.json').read_text())
    trained = json.loads((folder / 'run' / 'result.json').read_text())['last']
    assert scores['iou'] == trained['iou']
    assert scores['miou'] == trained['miou']


def test_evaluation_compares_two_runs_image_by_image(folder):
    shutil.copytree(folder / 'run', folder / 'more/again')
    given = ('--workdir', 'run', '--workdir', 'more/again', '--checkpoint', 'last', '--details')
    result = start(folder, 'evaluate', *given)
    assert result.returncode == 0, result.stderr
    assert 'First: run; second: more/again\nIoU %' in result.stdout
    assert result.stdout.splitlines()[-1].endswith('+0.00 (+0.00 to +0.00)')
    home = folder / 'more/again'
    compared = json.loads((home / 'evaluation-last-val-against-run.json').read_text())
    assert compared['first'] == {'workdir': 'run', 'checkpoint': 'last', 'step': 2}
    scores = json.loads((folder / 'run' / 'evaluation-last-val.json').read_text())
    trained = json.loads((folder / 'run' / 'result.json').read_text())['last']
    assert scores['miou'] == trained['miou'] == compared['miou']['first']
    assert scores['boundary_iou_3_pixels'].keys() == scores['iou'].keys()
    written = {path.name for path in (home / 'evaluation-last-val').iterdir()}
    assert written == {'confusion.csv', 'confusion.png', 'images.csv', 'worst.jpg'}
    result = start(folder, 'evaluate', *given, '--replicas', '2')
    assert 'An evaluation with --details or of several runs takes one device' in refused(result)


def test_images_are_labelled_by_the_best_source(folder):
    (folder / 'photos').mkdir()
    Image.fromarray(np.full([40, 60, 3], 90, np.uint8)).save(folder / 'photos/a.png')
    given = ('--workdir', 'run', '--checkpoint', 'last', '--images', 'photos')
    path = folder / 'run' / 'result.json'
    found = json.loads(path.read_text())
    # Not the source of the run, nor the one that would be taken without this file.
    path.write_text(
        json.dumps({**found, 'label_sources': {'best': 'decoder', 'image_labels': 'predicted'}})
    )
    result = start(folder, 'label', *given, '--out', 'labels', '--threshold', '0.5')
    path.write_text(json.dumps(found))
    assert result.returncode == 0, result.stderr
    assert 'Source of the labels: decoder' in result.stdout
    assert (folder / 'labels' / 'label_next.csv').is_file()
    result = start(folder, 'label', *given, '--out', 'labels', '--source', 'best')
    assert "source is 'best'; it can be " in refused(result)


def test_folders_are_checked_and_a_configuration_is_written(tmp_path):
    for kind, ending in (('photos', 'jpg'), ('masks', 'png')):
        (tmp_path / kind).mkdir()
        for number in range(5):
            pixels = np.full([40, 60], 255 * number // 4, np.uint8)
            Image.fromarray(pixels // 255 * 255).save(tmp_path / kind / f'{number}.{ending}')
    given = ('--images', 'photos', '--masks', 'masks', '--class_names', 'none,leaf')
    result = start(tmp_path, 'check', *given, '--out', 'mine.gin')
    assert result.returncode == 0, result.stderr
    assert 'Masks hold binary, 0 and 255.' in result.stdout
    assert "Folder.class_names = ('none', 'leaf')" in (tmp_path / 'mine.gin').read_text()
    (tmp_path / 'photos/0.jpg').write_bytes(b'no image')
    result = start(tmp_path, 'check', *given)
    assert result.returncode == 1 and '0.jpg is not an image' in result.stdout


def test_evaluation_over_copies_and_windows_has_a_file_of_its_own(folder):
    given = ('--scales', '0.75,1', '--flip', '--window', '33', '--overlap', '0')
    result = start(folder, 'evaluate', '--workdir', 'run', *given)
    assert result.returncode == 0, result.stderr
    written = folder / 'run' / 'evaluation-best-val-scales_0.75_1_flip_window_33_0.json'
    found = json.loads(written.read_text())
    assert (found['scales'], found['window'], found['overlap']) == ([0.75, 1.0], 33, 0.0)


def test_other_scales_and_windows_are_refused(folder):
    result = start(folder, 'evaluate', '--workdir', 'run', '--scales', '1,half')
    assert refused(result).startswith("--scales is '1,half'; it must be numbers")
    given = ('--workdir', 'run', '--images', 'images', '--out', 'out')
    result = start(folder, 'predict', *given, '--window', '20')
    assert refused(result) == 'window is 20; it must be a whole number, 33 to 4097.'


def test_evaluation_of_an_unknown_split_or_folder(folder):
    result = start(folder, 'evaluate', '--workdir', 'run', '--split', 'vall')
    assert "no split 'vall'" in refused(result)
    result = start(folder, 'evaluate', '--workdir', 'nowhere')
    assert 'nowhere is not the folder of a run' in refused(result)


ALL = (
    *('--flip', '--scales=0.5,1', '--window=65', '--veto=0.1', '--batch_size=2'),
    *('--probabilities=npz', '--polygons=coco'),
)


@pytest.mark.parametrize('options', [(), ALL])
def test_prediction_of_any_size_and_of_damaged_images(folder, options):
    sizes = {'small': (1, 30), 'deep/wide': (40, 131), 'tall': (90, 60)}
    for name, (height, width) in sizes.items():
        path = folder / 'images' / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full([height, width, 3], 90, np.uint8)).save(path)
    (folder / 'images' / 'damaged.png').write_bytes(b'no image')
    given = ('--workdir', 'run', '--images', 'images', '--out', 'out', *options)
    result = start(folder, 'predict', *given)
    assert result.returncode == 1
    assert 'Traceback' not in result.stderr
    assert 'damaged.png' in result.stdout + result.stderr
    assert 'Predicted 3 images into out; 1 could not be read.' in result.stdout
    for name, size in sizes.items():
        with Image.open(folder / 'out' / f'{name}.png') as mask:
            assert mask.mode == 'P'
            assert np.asarray(mask).shape == size
            assert np.asarray(mask).max() < 7
        with Image.open(folder / 'out' / f'{name}_overlay.jpg') as shown:
            assert shown.size == size[::-1]
        if options:
            with np.load(folder / 'out' / f'{name}_probabilities.npz') as found:
                assert found['probabilities'].shape == (*size, 7)
    assert (folder / 'out/annotations.json').is_file() == bool(options)


def test_prediction_into_the_folder_of_images_is_refused(folder):
    result = start(folder, 'predict', '--workdir', 'run', '--images', 'images', '--out', 'images')
    assert 'give another --out' in refused(result)


def test_export_writes_a_model_and_weights(folder):
    arguments = ('--workdir', 'run', '--out', 'model', '--weights', 'weights.npz')
    result = start(folder, 'export', *arguments)
    assert result.returncode == 0, result.stderr
    assert (folder / 'model' / 'saved_model.pb').exists()
    assert (folder / 'model' / 'MODEL_CARD.md').read_text().startswith('# Model card')
    with np.load(folder / 'weights.npz') as arrays:
        assert {name.split('/')[0] for name in arrays.files} == {'backbone', 'classifier'}
    assert '--out, --weights' in refused(start(folder, 'export', '--workdir', 'run'))


def test_export_for_tensorflow_lite_compares_the_images_of_the_run(folder):
    lite = ('export', '--workdir', 'run', '--out', 'lite', '--format', 'tflite')
    options = ('--precision', 'int8', '--size', '49,49', '--least_agreement', '0.5')
    result = start(folder, *lite, *options)
    assert (result.returncode, result.stderr) == (0, ''), result.stderr
    assert result.stdout.startswith(f'Wrote lite{os.sep}model.tflite (')
    assert ' % of the pixels of 1 photos the label of the model' in result.stdout
    facts = json.loads((folder / 'lite' / 'model.tflite.json').read_text())
    assert (facts['precision'], facts['input']['size']) == ('int8', [49, 49])
    (folder / 'lite' / 'MODEL_CARD.md').write_text('complete')
    (folder / 'noise').mkdir()
    Image.effect_noise((60, 40), 90).convert('RGB').save(folder / 'noise' / 'a.png')
    result = start(folder, *lite, '--images', 'noise', '--size', '49,49')
    assert ' of 1 photos ' in result.stdout, result.stderr
    assert 'lite/MODEL_CARD.md is kept as it is.' in result.stdout.replace(os.sep, '/')
    assert (folder / 'lite' / 'MODEL_CARD.md').read_text() == 'complete'
    wrong = start(folder, *lite, '--size', '49')
    assert refused(wrong) == "--size is '49'; it must be HEIGHT,WIDTH such as 257,257."
    (folder / 'a_file').write_text('')
    taken = start(folder, 'export', '--workdir', 'run', '--out', 'a_file')
    assert refused(taken) == '--out is a_file, which is a file; give a folder.'


def test_a_list_is_sampled_and_what_is_wrong_is_reported(folder):
    scenes = params("Shapes.counts = {'train': 8}", 'Shapes.size = 49')
    dataset = ('--gin_file', 'gin_configs/datasets/shapes.gin', *scenes)
    result = start(folder, 'sample', *dataset, '--amount', '4', '--out', 'sampled.txt')
    assert (result.returncode, result.stderr) == (0, '')
    # The run of this folder sampled as many with the same seed.
    assert (folder / 'sampled.txt').read_text() == (folder / 'run' / 'labelled.txt').read_text()
    said = result.stdout.splitlines()
    assert said[0] == "Sampled 4 of 8 images (50.0 %) of split 'train' with seed 0."
    assert said[2].split() == ['background', '4']
    result = start(folder, 'sample', *dataset, '--amount', '0.25', '--out', 'sampled.txt')
    assert 'sampled.txt exists and holds something else' in refused(result)


def test_a_folder_of_a_gin_name_does_no_harm(folder):
    (folder / 'trap' / 'datasets').mkdir(parents=True)
    result = start(
        folder / 'trap',
        'train',
        '--workdir',
        'w',
        '--gin_file',
        EXPERIMENT,
        *params('Schedule.stepz = 1'),
    )
    assert 'stepz' in refused(result)


def test_an_unknown_setting_is_refused(folder):
    arguments = ['--workdir', 'new', '--gin_file', EXPERIMENT, *params('Schedule.stepz = 3')]
    assert 'did you mean Schedule.steps?' in refused(start(folder, 'train', *arguments))
    assert not (folder / 'new').exists()


def test_a_run_without_configuration_is_refused(folder):
    assert 'give a --gin_file' in refused(start(folder, 'train', '--workdir', 'new'))


def test_a_stop_during_the_imports_is_one_line():
    result = subprocess.run(
        [sys.executable, '-c', 'from wss.configuration import binary; raise KeyboardInterrupt'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (130, '\nStopped.\n')


def test_flags_are_checked(folder):
    assert refused(start(folder, 'train')) == 'Give --workdir (Folder of the run).'
    result = start(folder, 'predict', '--workdir', 'run')
    assert refused(result).startswith(
        'Give --images (Folder of images of any size, or one image) and --out ('
    )
    result = start(folder, 'evaluate', '--workdir', 'run', '--checkpoint', 'newest')
    assert 'best|last' in refused(result)
    result = start(folder, 'train', '--workdir', 'new', '--checkpoint', 'last')
    assert "Unknown command line flag 'checkpoint'" in refused(result)
    assert "Unexpected argument 'Schedule.steps=3'" in refused(
        start(folder, 'train', '--workdir', 'new', 'Schedule.steps=3')
    )
