"""Carry bytes between two sockets, both ways, until both sides are done."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CHUNK_BYTES = 256 * 1024
CONNECT_PATIENCE_S = 10.0


def relay_to_tcp(address: str, port: int) -> Handler:
    return _relay(lambda: asyncio.open_connection(address, port))


def relay_to_unix(path: Path) -> Handler:
    async def connect() -> Stream:
        # A socket's path holds 107 characters; through the folder's descriptor it is short at any depth.
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            return await asyncio.open_unix_connection(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)

    return _relay(connect)


def _relay(connect: Callable[[], Awaitable[Stream]]) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.wait_for(connect(), CONNECT_PATIENCE_S)
        except (OSError, TimeoutError):
            writer.close()  # to the near side it looks like the far side hanging up: that is what happened
            return
        try:
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        finally:
            for end in (writer, far_writer):
                with contextlib.suppress(OSError):
                    end.close()

    return handle


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()
