"""What work was about: the layers or files it was started on, and when. No Qt."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from weakref import ref

from napari_utile.widgets.kit.dates import when_text

NAMES_SHOWN = 3
"""Of several layers; of more, only how many there are."""


@dataclass(frozen=True)
class Subject:
    """What work is about. Two are equal if they are about the same, whatever its name.

    Attributes
    ----------
    key : hashable
        Tells it from other layers or files. Of layers, weak references: what is told of a run
        must not keep pixels in memory.
    name : str
        For people.
    began : datetime
        When the work was started.
    """

    key: Hashable
    name: str = field(compare=False)
    began: datetime = field(default_factory=datetime.now, compare=False)

    @classmethod
    def of(cls, layers: Sequence[Any], between: str = ", ") -> "Subject | None":
        """Return that of layers; None if one is missing, or there is none.

        Parameters
        ----------
        layers : sequence of Layer or None
        between : str
            What stands between two names.
        """
        if not layers or any(layer is None for layer in layers):
            return None
        names = [f"'{layer.name}'" for layer in layers]
        name = between.join(names) if len(names) <= NAMES_SHOWN else f"{len(names)} layers"
        return cls(tuple(map(ref, layers)), name)

    def text(self, now: datetime | None = None) -> str:
        """Return on what the work was done, and when.

        Examples
        --------
        >>> then = datetime(2026, 12, 1, 9, 5)
        >>> Subject(None, "'em' with 'cells'", then).text(then)
        "On 'em' with 'cells', today 09:05"
        """
        return f"On {self.name}, {when_text(self.began, now)}"
