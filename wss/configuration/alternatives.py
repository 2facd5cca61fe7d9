"""Which gin files another one replaces: of two networks, methods or datasets, only one can hold."""

# The settings of which every network, method or dataset has one of its own.
_CHOSEN = {'make_network', 'make_backbone', 'make_method', 'make_dataset'}


def replaced(sources, below: dict[str, set[str]]) -> tuple[set[str], set]:
    """Returns the files that a file of the same kind, nearer to the command line, replaces.

    With `experiments/folder_pseudoseg.gin`, which includes a network, `--gin_file networks/x.gin`
    or a line `include 'networks/x.gin'` in a user's file takes that network instead: all files of
    the other one are left out, if the two set something to different values.

    Args:
        sources: The `Sources` of all files.
        below: The files that each file includes, directly or through others.

    Returns:
        These files, and pairs of file and setting: what packaged files that include them say
        otherwise, where the nearer file says it, too.
    """
    depths, gone, said = _depths(sources), set(), set()
    for kind in sorted(set(sources.kinds.values())):
        heads = _heads(sources, kind)
        families = {
            head: {head} | {file for file in below[head] if sources.kinds.get(file) == kind}
            for head in heads
        }
        pairs = [
            (near, far)
            for near in heads
            for far in heads
            if depths[near] < depths[far] and _contradict(sources, below, families, near, far)
        ]
        lost = {far for _, far in pairs}
        for near, far in pairs:
            both = set(_values(sources, below, families[near]))
            both &= set(_values(sources, below, families[far]))
            above = [file for file in sources.kinds if far in below[file]]
            said |= {(file, one) for file in above for one in both & set(sources.settings[file])}
        kept = set().union(*(families[head] for head in heads if head not in lost))
        gone |= set().union(*(families[head] for head in lost)) - kept
    return gone, said


def of_another_backbone(sources, below: dict[str, set[str]], given: dict) -> set[str]:
    """Returns the files about a backbone in whose place a user has set another.

    A packaged network sets `make_backbone` in one file, and weights for it in files that include
    that one. Where a user sets `make_backbone`, the latter have no meaning.

    Args:
        sources: The `Sources` of all files.
        below: The files that each file includes, directly or through others.
        given: Settings of the command line.
    """
    own = [settings for file, settings in sources.settings.items() if file not in sources.kinds]
    chosen = {}
    for settings in (*own, given):
        chosen |= {s: value for s, value in settings.items() if s[-1] == 'make_backbone'}
    others = {
        file
        for file, settings in sources.settings.items()
        if file in sources.kinds
        and any(s in chosen and not same(chosen[s], value) for s, value in settings.items())
    }
    return {file for file in sources.kinds if below[file] & others}


def same(one, other) -> bool:
    """Whether two values of a setting are the same."""
    # gin compares references without their scopes, and their texts without the modules.
    return one == other and repr(one) == repr(other)


def _depths(sources):
    """Returns over how many files each file is included at least; 0 on the command line."""
    depths, waiting = {}, [(file, 0) for file in sources.roots]
    while waiting:
        file, depth = waiting.pop(0)
        if file not in depths:
            depths[file] = depth
            waiting += [(included, depth + 1) for included in sorted(sources.includes[file])]
    return depths


def _heads(sources, kind):
    """Returns the files of a kind that are named from outside of it."""
    named = set(sources.roots)
    for file, includes in sources.includes.items():
        if sources.kinds.get(file) != kind:
            named |= includes
    return sorted(file for file in named if sources.kinds.get(file) == kind)


def _contradict(sources, below, families, near, far):
    """Whether two files of a kind set something to different values, and the first is whole."""
    if families[near] >= families[far]:
        return False
    values, others = (_values(sources, below, families[head]) for head in (near, far))
    is_whole = any(setting[-1] in _CHOSEN for setting in values)
    return is_whole and any(
        not same(value, others[setting]) for setting, value in values.items() if setting in others
    )


def _values(sources, below, files):
    """Returns the settings of files, where a file overrides those that it includes."""
    values = {}
    for file in sorted(files, key=lambda file: len(below[file])):
        values |= sources.settings[file]
    return values
