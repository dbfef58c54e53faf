"""Files of past months, made byte by byte after docs/formats.md: no broker was there for them."""

import calendar
import hashlib
import struct

from wire import batch, crc32c, record

MONTH = 202501
START_US = calendar.timegm((2025, 1, 2, 0, 0, 0)) * 1_000_000


def name(text):
    return struct.pack(">H", len(text)) + text.encode()


def stored(values, offset, epoch=1):
    """A batch as the log has it, at its offset."""
    made = batch(b"".join(record(i, value) for i, value in enumerate(values)), len(values))
    return struct.pack(">qII", offset, len(made) - 12, epoch) + made[16:]


def kept_back(at, why):
    """Violations of a batch of which one event does not match its schema."""
    entry = bytes([at, 1, len(why)]) + why.encode()
    return struct.pack(">I", len(entry)) + entry


def digest_of(batches):
    return crc32c(b"".join(one[17:21] for one in batches))


class MonthFile:
    """topics: {name: {partition: (first offset, [[value, ...] of each batch])}}"""

    def __init__(self, topics, month=MONTH, start_us=START_US, cluster="elsewhere",
                 violations=b""):
        self.ranges = []
        ids = name(cluster) + name("default") + struct.pack(">Iq", month, start_us)
        ids += struct.pack(">I", len(topics))
        for number, (topic, partitions) in enumerate(topics.items()):
            ids += struct.pack(">I", 900 + number) + name(topic)
            ids += struct.pack(">I", max(partitions) + 1)
            for partition, (first, batches) in sorted(partitions.items()):
                offset, made = first, []
                for values in batches:
                    made.append(stored(values, offset))
                    offset += len(values)
                self.ranges.append((number, partition, first, offset, made))
        ids += struct.pack(">I", len(self.ranges))
        for number, partition, first, end, _ in self.ranges:
            ids += struct.pack(">IIqq", number, partition, first, end)
        self.bytes = b"HRMONTH\x01" + struct.pack(">BI", 1, len(ids)) + ids
        batches = events = size = 0
        for index, (_, _, first, end, made) in enumerate(self.ranges):
            for number, one in enumerate(made):
                body = struct.pack(">IqI", index, start_us + number, len(violations))
                body += violations + one
                self.bytes += struct.pack(">BI", 2, len(body)) + body
                batches, size = batches + 1, size + len(one)
            events += end - first
        counts = struct.pack(">QQQI", batches, events, size, len(self.ranges))
        counts += b"".join(struct.pack(">I", digest_of(made)) for *_, made in self.ranges)
        self.bytes += struct.pack(">BI", 3, len(counts) + 32) + counts
        self.bytes += hashlib.sha256(self.bytes).digest()


def values(number, first=0):
    return [[b"event %d" % at, b"other %d" % at] for at in range(first, first + number)]
