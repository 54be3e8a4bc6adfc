"""How all figures are drawn: alike everywhere, whatever settings of Matplotlib there are."""

from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

from napari_utile.io.own_files import NAMESPACE

COMMON: Mapping[str, Any] = MappingProxyType(
    {"text.parse_math": False, "svg.hashsalt": "utile"}
)
"""No text is taken for a formula, and the ids in an SVG are not random."""


@contextmanager
def plain_style(settings: Mapping[str, Any] = COMMON) -> Iterator[None]:
    """Draw with Matplotlib's own settings; a function, too, may be decorated.

    A `matplotlibrc` in the working folder could run LaTeX or load files; one of the user would
    make other figures of the same numbers.

    Parameters
    ----------
    settings : mapping of str to object
        Those that differ for these figures.
    """
    # It reads the file when it is imported, and fails on one that is no text.
    with chdir(Path(__file__).parent) if Path("matplotlibrc").exists() else nullcontext():
        from matplotlib import rc_context, style

    own: dict[Any, Any] = {**COMMON, **settings}
    with style.context("default"), rc_context(own):
        yield


def encoded(figure: Any, format: str = "png", **options: Any) -> bytes:
    """Return a figure as a file, with nothing in it that differs between two times.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    format : {"png", "svg"}
    **options
        Of ``savefig``.

    Returns
    -------
    bytes
    """
    file = BytesIO()
    said = {"Date": None} if format == "svg" else {"Software": NAMESPACE}
    figure.savefig(file, format=format, metadata=said, **options)
    return file.getvalue()
