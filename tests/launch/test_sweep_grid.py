"""The grid of a sweep: what is read from its lines, how runs are named, and what is refused."""

import pytest
from sweeping import grid

FILE = ['experiments/shapes_supervised.gin']


def runs(*lines, seeds=1, params=(), seed_settings=('Experiment.seed',), files=FILE):
    axes = dict(grid.parse_axis(line) for line in lines)
    return grid.make_runs(files, params, axes, seeds, seed_settings)


@pytest.mark.parametrize(
    ('line', 'name', 'values'),
    [
        ('A.b = [0.5, 0.50001, 1e-3]', 'A.b', ('0.5', '0.50001', '1e-3')),
        ('A.b=[-1,True,None]', 'A.b', ('-1', 'True', 'None')),
        ('A.b = ["x, [y]", \'z]@a\']', 'A.b', ('"x, [y]"', "'z]@a'")),
        ('A.b = [(1, 2), [3, (4,)], {"k": 5}]', 'A.b', ('(1, 2)', '[3, (4,)]', '{"k": 5}')),
        ('A.make = [@Supervised, @a.B()]', 'A.make', ('@Supervised', '@a.B()')),
        ('A.b = [%size, ["ü", @c, %d]]', 'A.b', ('%size', '["ü", @c, %d]')),
        ('scope/A.b = [1]', 'scope/A.b', ('1',)),
        ('batch_size = [8, 16]', 'batch_size', ('8', '16')),
        (' A.b = [1, # one\n 2] ', 'A.b', ('1', '2')),
    ],
)
def test_values_are_read_as_they_are_written(line, name, values):
    assert grid.parse_axis(line) == (name, values)


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('A.b', 'cannot be read'),
        ('', 'name of a setting'),
        ('A.b = 3', 'no list of values'),
        ('A.b = (1, 2)', 'no list of values'),
        ('A.b = []', 'no list of values'),
        ('A.b = [1, 2', 'never closed'),
        ('A.b = ["x]', 'cannot be read'),
        ('A.b = [1 2]', 'cannot be read'),
        ('A.b = [1] + [2]', 'no list of values'),
        ('= [1]', 'name of a setting'),
        ('A b = [1]', 'name of a setting'),
        ('A..b = [1]', 'name of a setting'),
        ('A.b = [1]\nA.c = [2]', 'cannot be read'),
        ('gin_file = [1]', 'name gin files'),
        ('gin_file = [@x]', 'name gin files'),
    ],
)
def test_lines_that_cannot_be_read(line, reason):
    with pytest.raises(ValueError, match=reason):
        grid.parse_axis(line)


def test_the_product_with_the_first_seeds_first():
    made = runs('A.b = [1, 2]', "C.d = ['x']", seeds=2, params=['Schedule.steps = 3'])
    assert [run.name for run in made] == [
        'b=1,d=x,seed=0',
        'b=2,d=x,seed=0',
        'b=1,d=x,seed=1',
        'b=2,d=x,seed=1',
    ]
    assert made[3].params == ('Schedule.steps = 3', 'Experiment.seed = 1', 'A.b = 2', "C.d = 'x'")
    assert made[3].files == tuple(FILE)
    assert (made[3].values, made[3].seed) == ({'A.b': '2', 'C.d': "'x'"}, 1)


def test_without_a_grid_the_seeds_alone():
    made = runs(seeds=2, seed_settings=('Experiment.seed', 'Labelled.seed'))
    assert [run.name for run in made] == ['seed=0', 'seed=1']
    assert made[1].params == ('Experiment.seed = 1', 'Labelled.seed = 1')


def test_an_axis_of_files():
    made = runs('gin_file = ["methods/a.gin", "b.gin"]', files=['base.gin'])
    assert [run.name for run in made] == ['gin_file=a,seed=0', 'gin_file=b,seed=0']
    assert made[0].files == ('base.gin', 'methods/a.gin')
    assert made[0].params == ('Experiment.seed = 0',)


@pytest.mark.parametrize(
    ('line', 'part'),
    [
        ('A.b = [(1, 2)]', 'b=1_2'),
        ('A.b = [(-1, 2)]', 'b=-1_2'),
        ('A.b = [@schedules.momentum_poly]', 'b=schedules.momentum_poly'),
        ('A.b = ["../up/file name.gin"]', 'b=.._up_file_name.gin'),
        ('A.b = ["grün"]', 'b=gr_n'),
        ('A.b = [[]]', 'b=4f53cda1'),  # The first digits of the SHA-256 of `[]`.
        ("A.b = ['..']", 'b=e0597c82'),  # And of `'..'`.
        ('x/Labelled.seed = [1]', 'x.Labelled.seed=1'),
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
    ('lines', 'options', 'reason'),
    [
        (['A.b = [1]', 'a.A.b = [2]'], {}, 'by --grid and by --grid'),
        (['Experiment.seed = [3]'], {}, 'by --seed_settings and by --grid'),
        (['experiment.Experiment.seed = [3]'], {}, 'by --seed_settings and by --grid'),
        (['A.b = [1]'], {'params': ['x.A.b = 2']}, 'by --grid and by --gin_param'),
        ([], {'params': ['Experiment.seed = 2']}, 'by --seed_settings and by --gin_param'),
        ([], {'seed_settings': ('Experiment.seed', '')}, 'is not a setting'),
        ([], {'seed_settings': ('A.seed', 'A.seed')}, 'by --seed_settings and by --seed_settings'),
        (['A.b = [1, 1]'], {}, 'the same folder name, 1'),
        (['A.b = [None, "None"]'], {}, 'the same folder name, None'),
        (['A.b = ["x", "X"]'], {}, 'the same folder name, X'),
        (['gin_file = ["a/x.gin", "b/x.gin"]'], {}, 'the same folder name, x'),
        (['A.b = [1]'], {'files': []}, 'give --gin_file'),
    ],
)
def test_grids_that_are_refused(lines, options, reason):
    with pytest.raises(ValueError, match=reason):
        runs(*lines, **options)


@pytest.mark.parametrize(
    ('param', 'seed_setting'),
    [
        ('my_Experiment.seed = 1', 'Experiment.seed'),
        ('s/Experiment.seed = 1', 'Experiment.seed'),
        ('seed = 1', 'Experiment.seed'),
        ('A.b = 1', 'b'),
    ],
)
def test_settings_of_other_names_are_not_refused(param, seed_setting):
    assert runs(params=[param], seed_settings=[seed_setting])
