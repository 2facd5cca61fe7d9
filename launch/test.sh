#!/usr/bin/env bash
# Runs the tests, after making the virtual environment where there is none.
#
#   ./launch/test.sh                         all tests on the reference stack (.venv)
#   ./launch/test.sh --stack next            the same on the newer TensorFlow (.venv-next)
#   ./launch/test.sh tests/test_losses.py    further arguments are pytest's; paths start from the
#                                            folder that this is started in, else the repository
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

stack=reference
arguments=()
workers=(-n 2 --dist worksteal)  # For the whole suite; a few files start faster in one process.
while [ $# -gt 0 ]; do
    case "$1" in
        --stack) [ $# -gt 1 ] || fail "--stack wants a name: 'reference' or 'next'."; stack="$2"; shift 2 ;;
        --stack=*) stack="${1#--stack=}"; shift ;;
        -*) arguments+=("$1"); shift ;;
        /*) arguments+=("$1"); workers=(); shift ;;
        */* | *.py*)  # A path, if it is there: pytest runs in the repository.
            workers=()
            if [ -e "${1%%::*}" ]; then arguments+=("$PWD/$1"); else arguments+=("$1"); fi
            shift ;;
        *) arguments+=("$1"); shift ;;
    esac
done

prepare_environment "$stack"
cd "$root"
echo "Running the tests on the $stack stack."
exec "$python" -m pytest ${workers[@]+"${workers[@]}"} ${arguments[@]+"${arguments[@]}"}
