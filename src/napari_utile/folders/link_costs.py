"""The JSON file of the costs by which a graph links objects."""

import json
from pathlib import Path

from napari_utile.arrays.instances.link_costs import LinkCosts
from napari_utile.errors import UserError
from napari_utile.io.disk import atomic_write
from napari_utile.json_files import read_json


def read_link_costs(path: Path | str) -> LinkCosts:
    """Read the costs of linking.

    Parameters
    ----------
    path : path
        A JSON object of names and numbers; those that it lacks have their defaults.

    Returns
    -------
    LinkCosts

    Raises
    ------
    UserError
        If there is no such file, or it holds no costs: names the fault.
    """
    try:
        return LinkCosts.of(read_json(path))
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} holds no costs of linking: {error}.") from None


def write_link_costs(path: Path, costs: LinkCosts) -> None:
    """Write the costs of linking, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(costs.as_dict(), indent=2) + "\n").encode())
