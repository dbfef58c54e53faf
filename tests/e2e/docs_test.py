#!/usr/bin/env python3
"""The commands of the documents run as they are written there, in their order, against a new
broker. A line whose comment says `exit code N` ends with N, every other one with 0."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from broker import HEADRACE, Broker

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"


def commands(page):
    """The lines of the page's blocks without a language that are commands of a shell."""
    blocks = re.findall(r"^```\n(.*?)^```$", (DOCS / page).read_text(), re.S | re.M)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    assert any(line.startswith("headrace ") for line in lines), page
    return lines


class Documents(unittest.TestCase):
    def run_page(self, page):
        with tempfile.TemporaryDirectory() as scratch, Broker() as broker:
            root = pathlib.Path(scratch)
            (root / "docs").symlink_to(DOCS)
            (root / "bin").mkdir()
            (root / "bin/headrace").symlink_to(os.path.abspath(HEADRACE))
            script = []
            for line in commands(page):
                expected = re.search(r"# .*\bexit code (\d)", line)
                code = expected.group(1) if expected else "0"
                script += [line, f"got=$?; if [ $got -ne {code} ]; then "
                                 f"cat >&2 <<'END'\n{line}\nEND\nexit 1; fi"]
            done = subprocess.run(
                ["/bin/sh"], input="\n".join(script) + "\n", cwd=root, capture_output=True,
                text=True, timeout=120,
                env={**os.environ, "PATH": f"{root}/bin:" + os.environ["PATH"],
                     "HEADRACE_SERVER": broker.listen, "HEADRACE_HTTP": broker.http})
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_schemas(self):
        self.run_page("schemas.md")

    def test_quotas(self):
        self.run_page("quotas.md")

    def test_access(self):
        self.run_page("access.md")

    def test_the_program_of_the_client_library(self):
        program = pathlib.Path(HEADRACE).resolve().parent / "publish_one"
        with Broker() as broker:
            done = subprocess.run([program, broker.listen.rsplit(":", 1)[1]], capture_output=True,
                                  text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout), (0, "partition 0, offset 0\n"),
                             done.stderr)
            event = broker.json("consume", "default", "--count", "1")[0]
            self.assertEqual((event["type"], event["data"]), ("order.placed", '{"total":12}'))


if __name__ == "__main__":
    unittest.main(verbosity=2)
