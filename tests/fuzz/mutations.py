"""Inputs that are almost right: valid ones, changed at random, the same for the same seed."""

import copy
import json
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

INTEGERS = [0, 1, 2, 3, 4, 7, 8, 16, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1]
INTEGERS += [2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 10**10, 10**15]
NUMBERS: list[Any] = [*INTEGERS, *(-number for number in INTEGERS), 10**400, -0.0, 0.5, 1.5]
NUMBERS += [1e-300, 1e300, 1e-9, float("nan"), float("inf"), -float("inf"), True, False]
WORDS = [
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "nan",
    "None",
    "null",
    "true",
    "a/b",
    "..",
    "../x",
    "/",
    ".",
]
WORDS += [
    "/etc/passwd",
    "C:\\x",
    "http://127.0.0.1:9/x",
    "file:///etc/passwd",
    "\0",
    "\x1b[31m",
]
WORDS += ["=1+1", "<b>", "a" * 300, "ä", "a\u0308", "\u202e", "\ud800", "😀", "%s", "{}", "CON"]
WORDS += [
    "!!python/object/apply:os.system [id]",
    "*",
    "[",
    "a,b",
    "int64",
    "object",
    "|O",
    "<U9",
]
OTHER_TYPES: list[Any] = [None, True, False, 0, -1, 0.5, "", "x", [], [0], [[]], {}, {"x": 0}]
LINES = ["", " ", "null", "[]", "{}", "0", '"x"', "{", "}", "\x00", "\ufeff", "NaN", "x" * 5000]
DEEP = 100_000
"""Depth of nesting at which a parser that recurses fails."""


def mutate(data: bytes, kind: str, chance: random.Random, seeds: list[bytes]) -> bytes:
    """Return `data` with one to eight changes of its `kind`: `bytes`, `json` or `text`."""
    if kind == "json" and chance.random() < 0.95:  # some are broken as text, too
        try:
            return mutate_json(data, chance, seeds)
        except (ValueError, RecursionError, ArithmeticError):
            pass  # no JSON: a file of a corpus may be anything
    changes = TEXT if kind == "text" and chance.random() < 0.7 else BYTES
    for _ in range(_some(chance)):
        data = chance.choice(changes)(data, chance, seeds)
    return data


def _some(chance: random.Random) -> int:
    """Return a number of changes: mostly one or two."""
    number = 1
    while number < 8 and chance.random() < 0.5:
        number += 1
    return number


# bytes


def _place(data: bytes, chance: random.Random) -> int:
    """Return a position, in half of the cases near the start or the end: headers lie there."""
    near = min(len(data), 256)
    if chance.random() < 0.25:
        return chance.randint(0, near)
    if chance.random() < 0.33:
        return len(data) - chance.randint(0, near)
    return chance.randint(0, len(data))


