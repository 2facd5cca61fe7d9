#!/usr/bin/env bash
# Trains supervised and PseudoSeg on the same few labelled images of generated scenes and compares
# them, after making the virtual environment where there is none. Writes to runs/demo in the
# repository, or to --workdir.
#
#   ./launch/demo.sh              the whole demo, about four minutes on two cores
#   ./launch/demo.sh --quick      two minutes, to see that everything works; writes to
#                                 runs/demo_quick
#   ./launch/demo.sh --seeds 5    five samples of the labelled images, with means and an interval
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

prepare_environment reference
folder=demo
for argument in "$@"; do
    case "$argument" in --quick | --quick=true | -quick) folder=demo_quick ;; esac
done
exec "$python" -m wss.demo --workdir "$root/runs/$folder" "$@"
