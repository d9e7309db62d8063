"""Mutants inside functions, planted in a process that has the tests loaded.

The code of the function is exchanged, in a fork, for what the mutant makes of it, and
only those tests run that reached the function when nothing was wrong, the quickest
first: about a second each, where a copy of the tree takes half a minute. What stands
outside of functions (constants, defaults), and what survives in functions that are
called while the tests are loaded, is left to `runner.py`.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import gc
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import msgspec
import pytest
from _pytest.main import pytest_runtestloop as run_tests

from tests.mutation.choice import ROOT, judges_of
from tests.mutation.mutants import Mutant
from tests.mutation.runner import SLOWER, Result, Unsound, checksum

__all__ = ["Function", "exchange", "function_of", "marked", "plant_all"]

MARK = "__reached_by_a_test__"
"""The builtin that a marked function calls with what it is."""

LONGEST_S = 3_600.0
"""For all tests once, with nothing planted, and for those of a mutant that wait."""


LEAST_CPU_S = 20.0
"""A mutant's tests may take at least so much."""

OUT_OF_CPU = {signal.SIGXCPU, signal.SIGKILL}


class Function(NamedTuple):
    """A function of a module or of a class, not one within a function."""

    path: str
    name: str
    """Dotted, with its class."""

    line: int
    """Its first one, be it a decorator's."""


class _Reach(msgspec.Struct):
    """What the tests do when nothing is wrong."""

    took_s: list[float]
    """CPU of each test, in the session's order: how long it takes is the machine's
    affair."""

    tests: list[tuple[Function, list[int]]]
    """Which of them reach a function, the quickest first."""

    failed: str
    """The first that failed all the same, or nothing."""


def function_of(mutant: Mutant, source: bytes) -> Function | None:
    """The outermost function in whose body the mutant stands, or None."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for function, node in _functions(mutant.path, ast.parse(source)):
        first, last = node.body[0], node.body[-1]
        begin = starts[first.lineno - 1] + first.col_offset
        end = starts[(last.end_lineno or 0) - 1] + (last.end_col_offset or 0)
        if begin <= mutant.start and mutant.end <= end:
            return function
    return None


def marked(source: bytes, path: str) -> ast.Module:
    """The module, whose functions call `MARK` whenever they begin."""
    tree = ast.parse(source)
    for function, node in _functions(path, tree):
        (call,) = ast.parse(f"{MARK}{tuple(function)!r}").body
        for part in ast.walk(call):
            ast.copy_location(part, node.body[0])
        has_docstring = ast.get_docstring(node, clean=False) is not None
        node.body.insert(1 if has_docstring else 0, call)
    return tree


def exchange(mutant: Mutant, source: bytes, function: Function) -> bool:
    """Give the living function the mutant's code; False where that cannot be done."""
    file = str(ROOT / function.path)
    wrong = compile(mutant.applied(source), file, "exec")
    (code,) = (c for c in _codes(wrong) if _is(c, function))
    found = [
        thing
        for thing in gc.get_objects()
        if isinstance(thing, FunctionType)
        and thing.__code__.co_filename == file
        and _is(thing.__code__, function)
    ]
    try:
        for one in found:
            one.__code__ = code
    except ValueError:  # it needs other variables of its surroundings
        return False
    return bool(found)


