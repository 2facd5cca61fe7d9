# Sourced by the other scripts here. `prepare_environment reference|next` makes the virtual
# environment of that stack where there is none, installs into it when setup.py has changed since
# the last time, and sets `python` to its interpreter.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export TF_CPP_MIN_LOG_LEVEL="${TF_CPP_MIN_LOG_LEVEL:-3}"

fail() {
    echo "$*" >&2
    exit 1
}

# Prints the first of the given commands that is a Python 3.10 to 3.13 able to make environments.
find_python() {
    local candidate
    for candidate in "$@"; do
        if "$candidate" -c '
import sys, venv, ensurepip
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# Installs wss, and prints what pip fetches; pip alone prints nothing for minutes.
install() {
    PYTHONUNBUFFERED=1 "$python" -m pip install --progress-bar off --editable "$root[test]" |
        awk '/^ *(Collecting|Downloading|Installing)/ { print "  " substr($0, 1, 90); fflush() }'
}

prepare_environment() {
    local stack="$1" folder candidates found wanted stamp
    case "$stack" in
        reference) folder=.venv; candidates=(python3.11 python3.10 python3 python3.12 python3.13 python) ;;
        next) folder=.venv-next; candidates=(python3.12 python3.13 python3.11 python3.10 python3 python) ;;
        *) fail "There is no stack '$stack'; the stacks are 'reference' and 'next'." ;;
    esac
    python="$root/$folder/bin/python"
    stamp="$root/$folder/wss-installed"

    if ! "$python" -m pip --version >/dev/null 2>&1; then
        found="$(find_python "${candidates[@]}")" || fail "No Python 3.10 to 3.13 with the venv" \
            "module is on the PATH (looked for: ${candidates[*]}); install Python 3.11 and run this again."
        echo "Making $folder with $("$found" --version) ($found)."
        "$found" -m venv "$root/$folder"
    fi

    # What was installed, for which stack, from which folder (an editable install points to it).
    wanted="$stack $(cksum <"$root/setup.py") $root"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        echo "Installing wss and what it needs into $folder ($stack stack); the first time takes minutes."
        if [ "$stack" = next ]; then
            WSS_STACK=next install
        else
            install
        fi
        echo "$wanted" >"$stamp"
    fi
    "$python" - "$folder" <<'END'
import platform, sys
from importlib import metadata

tensorflow = metadata.version('tensorflow')
print(f'Using {sys.argv[1]}: Python {platform.python_version()}, TensorFlow {tensorflow}.')
END
}
