"""The two ways in which a piece of work fails."""


class UserError(ValueError):
    """Something the user can change. The message is one sentence that names it.

    A `ValueError`, so that a script catches it as it catches those of NumPy. Code that catches
    `ValueError` around a call that may raise this one lets it pass first.
    """


class EngineError(Exception):
    """A run broke. The message says what happened and what is left on disk.

    Never a `RuntimeError`: superqt takes those for a deleted worker and drops them.
    """
