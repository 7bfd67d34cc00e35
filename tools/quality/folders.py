"""Where things lie: the cache, and the third-party test material. Standard library only."""

import os
import pathlib


def cache_folder() -> pathlib.Path:
    """Where tools/fetch-model keeps models; ours are in its folder `quality`."""
    if os.environ.get("WRING_CACHE"):
        return pathlib.Path(os.environ["WRING_CACHE"])
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "wring"


def test_data(relative: str) -> pathlib.Path:
    beside = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
    path = pathlib.Path(os.environ.get("WRING_TEST_DATA") or beside) / relative
    if not path.exists():
        raise SystemExit(f"{path} is absent: WRING_TEST_DATA must name the folder of the third-party test material")
    return path
