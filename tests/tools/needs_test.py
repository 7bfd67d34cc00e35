"""The binary starts with glibc, libstdc++ and libgcc alone (docs: what it may need at start).

Reads the NEEDED entries, so that a library that happens to be installed here cannot hide. Everything else is
header-only, linked statically, opened when used, or lies beside the binary under $ORIGIN.
"""
import os
import pathlib
import re
import subprocess
import sys

ALLOWED = {
    "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1",  # glibc
    "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
    "libstdc++.so.6", "libgcc_s.so.1",
}


def main():
    binary = pathlib.Path(os.environ["WRING_BINARY"])
    if not binary.exists():
        print(f"skipped: {binary} is not built")
        return 77
    dynamic = subprocess.run(["readelf", "-d", binary], capture_output=True, text=True, check=True,
                             env={**os.environ, "LC_ALL": "C"}).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
    beside = {p.name for p in binary.parent.glob("*.so*")} if "$ORIGIN" in dynamic else set()
    extra = sorted(set(needed) - ALLOWED - beside)
    missing = [line.split("=>")[0].strip() for line in
               subprocess.run(["ldd", binary], capture_output=True, text=True).stdout.splitlines() if "not found" in line]
    for name in extra:
        print(f"{binary} needs {name} at start: link it statically, use it header-only, or open it when it is used")
    for name in missing:
        print(f"{binary} needs {name}, which is not found")
    print("needs", ", ".join(needed))
    return 1 if extra or missing else 0


if __name__ == "__main__":
    sys.exit(main())
