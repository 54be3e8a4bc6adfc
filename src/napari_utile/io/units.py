"""Units of lengths and times, and how sizes and durations are written. One table for all.

OME-Zarr and napari spell units in full, OME-TIFF as symbols, other files as people do.
"""

import math
import re
import unicodedata

from rich.filesize import decimal

LENGTHS = {
    "femtometer": ("fm", 1e-9), "picometer": ("pm", 1e-6), "angstrom": ("Å", 1e-4),
    "nanometer": ("nm", 1e-3), "micrometer": ("µm", 1.0), "millimeter": ("mm", 1e3),
    "centimeter": ("cm", 1e4), "decimeter": ("dm", 1e5), "inch": ("in", 25.4e3),
    "foot": ("ft", 304.8e3), "meter": ("m", 1e6), "kilometer": ("km", 1e9),
}  # fmt: skip
"""Symbol, and how many micrometers it is."""
TIMES = {
    "nanosecond": "ns", "microsecond": "µs", "millisecond": "ms", "second": "s",
    "minute": "min", "hour": "h", "day": "d",
}  # fmt: skip
SYNONYMS = {
    "um": "micrometer", "micron": "micrometer", "micro": "micrometer", "âμm": "micrometer",
    "mu": "micrometer", "ang": "angstrom", "ångström": "angstrom", "ångstrom": "angstrom",
    "inches": "inch", '"': "inch", "feet": "foot", "us": "microsecond", "sec": "second",
    "msec": "millisecond",
    "usec": "microsecond", "hr": "hour",
}  # fmt: skip
"""Other spellings; "âµm" is µm in UTF-8 that was read as Latin-1."""
NO_UNITS = {
    "",
    "pixel",
    "px",
    "none",
    "null",
    "uncalibrated",
    "reference frame",
    "referenceframe",
}
"""What files write where there is no unit."""


def _plain(text: object) -> str:
    """Bring a spelling to one form: escapes resolved, one micro sign, British as American."""
    name = re.sub(
        r"\\u([0-9a-f]{4})",
        lambda found: chr(int(found[1], 16)),
        str(text),
        flags=re.IGNORECASE,
    )
    # NFKC: the micro sign is the Greek letter, the sign of Angstrom the letter Å.
    name = unicodedata.normalize("NFKC", name).strip().strip("\0").casefold()
    return re.sub(r"metre", "meter", re.sub(r"(?<=.)\.$|^\(|\)$", "", name)).strip()


_FULL = {
    **{_plain(symbol): name for name, (symbol, _) in LENGTHS.items()},
    **{_plain(symbol): name for name, symbol in TIMES.items()},
    **{_plain(name): name for name in (*LENGTHS, *TIMES)},
    **{_plain(other): name for other, name in SYNONYMS.items()},
}


def known_unit(text: object) -> str | None:
    """Spell a unit in full, "pixel" for none, and None for what is not understood.

    Parameters
    ----------
    text : object
        A name or symbol in any spelling, or None.

    Examples
    --------
    >>> known_unit("Microns"), known_unit("\\\\u00B5m"), known_unit(None), known_unit("furlong")
    ('micrometer', 'micrometer', 'pixel', None)
    """
    name = _plain("" if text is None else text)
    single = name.removesuffix("s") if len(name) > 3 else name
    if name in NO_UNITS or single in NO_UNITS:
        return "pixel"
    return _FULL.get(name) or _FULL.get(single)


def unit_name(text: object) -> str:
    """Spell a unit in full, as OME-Zarr and napari do.

    Parameters
    ----------
    text : object
        A name or symbol in any spelling; what is no unit, such as None, is "pixel".

    Examples
    --------
    >>> unit_name("nm"), unit_name("Microns"), unit_name("second"), unit_name("furlong")
    ('nanometer', 'micrometer', 'second', 'pixel')
    """
    return known_unit(text) or "pixel"


def unit_symbol(name: str) -> str:
    """Return the symbol of a unit of length, for OME-TIFF; other names stay as they are.

    Parameters
    ----------
    name : str
        In full.

    Examples
    --------
    >>> unit_symbol("micrometer"), unit_symbol("second")
    ('µm', 'second')
    """
    return LENGTHS[name][0] if name in LENGTHS else name


def micrometers(name: str) -> float | None:
    """Return how many micrometers a unit of length is; None for other units.

    Parameters
    ----------
    name : str
        In full.

    Examples
    --------
    >>> micrometers("nanometer"), micrometers("pixel")
    (0.001, None)
    """
    return LENGTHS[name][1] if name in LENGTHS else None


def size_text(nbytes: float) -> str:
    """Write a number of bytes with a unit.

    Parameters
    ----------
    nbytes : float

    Examples
    --------
    >>> size_text(512), size_text(3.2e9)
    ('512 bytes', '3.2 GB')
    """
    return decimal(round(nbytes))


def counted(number: float, name: str) -> str:
    """Write how many there are of something.

    Parameters
    ----------
    number : int or float
    name : str
        In the plural: that of one is the same without the last letter.

    Examples
    --------
    >>> counted(1, "objects"), counted(1234, "objects"), counted(1.5, "minutes")
    ('1 object', '1,234 objects', '1.5 minutes')
    """
    amount = f"{number:,}".removesuffix(".0")
    return f"{amount} {name[:-1] if number == 1 else name}"


def duration_text(seconds: float) -> str:
    """Write a duration in the two largest units; `humanize` is too long for a progress bar.

    Parameters
    ----------
    seconds : float

    Examples
    --------
    >>> duration_text(42), duration_text(80), duration_text(7260), duration_text(200_000)
    ('42 s', '1 min 20 s', '2 h 1 min', '2 days 7 h')
    """
    if not math.isfinite(seconds):
        return "unknown time"
    seconds = round(seconds)
    minutes, hours = seconds // 60, seconds // 3600
    if minutes < 1:
        return f"{seconds} s"
    if minutes < 10:
        return f"{minutes} min {seconds % 60} s"
    if hours < 1:
        return f"{round(seconds / 60)} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min"
    return f"{hours // 24} days {hours % 24} h"
