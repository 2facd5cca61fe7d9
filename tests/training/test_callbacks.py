import types

import numpy as np
import pytest

from wss.training import callbacks
from wss.training.schedule import Schedule


def test_steps_count_from_the_step_of_the_checkpoint():
    seen = []

    class Note(callbacks.AfterStep):
        def after_step(self, step, values):
            seen.append((step, values))

    Note(10).on_train_batch_end(0, {'loss': 1.0})
    assert seen == [(11, {'loss': 1.0})]


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('term', ['supervised', 'loss', 'gradient_norm'])
def test_a_value_that_is_not_finite_stops_training(bad, term):
    guard = callbacks.StopAtNaN(0, 'folder')
    values = {'supervised': 1.0, 'loss': 1.0, 'gradient_norm': 2.0}
    guard.after_step(1, values)
    with pytest.raises(FloatingPointError, match=rf'stopped at step 7: {term} is .*lower learning'):
        guard.after_step(7, values | {term: bad})


def test_checkpoints_from_before_are_named_if_there_are_any(tmp_path):
    folder = tmp_path / 'checkpoints'
    guard = callbacks.StopAtNaN(0, str(folder))
    values = {'supervised': 1.0, 'loss': float('nan'), 'gradient_norm': 1.0}
    for make in (None, folder, folder / 'last'):
        if make:
            make.mkdir()
        with pytest.raises(FloatingPointError, match=r'is nan\. Try a lower learning rate'):
            guard.after_step(7, values)
    (folder / 'last' / 'weights-4.index').write_bytes(b'')
    with pytest.raises(FloatingPointError, match=rf'checkpoints are kept in {folder}\. Try'):
        guard.after_step(7, values)


def test_the_step_of_several_in_which_a_value_breaks_is_named():
    guard = callbacks.StopAtNaN(0, 'folder')
    fine, broken = np.ones(4), np.array([1.0, 1.0, np.inf, np.nan])
    late = np.array([1.0, 1.0, 1.0, np.nan])
    values = {'a': late, 'b': broken, 'loss': broken, 'gradient_norm': fine}
    with pytest.raises(FloatingPointError, match='stopped at step 19: b is inf'):
        guard.after_step(20, values)


def test_the_term_is_named_before_the_sum():
    guard = callbacks.StopAtNaN(0, 'folder')
    values = {'fine': 1.0, 'sgc': float('nan'), 'loss': float('nan'), 'gradient_norm': 1.0}
    with pytest.raises(FloatingPointError, match='sgc is nan'):
        guard.after_step(1, values)


@pytest.mark.parametrize(('every', 'saved'), [(2, [2, 4, 5]), (0, [5]), (5, [5])])
def test_checkpoints_are_saved_now_and_then_and_at_the_end(every, saved):
    steps = []
    schedule = Schedule(5, checkpoint_every=every)
    part = callbacks.Save(0, schedule, types.SimpleNamespace(save_last=steps.append))
    for step in range(1, 6):
        part.after_step(step, {})
    assert steps == saved
