"""docs/server.md names every metric of a running server, with its type and its help text.

    WRING_BINARY=... python3 tests/tools/metrics_table_test.py            compares
    WRING_BINARY=... python3 tests/tools/metrics_table_test.py --write    puts the table into docs/server.md
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
MANUAL = SOURCE / "docs/server.md"
BEGIN = "<!-- metrics: tests/tools/metrics_table_test.py --write -->\n"
END = "<!-- end -->\n"
KEY = "metrics-table-test"
SKIPPED = 77


def model():
    cache = os.environ.get("WRING_CACHE")
    if not cache:
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "wring"
    return pathlib.Path(cache) / "models/smollm2-135m-instruct.gguf"


def ask(url, body=None):
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(binary, path):
    """The metrics of a server that has answered and refused something, since some are made when first counted."""
    with tempfile.TemporaryDirectory() as folder:
        keys = pathlib.Path(folder) / "keys.json"
        keys.touch(0o600)
        keys.write_text(json.dumps([{"name": "test", "key": KEY, "requests_per_minute": 1}]))
        server = subprocess.Popen(
            [binary, "serve", path, "--port", "0", "--api-keys", keys, "--context", "512", "--log-level", "off"],
            stdout=subprocess.PIPE, text=True)
        try:
            found = re.search(r"at (http://\S+)$", server.stdout.readline().strip())
            if not found:
                raise SystemExit("the server did not start")
            body = json.dumps({"prompt": "a", "max_tokens": 2}).encode()
            answers = [ask(found[1] + "/v1/completions", body)[0] for _ in range(2)]
            if answers != [200, 429]:
                raise SystemExit(f"the server answered {answers}, not 200 and 429")
            return ask(found[1] + "/metrics")[1]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def table(text):
    """Rows in the order of the names, since the server's is that of first use."""
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.M))
    types = dict(re.findall(r"^# TYPE (\S+) (.*)$", text, re.M))
    labels = {}
    for name, pairs in re.findall(r"^([a-z_:]+)\{(.*)\} ", text, re.M):
        names = [label for label in re.findall(r'([a-z_]+)="', pairs) if label != "le"]
        labels.setdefault(name, dict.fromkeys(names))
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for name in sorted(types):
        rows.append(f"| `{name}` | {types[name]} | {', '.join(labels.get(name, []))} | {helps[name]} |")
    return "\n".join(rows) + "\n"


def main():
    binary = pathlib.Path(os.environ["WRING_BINARY"])
    if not binary.exists():
        print(f"skipped: {binary} is not built")
        return SKIPPED
    if not model().exists():
        print(f"skipped: {model()} is missing: tools/fetch-model smollm2-135m-instruct")
        return SKIPPED
    manual = MANUAL.read_text()
    before, begin, rest = manual.partition(BEGIN)
    shown, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{MANUAL} has no part between {BEGIN.strip()} and {END.strip()}")
        return 1
    made = table(scrape(binary, model()))
    if sys.argv[1:] == ["--write"]:
        MANUAL.write_text(before + begin + made + end + after)
        return 0
    missing = sorted(set(made.splitlines()) - set(shown.splitlines()))
    gone = sorted(set(shown.splitlines()) - set(made.splitlines()))
    for row in missing:
        print("not in docs/server.md:", row)
    for row in gone:
        print("only in docs/server.md:", row)
    if shown != made:
        print("python3 tests/tools/metrics_table_test.py --write makes the table again")
    return int(shown != made)


if __name__ == "__main__":
    sys.exit(main())
