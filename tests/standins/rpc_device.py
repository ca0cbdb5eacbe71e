"""GPUs that exist only on the wire: llama.cpp's RPC backend sees devices of any size.

They answer what the engine asks before and while it loads, and allocate nothing. The engine's
own memory projection over several devices can so be had on a machine that has none.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from tests.standins.gguf_writer import TENSOR_TYPES, TensorType

GIB = 1024**3
PROTOCOL_VERSION = (8, 0, 0)

_ALIGNMENT = 128
# CUDA pads the rows of quantised matrices to this many elements.
_ROW_PADDING = 512
_TYPES = {kind.number: kind for kind in TENSOR_TYPES.values()}
# The start of a serialised tensor: id, type, buffer, four extents, four strides in bytes.
_TENSOR_HEAD = struct.Struct("<QIQ4I4I")
_MAX_REQUEST_KEPT = 1024**2


class Command(IntEnum):
    """The requests of the protocol, by their number on the wire."""

    ALLOC_BUFFER = 0
    GET_ALIGNMENT = 1
    GET_MAX_SIZE = 2
    BUFFER_GET_BASE = 3
    FREE_BUFFER = 4
    BUFFER_CLEAR = 5
    SET_TENSOR = 6
    SET_TENSOR_HASH = 7
    GET_TENSOR = 8
    COPY_TENSOR = 9
    GRAPH_COMPUTE = 10
    GET_DEVICE_MEMORY = 11
    INIT_TENSOR = 12
    GET_ALLOC_SIZE = 13
    HELLO = 14
    DEVICE_COUNT = 15
    GRAPH_RECOMPUTE = 16
    MEMSET_TENSOR = 17


@dataclass
class RpcDevice:
    """One device: what it says it has, and what the engine has allocated on it.

    With `refuses` no buffer can be had, so an engine ends by itself when it starts to load.
    """

    total: int
    free: int
    refuses: bool = False
    endpoint: str = ""
    buffers: dict[int, int] = field(default_factory=dict)
    seen: set[Command] = field(default_factory=set)
    addresses: Iterator[int] = field(default_factory=lambda: itertools.count(1 << 32, 1 << 40))

    @property
    def allocated(self) -> int:
        """Bytes in buffers that the engine holds now."""
        return sum(self.buffers.values())


@contextlib.contextmanager
def rpc_devices(
    sizes: Sequence[int | tuple[int, int]], *, refuse: bool = False
) -> Iterator[list[str]]:
    """Serve one device a size, bytes or (total, free), on loopback; yield their endpoints."""
    with serving_devices(sizes, refuse=refuse) as devices:
        yield [device.endpoint for device in devices]


@contextlib.contextmanager
def serving_devices(
    sizes: Sequence[int | tuple[int, int]], *, refuse: bool = False
) -> Iterator[list[RpcDevice]]:
    """As `rpc_devices`, yielding the devices themselves, so a test can look at their buffers."""
    devices = []
    with contextlib.ExitStack() as stack:
        for size in sizes:
            total, free = size if isinstance(size, tuple) else (size, size)
            device = RpcDevice(total, free, refuses=refuse)
            listener = stack.enter_context(contextlib.closing(_Listener(device)))
            device.endpoint = f"127.0.0.1:{listener.port}"
            devices.append(device)
        yield devices


class _Listener:
    """Accepts the engine's connections to one device until it is closed."""

    def __init__(self, device: RpcDevice) -> None:
        self._device = device
        self._connections: set[socket.socket] = set()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        for one in (self._socket, *tuple(self._connections)):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(EOFError, OSError):
            _Conversation(self._device, connection).run()
        self._connections.discard(connection)


class _Conversation:
    """Reads requests of one connection and answers those that want an answer."""

    def __init__(self, device: RpcDevice, connection: socket.socket) -> None:
        self._device = device
        self._connection = connection
        self._stream = connection.makefile("rb", buffering=1 << 16)
        self._own: set[int] = set()
        self._answers: dict[Command, Callable[[bytes], bytes | None]] = {
            Command.HELLO: lambda body: bytes((*PROTOCOL_VERSION, 0)) + bytes(len(body)),
            Command.DEVICE_COUNT: lambda _: struct.pack("<I", 1),
            Command.GET_DEVICE_MEMORY: lambda _: struct.pack("<QQ", device.free, device.total),
            Command.GET_ALIGNMENT: lambda _: struct.pack("<Q", _ALIGNMENT),
            Command.GET_MAX_SIZE: lambda _: struct.pack("<Q", 2**64 - 1),
            Command.GET_ALLOC_SIZE: lambda body: struct.pack("<Q", _alloc_size(body[4:])),
            Command.ALLOC_BUFFER: self._allocate,
            Command.BUFFER_GET_BASE: lambda body: body,
            Command.FREE_BUFFER: self._free,
            Command.SET_TENSOR_HASH: lambda _: b"\1",
            Command.COPY_TENSOR: lambda _: b"\1",
            Command.GET_TENSOR: lambda body: bytes(struct.unpack("<Q", body[-8:])[0]),
        }

    def run(self) -> None:
        try:
            self._converse()
        finally:
            self._stream.close()
            # A real server frees what a client leaves behind.
            for address in self._own:
                self._device.buffers.pop(address, None)

    def _converse(self) -> None:
        while True:
            command = Command(self._read(1)[0])
            self._device.seen.add(command)
            body = self._body(struct.unpack("<Q", self._read(8))[0])
            respond = self._answers.get(command)
            answer = respond(body) if respond else None
            if answer is not None:
                self._connection.sendall(struct.pack("<Q", len(answer)) + answer)

    def _body(self, size: int) -> bytes:
        if size <= _MAX_REQUEST_KEPT:
            return self._read(size)
        # Weights: their bytes are read off the wire and dropped.
        while size:
            size -= len(self._read(min(size, _MAX_REQUEST_KEPT)))
        return b""

    def _read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        if len(data) != size:
            raise EOFError
        return data

    def _allocate(self, body: bytes) -> bytes:
        _device, size = struct.unpack("<IQ", body)
        if self._device.refuses or self._device.allocated + size > self._device.free:
            return struct.pack("<QQ", 0, 0)
        address = next(self._device.addresses)
        self._device.buffers[address] = size
        self._own.add(address)
        return struct.pack("<QQ", address, size)

    def _free(self, body: bytes) -> None:
        self._device.buffers.pop(struct.unpack("<Q", body)[0], None)


def _alloc_size(tensor: bytes) -> int:
    """What a CUDA device needs for a tensor: its extent, and the padding of quantised rows."""
    _id, number, _buffer, *rest = _TENSOR_HEAD.unpack_from(tensor)
    extents: list[int] = rest[:4]
    strides: list[int] = rest[4:]
    kind = _TYPES.get(number, TensorType(number, 1, 4))
    if 0 in extents:
        return 0
    if kind.block_elements == 1:
        size = kind.block_bytes
        size += sum((extent - 1) * stride for extent, stride in zip(extents, strides, strict=True))
        return size
    size = extents[0] * strides[0] // kind.block_elements
    size += sum(
        (extent - 1) * stride for extent, stride in zip(extents[1:], strides[1:], strict=True)
    )
    missing = -extents[0] % _ROW_PADDING
    return size + missing // kind.block_elements * kind.block_bytes
