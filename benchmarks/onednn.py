"""Runs a benchmark without and with the operations of oneDNN, each way in a process of its own."""

import json
import os
import subprocess
import sys

SWITCH = 'TF_ENABLE_ONEDNN_OPTS'  # TensorFlow reads it when it is imported.
FLAG = '--compare_onednn'


def both_ways(script: str, words: list[str]) -> tuple:
    """Runs a benchmark whose last line is JSON, without oneDNN and then with it.

    Args:
        script: Path of the benchmark.
        words: Its arguments.

    Returns:
        What the two print.

    Raises:
        subprocess.CalledProcessError: If one fails.
    """
    return tuple(_run([sys.executable, script, *words], switch) for switch in ('0', '1'))


def compare(script: str, words: list[str]) -> dict:
    """Runs a benchmark of a step both ways.

    Args:
        script: Path of the benchmark.
        words: Its arguments, among them `--compare_onednn`, which is left out.

    Returns:
        What it prints with oneDNN, the time of a step without, and the ratio with it to without it.
    """
    without, found = both_ways(script, [*(word for word in words if word != FLAG), '--json'])
    seconds = without['seconds_per_step']
    ratio = found['seconds_per_step'] / seconds
    return {**found, 'seconds_without_onednn': seconds, 'onednn_ratio': ratio}


def _run(command, switch):
    environment = os.environ | {SWITCH: switch, 'TF_CPP_MIN_LOG_LEVEL': '3'}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])
