"""What the panel Train says about a run, in the words of the window. No Qt."""

from collections.abc import Mapping

from napari_utile.events import RunFailed


def refusal_in_words(event: RunFailed) -> str:
    """Return why a run did not go on.

    Parameters
    ----------
    event : RunFailed

    Examples
    --------
    >>> changed = ["the labels have changed"]
    >>> refusal_in_words(RunFailed(message="...", user=True, differs=changed))
    'This run cannot be resumed: the labels have changed.'
    """
    if not event.differs:
        return event.message
    return f"This run cannot be resumed: {'; '.join(event.differs)}."


def estimate_text(facts: Mapping[str, str | int | float]) -> str:
    """Return what a training costs in sentences, and what its counterpart would cost.

    Parameters
    ----------
    facts : mapping
        Of an estimate.

    Examples
    --------
    >>> estimate_text({"network": "unet", "time": "about 9 s", "a step": "0.1 s",
    ...     "training tile": 64, "with unet-3d": "about 1 min"})
    'unet: about 9 s (0.1 s a step, tiles of 64 px). With unet-3d: about 1 min.'
    """
    step, tile = facts["a step"], facts["training tile"]
    told = f"{facts['network']}: {facts['time']} ({step} a step, tiles of {tile} px)."
    if pools := facts.get("pools"):
        told += f" A voxel is {facts['voxel']}; it pools {pools}."
    others = ((name, cost) for name, cost in facts.items() if name.startswith("with "))
    return told + "".join(f" With {name[5:]}: {cost}." for name, cost in others)
