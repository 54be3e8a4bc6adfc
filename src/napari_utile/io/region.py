"""The region of a stack that is predicted, as the user writes it."""

from napari_utile.arrays.blocks import Index
from napari_utile.errors import UserError
from napari_utile.io.stack import Stack


def part_of(stack: Stack, region: str | None) -> tuple[Index, Index]:
    """Return start and shape of a region like "0:10,256:768,0:512" in a stack.

    Parameters
    ----------
    stack : Stack
    region : str or None
        One "start:stop" per spatial axis; None is the whole stack.

    Returns
    -------
    starts, shape : tuple of int
        Per spatial axis.

    Raises
    ------
    UserError
        If it has another number of axes than the stack, is empty, or reaches beyond it.
    """
    if region is None:
        return (0,) * len(stack.shape), stack.shape
    ranges = [tuple(map(int, part.split(":"))) for part in region.split(",")]
    if len(ranges) != len(stack.shape):
        raise UserError(
            f"The region {region} has {len(ranges)} axes, {stack.name} has "
            f"{len(stack.shape)} ({', '.join(stack.spatial_axes)})."
        )
    for (start, stop), size, axis in zip(ranges, stack.shape, stack.spatial_axes, strict=True):
        if not start < stop <= size:
            raise UserError(
                f"The region {region} does not lie in {stack.name}: "
                f"{axis} goes from 0 to {size}."
            )
    return tuple(start for start, _ in ranges), tuple(stop - start for start, stop in ranges)
