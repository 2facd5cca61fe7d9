"""The end of a run by a signal."""

import gc
import signal

import pytest
import tensorflow as tf

from wss.training import loop, signals


def iterators():
    gc.collect()
    kind = type(iter(tf.data.Dataset.range(1)))
    return sum(isinstance(one, kind) for one in gc.get_objects())


def test_a_signal_in_an_evaluation_leaves_no_iterator(tiny, tmp_path, monkeypatch):
    """When Python exits, TensorFlow would wait without end for an iterator that is left."""

    def stop(self, batch, logs=None):
        raise signals.Stopped(signal.SIGTERM)

    monkeypatch.setattr(loop._StopEvaluation, 'on_test_batch_end', stop)
    before = iterators()
    with pytest.raises(SystemExit) as ended:
        tiny.experiment().train(tmp_path)
    assert ended.value.code == 143
    assert (tmp_path / 'checkpoints' / 'last' / 'ckpt-2.index').exists()
    assert iterators() == before
