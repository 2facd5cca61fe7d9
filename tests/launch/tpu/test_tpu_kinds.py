"""Types of TPUs, their images, variables and prices."""

import pathlib

import pytest


@pytest.fixture
def kinds(load):
    return load('kinds')


@pytest.mark.parametrize(
    ('name', 'image'),
    [
        ('v2-8', 'tpu-vm-tf-2.15.1-se'),
        ('v3-8', 'tpu-vm-tf-2.15.1-se'),
        ('v3-32', 'tpu-vm-tf-2.15.1-pod-se'),
        ('v4-8', 'tpu-vm-tf-2.15.1-pjrt'),
        ('v4-32', 'tpu-vm-tf-2.15.1-pod-pjrt'),
        ('v5litepod-8', 'tpu-vm-tf-2.15.1-pjrt'),
        ('v5litepod-16', 'tpu-vm-tf-2.15.1-pod-pjrt'),
    ],
)
def test_image_of_a_type(kinds, name, image):
    assert kinds.runtime_version(name) == image


def test_the_image_has_the_tensorflow_of_setup_py(kinds):
    text = (pathlib.Path(__file__).parents[3] / 'setup.py').read_text()
    version = kinds.runtime_version('v3-8').split('-')[3]
    assert f"'tensorflow=={version}'" in text


@pytest.mark.parametrize(
    ('name', 'printed'),
    [
        ('v6e-8', 'TPU v6e and later have no TensorFlow'),
        ('v7x-8', 'TPU v6e and later have no TensorFlow'),
        *((name, 'is unknown') for name in ('v5e-16', 'V3-8', 'v5p-8', 'a100', 'v3', 'v3-0', '')),
    ],
)
def test_an_unknown_type_is_refused(kinds, name, printed):
    with pytest.raises(kinds.Failure, match=printed):
        kinds.split_type(name)


@pytest.mark.parametrize(
    ('name', 'price'),
    [('v2-8', 4.5), ('v3-8', 8.0), ('v3-32', 32.0), ('v4-32', 51.52), ('v5litepod-16', 19.2)],
)
def test_price_is_that_of_all_chips(kinds, name, price):
    assert kinds.price_per_hour(name) == pytest.approx(price)


def test_variables_of_a_pod_leave_the_chips_to_the_server(kinds):
    assert kinds.environment('v4-32', 'mine') == {'TPU_NAME': 'mine', 'TPU_LOAD_LIBRARY': '0'}


def test_variables_of_one_machine_name_the_library_where_pjrt_is_used(kinds):
    assert kinds.environment('v3-8', 'mine') == {'TPU_NAME': 'local'}
    found = kinds.environment('v4-8', 'mine')
    assert found['TF_PLUGGABLE_DEVICE_LIBRARY_PATH'] == '/lib/libtpu.so'
    assert found['NEXT_PLUGGABLE_DEVICE_USE_C_API'] == 'true' and found['TPU_NAME'] == 'local'
