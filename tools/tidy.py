#!/usr/bin/env python3
"""Style as a test: sizes, who may include whom, words that belong to one place, leftovers.

Run by `tools/dev check` and by ctest as `tidy`. Prints file:line: what is wrong; exit 1 then.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS_MAX = 100
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
CODE = {".cc", ".h"}
WIDE = {".md", ".json", ".jsonl", ".txt", ".hex", ".toml"}  # tables, data

# Folder -> what its files may include of ours, by prefix. The longest matching folder decides.
MAY_INCLUDE = {
    "metrics": ["metrics/"],
    "sasl": ["sasl/", "metrics/"],
    "storage": ["storage/", "metrics/"],
    "net": ["net/", "metrics/"],
    "json": ["json/", "storage/", "metrics/"],
    "broker/schema": ["broker/schema/", "broker/limits.h", "metrics/"],
    "broker/core": ["broker/core/", "broker/schema/schema.h", "broker/limits.h", "json/",
                    "sasl/", "storage/", "metrics/"],
    "broker/runtime": ["broker/runtime/", "broker/core/", "broker/limits.h", "storage/", "net/",
                       "metrics/"],
    "broker/native": ["broker/native/", "broker/runtime/", "broker/core/", "broker/limits.h",
                      "sasl/", "json/quotas.def", "storage/", "net/", "metrics/"],
    "broker/admin": ["broker/admin/", "broker/runtime/", "broker/core/", "broker/limits.h",
                     "broker/config.h", "broker/live_settings.h",
                     "broker/native/handlers/convert", "broker/native/decode.h", "json/",
                     "storage/", "net/", "metrics/"],
    "broker/doctor": ["broker/doctor/", "broker/core/", "storage/", "metrics/"],
    "broker": ["broker/", "json/", "storage/", "net/", "metrics/", "client/", "bench/"],
    "client": ["client/", "json/", "net/native/", "net/io.h", "net/http/", "net/tls/", "sasl/",
               "storage/", "metrics/"],
    "bench": [""],
    "tests": [""],
}

# Pattern, what to use instead, folders it is checked in, exceptions (prefixes of paths).
BANNED = [
    (r"\bsystem_clock\b", "the turn's Time", ["metrics", "storage", "net", "broker"],
     ["metrics/log.cc", "net/io_uring.cc", "broker/node", "broker/main.cc", "storage/rocks/"]),
    (r"\bsteady_clock\b", "the turn's Time", ["metrics", "storage", "net", "broker"],
     ["net/io_uring.cc", "net/http/", "broker/node", "broker/main.cc", "storage/rocks/"]),
    (r"\brandom_device\b", "a Prng that is passed in", ["metrics", "storage", "net", "broker"],
     ["broker/node", "broker/main.cc", "broker/identity.cc"]),
    (r"\bstd::j?thread\b", "a reactor, a worker or the composition root",
     ["metrics", "storage", "net", "broker"],
     ["storage/rocks/", "net/http/server.", "broker/node", "broker/main.cc"]),
    (r"\bstd::(recursive_|shared_)?mutex\b", "a bounded queue between single writers",
     ["metrics", "storage", "net", "broker"],
     ["storage/rocks/", "metrics/counters.cc", "broker/node", "broker/runtime/inbox."]),
    (r"#include [<\"]rocksdb/", "the Store seam", ["metrics", "storage", "net", "broker", "client"],
     ["storage/rocks/"]),
    (r"#include [<\"]liburing", "the Io seam", [""], ["net/io_uring.cc", "bench/"]),
    (r"#include [<\"]boost/(beast|url)", "net/http", [""], ["net/http/"]),
    (r"#include [<\"]openssl/(ssl|x509|bio|err|pem)", "net/tls", [""], ["net/tls/", "tests/"]),
    (r"#include [<\"]gsasl", "sasl/scram.h", [""], ["sasl/"]),
    (r"#include [<\"]prometheus/", "metrics/registry.h", [""], ["metrics/prometheus.cc"]),
    (r"#include [<\"]valijson/", "broker/schema/schema.h", [""], ["broker/schema/"]),
    (r"#include [<\"]google/protobuf/(descriptor|dynamic_message)", "broker/schema/schema.h", [""],
     ["broker/schema/", "tests/"]),
    (r"#include [<\"]toml\+\+", "broker/config.h", [""], ["broker/config.cc"]),
    (r"#include [<\"]re2/", "json/redactor.h, broker/schema/schema.h", [""],
     ["json/redactor.cc", "broker/schema/"]),
    (r"\b(sleep_for|sleep_until|usleep|nanosleep)\b", "waiting for a condition", ["tests"], []),
    (r"\bthrow\b", "a value", ["metrics", "storage", "net", "broker/core", "broker/runtime",
                               "broker/native", "broker/admin"], []),
    (r"\busing namespace std;", "plain names", [""], []),
]
BODY_BEGINS = re.compile(r"\)( const| noexcept| override| final| mutable| -> [^()]*)* {$")
LEFTOVERS = re.compile(r"\b(FIX" r"ME|TO" r"DO|XX" r"X|HA" r"CK)\b")
STRINGS_AND_COMMENTS = re.compile(r'//[^\n]*|"(?:\\.|[^"\\\n])*"')


def folder_of(path, folders):
    matching = [f for f in folders if f == "" or path == f or path.startswith(f + "/")]
    return max(matching, key=len, default=None)


def without_strings_and_comments(line):
    return line if line.startswith("#include") else STRINGS_AND_COMMENTS.sub('""', line)


def check_sizes(path, lines):
    suffix = pathlib.Path(path).suffix
    if suffix in CODE and len(lines) > FILE_LINES_MAX:
        yield 1, "%d lines: at most %d in a file" % (len(lines), FILE_LINES_MAX)
    if suffix in WIDE or path.endswith(("packages.txt", ".service")):
        return
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            yield number, "%d columns: at most %d" % (len(line), COLUMNS_MAX)


def check_functions(lines):
    """By layout, which clang-format fixes: a body begins with a line that ends in '{' and ends with
    '}' at the same indent. Classes, namespaces, tables and initialisers are not bodies."""
    opened = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if opened and text.startswith("}") and indent == opened[-1][0]:
            _, start, is_body = opened.pop()
            if is_body and number - start + 1 > FUNCTION_LINES_MAX:
                yield start, "%d lines: at most %d in a function" % (
                    number - start + 1, FUNCTION_LINES_MAX)
        if text.endswith("{") and indent <= 4:
            is_body = BODY_BEGINS.search(text) is not None
            opened.append((indent, number, is_body))


def check_includes(path, lines):
    folder = folder_of(path, MAY_INCLUDE)
    for number, line in enumerate(lines, 1):
        found = re.match(r'#include "([^"]+)"', line)
        if not found or folder is None or "/" not in found[1]:
            continue
        if not found[1].startswith(tuple(MAY_INCLUDE[folder])):
            yield number, "%s/ must not include %s" % (folder, found[1])


def check_words(path, text, lines):
    if LEFTOVERS.search(text):
        for number, line in enumerate(lines, 1):
            if LEFTOVERS.search(line):
                yield number, "a leftover: do it or make it an issue"
    for pattern, instead, folders, exceptions in BANNED:
        if folder_of(path, folders) is None or path.startswith(tuple(exceptions)):
            continue
        if not re.search(pattern, text):
            continue
        for number, line in enumerate(lines, 1):
            found = re.search(pattern, without_strings_and_comments(line))
            if found:
                yield number, "'%s' is not for here: use %s" % (found[0], instead)


def check_header(path, lines):
    if not lines or not lines[0].startswith("//"):
        yield 1, "a header begins with a comment: what it is, which thread, who owns it"
    if "#pragma once" not in lines:
        yield 1, "#pragma once is missing"


def check_dead(texts):
    """A header or .def nobody includes."""
    included = set()
    for text in texts.values():
        included.update(re.findall(r'#include [<"]([^>"]+)[>"]', text))
    for path in texts:
        if path.endswith((".h", ".def")) and path not in included and not any(
                path.endswith("/" + name) for name in included):
            yield path, 1, "nobody includes this file"


def tracked_files():
    listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                             cwd=ROOT, capture_output=True, text=True)
    if listing.returncode == 0:
        return [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]
    skip = {"build", ".git"}
    return [str(p.relative_to(ROOT)) for p in ROOT.rglob("*")
            if p.is_file() and p.relative_to(ROOT).parts[0] not in skip]


def main():
    suffixes = CODE | {".def", ".py", ".sh", ".cmake", ".proto", ".md", ".yaml", ".yml"}
    named = {"CMakeLists.txt", "dev", "run", "lint"}
    texts = {}
    for name in tracked_files():
        path = pathlib.Path(name)
        if path.suffix in suffixes or path.name in named:
            texts[name] = (ROOT / name).read_text(encoding="utf-8")
    complaints = list(check_dead(texts))
    for path, text in texts.items():
        lines = text.splitlines()
        checks = [check_sizes(path, lines), check_words(path, text, lines)]
        if pathlib.Path(path).suffix in CODE:
            checks += [check_functions(lines), check_includes(path, lines)]
        if path.endswith(".h"):
            checks.append(check_header(path, lines))
        for check in checks:
            complaints += [(path, number, what) for number, what in check]
    for path, number, what in sorted(complaints):
        print("%s:%d: %s" % (path, number, what))
    print("tidy: %d files, %d complaints" % (len(texts), len(complaints)))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
