"""The parts of `kill_and_compare.py`."""
