"""What a comparison costs, and what its outcome will be worth, before the press. No Qt."""

from collections.abc import Sequence

from napari_utile.io.units import counted, duration_text
from napari_utile.settings.comparison import CompareSettings
from napari_utile.widgets.kit.step_rates import FEW_STEPS, steps_within

SEEDS_THAT_TELL = 3
"""Seeds of each network from which chance is seen."""


def comparison_text(settings: CompareSettings, rates: Sequence[float | None]) -> str:
    """Return how long a comparison takes.

    Parameters
    ----------
    settings : CompareSettings
    rates : sequence of float or None
        Steps a minute of each network, None where it is not known.

    Examples
    --------
    >>> five = CompareSettings(minutes=5)
    >>> comparison_text(five, [None] * 5)
    '5 networks x 5 min = 25 min.'
    >>> comparison_text(five, [60, 90, 30, 60, 60])
    '5 networks x 5 min = 25 min, 150 to 450 steps each here.'
    >>> two = CompareSettings(networks=["unet", "fcn"], seeds=[0, 1], steps=300)
    >>> comparison_text(two, [60, 30])
    '2 networks x 2 seeds x 300 steps, about 30 min here.'
    """
    count, seeds = len(settings.networks), len(settings.seeds)
    runs = f"{count} network{'s' * (count > 1)}" + (f" x {seeds} seeds" if seeds > 1 else "")
    known = [rate for rate in rates if rate is not None]
    steps = [steps_within(rate, settings.minutes, settings.steps) for rate in known]
    if settings.minutes and (settings.steps is None or not steps):
        total = 60 * settings.minutes * count * seeds
        told = f"{runs} x {settings.minutes:g} min = {duration_text(total)}"
    else:
        total = 60 * seeds * sum(n / rate for n, rate in zip(steps, known, strict=True))
        told = f"{runs} x {counted(settings.steps or 0, 'steps')}"
        if len(known) == count:
            told += f", about {duration_text(total)} here"
        return f"{told}."
    if len(known) < count:
        return f"{told}."
    few, many = f"{min(steps):,.0f}", f"{max(steps):,.0f}"
    return f"{told}, {few if few == many else f'{few} to {many}'} steps each here."


def chance_warning(settings: CompareSettings, rates: Sequence[float | None]) -> str:
    """Return why the network that wins may not be the best one, or ''.

    Parameters
    ----------
    settings : CompareSettings
    rates : sequence of float or None
        As of `comparison_text`.

    Examples
    --------
    >>> chance_warning(CompareSettings(minutes=5), [None] * 5)
    'With one seed the winner may be chance: seeds 0, 1, 2 show how much is.'
    >>> few = CompareSettings(networks=["unet", "fcn"], seeds=[0, 1, 2], minutes=1)
    >>> chance_warning(few, [60, 300])
    'unet has time for 60 steps, and a network needs hundreds: give more minutes.'
    """
    for name, rate in zip(settings.networks, rates, strict=True):
        if rate is None:
            continue
        steps = steps_within(rate, settings.minutes, settings.steps)
        if steps < FEW_STEPS:
            more = "minutes" if settings.minutes and steps != settings.steps else "steps"
            return (
                f"{name} has time for {counted(round(steps), 'steps')}, and a network needs "
                f"hundreds: give more {more}."
            )
    if len(settings.networks) > 1 and len(settings.seeds) < SEEDS_THAT_TELL:
        seeds = "one seed" if len(settings.seeds) == 1 else f"{len(settings.seeds)} seeds"
        return f"With {seeds} the winner may be chance: seeds 0, 1, 2 show how much is."
    return ""
