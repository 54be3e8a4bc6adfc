"""Units of lengths and times, and how sizes and durations are written. One table for all.

OME-Zarr and napari spell units in full, OME-TIFF as symbols, other files as people do.
"""

from rich.filesize import decimal

LENGTHS = {
    "picometer": ("pm", 1e-6), "angstrom": ("Å", 1e-4), "nanometer": ("nm", 1e-3),
    "micrometer": ("µm", 1.0), "millimeter": ("mm", 1e3), "centimeter": ("cm", 1e4),
    "inch": ("in", 25.4e3), "meter": ("m", 1e6),
}  # fmt: skip
"""Symbol, and how many micrometers it is."""
TIMES = {
    "microsecond": "µs", "millisecond": "ms", "second": "s", "minute": "min", "hour": "h",
    "day": "d",
}  # fmt: skip
SYNONYMS = {
    "um": "micrometer", "μm": "micrometer", "\\u00b5m": "micrometer",  # the Greek letter, too
    "micron": "micrometer", "microns": "micrometer", "micrometre": "micrometer",
    "nanometre": "nanometer", "sec": "second",
}  # fmt: skip
_FULL = {
    **SYNONYMS,
    **{symbol.lower(): name for name, (symbol, _) in LENGTHS.items()},
    **{symbol: name for name, symbol in TIMES.items()},
}


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
    name = str(text or "").strip().lower()
    name = _FULL.get(name, name)
    return name if name in LENGTHS or name in TIMES else "pixel"


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
