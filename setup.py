"""Installs wss with the dependency stack that fits the Python it is installed on."""

import os
import pathlib
import re

from setuptools import find_packages, setup

ROOT = pathlib.Path(__file__).parent

# The last TensorFlow that tensorflow-addons imports on; newer tensorflow-metadata breaks
# tensorflow-datasets beside it.
REFERENCE_STACK = [
    'tensorflow==2.15.1',
    'tf-keras==2.15.1',
    'tensorflow-addons==0.23.0',
    'tensorflow-datasets==4.9.10',
    'tensorflow-metadata==1.17.3',
    'numpy<2',
]
# tf-keras asks for the tensorflow of its own minor version, so the two stay together.
NEXT_STACK = [
    'tensorflow>=2.20,<2.22',
    'tf-keras>=2.20,<2.22',
    'tensorflow-datasets',
    'tensorboard',
]
# Each is a module of the package with a function `command`, and a script `wss-NAME`.
COMMANDS = ['train', 'evaluate', 'predict', 'label', 'export', 'prepare', 'sample', 'demo', 'check']
# For --format onnx, and for TensorFlow Lite on the newer stack. Newer versions of onnx cannot be
# imported beside the ml-dtypes of TensorFlow 2.15.
REFERENCE_EXPORT = ['tf2onnx>=1.16', 'onnx>=1.16,<1.18', 'onnxruntime>=1.18']
NEXT_EXPORT = ['tf2onnx>=1.17', 'onnx', 'onnxruntime', 'ai-edge-litert']
BOTH_STACKS = [
    'absl-py',
    'gin-config>=0.5',
    'google-crc32c>=1.7',
    'pillow>=10.1',
    'pycocotools>=2.0.8',
    'scipy>=1.10',
]


def requirements(reference: list[str], following: list[str]) -> list[str]:
    """Returns what to install: by environment marker, or for the stack that WSS_STACK names.

    `WSS_STACK=next pip install .` puts the second stack on Python 3.10 and 3.11, where the markers
    would choose the first.

    Args:
        reference: What the reference stack needs.
        following: What the second stack needs.
    """
    stack = os.environ.get('WSS_STACK', '')
    if stack == 'next':
        return following
    if stack:
        raise ValueError(f'WSS_STACK is {stack!r}; it can be "next" or be left out.')
    return [
        *(f'{line}; python_version < "3.12"' for line in reference),
        *(f'{line}; python_version >= "3.12"' for line in following),
    ]


def with_cuda(stack: list[str]) -> list[str]:
    """Returns the TensorFlow of a stack, with the CUDA libraries that GPUs need."""
    return [
        line.replace('tensorflow', 'tensorflow[and-cuda]', 1)
        for line in stack
        if re.match(r'tensorflow[=<>]', line)
    ]


def version() -> str:
    """Reads the version from the package without importing it."""
    text = (ROOT / 'wss' / '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


readme = ROOT / 'README.md'
export = requirements(REFERENCE_EXPORT, NEXT_EXPORT)
setup(
    name='wss',
    version=version(),
    description='Semi- and weakly-supervised semantic segmentation (PseudoSeg) in TensorFlow 2',
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10,<3.14',
    packages=[*find_packages(include=['wss', 'wss.*']), 'wss.gin_configs'],
    # In the repository the configurations lie beside the package; an installed copy carries them
    # inside it. wss/configuration/gin_files.py looks in both places.
    package_dir={'wss.gin_configs': 'gin_configs'},
    package_data={'wss': ['**/*.npz'], 'wss.gin_configs': ['**/*.gin', '**/*.txt']},
    install_requires=BOTH_STACKS + requirements(REFERENCE_STACK, NEXT_STACK),
    entry_points={'console_scripts': [f'wss-{name} = wss.{name}:command' for name in COMMANDS]},
    extras_require={
        'gpu': requirements(with_cuda(REFERENCE_STACK), with_cuda(NEXT_STACK)),
        'export': export,
        'test': [
            *export,
            'nbclient',
            'ipykernel',
            'pytest>=7',
            'pytest-xdist>=3.2.1,<4',
            'ruff>=0.17,<0.18',
        ],
    },
    classifiers=[
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
