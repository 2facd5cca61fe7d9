"""Types of TPUs, their images and prices."""

import pathlib

import pytest


@pytest.fixture
def kinds(load):
    return load('kinds')


@pytest.mark.parametrize(
    ('name', 'stack', 'image'),
    [
        ('v2-8', 'reference', 'tpu-vm-tf-2.15.1-se'),
        ('v3-8', 'reference', 'tpu-vm-tf-2.15.1-se'),
        ('v3-32', 'reference', 'tpu-vm-tf-2.15.1-pod-se'),
        ('v4-8', 'reference', 'tpu-vm-tf-2.15.1-pjrt'),
        ('v4-32', 'reference', 'tpu-vm-tf-2.15.1-pod-pjrt'),
        ('v5litepod-8', 'reference', 'tpu-vm-tf-2.15.1-pjrt'),
        ('v5litepod-16', 'reference', 'tpu-vm-tf-2.15.1-pod-pjrt'),
        ('v4-8', 'next', 'tpu-ubuntu2204-base'),
        ('v5litepod-4', 'next', 'v2-alpha-tpuv5-lite'),
    ],
)
def test_image_of_a_type(kinds, name, stack, image):
    kinds.check_type(name)
    assert kinds.runtime_version(name, stack) == image


def test_the_reference_image_has_the_tensorflow_of_setup_py(kinds):
    text = (pathlib.Path(__file__).parents[3] / 'setup.py').read_text()
    version = kinds.runtime_version('v3-8', 'reference').split('-')[3]
    assert f"'tensorflow=={version}'" in text


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('v5e-16', 'this type is called v5litepod-16'),
        ('V3-8', 'this type is called v3-8'),
        ('v3-16', 'there is no such size; there are v3-8, v3-32'),
        ('v5litepd-8', 'Perhaps v5litepod-8'),
        ('a100', 'is not known here'),
        ('v3', 'there is no such size'),
        ('', 'is not known here'),
    ],
)
def test_an_unknown_type_is_refused_with_what_may_be_meant(kinds, name, said):
    with pytest.raises(kinds.Failure, match=said):
        kinds.check_type(name)


def test_the_newer_stack_has_no_pods(kinds):
    with pytest.raises(kinds.Failure, match=r'no image for v3-32.*such as v3-8'):
        kinds.runtime_version('v3-32', 'next')


@pytest.mark.parametrize(
    ('name', 'price'),
    [('v2-8', 4.5), ('v3-8', 8.0), ('v3-32', 32.0), ('v4-32', 51.52), ('v5litepod-16', 19.2)],
)
def test_price_is_that_of_all_chips(kinds, name, price):
    assert kinds.price_per_hour(name) == pytest.approx(price)


def test_variables_of_a_pod_leave_the_chips_to_the_server(kinds):
    found = kinds.environment('v4-32', 'mine', 'reference')
    assert found == {'TPU_NAME': 'mine', 'TPU_LOAD_LIBRARY': '0'}


def test_variables_of_one_machine_name_the_library_where_pjrt_is_used(kinds):
    assert kinds.environment('v3-8', 'mine', 'reference') == {'TPU_NAME': 'local'}
    found = kinds.environment('v4-8', 'mine', 'reference')
    assert found['TF_PLUGGABLE_DEVICE_LIBRARY_PATH'] == '/lib/libtpu.so'
    found = kinds.environment('v3-8', 'mine', 'next')
    assert found['TF_PLUGGABLE_DEVICE_LIBRARY_PATH'] == '~/wss-env/libtpu.so'
    assert found['NEXT_PLUGGABLE_DEVICE_USE_C_API'] == 'true' and found['TPU_NAME'] == 'local'
