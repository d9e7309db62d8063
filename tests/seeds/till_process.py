"""`run.py` for tests of the till: it kills itself (SIGKILL) at the n-th stop of a
forward's way (`tests/money/killed.py`; 0: never), and believes a node's "no" after two
seconds in place of ninety, as no request lingers here.

    python -m tests.seeds.till_process 7 serve --port=…
"""

from engine.lightning import till_steps
from tests.money import killed


def main() -> None:
    till_steps.SETTLE_MS = 2_000  # type: ignore[misc]
    killed.main()


if __name__ == "__main__":
    main()
