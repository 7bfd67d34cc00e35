"""Runs command lines from a text file and compares what a user would see.

A file holds cases parted by blank lines; '#' begins a comment line. A case:

  case: what it shows
  needs: PATH...         skipped when one is absent; $DATA, $MODELS, $GOLDENS, $SOURCE as below
  before: SHELL          runs first and must succeed
  run: SHELL             the command; `wring` is the binary under test
  input: TEXT            standard input, with \\n for line ends
  exit: CODE             0 unless said otherwise
  stdout: REGEX          each must be found (multi-line)
  stderr: REGEX
  no-stdout: REGEX       must not be found
  file: NAME REGEX       exists in $TMP and matches
  absent: NAME           does not exist in $TMP

Commands run in a fresh folder, $TMP. $GOLDENS: the tree's tiny checkpoints; $DATA: third-party material;
$MODELS: fetched models. Of every command that fails: standard error is one line, "wring: ...", and no
partial file is left.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

TIMEOUT = 240  # seconds a command; far above any, for a loaded machine
SKIPPED = 77
KEYS = {"case", "needs", "before", "run", "input", "exit", "stdout", "stderr", "no-stdout", "file", "absent"}


def environment():
    source = pathlib.Path(os.environ["WRING_SOURCE"])
    cache = os.environ.get("WRING_CACHE")
    if not cache:
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "wring"
    binary = pathlib.Path(os.environ["WRING_BINARY"])
    return {
        **os.environ,
        "PATH": f"{binary.parent}:{os.environ['PATH']}",
        "SOURCE": str(source),
        "GOLDENS": str(source / "tests/goldens/models"),
        "DATA": os.environ.get("WRING_TEST_DATA", str(source / "../shared/data")),
        "MODELS": str(pathlib.Path(cache) / "models"),
        "LC_ALL": "C.UTF-8",
        # mpirun refuses root unless it is told twice; containers run as root.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }


def parse(path):
    cases = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        key, _, value = line.partition(":")
        if key not in KEYS:
            raise SystemExit(f"{path}:{number}: there is no key {key!r}")
        if key == "case":
            cases.append({})
        cases[-1].setdefault(key, []).append(value.strip())
    return cases


def shell(command, env, folder, text=""):
    return subprocess.run(["bash", "-c", command], env=env, cwd=folder, input=text, capture_output=True, text=True,
                          timeout=TIMEOUT, errors="replace", check=False)


def problems(case, env, folder):
    """What differs from the case's expectation, one line each."""
    for command in case.get("before", []):
        done = shell(command, env, folder)
        if done.returncode != 0:
            return [f"before: {command!r} failed: {done.stderr.strip()}"]
    text = case.get("input", [""])[0].replace("\\n", "\n")
    try:
        done = shell(case["run"][0], env, folder, text)
    except subprocess.TimeoutExpired:
        return [f"no end after {TIMEOUT} s"]
    found = []
    code = int(case.get("exit", ["0"])[0])
    if done.returncode != code:
        found.append(f"exit code {done.returncode}, not {code}")
    for stream, output in (("stdout", done.stdout), ("stderr", done.stderr)):
        found += [f"{stream} lacks {p!r}" for p in case.get(stream, []) if not re.search(p, output, re.MULTILINE)]
    found += [f"stdout has {p!r}" for p in case.get("no-stdout", []) if re.search(p, done.stdout, re.MULTILINE)]
    if code == 1 and not re.fullmatch(r"wring: [^\n]+\n", done.stderr):
        found.append("stderr is not one line \"wring: ...\"")
    for rule in case.get("file", []):
        name, _, pattern = rule.partition(" ")
        path = folder / name
        if not path.exists() or not re.search(pattern, path.read_text(errors="replace"), re.MULTILINE):
            found.append(f"file {name} is absent or lacks {pattern!r}")
    found += [f"{name} exists" for name in case.get("absent", []) if (folder / name).exists()]
    found += [f"{p.name} was left" for p in folder.glob("*.partial")]
    if found:
        found += [f"  stdout: {done.stdout[:2000]!r}", f"  stderr: {done.stderr[:2000]!r}"]
    return found


def main():
    env = environment()
    failed = skipped = 0
    cases = [case for name in sys.argv[1:] for case in parse(pathlib.Path(name))]
    for case in cases:
        needs = [os.path.expandvars(n) for n in " ".join(case.get("needs", [])).split()]
        needs = [re.sub(r"\$(\w+)", lambda m: env[m.group(1)], n) for n in needs]
        missing = [n for n in needs if not pathlib.Path(n).exists()]
        if missing:
            skipped += 1
            print(f"skipped: {case['case'][0]}: needs {missing[0]}")
            continue
        with tempfile.TemporaryDirectory(prefix="wring-test-") as folder:
            found = problems(case, {**env, "TMP": folder}, pathlib.Path(folder))
        print(f"{'FAILED' if found else 'ok'}: {case['case'][0]}")
        for line in found:
            print(f"    {line}")
        failed += bool(found)
    print(f"{len(cases)} cases, {skipped} skipped, {failed} failed")
    if failed:
        return 1
    return SKIPPED if cases and skipped == len(cases) else 0


if __name__ == "__main__":
    sys.exit(main())
