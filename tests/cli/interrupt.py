"""Ctrl-C on a terminal: it ends the answer and the program goes on; at the prompt the second one leaves."""
import os
import pathlib
import pty
import re
import select
import signal
import sys
import time

PATIENCE = 100  # seconds


def model_path():
    cache = os.environ.get("WRING_CACHE")
    if not cache:
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "wring"
    return pathlib.Path(cache) / "models" / "smollm2-135m-instruct.gguf"


class Terminal:
    def __init__(self, arguments):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execv(arguments[0], arguments)
        self.text = ""
        self.seen = 0  # characters that earlier waits have matched

    def wait_for(self, pattern):
        """Reads on until the pattern appears in what came since the last match."""
        end = time.monotonic() + PATIENCE
        while True:
            match = re.compile(pattern).search(self.text, self.seen)
            if match:
                self.seen = match.end()
                return
            if time.monotonic() > end:
                raise SystemExit(f"no {pattern!r} after {PATIENCE} s in {self.text!r}")
            if select.select([self.descriptor], [], [], 1)[0]:
                try:
                    self.text += os.read(self.descriptor, 4096).decode(errors="replace")
                except OSError:
                    raise SystemExit(f"the program left before {pattern!r}: {self.text!r}") from None

    def send(self, text):
        os.write(self.descriptor, text.encode())

    def exit_code(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if select.select([self.descriptor], [], [], 0.1)[0]:
                try:
                    os.read(self.descriptor, 4096)
                except OSError:
                    time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        raise SystemExit("the program did not leave")


def main():
    model = model_path()
    if not model.exists():
        print(f"skipped: needs {model}")
        return 77
    binary = os.environ["WRING_BINARY"]
    chat = Terminal([binary, "chat", str(model), "--temperature", "0"])
    chat.wait_for(r"> ")
    chat.send("Write a very long story about a river.\n")
    chat.wait_for(r"river\.\r\n\s*\w+\W+\w+")  # the echo, then words of the answer
    chat.send("\x03")
    chat.wait_for(r"> ")
    chat.send("/stats\n")  # it still listens
    chat.wait_for(r"tok/s")
    chat.wait_for(r"> ")
    chat.send("\x03")
    chat.wait_for(r"leaves")
    chat.send("\x03")
    code = chat.exit_code()
    if code != 0:
        raise SystemExit(f"chat left with {code}")

    run = Terminal([binary, "run", str(model), "Write a very long story about a river."])
    run.wait_for(r"\w+\W+\w+")
    run.send("\x03")
    code = run.exit_code()
    if code != 130:
        raise SystemExit(f"run left with {code}, not 130")
    print("Ctrl-C ends the answer; chat goes on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
