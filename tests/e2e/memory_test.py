#!/usr/bin/env python3
"""What an idle broker takes, and what ten thousand idle connections add to it."""

import resource
import socket
import unittest

import wire
from broker import Broker

IDLE_MIB = 64
CONNECTIONS = 10_000
CONNECTIONS_MIB = 200  # for all of them


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


class Memory(unittest.TestCase):
    def test_idle_broker_and_idle_connections(self):
        open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        count = min(CONNECTIONS, open_files - 200)
        self.assertGreater(count, 500, "the limit of open files is too low for this test")
        hello = wire.frame(wire.HELLO, wire.message((1, "memory")))
        with Broker(args=["--reactors", "3"]) as broker:  # of 64 cores 63 would take 200 MiB
            idle = resident_mib(broker.process.pid)
            self.assertLessEqual(idle, IDLE_MIB)
            host, port = broker.listen.rsplit(":", 1)
            connections = []
            try:
                for _ in range(count):
                    connection = socket.create_connection((host, int(port)))
                    connection.sendall(hello)
                    connections.append(connection)
                    self.assertTrue(connection.recv(4096), "hello is answered")
                more = resident_mib(broker.process.pid) - idle
            finally:
                for connection in connections:
                    connection.close()
            print(f"idle {idle:.1f} MiB, {count} idle connections {more:.1f} MiB more")
            self.assertLessEqual(more, CONNECTIONS_MIB * count / CONNECTIONS)


if __name__ == "__main__":
    unittest.main()
