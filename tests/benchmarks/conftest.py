"""Loading of the benchmarks, which are no package."""

import importlib
import pathlib

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / 'benchmarks'


@pytest.fixture
def load_benchmark(monkeypatch):
    """From the name of a benchmark to its module."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module
