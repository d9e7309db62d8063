"""What is raised when a rule that never bends was broken."""

__all__ = ["Broken"]


class Broken(AssertionError):
    """A rule that never bends was broken.

    It is often raised in an actor's turn, where the runtime takes it for a crash of
    that actor. So the first one is kept, and the world looks after every step.
    """

    first: "Broken | None" = None

    def __init__(self, what: str) -> None:
        super().__init__(what)
        if Broken.first is None:
            Broken.first = self
