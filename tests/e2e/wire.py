"""The native protocol byte by byte, for what the command line never does: frames, the little of
Protobuf that they need, record batches. Formats: docs/protocol.md, docs/formats.md."""

import gzip
import struct

HELLO, PING, PUBLISH, PUBLISH_BATCH, FETCH, SUBSCRIBE, DELIVERY = 1, 2, 10, 11, 20, 21, 24
ME, AUTHENTICATE = 4, 100
ERROR_FLAG = 1
HEADER = struct.Struct(">HBBHHIII")
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


def _table():
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        yield value


TABLE = list(_table())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(number):
    out = b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def zigzag(number):
    return varint(number << 1 if number >= 0 else (-number << 1) - 1)


def message(*fields):
    """A Protobuf message of (field number, int | str | bytes)."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """{field number: [values]}; packed numbers stay bytes (see numbers)."""
    out, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        elif tag & 7 == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            raise ValueError(f"wire type {tag & 7}")
        out.setdefault(tag >> 3, []).append(value)
    return out


def numbers(packed):
    out, at = [], 0
    while at < len(packed):
        value, at = read_varint(packed, at)
        out.append(value)
    return out


def frame(kind, body=b"", payload=b"", request=1):
    header = HEADER.pack(0x4852, 1, 0, kind, 0, request, len(body), len(payload))
    return header + struct.pack(">I", crc32c(header + body)) + body + payload


def record(delta, value, headers=()):
    body = b"\0" + zigzag(0) + zigzag(delta) + zigzag(-1)
    body += zigzag(len(value)) + value + zigzag(len(headers))
    for key, header in headers:
        body += zigzag(len(key)) + key + zigzag(len(header)) + header
    return zigzag(len(body)) + body


def batch(records, count, codec="none"):
    """A record batch v2 around a record block that is compressed already."""
    covered = struct.pack(">HiqqqhiI", CODECS[codec], count - 1, 1_000, 1_000, -1, -1, -1, count)
    covered += records
    return struct.pack(">qiiBI", 0, len(covered) + 9, 0, 2, crc32c(covered)) + covered


def gzip_bomb(claimed, size):
    """A batch that claims `claimed` events and inflates to about `size` zero bytes."""
    return batch(gzip.compress(bytes(size), 9), claimed, "gzip")


class Refused(Exception):
    """An error frame: .name, .retryable, .retry_after_ms."""

    def __init__(self, body):
        parsed = fields(body)
        self.name = parsed[2][0].decode()
        self.retryable = bool(parsed.get(4, [0])[0])
        self.retry_after_ms = parsed.get(5, [0])[0]
        super().__init__(self.name + ": " + parsed.get(3, [b""])[0].decode())


class Wire:
    """A connection that has said hello, with further fields. `with` closes it."""

    def __init__(self, broker, codecs=("none", "gzip", "snappy", "lz4", "zstd"), hello=()):
        self.socket = broker.connect()
        self.file = self.socket.makefile("rb")
        self.send(HELLO, message((1, "e2e"), *((3, codec) for codec in codecs), *hello))
        try:
            self.hello = self.read()[1]
        except Exception:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, kind, body=b"", payload=b""):
        self.socket.sendall(frame(kind, body, payload))

    def read(self):
        """(type, message, payload); an error frame is raised; EOFError at the end."""
        header = self.file.read(24)
        if len(header) < 24:
            raise EOFError
        _, _, flags, kind, _, _, body_size, payload_size = HEADER.unpack(header[:20])
        body, payload = self.file.read(body_size), self.file.read(payload_size)
        if flags & ERROR_FLAG:
            raise Refused(body)
        return kind, body, payload

    def ask(self, kind, body=b"", payload=b""):
        self.send(kind, body, payload)
        return self.read()

    def publish(self, topic, value):
        """The offset of one event."""
        event = message((2, len(value)))
        _, body, _ = self.ask(PUBLISH, message((1, topic), (2, 0), (8, event)), value)
        return fields(fields(body)[1][0]).get(2, [0])[0]

    def publish_batch(self, topic, data, summary=()):
        """The first offset; `summary`: (type, count) as it is stated."""
        types = [(1, message((1, name), (2, count))) for name, count in summary]
        stated = [(4, message(*types))] if types else []
        _, body, _ = self.ask(PUBLISH_BATCH, message((1, topic), *stated), data)
        return fields(body).get(2, [0])[0]

    def fetch(self, topic, offset, wait_ms=0, max_bytes=0):
        """The batches from `offset` on, as bytes."""
        body = message((1, topic), (3, offset), (4, max_bytes), (6, wait_ms))
        _, body, payload = self.ask(FETCH, body)
        batches, at = [], 0
        for size in numbers(fields(body).get(4, [b""])[0]):
            batches.append(payload[at:at + size])
            at += size
        return batches
