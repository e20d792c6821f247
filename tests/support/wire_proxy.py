"""A TCP proxy between client and embedded cluster, as hostile as a test wants it.

Nodes tell clients where they and their peers are. The proxy rewrites that, so that clients go
through it to every node; and it connects onward from the client's own local port, so that the
shard-aware port still sees the shard that the client has asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from typing_extensions import Self

from shardlane.testing import Cluster

HEADER = 9
READY, SUPPORTED, RESULT, EVENT = 0x02, 0x06, 0x08, 0x0C
# Second octets of the proxy's own addresses, and of those it connects onward from.
LISTENS, CONNECTS = 77, 78


class Weather:
    """What the proxy does to the connections; may be changed at any time."""

    def __init__(self) -> None:
        self.delay = 0.0
        """Seconds by which everything is held back, each way."""
        self.piece_bytes = 0
        """Everything is passed on in pieces of at most this size; 0: as it comes."""
        self.cut_one_in = 0
        """Of so many passages of data one is cut short, and the connection ended; 0: none."""
        self.garble_one_in = 0
        """In one of so many passages of data from the server one byte is another; 0: none."""
        self.is_stopped = False
        """Nothing passes, either way; nothing is lost either."""


# Changes the body of a frame from the server: (opcode, body) -> body.
Edit = Callable[[int, bytes], bytes]


class Link:
    """One proxied connection."""

    def __init__(self, proxy: WireProxy, client: asyncio.StreamWriter, node: int) -> None:
        self.proxy = proxy
        self.node = node
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.onward: socket.socket | None = None
        self.is_ready = False

    def cut(self) -> None:
        """End it at both sides, without ceremony."""
        for writer in (self.client, self.server):
            if writer is not None:
                sock = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    # RST instead of FIN.
                    linger = struct.pack("ii", 1, 0)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()


class WireProxy:
    """Listens for each node of a cluster on an address of its own. Use it in ``with``.

    Args:
        server: the cluster.
        edit: changes what the nodes say, frame by frame.
        seed: of what is left to chance.
        encrypted: stand before the ports with TLS. Nothing can be rewritten there, so clients have
            to be given `translation` as their ``address_translation=``.
    """

    def __init__(
        self,
        server: Cluster,
        edit: Edit | None = None,
        seed: int = 1,
        *,
        encrypted: bool = False,
    ) -> None:
        self.weather = Weather()
        self.links: set[Link] = set()
        self.accepted = 0
        """Connections so far."""
        self.attempts_max: dict[int, int] = {}
        """By node: most connections at a time whose handshake was not over."""
        self.frame_length: Callable[[int, bytes], int] = lambda _, body: len(body)
        """What the header of a frame from the server says: (opcode, body) -> length."""
        self._server = server
        self.port = server.tls_port if encrypted else server.port
        self._shard_aware_port = (
            server.tls_shard_aware_port if encrypted else server.shard_aware_port
        )
        self.is_encrypted = encrypted
        self._edit = edit
        self._chance = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._listeners: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._real = [node.address for node in server.nodes]
        self._ours = [shifted(address, LISTENS) for address in self._real]
        self._replacements: list[tuple[bytes, bytes]] = []
        for real, ours in zip(self._real, self._ours, strict=True):
            old, new = ipaddress.ip_address(real).packed, ipaddress.ip_address(ours).packed
            # As a value in a row ([bytes]), and as [inet] in an event.
            self._replacements += [
                (b"\0\0\0\4" + old, b"\0\0\0\4" + new),
                (b"\4" + old, b"\4" + new),
            ]

    @property
    def contact_points(self) -> list[str]:
        """Address and port of each node, through the proxy."""
        return [f"{address}:{self.port}" for address in self._ours]

    @property
    def translation(self) -> dict[str, str]:
        """The proxy's address for each of the nodes'."""
        return dict(zip(self._real, self._ours, strict=True))

    def cut_all(self, node: int | None = None) -> int:
        """End all connections (of a node), and say how many there were."""

        async def cut() -> int:
            links = [link for link in self.links if node in (None, link.node)]
            for link in links:
                link.cut()
            return len(links)

        return self._call(cut())

    def cut_one(self) -> None:
        """End one connection that is in use."""

        async def cut() -> None:
            ready = sorted((link for link in self.links if link.is_ready), key=id)
            self._chance.choice(ready).cut()

        self._call(cut())

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *error: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        ports = [self.port]
        if self._shard_aware_port is not None:
            ports.append(self._shard_aware_port)
        for index, address in enumerate(self._ours):
            for port in ports:

                def serve(
                    reader: asyncio.StreamReader,
                    writer: asyncio.StreamWriter,
                    node: int = index,
                    port: int = port,
                ) -> None:
                    if self._is_closing:
                        writer.transport.abort()
                        return
                    task = self._loop.create_task(self._serve(reader, writer, node, port))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

                listener = await asyncio.start_server(serve, address, port, backlog=256)
                self._listeners.append(listener)

    async def _close(self) -> None:
        self._is_closing = True
        for listener in self._listeners:
            listener.close()
        for link in list(self.links):
            link.cut()
        for task in list(self._tasks):
            task.cancel()
        # Among them those that accept a connection just now.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.gather(*others, return_exceptions=True)
        for _ in range(3):
            # Transports close their sockets in the loop's next turns.
            await asyncio.sleep(0)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, node: int, port: int
    ) -> None:
        link = Link(self, writer, node)
        self.links.add(link)
        self.accepted += 1
        under_way = sum(1 for other in self.links if other.node == node and not other.is_ready)
        self.attempts_max[node] = max(self.attempts_max.get(node, 0), under_way)
        try:
            source = (shifted(self._real[node], CONNECTS), 0)
            if port == self._shard_aware_port:
                source = (source[0], writer.get_extra_info("peername")[1])
            # The same local port may have been in use a moment ago.
            link.onward = onward = socket.socket()
            onward.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            onward.setblocking(False)
            onward.bind(source)
            await self._loop.sock_connect(onward, (self._real[node], port))
            from_server, link.server = await asyncio.open_connection(sock=onward)
            await asyncio.gather(
                self._pump(link, reader, link.server, None),
                self._pump(link, from_server, writer, FrameEditor(self, link)),
            )
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.links.discard(link)
            link.cut()
            if link.onward is not None and link.server is None:
                link.onward.close()

    async def _pump(
        self,
        link: Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        editor: FrameEditor | None,
    ) -> None:
        while data := await reader.read(1 << 16):
            weather = self.weather
            while weather.is_stopped:  # noqa: ASYNC110 (set from another thread)
                await asyncio.sleep(0.005)
            if weather.delay:
                await asyncio.sleep(weather.delay)
            if editor is not None:
                data = editor.feed(data)
                if data and self._is_one_in(weather.garble_one_in):
                    at = self._chance.randrange(len(data))
                    data = (
                        data[:at]
                        + bytes([data[at] ^ self._chance.randrange(1, 256)])
                        + data[at + 1 :]
                    )
            if data and self._is_one_in(weather.cut_one_in):
                writer.write(data[: self._chance.randrange(len(data))])
                await writer.drain()
                raise ConnectionResetError
            size = weather.piece_bytes or len(data) or 1
            for start in range(0, len(data), size):
                writer.write(data[start : start + size])
                await writer.drain()
                if size < len(data):
                    # So that each piece is a packet.
                    await asyncio.sleep(0)
        raise ConnectionResetError

    def _is_one_in(self, count: int) -> bool:
        return count > 0 and self._chance.randrange(count) == 0


class FrameEditor:
    """Takes what a server says apart into frames, and changes what the proxy has to change."""

    def __init__(self, proxy: WireProxy, link: Link) -> None:
        self._proxy = proxy
        self._link = link
        self._pending = b""
        # What is encrypted is passed on as it is.
        self._is_lost = proxy.is_encrypted

    def feed(self, data: bytes) -> bytes:
        """Take bytes from the server; return those that may go on."""
        if self._is_lost:
            return data
        self._pending += data
        out = []
        while len(self._pending) >= HEADER:
            version, _, _, opcode, length = struct.unpack(">BBhBI", self._pending[:HEADER])
            if version & 0x80 == 0 or length > 1 << 24:
                # Not a frame, by the server's design: as it is.
                self._is_lost = True
                out.append(self._pending)
                self._pending = b""
                break
            if len(self._pending) < HEADER + length:
                break
            frame, self._pending = (
                self._pending[: HEADER + length],
                self._pending[HEADER + length :],
            )
            out.append(self._changed(frame, opcode))
        return b"".join(out)

    def _changed(self, frame: bytes, opcode: int) -> bytes:
        body = frame[HEADER:]
        if opcode == READY:
            self._link.is_ready = True
        if opcode in (RESULT, EVENT):
            for old, new in self._proxy._replacements:
                body = body.replace(old, new)
        if self._proxy._edit is not None:
            body = self._proxy._edit(opcode, body)
        return frame[:5] + struct.pack(">I", self._proxy.frame_length(opcode, body)) + body


def shifted(address: str, octet: int) -> str:
    """The loopback address beside this one in another part of the network."""
    first, _, third, fourth = address.split(".")
    return f"{first}.{octet}.{third}.{fourth}"
