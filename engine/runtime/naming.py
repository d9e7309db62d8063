"""How the log calls an actor."""

from typing import Protocol

__all__ = ["who"]


class _Scope(Protocol):
    @property
    def named_as(self) -> str: ...


class _Ref(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> _Scope: ...


def who(ref: _Ref) -> str:
    """The fields of a line about this actor. A watcher's line is one of its payment's,
    and is found by who looks for that."""
    named_as = ref.scope.named_as
    return f"actor={ref.name}" + (f" {named_as}={ref.name}" if named_as else "")
