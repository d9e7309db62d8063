"""How a call of a node fails. Here, as every command knows it and few call a node."""

__all__ = ["CallFailed"]


class CallFailed(Exception):
    """The node could not be reached, or refused; the text says which and why.

    `status` is that of its answer; None if there was none.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status is None or self.status in {429, 503}
