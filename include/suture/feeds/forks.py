"""Work on a long stream by several processes: the results in order, the memory that of a few chunks.

The rules:

1. The first chunks are worked on right here: a short stream is done before a process would be up.
2. A helper is a fork, which has all that the work needs without reading it anew. So there are none where another thread
   runs (a fork copies its locks as they are), nor where there is but one processor.
3. A helper holds one chunk at a time and nothing else of ours: it closes every other file, above all the connection to the
   warehouse, so that the server sees it end with us. It ends when its pipe does.
4. While a helper works, its next chunk lies in its pipe, when that is small enough for the pipe to take it at once: else we
   could wait for a helper that waits for us.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from multiprocessing.reduction import ForkingPickler
from typing import TypeVar

from suture.errors import BadInputError, SutureError

Item = TypeVar("Item")
Result = TypeVar("Result")
Other = TypeVar("Other")
MAX_HELPERS = 2  # each costs memory, and the server wants to run too
AT_HOME = 2  # chunks that are worked on before helpers are asked
_LIGHT = 32 * 1024  # bytes of a message that a pipe takes at once, whatever else lies in it


class HelperError(SutureError):
    """A helper ended without a result (killed, or a fault of ours)."""


def worked(
    chunks: Iterable[Item], work: Callable[[Item], Result], helpers: int | None = None
) -> Generator[tuple[Item, Result], None, None]:
    """Each chunk with what `work` made of it, in order. helpers: how many, None: by this machine's processors.

    What `work` raises is raised here: BadInputError as it is, all else of a helper as HelperError."""
    remaining = iter(chunks)
    for number, chunk in enumerate(remaining, start=1):
        yield chunk, work(chunk)
        if number == AT_HOME:
            break
    count = _helpers() if helpers is None else helpers
    if not count or threading.active_count() > 1:
        for chunk in remaining:
            yield chunk, work(chunk)
        return
    first = next(remaining, None)
    if first is None:
        return
    with contextlib.ExitStack() as stack:
        pipes = [stack.enter_context(_helper(work)) for _number in range(count)]
        busy = deque[tuple[Connection, Item]]()
        for number, chunk in enumerate(_and(first, remaining)):
            message = ForkingPickler.dumps(chunk)
            most = 2 * count if len(message) <= _LIGHT else count
            results = list[tuple[Item, Result]]()
            while len(busy) >= most:
                pipe, done = busy.popleft()
                results.append((done, _received(pipe)))
            pipe = pipes[number % count]
            _send(pipe, message)
            busy.append((pipe, chunk))
            yield from results
        for pipe, done in busy:
            yield done, _received(pipe)


def beside(here: Callable[[], Other], work: Callable[[Item], Result], item: Item) -> tuple[Other, Result]:
    """What `here` gives, and what `work` makes of the item in a process of its own meanwhile; an item without content, or
    where there are no helpers: here, afterwards. Raises what `here` raises, and then what `work` does, as `worked`."""
    if not item or not _helpers() or threading.active_count() > 1:
        return here(), work(item)
    with _helper(work) as pipe:
        _send(pipe, ForkingPickler.dumps(item))
        return here(), _received(pipe)


def _and(first: Item, others: Iterator[Item]) -> Iterator[Item]:
    yield first
    yield from others


def _helpers() -> int:
    if multiprocessing.current_process().daemon:
        return 0  # a helper itself: it may be ended at any moment, and could not end its own
    return MAX_HELPERS if len(os.sched_getaffinity(0)) > 1 else 0


@contextlib.contextmanager
def _helper(work: Callable[[Item], Result]) -> Iterator[Connection]:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
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


def _received(pipe: Connection) -> Result:  # type: ignore[type-var]
    try:
        said, result = pipe.recv()
    except (EOFError, OSError) as error:
        raise HelperError("A helping process ended in the middle of the load.", remedy=_AGAIN) from error
    if said == "refused":
        raise BadInputError(result)
    if said == "failed":
        raise HelperError(f"A helping process failed: {result}.", remedy=_AGAIN)
    return result  # type: ignore[no-any-return]


_AGAIN = "What was not finished left nothing. Load again; if it comes back, look whether the machine ran out of memory."
