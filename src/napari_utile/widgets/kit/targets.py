"""What the chosen networks can learn of labels, as the choices of a form."""

from napari_utile.settings.options import axes_seen, targets_of
from napari_utile.widgets.kit.form import Form


class TargetOffer:
    """Keeps the choices of `target` of a form to what its networks can learn.

    Parameters
    ----------
    form : Form
    field : str
        Of the form, with the name of a network, or a list of names.
    """

    def __init__(self, form: Form, field: str):
        self._form, self._field = form, field
        self._offered_for: tuple[str, ...] | None = None

    def update(self) -> str | None:
        """Offer what the networks can learn now.

        Returns
        -------
        str or None
            A sentence if that changed the target, "" if not; None if the networks are the same
            as before.
        """
        chosen = self._form.value(self._field)
        networks = (chosen,) if isinstance(chosen, str) else tuple(chosen)
        if networks == self._offered_for:
            return None
        self._offered_for = networks
        lost = self._form.value("target")
        if not self._form.offer("target", targets_of(*networks)):
            return ""
        of_slices = next(name for name in networks if axes_seen(name) == 2)
        return (
            f"The target is {self._form.value('target')} again: {of_slices} sees slices, and "
            f"{lost} are learnt by networks of volumes."
        )