def plant_all(
    mutants: Sequence[Mutant],
    done: Callable[[Result], None],
    judges: Callable[[str], list[str]] = judges_of,
) -> None:
    """Plant what can be planted so; `done` hears of each in a process of its own.
    `judges`: the tests of a file.

    Raises `Unsound` where the tests fail with nothing planted.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 2
        try:
            code = _in_one_session(mutants, done, judges)
        except BaseException:  # noqa: BLE001 - a fork never returns
            sys.excepthook(*sys.exc_info())
        finally:
            _leave(code)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise Unsound("the tests fail by themselves, or could not be loaded")


def _in_one_session(
    mutants: Sequence[Mutant],
    done: Callable[[Result], None],
    judges: Callable[[str], list[str]],
) -> int:
    paths = dict.fromkeys(mutant.path for mutant in mutants)
    tests = dict.fromkeys(test for path in paths for test in judges(path))
    session = _Session(mutants, done, judges)
    _load_marked(set(paths), session.mark)
    os.chdir(ROOT)
    options = ["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    return int(pytest.main([*options, *tests], plugins=[session]))


def _load_marked(paths: set[str], mark: Callable[..., None]) -> None:
    """From now on these files of the tree are imported with marks in them."""
    setattr(builtins, MARK, mark)
    files = {str(ROOT / path): path for path in paths}
    get_code = SourceFileLoader.get_code

    def marking(loader: SourceFileLoader, name: str) -> CodeType | None:
        file = loader.get_filename(name)
        if file not in files:
            return get_code(loader, name)
        tree = marked(Path(file).read_bytes(), files[file])
        return compile(tree, file, "exec", dont_inherit=True)

    SourceFileLoader.get_code = marking  # type: ignore[method-assign, assignment]


class _Session:
    """A plugin of pytest: in place of running the tests once, once for each mutant."""

    def __init__(
        self,
        mutants: Sequence[Mutant],
        done: Callable[[Result], None],
        judges: Callable[[str], list[str]],
    ) -> None:
        self._mutants = mutants
        self._done = done
        self._judges = judges
        self._sources = {m.path: (ROOT / m.path).read_bytes() for m in mutants}
        self._reached: set[Function] = set()  # since a test began
        self._loaded: set[Function] = set()  # while the tests were loaded
        self._failed = ""  # which test, in the fork of a mutant

    def mark(self, path: str, name: str, line: int) -> None:
        self._reached.add(Function(path, name, line))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("not all tests could be loaded")
        self._loaded = set(self._reached)
        reach = self._reach(session)
        for mutant in self._mutants:
            source = self._sources[mutant.path]
            function = function_of(mutant, source)
            if function is not None:
                self._judge(session, mutant, source, function, reach)
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed = self._failed or report.nodeid

    def _reach(self, session: pytest.Session) -> _Reach:
        """Found out in a fork: no test has run here when a mutant is planted."""

        def look() -> bytes:
            _tell_nobody(session)
            took_s: list[float] = []
            tests: dict[Function, list[int]] = {}
            for place, item in enumerate(session.items):
                self._reached.clear()
                began = time.process_time()
                after = session.items[place + 1 : place + 2]
                item.config.hook.pytest_runtest_protocol(
                    item=item, nextitem=after[0] if after else None
                )
                took_s.append(time.process_time() - began)
                for function in self._reached:
                    tests.setdefault(function, []).append(place)
            for places in tests.values():
                places.sort(key=took_s.__getitem__)
            reach = _Reach(took_s, list(tests.items()), self._failed)
            return msgspec.json.encode(reach)

        answer = _forked(look, round(LONGEST_S))
        if answer is None:
            raise session.Interrupted("the tests do not end")
        reach = msgspec.json.decode(answer, type=_Reach)
        if reach.failed:
            raise session.Interrupted(f"fails with nothing planted: {reach.failed}")
        return reach

    def _judge(
        self,
        session: pytest.Session,
        mutant: Mutant,
        source: bytes,
        function: Function,
        reach: _Reach,
    ) -> None:
        places = dict(reach.tests).get(function, [])
        usual_s = sum(reach.took_s[place] for place in places)

        def run() -> bytes:
            if not exchange(mutant, source, function):
                return b"not planted"
            _tell_nobody(session)
            session.items = [session.items[place] for place in places]
            session.config.option.maxfail = 1
            with contextlib.suppress(session.Failed):
                run_tests(session)
            return self._failed.encode()

        began = time.monotonic()
        answer = _forked(run, round(max(LEAST_CPU_S, SLOWER * usual_s)))
        if answer == b"not planted":
            return
        outcome = "timeout" if answer is None else "killed" if answer else "survived"
        if outcome == "survived" and function in self._loaded:
            return  # what it was called for before may be what tells
        self._done(
            Result(
                mutant.id,
                source=checksum([mutant.path]),
                tests=checksum(self._judges(mutant.path)),
                outcome=outcome,
                killed_by=(answer or b"").decode(),
                took_s=round(time.monotonic() - began, 1),
            )
        )


def _tell_nobody(session: pytest.Session) -> None:
    """In a fork: no dots."""
    session.config.pluginmanager.unregister(name="terminalreporter")


def _forked(work: Callable[[], bytes], limit_s: int) -> bytes | None:
    """What `work` comes to in a fork; None if it takes more CPU than that, or an hour.

    One that ends without an answer has crashed, which is a failure.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        answer = b"crashed"
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001 - a fork never returns
            answer = repr(error).encode()
        finally:
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(b"." + answer)
            os._exit(0)
    os.close(writing)
    os.set_blocking(reading, False)
    until, answer, status = time.monotonic() + LONGEST_S, b"", 0
    has_ended = False
    while time.monotonic() < until and not has_ended:
        ended, status = os.waitpid(pid, os.WNOHANG)
        has_ended = ended != 0
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(reading, 65_536):
                answer += piece
        time.sleep(0.0 if has_ended else 0.01)
    os.close(reading)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # and what its tests left running
    if not has_ended:
        os.waitpid(pid, 0)
        return None
    if not answer:
        is_too_long = os.WIFSIGNALED(status) and os.WTERMSIG(status) in OUT_OF_CPU
        return None if is_too_long else b"crashed"
    return answer[1:]


def _leave(code: int) -> None:
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


_Def = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(path: str, tree: ast.Module) -> Iterator[tuple[Function, _Def]]:
    """Those of a module and of its classes, as they are named in code objects."""

    def within(body: list[ast.stmt], prefix: str) -> Iterator[tuple[Function, _Def]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                line = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                yield Function(path, prefix + node.name, line), node
            elif isinstance(node, ast.ClassDef):
                yield from within(node.body, f"{prefix}{node.name}.")

    return within(tree.body, "")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _is(code: CodeType, function: Function) -> bool:
    named: Any = (code.co_qualname, code.co_firstlineno)
    return bool(named == (function.name, function.line))
