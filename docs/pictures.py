"""Draws the pictures of docs/method.md from a trained PseudoSeg run.

    python -m wss.train --workdir runs/shapes_pseudoseg --gin_file experiments/shapes_pseudoseg.gin
    python docs/pictures.py --workdir runs/shapes_pseudoseg

The demo has the same run in runs/demo/pseudoseg. Training takes about two minutes on two cores.
"""

import pathlib

import numpy as np
from absl import flags
from PIL import Image, ImageDraw

from wss.configuration import binary, gin_files
from wss.configuration.quiet import tf
from wss.experiment import Experiment
from wss.networks import resize
from wss.pseudo_labels import fusion, self_attention
from wss.results import pictures

SPLIT = 'test'
HEIGHT = 194  # Of each picture: twice that of a scene.

OUT = flags.DEFINE_string('out', str(pathlib.Path(__file__).parent), 'Folder for the pictures.')
SCENES = flags.DEFINE_multi_integer('scene', [4, 14, 7, 12], 'Number of a scene of the test split.')
flags.adopt_module_key_flags(binary)


def main() -> None:
    """Draws the stages, and what attention looks at."""
    gin_files.parse_run(binary.workdir())
    experiment = gin_files.build(Experiment)
    method = experiment.load(binary.workdir(), 'last')
    batch = views(experiment, method, SCENES.value)
    last_two = {name: values[-2:] for name, values in batch.items()}
    sheets = {
        'method_stages': stages(method, batch),
        'method_attention': attention(method, last_two),
    }
    for name, sheet in sheets.items():
        file = pathlib.Path(OUT.value, f'{name}.png')
        Image.fromarray(sheet).save(file, optimize=True)
        print(f'Wrote {file}, {file.stat().st_size // 1000} kB.')


def views(experiment, method, scenes) -> dict:
    """Returns a batch of unlabelled views of some scenes, as training makes them."""
    examples = experiment.data.make_dataset().examples(SPLIT)
    make_views = experiment.data.make_views()
    padding = method.network.backbone.padding_value
    made = [
        make_views.unlabelled(examples.load(tf.constant(i, tf.int64)), method.info, padding, [i, 1])
        for i in scenes
    ]
    return {name: tf.stack([view[name] for view in made]) for name in made[0]}


def stages(method, batch) -> np.ndarray:
    """Draws weak view, truth, activation map, SGC, decoder, fused, sharpened and strong view."""
    colours, info = method.info.colours, method.info
    shown = method.pictures(None, batch)
    scores = {'CAM': shown['scores']['CAM'], 'SGC': shown['scores']['SGC']}
    features = method.network.features(batch['weak'])
    logits = method.network.decode(features, resize.spatial_size(batch['weak']))
    _, sgc_logits = activation_and_sgc(method, features, batch)
    sgc_logits = resize.bilinear(sgc_logits, resize.spatial_size(logits))
    fused = fusion.fuse(logits, sgc_logits)
    scores |= {'decoder': tf.nn.softmax(logits), 'fused': fused}
    scores['sharpened'] = fusion.sharpen(fused, 0.5)
    columns = {
        'weak view': pictures.as_picture(batch['weak'].numpy()),
        'truth': pictures.colour_labels(batch['label'].numpy(), colours),
        **{name: pictures.colour_scores(value.numpy(), colours) for name, value in scores.items()},
        'strong view': pictures.as_picture(batch['strong'].numpy()),
    }
    sheet = pictures.panel(columns, HEIGHT)
    return np.concatenate([sheet, pictures.legend(info.class_names, colours, sheet.shape[1])])


def activation_and_sgc(method, features, batch):
    """Returns activation map and SGC logits of the weak views, in inference mode."""
    valid = resize.nearest(batch['valid'], resize.spatial_size(features[method.network.last_block]))
    return method.activation_and_sgc(features, method.gate(batch, features), valid, training=False)


def attention(method, batch) -> np.ndarray:
    """Draws for one pixel a scene, that which gains most by attention, where it looks."""
    features = method.network.features(batch['weak'])
    cam, sgc_logits = activation_and_sgc(method, features, batch)
    size = resize.spatial_size(cam)
    columns = self_attention.hypercolumn(features, method.attention_blocks, size)
    columns = tf.reshape(columns, [len(cam), size[0] * size[1], -1])
    query, key = method.sgc.query(columns), method.sgc.key(columns)
    weights = self_attention.attention_weights(query, key, tf.ones(columns.shape[:2]))
    spread = tf.reshape(weights @ tf.reshape(cam, [*columns.shape[:2], -1]), cam.shape).numpy()
    cam, sgc = cam.numpy(), tf.nn.softmax(sgc_logits).numpy()
    maps = {'a pixel': [], 'attends to': [], 'CAM': [], 'attention . CAM': [], 'SGC': []}
    for i, gain in enumerate(spread - cam):
        row, column, kind = np.unravel_index(gain.argmax(), gain.shape)
        looked = weights[i, row * size[1] + column].numpy().reshape(size)
        maps['a pixel'].append(mark(batch['weak'][i].numpy(), (row, column), size[0]))
        maps['attends to'].append(grey(looked / looked.max()))
        maps['CAM'].append(grey(cam[i, ..., kind]))
        maps['attention . CAM'].append(grey(spread[i, ..., kind]))
        maps['SGC'].append(grey(sgc[i, ..., kind + int(method.info.has_background)]))
    return pictures.panel({name: np.stack(values) for name, values in maps.items()}, HEIGHT)


def grey(values) -> np.ndarray:
    """Draws `[h, w]` in 0..1 as greys, white for 1."""
    return np.repeat(pictures.as_picture(255 * values)[..., None], 3, axis=-1)


def mark(image, place, cells) -> np.ndarray:
    """Draws a box around a feature of a map with `cells` features a side."""
    picture = Image.fromarray(pictures.as_picture(image)).resize((HEIGHT, HEIGHT), 0)
    step = (HEIGHT - 1) / (cells - 1)  # Corners are aligned.
    y, x = (round(step * side) for side in place)
    for room, ink in ((9, 'black'), (8, 'white'), (7, 'white'), (6, 'black')):
        box = [max(x - room, 0), max(y - room, 0)]
        box += [min(x + room, HEIGHT - 1), min(y + room, HEIGHT - 1)]
        ImageDraw.Draw(picture).rectangle(box, outline=ink)
    return np.asarray(picture)


if __name__ == '__main__':
    binary.run_main(main, required=['workdir'])
