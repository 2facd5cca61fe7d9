#!/usr/bin/env bash
# Trains supervised and PseudoSeg on the same few labelled images of generated scenes and compares
# them, after making the virtual environment where there is none. Writes to runs/demo in the
# repository, or to --workdir.
#
#   ./launch/demo.sh              the whole demo, some minutes on two cores
#   ./launch/demo.sh --seeds 5    five draws of the labelled images, with means and an interval
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment reference
exec "$python" -m wss.demo --workdir "$root/runs/demo" "$@"
