"""A TCP proxy that only passes bytes on: a load balancer with one listening port for one node."""

from __future__ import annotations

import contextlib
import socket
import threading

from typing_extensions import Self


class Gate:
    """Listens on a free port of an address and leads to another one. Use it in ``with``.

    Args:
        target: host and port where it leads to.
        address: IP address to listen on.
    """

    def __init__(self, target: tuple[str, int], address: str = "127.0.0.1") -> None:
        self._target = target
        self._listener = socket.create_server((address, 0), backlog=256)
        self.address = address
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_closed = False
        self.accepted = 0
        """Connections so far."""

    @property
    def contact_point(self) -> str:
        """Address and port where it listens."""
        return f"{self.address}:{self.port}"

    @property
    def open(self) -> int:
        """Connections that are open, each end counted."""
        with self._lock:
            return len(self._open)

    def close(self) -> None:
        """Listen no more, and end what is open."""
        with self._lock:
            self._is_closed = True
            sockets = [self._listener, *self._open]
        for sock in sockets:
            # Wakes the thread that waits for it, which closes it.
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(self._target, timeout=10) as server,
        ):
            server.settimeout(None)
            with self._lock:
                if self._is_closed:
                    return
                self._open |= {client, server}
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()
            with self._lock:
                self._open -= {client, server}


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for sock in (source, sink):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
