"""The two ways a piece of work can fail."""


class UserError(Exception):
    """Something the user can mend. The message is one sentence that names it."""


class EngineError(Exception):
    """A run broke. The message says what happened and what is left on disk.

    Never a `RuntimeError`: superqt takes those for a deleted worker and drops them.
    """
