"""The base of the tree of errors; see the head of `engine/errors/`."""

from typing import ClassVar

from engine.errors.codes import Code

__all__ = ["EngineError"]


class EngineError(Exception):
    """Base of them all."""

    code: ClassVar[Code] = Code.INTERNAL_ERROR
