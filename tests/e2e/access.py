"""Callers with keys and passwords: verbs and HTTP requests as them, principals to be them."""

import json
import os
import subprocess
import urllib.error
import urllib.request

from broker import HEADRACE

SECRETS = ("HEADRACE_API_KEY", "HEADRACE_USER", "HEADRACE_PASSWORD")


def identity(key):
    """The environment of a caller with this key, with (name, password), or None for nobody."""
    environment = {name: value for name, value in os.environ.items() if name not in SECRETS}
    if isinstance(key, tuple):
        environment["HEADRACE_USER"], environment["HEADRACE_PASSWORD"] = key
    elif key:
        environment["HEADRACE_API_KEY"] = key
    return environment


def run(broker, key, *args, stdin=None):
    """A verb as this caller; CompletedProcess."""
    return subprocess.run(
        [HEADRACE, *args, "--server", broker.listen, "--http", broker.http, "--timeout", "10s"],
        input=stdin, capture_output=True, text=True, timeout=120, env=identity(key))


def lines(broker, key, *args, stdin=None):
    done = run(broker, key, *args, "--json", stdin=stdin)
    assert done.returncode == 0, (args, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def http(broker, method, path, key=None, body=None, headers=()):
    """(status, JSON or text)."""
    request = urllib.request.Request(broker.http + path, method=method)
    if key:
        request.add_header("Authorization", "Bearer " + key)
    for name, value in headers:
        request.add_header(name, value)
    if body is not None or method == "POST":
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body or {}).encode()
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            text = reply.read().decode()
            status = reply.status
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        status = error.code
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def make(broker, key, name, *flags):
    """A principal with a key; the key."""
    lines(broker, key, "principals", "create", name, *flags)
    return lines(broker, key, "keys", "create", name)[0]["secret"]
