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
BOTH_STACKS = [
    'absl-py',
    'gin-config>=0.5',
    'google-crc32c>=1.7',
    'pillow>=10.1',
    'pycocotools>=2.0.8',
    'scipy>=1.10',
]


def requirements() -> list[str]:
    """Returns what to install: by environment marker, or the stack that WSS_STACK names.

    `WSS_STACK=next pip install .` puts the second stack on Python 3.10 and 3.11, where the markers
    would choose the first.
    """
    stack = os.environ.get('WSS_STACK', '')
    if stack == 'next':
        return BOTH_STACKS + NEXT_STACK
    if stack:
        raise ValueError(f'WSS_STACK is {stack!r}; it can be "next" or be left out.')
    return (
        BOTH_STACKS
        + [f'{line}; python_version < "3.12"' for line in REFERENCE_STACK]
        + [f'{line}; python_version >= "3.12"' for line in NEXT_STACK]
    )


def version() -> str:
    """Reads the version from the package without importing it."""
    text = (ROOT / 'wss' / '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


readme = ROOT / 'README.md'
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
    install_requires=requirements(),
    extras_require={'test': ['pytest>=7', 'pytest-xdist>=3,<4', 'ruff>=0.17,<0.18']},
    classifiers=[
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
    ],
)
