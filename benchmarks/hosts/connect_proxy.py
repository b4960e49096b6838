"""A proxy as offices have it: it passes on CONNECT to any host, and writes one line for each.

`python -m benchmarks.hosts.connect_proxy PORT`
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress

_LONGEST_HEAD = 16 * 2**10


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    with suppress(OSError):
        writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target, _ = head.split("\r\n")[0].split(" ")
        host, _, port = target.rpartition(":")
        if method != "CONNECT":
            raise ValueError(method)
        there = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        print(f"refused: {type(error).__name__}", flush=True)
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        writer.close()
        return
    print(f"CONNECT {target}", flush=True)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await asyncio.gather(_pass(reader, there[1]), _pass(there[0], writer))


async def _serve(port: int) -> None:
    server = await asyncio.start_server(_answer, "", port, limit=_LONGEST_HEAD)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(sys.argv[1])))
