"""The warning about a GPU that TensorFlow cannot open, with stand-ins for what a driver leaves."""

import warnings

import pytest
import tensorflow as tf

from wss.devices import gpus


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine without a GPU; the folder is the place of its traces and on its PATH."""
    monkeypatch.setattr(gpus, '_TRACES', (str(tmp_path / 'nvidia[0-9]*'),))
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: [])
    monkeypatch.setenv('PATH', str(tmp_path))
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    return tmp_path


def warned():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        gpus.warn_of_closed()
    return [str(one.message) for one in caught]


def make_program(folder, output, status=0):
    program = folder / 'nvidia-smi'
    program.write_text(f'#!/bin/sh\necho "{output}"\nexit {status}\n')
    program.chmod(0o755)


@pytest.mark.parametrize('with_cuda', [True, False])
def test_a_gpu_that_cannot_be_opened_is_named(machine, monkeypatch, with_cuda):
    monkeypatch.setattr(tf.test, 'is_built_with_cuda', lambda: with_cuda)
    (machine / 'nvidia0').touch()
    (text,) = warned()
    assert 'NVIDIA GPU, but TensorFlow cannot open it' in text and "'.[gpu]'" in text
    assert ('its CUDA libraries' in text) == with_cuda


def test_a_gpu_that_only_its_program_lists_is_named(machine):
    make_program(machine, 'GPU 0: Some GPU (UUID: x)')
    assert len(warned()) == 1


def test_nothing_is_said_where_there_is_no_gpu(machine):
    (machine / 'nvidiactl').touch()
    assert warned() == []
    make_program(machine, 'No devices were found')
    assert warned() == []
    make_program(machine, 'GPU 0: a driver that failed', status=9)
    assert warned() == []


@pytest.mark.parametrize('hidden', ['', '-1'])
def test_a_gpu_that_the_user_hides_is_not_named(machine, monkeypatch, hidden):
    (machine / 'nvidia0').touch()
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', hidden)
    assert warned() == []


def test_a_gpu_that_is_open_is_not_named(machine, monkeypatch):
    (machine / 'nvidia0').touch()
    monkeypatch.setattr(tf.config, 'list_physical_devices', lambda kind: ['a GPU'])
    assert warned() == []