def _flip_bits(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 8])):
        changed[min(_place(data, chance), len(data) - 1)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _write_integer(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    """Overwrite 1 to 8 bytes by an extreme, or by what was there and one more or less."""
    size, order = chance.choice([1, 2, 2, 4, 4, 8]), chance.choice(["little", "little", "big"])
    at = _place(data, chance)
    if chance.random() < 0.5:
        at -= at % 2
    old = int.from_bytes(data[at : at + size], order)
    number = chance.choice([*INTEGERS, -1, -2, old + 1, old - 1, old * 2, old // 2, old ^ 1])
    return data[:at] + (number % 256**size).to_bytes(size, order) + data[at + size :]


def _cut(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    return data[: _place(data, chance)]


def _delete(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice([1, 2, 4, 8, 64, 1024]) :]


def _repeat(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    at, size = _place(data, chance), chance.choice([1, 4, 16, 256])
    return data[:at] + data[at : at + size] * chance.choice([2, 3, 50]) + data[at + size :]


def _splice(data: bytes, chance: random.Random, seeds: list[bytes]) -> bytes:
    """Join the start of this input to the end of another."""
    other = chance.choice(seeds)
    return data[: _place(data, chance)] + other[_place(other, chance) :]


def _graft(data: bytes, chance: random.Random, seeds: list[bytes]) -> bytes:
    """Overwrite or insert a piece of another input."""
    other, size = chance.choice(seeds), chance.choice([2, 4, 8, 12, 32, 128])
    start = _place(other, chance)
    piece, at = other[start : start + size], _place(data, chance)
    return data[:at] + piece + data[at + chance.choice([0, len(piece)]) :]


def _fill(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    at, size = _place(data, chance), chance.choice([1, 4, 12, 64])
    return data[:at] + chance.choice([b"\0", b"\xff", b"A"]) * size + data[at + size :]


def _insert_token(data: bytes, chance: random.Random, seeds: list[bytes]) -> bytes:
    """Overwrite or insert a word that occurs in the seeds, or one that is known for trouble."""
    word = chance.choice([*WORDS, *map(str, INTEGERS)]).encode("utf-8", "surrogatepass")
    if chance.random() < 0.5:
        word = chance.choice(chance.choice(seeds).split() or [b""])[:200]
    at = _place(data, chance)
    return data[:at] + word + data[at + chance.choice([0, len(word)]) :]


Change = Callable[[bytes, random.Random, list[bytes]], bytes]
BYTES: list[Change] = [_flip_bits, _flip_bits, _write_integer, _write_integer, _write_integer]
BYTES += [_cut, _delete, _repeat, _splice, _graft, _fill, _insert_token]


# text


def _change_lines(data: bytes, chance: random.Random, seeds: list[bytes]) -> bytes:
    """Drop, double, swap, replace, cut or take over a line."""
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    other = chance.choice(chance.choice(seeds).split(b"\n"))
    match chance.randrange(7):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            to = chance.randrange(len(lines))
            lines[at], lines[to] = lines[to], lines[at]
        case 3:
            lines[at] = chance.choice(LINES).encode()
        case 4:
            lines[at] = lines[at][: chance.randint(0, len(lines[at]))]
        case 5:
            lines.insert(at, other)
        case _:
            lines[at] = mutate(lines[at], "json", chance, seeds)
    return b"\n".join(lines)


def _change_ends(data: bytes, chance: random.Random, _: list[bytes]) -> bytes:
    """Write the text as other systems do: other line ends, a mark at the start, UTF-16."""
    match chance.randrange(4):
        case 0:
            return data.replace(
                b"\n", chance.choice([b"\r\n", b"\r", b"\x00", b"\xe2\x80\xa8"])
            )
        case 1:
            return b"\xef\xbb\xbf" + data
        case 2:
            return data.decode("utf-8", "replace").encode("utf-16")
        case _:
            return data.rstrip(b"\n")


TEXT: list[Change] = [*[_change_lines] * 8, _change_ends, _insert_token, _flip_bits]


# JSON


def mutate_json(data: bytes, chance: random.Random, seeds: list[bytes]) -> bytes:
    """Change values, keys, types, numbers and structure of a JSON document.

    Raises
    ------
    ValueError
        If `data` is no JSON.
    """
    document = json.loads(data)
    for _ in range(_some(chance)):
        document = _change_value(document, chance, seeds)
    text = json.dumps(document, ensure_ascii=chance.random() < 0.5)
    if chance.random() < 0.02:
        brackets = chance.choice([("[", "]"), ('{"x":', "}")])
        text = brackets[0] * DEEP + text + brackets[1] * DEEP
    return text.encode("utf-8", "surrogatepass")


def _change_value(document: Any, chance: random.Random, seeds: list[bytes]) -> Any:
    """Return the document with a change in one place, drawn level by level."""
    found = list(places(document))
    if not found:
        return _other_value(document, chance, seeds)
    # An array of 10,000 numbers is drawn no oftener than the ten keys beside it.
    depth = chance.choice(sorted({depth for depth, *_ in found}))
    _, inside, key = chance.choice([place for place in found if place[0] == depth])
    action = chance.randrange(10)
    if action == 0:
        del inside[key]
    elif action == 1 and isinstance(inside, dict):
        inside[chance.choice([*WORDS, *inside, *_keys(seeds, chance)])] = inside.pop(key)
    elif action == 2 and isinstance(inside, list):
        inside.insert(key, copy.deepcopy(chance.choice(inside)))
    elif action == 3:
        *_, there, other = chance.choice(found)
        inside[key] = copy.deepcopy(there[other])
    elif action == 4 and isinstance(inside, list) and isinstance(inside[key], int | float):
        inside[:] = inside * chance.choice([0, 2, 100])
    else:
        inside[key] = _other_value(inside[key], chance, seeds)
    return document


def places(value: Any, depth: int = 0) -> Any:
    """Yield (depth, container, key) of every value, at most 60 of one list."""
    if isinstance(value, dict):
        keys: Any = list(value)
    elif isinstance(value, list):
        keys = range(min(len(value), 60))
    else:
        return
    for key in keys:
        yield depth, value, key
        yield from places(value[key], depth + 1)


def _keys(seeds: list[bytes], chance: random.Random) -> list[str]:
    """Return the words in quotes of one of the seeds."""
    parts = chance.choice(seeds).decode("utf-8", "replace").split('"')
    return [word for word, after in pairwise(parts) if after.lstrip().startswith(":")] or ["x"]


def _other_value(value: Any, chance: random.Random, seeds: list[bytes]) -> Any:
    """Return something in place of `value`: like it, of another type, or extreme."""
    if chance.random() < 0.25:
        return copy.deepcopy(chance.choice(OTHER_TYPES))
    near: list[Any] = [*OTHER_TYPES, *NUMBERS]
    match value:
        case bool():
            near = [not value, None, *NUMBERS]
        case int() | float() if chance.random() < 0.4:
            near = [value + 1, value - 1, -value, value * 2, value / 2, str(value), [value]]
        case str():
            near = [value + " ", value.upper(), value[1:], value * 2, [value], {value: value}]
            near += [*WORDS, *_keys(seeds, chance)]
        case list():
            near = [value[:-1], value + value, value[::-1], [value], {"x": value}, value[:1]]
        case dict():
            near = [[value], list(value), {**value, "x": 0}, {}, {"x": value}]
    return chance.choice(near)
