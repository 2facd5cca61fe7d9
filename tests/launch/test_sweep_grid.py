"""The grid of a sweep: what is read from its lines, how runs are named, and what is refused."""

import pytest
from sweeping import grid, settings

FILE = ['experiments/shapes_supervised.gin']


def runs(*lines, seeds=1, params=(), seed_settings=('run.seed',), files=FILE):
    axes = [grid.parse_axis(line) for line in lines]
    return grid.make_runs(files, params, axes, seeds, seed_settings)


@pytest.mark.parametrize(
    ('line', 'name', 'values'),
    [
        ('A.b = [0.5, 0.50001, 1e-3]', 'A.b', ('0.5', '0.50001', '0.001')),
        ('A.b=[-1,True,None]', 'A.b', ('-1', 'True', 'None')),
        ('A.b = ["x, [y]", \'z]\']', 'A.b', ("'x, [y]'", "'z]'")),
        ('A.b = [(1, 2), [3, (4,)], {"k": 5}]', 'A.b', ('(1, 2)', '[3, (4,)]', "{'k': 5}")),
        ('run.make_method = [@Supervised, @a.B()]', 'run.make_method', ('@Supervised', '@a.B()')),
        ('A.b = [%size, [@c, %d]]', 'A.b', ('%size', '[@c, %d]')),
        ('scope/A.b = [1]', 'scope/A.b', ('1',)),
        ('batch_size = [8, 16]', 'batch_size', ('8', '16')),
        (' A.b = [1, # one\n 2] ', 'A.b', ('1', '2')),
    ],
)
def test_lines_are_read_as_gin_reads_them(line, name, values):
    assert grid.parse_axis(line) == grid.Axis(name, values)


@pytest.mark.parametrize(
    ('line', 'said'),
    [
        ('A.b', 'has no values'),
        ('', 'has no values'),
        ('A.b = 3', 'no list of values'),
        ('A.b = (1, 2)', 'no list of values'),
        ('A.b = []', 'empty list'),
        ('A.b = [1, 2', 'not closed'),
        ('A.b = ["x]', 'cannot be read|not closed'),
        ('A.b = [x, y]', 'texts in quotes'),
        ('A.b = [1 2]', 'cannot be read'),
        ('A.b = [1] + [2]', 'cannot be read'),
        ('= [1]', 'cannot be read'),
        ('A b = [1]', 'cannot be read'),
        ('A..b = [1]', 'cannot be read'),
        ('A.b = [1]\nA.c = [2]', 'sets 2'),
        ('include "a=b.gin"', 'sets 0'),
        ('A.b = [1, 2, 1]', 'value 1 twice'),
        ('A.b = [0.5, 5e-1]', 'value 0.5 twice'),
        ('A.b = [{[1]: 2}]', 'cannot be read'),
        ('A.b = [1, 1e400]', 'cannot be read'),
        ('gin_file = [1]', 'names gin files'),
        ('gin_file = [@x]', 'names gin files'),
    ],
)
def test_lines_that_cannot_be_read(line, said):
    with pytest.raises(ValueError, match=said):
        grid.parse_axis(line)


def test_the_product_with_the_first_seeds_first():
    made = runs('A.b = [1, 2]', 'C.d = ["x"]', seeds=2, params=['run.steps = 3'])
    assert [run.name for run in made] == [
        'b=1,d=x,seed=0',
        'b=2,d=x,seed=0',
        'b=1,d=x,seed=1',
        'b=2,d=x,seed=1',
    ]
    assert made[3].params == ('run.steps = 3', 'run.seed = 1', 'A.b = 2', "C.d = 'x'")
    assert made[3].files == tuple(FILE)
    assert (made[3].values, made[3].seed) == ({'A.b': '2', 'C.d': "'x'"}, 1)


def test_without_a_grid_the_seeds_alone():
    made = runs(seeds=2, seed_settings=('run.seed', 'run.labelled_seed'))
    assert [run.name for run in made] == ['seed=0', 'seed=1']
    assert made[1].params == ('run.seed = 1', 'run.labelled_seed = 1')


def test_an_axis_of_files():
    made = runs('gin_file = ["experiments/a.gin", "b.gin"]', files=['base.gin'])
    assert [run.name for run in made] == ['gin_file=a,seed=0', 'gin_file=b,seed=0']
    assert made[0].files == ('base.gin', 'experiments/a.gin')
    assert made[0].params == ('run.seed = 0',)


