"""Messages in the words of the shell: below it, options are words, here they are flags."""

import re

_SWITCHES = r"skip broken|crowds as objects"
_FLAGS = (
    (rf"(?<!-)\b({_SWITCHES})\b", lambda found: _dashed(found[1])),
    (r"\boption (prediction holds)\b", lambda found: f"option {_dashed(found[1])}"),
    (r"(?<!-)\boverwrite(?= replaces)", lambda _: "--overwrite"),
    (r"(?<!-)\boverwrite it\b(?! with --)", lambda _: "overwrite it with --overwrite"),
    (r"\bleave out strict\b", lambda _: "leave out --strict"),
    (r"\bset (normalize|ignore|output) to (?=\S)", lambda found: f"give --{found[1]} "),
    (r"\bthe target (?=(instances|classes)\b)", lambda _: "--target "),
    (r"\bset sparse\b", lambda _: "give --sparse"),
    (r"\bleave out sparse\b", lambda _: "leave out --sparse"),
)
"""Words in messages, as patterns, and the flags for them."""


def with_flags(message: str) -> str:
    """Return a message, in which options are words, with the flags that help.

    Parameters
    ----------
    message : str

    Returns
    -------
    str

    Examples
    --------
    >>> with_flags("If only brightness and contrast differ, set normalize to image.")
    'If only brightness and contrast differ, give --normalize image.'
    """
    for words, flag in _FLAGS:
        message = re.sub(words, flag, message)
    return message


def _dashed(words: str) -> str:
    return "--" + words.replace(" ", "-")
