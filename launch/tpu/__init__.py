"""The parts of `tpu_pod.py`. Only `install` and `worker` run on the machines of a TPU."""