@pytest.mark.parametrize(
    ('line', 'part'),
    [
        ('A.b = [(1, 2)]', 'b=1_2'),
        ('A.b = [(-1, 2)]', 'b=-1_2'),
        ('A.b = [@schedules.momentum_poly]', 'b=schedules.momentum_poly'),
        ('A.b = ["../up/file name.gin"]', 'b=.._up_file_name.gin'),
        ('A.b = ["grün"]', 'b=gr_n'),
        ('A.b = [[]]', 'b=4f53cda1'),  # The first digits of the SHA-256 of `[]`.
        ('A.b = [".."]', 'b=e0597c82'),  # And of `'..'`.
        ('x/Views.seed = [1]', 'Views.seed=1'),
    ],
)
def test_names_are_safe(line, part):
    assert runs(line)[0].name == f'{part},seed=0'


def test_long_names_are_cut_and_stay_different():
    long = [f'"{"x" * 60}{end}"' for end in 'ab']
    names = [run.name for run in runs(f'A.b = [{", ".join(long)}]')]
    assert len(set(names)) == 2 and all(len(name) < 60 for name in names)
    lines = [f'A.setting_number_{i} = ["{"v" * 30}", "w"]' for i in range(6)]
    names = [run.name for run in runs(*lines)]
    assert len(set(names)) == 64 and max(map(len, names)) == 150


def test_axes_of_one_name_are_told_apart():
    made = runs('A.size = [1]', 'B.size = [2]', 'C.other = [3]')
    assert made[0].name == 'A.size=1,B.size=2,other=3,seed=0'


@pytest.mark.parametrize(
    ('lines', 'options', 'said'),
    [
        (['A.b = [1]', 'a.A.b = [2]'], {}, 'by --grid twice'),
        (['run.seed = [3]'], {}, 'by --grid and by --seed_settings'),
        (['experiment.run.seed = [3]'], {}, 'by --grid and by --seed_settings'),
        (['A.b = [1]'], {'params': ['x.A.b = 2']}, 'by --grid and by --gin_param'),
        ([], {'params': ['run.seed = 2']}, 'by --seed_settings and by --gin_param'),
        ([], {'params': ['run.steps = ']}, 'cannot be read'),
        ([], {'params': ['run.steps = [1']}, 'not closed'),
        ([], {'seed_settings': ('run.seed', '')}, 'no setting'),
        ([], {'seed_settings': ('run.seed', 'run.seed')}, 'by --seed_settings twice'),
        (['A.b = [None, "None"]'], {}, 'both be called None'),
        (['A.b = ["x", "X"]'], {}, 'both be called X'),
        (['gin_file = ["a/x.gin", "b/x.gin"]'], {}, 'both be called x'),
        (['A.b = [1]'], {'files': []}, 'give a --gin_file'),
        ([f'A.b = {list(range(101))}', f'A.c = {list(range(100))}'], {}, '10100 runs'),
    ],
)
def test_grids_that_are_refused(lines, options, said):
    with pytest.raises(ValueError, match=said):
        runs(*lines, **options)


def test_settings_of_files_with_includes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'base.gin').write_text('import os\nA.b = 1\nA.c = @d()\nx = (1,\n  2)\n')
    (tmp_path / 'top.gin').write_text("include 'base.gin'\ns/A.b = 'y'\nA.b = %x  # Why.\n")
    expected = {'A.b': '%x', 'A.c': '@d()', 'x': '(1, 2)', 's/A.b': "'y'"}
    assert settings.read_files(['top.gin']) == expected
    shipped = settings.read_files(['experiments/shapes_supervised.gin'])
    assert shipped['experiment.run.labelled_count'] == '4'
    assert shipped['views.Views.crop_size'] == '(97, 97)'  # Of a file that it includes.


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ("include 'here.gin'\n", 'includes itself'),
        ("include 'gone.gin'\n", r'gone.gin does not exist .* \(included by here.gin\)'),
        ('A.b = 1\nA.c = x\n', 'here.gin, line 2 cannot be read'),
        ('A.b = (1,\n', 'not closed'),
    ],
)
def test_files_that_cannot_be_read(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'here.gin').write_text(text)
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        settings.read_files(['here.gin'])


@pytest.mark.parametrize(
    ('one', 'other', 'same'),
    [
        ('run.seed', 'experiment.run.seed', True),
        ('experiment.run.seed', 'run.seed', True),
        ('run.seed', 'my_run.seed', False),
        ('s/run.seed', 'run.seed', False),
        ('seed', 'run.seed', False),
        ('seed', 'seed', True),
    ],
)
def test_shortened_names(one, other, same):
    assert settings.same(one, other) is same
