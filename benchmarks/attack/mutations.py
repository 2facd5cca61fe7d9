"""Damage done to the bytes of a file."""

import random


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Returns other bytes than `content`: one to three changes at random places."""
    changed = content
    while changed == content:
        for _ in range(chance.randint(1, 3)):
            changed = chance.choice(_CHANGES)(changed, chance)
    return changed


def _place(content, chance):
    """A part of a file: its beginning is as likely as all the rest, for it holds the structure."""
    end = len(content) if chance.random() < 0.5 else min(64, len(content))
    start = chance.randrange(end) if end else 0
    return start, min(len(content), start + chance.choice((1, 2, 4, 16, 200)))


def _flip(content, chance):
    if not content:
        return b'\0'
    start, _ = _place(content, chance)
    return (
        content[:start] + bytes([content[start] ^ 1 << chance.randrange(8)]) + content[start + 1 :]
    )


def _replace(content, chance):
    start, end = _place(content, chance)
    return content[:start] + chance.randbytes(end - start) + content[end:]


def _extreme(content, chance):
    start, end = _place(content, chance)
    return (
        content[:start] + chance.choice((b'\0', b'\xff', b'\x7f')) * (end - start) + content[end:]
    )


def _cut_off(content, chance):
    return content[: chance.randrange(len(content) + 1)]


def _leave_out(content, chance):
    start, end = _place(content, chance)
    return content[:start] + content[end:]


def _repeat(content, chance):
    start, end = _place(content, chance)
    return content[:end] + content[start:end] + content[end:]


def _add(content, chance):
    start, _ = _place(content, chance)
    return content[:start] + chance.randbytes(chance.choice((1, 4, 100))) + content[start:]


_CHANGES = (_flip, _flip, _replace, _extreme, _cut_off, _leave_out, _repeat, _add)
