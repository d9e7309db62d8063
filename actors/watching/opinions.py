"""What several sources say of one payment that is confirmed only by two of them.

No actor: a record that the address actor keeps for a payment with a quorum. It hands
each view on with what others have shown (`ChainView.seconded`), and sees to it that one
source which contradicts the others is named, told of and set aside. Which of two that
contradict one another is right it cannot tell: then nothing is confirmed, a third is
asked if there is one, and a person is told. The rule is `engine/payment/quorum.py`.
"""

from msgspec.structs import replace

from actors.messages import Contradicted
from actors.node import Node
from actors.watching.looking import question
from engine.chain.feed import ChainView
from engine.payment.model import Payment
from engine.payment.quorum import (
    FRESH_MS,
    SourceWord,
    contradict,
    odd_one,
    seconded_by,
    word_of,
)

__all__ = ["Opinions"]

CONTRADICTED = "payment.contradicted"


class Opinions:
    """Of one watcher; see the module docstring."""

    __slots__ = ("_newest", "_node", "_words")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._words: dict[str, SourceWord] = {}  # the newest, by operator
        self._newest: SourceWord | None = None  # of all

    def hear(self, payment: Payment, view: ChainView, asked_at: int) -> ChainView:
        """The view as it may be judged."""
        if not view.is_current:
            return view
        now = self._node.clock.now()
        operator = self._node.operators.get(view.source, view.source)
        word = word_of(payment, view, operator, asked_at)
        fresh = {
            name: said
            for name, said in self._words.items()
            if name != operator and now - said.asked_at < FRESH_MS
        }
        self._words = {**fresh, operator: word}
        against = [said for said in fresh.values() if contradict(word, said)]
        odd = odd_one(self._words.values()) if against else None
        if odd is not None:
            self._set_aside(payment, odd)
        elif against:
            detail = f"{view.source} contradicts {against[0].source}"
            merchant = payment.terms.merchant
            self._node.alerts.raise_(
                CONTRADICTED, payment.id, detail, now, merchant=merchant
            )
        elif len(self._words) > 1:
            self._node.alerts.clear(CONTRADICTED, payment.id)
        self._newest = word
        is_second = self._node.source_report.now.freshness.source != view.source
        if odd is word or (against and odd is None and is_second):
            # Of a word against a word only that is believed that money is there.
            return replace(view, is_current=False, complete=False, off_chain=())
        others = [w for w in self._words.values() if not contradict(word, w)]
        return replace(view, seconded=seconded_by(others, operator, now))

    def ask(self, payment: Payment, script: bytes) -> None:
        """Another, independent source is to say whether it shows the same."""
        poll = question(payment, script, 0.0)
        blocks = dict(poll.blocks)
        for word in self._words.values():
            for block, _ in word.shown.values():
                if block is not None:
                    blocks.setdefault(block, None)
        newest = self._newest
        assert newest is not None, "a view is heard before it wants a second"
        heard = {newest.operator}
        against = {w.operator for w in self._words.values() if contradict(w, newest)}
        if set(self._node.operators.values()) - heard - against:
            heard |= against  # a third may know; else who contradicts may have erred
        self._node.source.tell(
            replace(poll, blocks=tuple(blocks.items()), heard=tuple(sorted(heard)))
        )

    def _set_aside(self, payment: Payment, odd: SourceWord) -> None:
        others = [w.source for w in self._words.values() if w is not odd]
        detail = f"it contradicts {' and '.join(sorted(others))} about {payment.id}"
        self._node.source.tell_system(Contradicted(odd.source, detail))
        self._node.alerts.clear(CONTRADICTED, payment.id)
        if odd.operator in self._words:
            del self._words[odd.operator]
