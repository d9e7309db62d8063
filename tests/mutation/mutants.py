"""Single-line mutants of a Python file: small wrong changes that a test should notice.

Pure: text in, mutants out. A mutant is a piece of the source that is replaced by
another; all else, comments and lines too, stays as it is. What is no behaviour is left
alone: annotations, docstrings, assertions, log lines, `__all__`, `__slots__`, what only
type checkers see, and bodies of protocols.
"""

from __future__ import annotations

import ast

import msgspec

__all__ = ["Mutant", "mutants_of"]

LARGE = 10
"""An integer above it is a bound or a time: it is mutated tenfold, not by one."""

_COMPARISONS: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}

_OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "+"),
    ast.FloorDiv: ("//", "*"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "+"),
    ast.BitOr: ("|", "&"),
    ast.BitAnd: ("&", "|"),
}

_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}

_LOGS = {"log", "_log", "logger"}

_NO_BEHAVIOUR = {"__all__", "__slots__"}


class Mutant(msgspec.Struct, frozen=True, order=True):
    """One wrong change. `start` and `end` are offsets in the file's bytes."""

    path: str
    start: int
    end: int
    line: int
    kind: str
    before: str
    after: str
    place: str
    """The function or class that it stands in, dotted."""

    text: str
    """The line that it begins in, without the space around it."""

    nth: int = 0
    """How many like it come before it on lines with the same text."""

    @property
    def id(self) -> str:
        """Stable as long as the line is: no number of a line is in it."""
        again = f" #{self.nth}" if self.nth else ""
        return (
            f"{self.path}::{self.place} | {self.text} | {self.kind}:"
            f" {_short(self.before)} -> {self.after}{again}"
        )

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]


def mutants_of(path: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of their places."""
    maker = _Maker(path, source)
    maker.visit(ast.parse(source))
    found: list[Mutant] = []
    seen: dict[str, int] = {}
    for mutant in sorted(maker.found):
        nth = seen.get(mutant.id, 0)
        seen[mutant.id] = nth + 1
        found.append(msgspec.structs.replace(mutant, nth=nth) if nth else mutant)
    return found


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else words[:57] + "..."


class _Maker(ast.NodeVisitor):
    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.source = source.encode()
        self.lines = source.splitlines()
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line.encode()))
        self.place: list[str] = []
        self.found: set[Mutant] = set()

    # -- what is left alone ----------------------------------------------------

    def visit_Assert(self, node: ast.Assert) -> None:
        """An assertion guards the tests too: it has no behaviour to be tested."""

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        self._condition(node.test)
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if any(isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases):
            return
        self._inside(node.name, node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        self._inside(node.name, node.body)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if isinstance(node.target, ast.Attribute) and node.value is not None:
            self._drop(node)
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        names = {t.id for t in node.targets if isinstance(t, ast.Name)}
        if names & _NO_BEHAVIOUR:
            return
        if all(isinstance(t, ast.Attribute | ast.Subscript) for t in node.targets):
            self._drop(node)
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node.value, ast.Call) and not _is_log(node.value):
            self._drop(node)
            self.generic_visit(node)
        elif isinstance(node.value, ast.Yield | ast.YieldFrom | ast.Await):
            self.generic_visit(node)

    # -- what is changed -------------------------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        left: ast.expr = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            before, after = _COMPARISONS[type(operator)]
            self._between("comparison", left, right, before, after)
            left = right
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between("boolean", left, right, *words)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        known = _OPERATORS.get(type(node.op))
        text = any(
            isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
            for side in (node.left, node.right)
        )
        if known is not None and not text:
            self._between("arithmetic", node.left, node.right, *known)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        known = _OPERATORS.get(type(node.op))
        if known is not None:
            before, after = known
            self._between(
                "arithmetic", node.target, node.value, before + "=", after + "="
            )
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            start = self._start(node)
            spaced = self.source[start : start + 4] == b"not "
            self._add("dropped not", start, start + (4 if spaced else 3), "", node)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._replace("constant", node, str(not value))
        elif isinstance(value, int):
            self._replace("constant", node, _other_int(value))
        elif isinstance(value, float):
            self._replace("constant", node, repr(value / 10 if value else 1.0))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Texts for people."""

    def visit_Raise(self, node: ast.Raise) -> None:
        self._drop(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._replace("left out", node, "pass")

    def visit_Break(self, node: ast.Break) -> None:
        self._replace("left out", node, "pass")

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            self._replace("left out", node, "pass")
        elif not isinstance(node.value, ast.Constant):
            self._replace("return", node.value, "None")
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            self._replace("call", node.func, _CALLS[node.func.id])
        for keyword in node.keywords:
            if keyword.arg is not None and not _is_text(keyword.value):
                self._replace("argument", keyword.value, "None")
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        self._drop(node)

    # -- helpers ---------------------------------------------------------------

    def _inside(self, name: str, body: list[ast.stmt]) -> None:
        self.place.append(name)
        for statement in body:
            self.visit(statement)
        self.place.pop()

    def _condition(self, test: ast.expr) -> None:
        """A test with an operator in it is mutated there."""
        if isinstance(test, ast.Name | ast.Attribute | ast.Call | ast.Subscript):
            start = self._start(test)
            self._add("negated", start, self._end(test), f"not {self._of(test)}", test)

    def _drop(self, node: ast.stmt) -> None:
        self._replace("left out", node, "pass")

    def _replace(self, kind: str, node: ast.expr | ast.stmt, after: str) -> None:
        self._add(kind, self._start(node), self._end(node), after, node)

    def _between(
        self, kind: str, left: ast.expr, right: ast.expr, before: str, after: str
    ) -> None:
        """Replace the operator that stands between two expressions."""
        start, end = self._end(left), self._start(right)
        gap = self.source[start:end]
        at = gap.find(before.encode())
        if at >= 0 and b"#" not in gap:
            start += at
            self._add(kind, start, start + len(before), after, left)

    def _add(self, kind: str, start: int, end: int, after: str, node: ast.AST) -> None:
        line = self._line_of(start)
        mutant = Mutant(
            path=self.path,
            start=start,
            end=end,
            line=line,
            kind=kind,
            before=self.source[start:end].decode(),
            after=after,
            place=".".join(self.place) or "module",
            text=self.lines[line - 1].strip(),
        )
        self.found.add(mutant)

    def _line_of(self, offset: int) -> int:
        low, high = 0, len(self.starts) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self.starts[middle] <= offset:
                low = middle
            else:
                high = middle
        return low + 1

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.end_lineno - 1] + node.end_col_offset

    def _of(self, node: ast.expr) -> str:
        return self.source[self._start(node) : self._end(node)].decode()


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant | ast.JoinedStr)


def _other_int(value: int) -> str:
    return str(value // 10 if value > LARGE else value + 1)


def _is_log(call: ast.Call) -> bool:
    function = call.func
    while isinstance(function, ast.Attribute):
        function = function.value
    return isinstance(function, ast.Name) and function.id in _LOGS
