"""Work on a long stream by several processes: the results in order, the memory that of a few chunks.

The rules:

1. The first chunks are worked on right here: a short stream is done before a process would be up.
2. A helper is a fork, which has all that the work needs without reading it anew. So there are none where another thread
   runs (a fork copies its locks as they are), nor where there is but one processor.
3. A helper holds one chunk at a time and nothing else of ours: it closes every other file, above all the connection to the
   warehouse, so that the server sees it end with us. It ends when its pipe does.
4. While a helper works, its next chunk lies in its pipe, when that is small enough for the pipe to take it at once: else we
   could wait for a helper that waits for us.
5. What a helper has done is taken from it at once, also before its turn, and its pipe has room for a result of usual size:
   it stands still until its result is out of its hands.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar

from suture.errors import BadInputError, SutureError

Item = TypeVar("Item")
Result = TypeVar("Result")
Other = TypeVar("Other")
MAX_HELPERS = 2  # each costs memory, and the server wants to run too
AT_HOME = 2  # chunks that are worked on before helpers are asked
_AHEAD = 3  # chunks a helper that are out at most, with those whose turn has not come
_ROOM = 1024 * 1024  # bytes that a helper's pipe holds; the system may allow less
_LIGHT = 32 * 1024  # bytes of a message that a pipe takes at once, whatever else lies in it


class HelperError(SutureError):
    """A helper ended without a result (killed, or a fault of ours)."""


def worked(
    chunks: Iterable[Item],
    work: Callable[[Item], Result],
    helpers: int | None = None,
    *,
    prepare: Callable[[], None] | None = None,
) -> Generator[tuple[Item, Result], None, None]:
    """Each chunk with what `work` made of it, in order. helpers: how many, None: by this machine's processors; prepare: is
    called here before the first chunk that is worked on elsewhere.

    What `work` raises is raised here: BadInputError as it is, all else of a helper as HelperError."""
    remaining = iter(chunks)
    for number, chunk in enumerate(remaining, start=1):
        yield chunk, work(chunk)
        if number == AT_HOME:
            break
    first = next(remaining, None)
    if first is None:
        return
    if prepare is not None:
        prepare()
    remaining = chain((first,), remaining)
    count = _helpers() if helpers is None else helpers
    if not count or threading.active_count() > 1:
        for chunk in remaining:
            yield chunk, work(chunk)
        return
    with contextlib.ExitStack() as stack:
        busy = {stack.enter_context(_helper(work)): deque[_Asked]() for _number in range(count)}
        in_order = deque[_Asked]()
        for chunk in remaining:
            message = ForkingPickler.dumps(chunk)
            most = 2 if len(message) <= _LIGHT else 1
            done = list[_Asked]()
            while len(in_order) >= _AHEAD * count or min(map(len, busy.values())) >= most:
                _take(busy)
                while in_order and in_order[0].answer is not _NONE_YET:
                    done.append(in_order.popleft())
            pipe = min(busy, key=lambda pipe: len(busy[pipe]))
            _send(pipe, message)
            asked = _Asked(chunk)
            busy[pipe].append(asked)
            in_order.append(asked)
            for found in done:
                yield found.chunk, _result(found.answer)
        for found in in_order:
            while found.answer is _NONE_YET:
                _take(busy)
            yield found.chunk, _result(found.answer)


def beside(here: Callable[[], Other], work: Callable[[Item], Result], item: Item) -> tuple[Other, Result]:
    """What `here` gives, and what `work` makes of the item in a process of its own meanwhile; an item without content, or
    where there are no helpers: here, afterwards. Raises what `here` raises, and then what `work` does, as `worked`."""
    if not item or not _helpers() or threading.active_count() > 1:
        return here(), work(item)
    with _helper(work) as pipe:
        _send(pipe, ForkingPickler.dumps(item))
        return here(), _result(_received(pipe))


_NONE_YET = ("", None)


@dataclass(eq=False, slots=True)
class _Asked:
    """A chunk that a helper has; answer: what it sent, _NONE_YET while it works."""

    chunk: Any
    answer: tuple[str, Any] = _NONE_YET


def _take(busy: Mapping[Connection, deque[_Asked]]) -> None:
    """Wait until one of the helpers that have a chunk has done its oldest, and take what they sent."""
    ready = wait([pipe for pipe, asked in busy.items() if asked])
    for pipe, asked in busy.items():
        if pipe in ready:
            asked.popleft().answer = _received(pipe)


def _helpers() -> int:
    if multiprocessing.current_process().daemon:
        return 0  # a helper itself: it may be ended at any moment, and could not end its own
    return MAX_HELPERS if len(os.sched_getaffinity(0)) > 1 else 0


@contextlib.contextmanager
def _helper(work: Callable[[Item], Result]) -> Iterator[Connection]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    with socket.socket(fileno=os.dup(theirs.fileno())) as end:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
    process: ForkProcess = context.Process(target=_serve, args=(theirs, work), name="suture-reader", daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(pipe: Connection, work: Callable[[Item], Result]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started the load gets it, and ends us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    place = pipe.fileno()
    os.closerange(3, place)
    os.closerange(place + 1, 65536)
    with contextlib.suppress(EOFError, OSError):  # the load ended, or was killed
        while True:
            pipe.send(_answer(work, pipe.recv()))
    os._exit(0)  # nothing that the fork inherited may be tidied up here


def _answer(work: Callable[[Item], Result], chunk: Item) -> tuple[str, Result | str]:
    try:
        return "done", work(chunk)
    except BadInputError as error:
        return "refused", error.message
    except Exception as error:
        return "failed", f"{type(error).__name__}: {error}"[:1000]


def _send(pipe: Connection, message: memoryview | bytes) -> None:
    try:
        pipe.send_bytes(message)
    except OSError as error:
        raise HelperError("A helping process ended in the middle of the load.", remedy=_AGAIN) from error


def _received(pipe: Connection) -> tuple[str, Any]:
    try:
        return pipe.recv()  # type: ignore[no-any-return]
    except (EOFError, OSError) as error:
        raise HelperError("A helping process ended in the middle of the load.", remedy=_AGAIN) from error


def _result(answer: tuple[str, Any]) -> Any:
    said, result = answer
    if said == "refused":
        raise BadInputError(result)
    if said == "failed":
        raise HelperError(f"A helping process failed: {result}.", remedy=_AGAIN)
    return result


_AGAIN = "What was not finished left nothing. Load again; if it comes back, look whether the machine ran out of memory."
