"""The base of every error that this package expects."""

from __future__ import annotations


class NoisyLabelsError(Exception):
    """Something that a user can correct: the message names what was given and what is allowed or to be done.

    The command prints the message without a traceback and exits with code 2.
    """
