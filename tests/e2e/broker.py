"""A real broker process for end-to-end tests, and the command line against it."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

HEADRACE = os.environ.get("HEADRACE", "build/release/headrace")


class Broker:
    """`headrace serve` on ports of its own choosing; stopped and cleaned up by `with`."""

    def __init__(self, data=None, args=()):
        self.scratch = None
        if data is None:
            self.scratch = tempfile.TemporaryDirectory(prefix="headrace-e2e-")
            data = self.scratch.name + "/data"
        self.data = data
        self.args = list(args)
        self.flags = []  # of every verb of cli()
        self.ssl_context = None  # of get(), for https
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.terminate()
        if self.scratch is not None:
            self.scratch.cleanup()

    def start(self, listen="127.0.0.1:0"):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(
            [HEADRACE, "serve", "--json", "--data", self.data, "--listen", listen,
             "--http-listen", "127.0.0.1:0", *self.args],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        assert line, "the broker did not start: " + self.log_text()
        ready = json.loads(line)
        assert ready["event"] == "ready", line
        self.listen = ready["listen"]
        self.http = ready["http"]
        self.metrics = ready.get("metrics")

    def log_text(self):
        if self.process is not None:
            self.process.wait(timeout=30)
        self.log.seek(0)
        return self.log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.forget()

    def forget(self):
        self.process.stdout.close()
        self.log.close()
        self.process = None

    def terminate(self, timeout_s=60):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=timeout_s)
        self.forget()
        return code

    def cli(self, *args, stdin=None, check=True, timeout_s=120):
        """Runs a verb; CompletedProcess with text output."""
        done = subprocess.run(
            [HEADRACE, *args, "--server", self.listen, "--http", self.http, *self.flags],
            input=stdin, capture_output=True, text=True, timeout=timeout_s)
        if check:
            assert done.returncode == 0, (args, done.returncode, done.stderr)
        return done

    def json(self, *args, **kwargs):
        """Runs a verb with --json; its lines as objects."""
        out = self.cli(*args, "--json", **kwargs).stdout
        return [json.loads(line) for line in out.splitlines()]

    def get(self, path):
        """(status, body, headers) of a GET on the HTTP side."""
        try:
            with urllib.request.urlopen(self.http + path, timeout=30,
                                        context=self.ssl_context) as reply:
                return reply.status, reply.read().decode(), reply.headers
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers

    def connect(self):
        host, port = self.listen.rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), timeout=30)
        return connection


def wait_until(condition, what, timeout_s=30):
    """Polls until `condition()` is true; its value."""
    end = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < end, "still waiting for " + what
        time.sleep(0.02)
    return value


class Publisher:
    """`headrace publish` fed with `lines` by a thread; iterating gives its acks as they come."""

    def __init__(self, broker, topic, lines, timeout="1s"):
        self.process = subprocess.Popen(
            [HEADRACE, "publish", topic, "--json", "--server", broker.listen, "--timeout",
             timeout, *broker.flags],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self._feed, args=(lines,))
        self.thread.start()

    def _feed(self, lines):
        try:
            self.process.stdin.write("".join(line + "\n" for line in lines))
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it gave up: the broker is gone

    def __iter__(self):
        for line in self.process.stdout:
            yield json.loads(line)

    def finish(self):
        self.process.wait(timeout=60)
        self.thread.join()
        self.process.stdout.close()


def read_to_end(connection):
    """Everything the peer sends until it closes; a reset counts as closing."""
    received = b""
    while True:
        try:
            part = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not part:
            return received
        received += part
