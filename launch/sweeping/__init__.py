"""The parts of `launch/sweep.py`."""
