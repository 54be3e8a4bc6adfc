"""The environment of processes that are started here."""

import os


def safe_environment() -> dict[str, str]:
    """Return this environment for a process of ours, without imports from the working folder.

    What lies in the folder that napari or a command was started in may have come with
    somebody's data. Neither the process nor those that it starts import from there: Python
    gets `PYTHONSAFEPATH`, and keeps only the absolute entries of `PYTHONPATH`.

    Returns
    -------
    dict of str to str
    """
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    absolute = [entry for entry in entries if os.path.isabs(entry)]  # "" is the working folder
    return os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(absolute)}
