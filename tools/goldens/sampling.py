"""Makes or checks tests/goldens/sampling: what a sampling chain leaves to draw from.

  NAME.json  logits, the texts of the ids, and cases: parameters, history, position, ids allowed, and the distribution
             that follows, id -> probability

Each step is written here from its definition, the slow way and in float64: DRY compares every suffix with every earlier
place, sets are made with loops over sorted lists. src/engine/sampler.h has the order of the steps. The engine works in
float32, so the sets must be the same and the probabilities near; a case whose sets hang on a last bit is not made.
"""

import argparse
import json
import math
import pathlib
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens" / "sampling"
MARGIN = 1e-4  # relative distance of a decision from its threshold
EXCLUDE = 3  # base/rng.h: Draw::kExclude
BREAKERS = ["\n", ":", '"', "*"]


class TooClose(Exception):
    """A decision that float32 may take otherwise."""


def apart(value: float, threshold: float) -> None:
    if abs(value - threshold) <= MARGIN * max(1e-9, abs(threshold)):
        raise TooClose


def philox(counter: list, key: int) -> list:
    """Philox 4x32-10."""
    k0, k1, low = key & 0xFFFFFFFF, key >> 32, 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [(p1 >> 32) ^ counter[1] ^ k0, p1 & low, (p0 >> 32) ^ counter[3] ^ k1, p0 & low]
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return counter


def uniform(seed: int, choice: int, position: int, purpose: int, index: int) -> float:
    return (philox([choice, position, purpose, index], seed)[0] + 0.5) / 2**32


def softmax(logits: dict) -> dict:
    peak = max(logits.values())
    weights = {i: math.exp(x - peak) for i, x in logits.items()}
    total = math.fsum(weights.values())
    return {i: w / total for i, w in weights.items()}


def entropy(p: dict) -> float:
    return -math.fsum(x * math.log(x) for x in p.values() if x > 0)


def by_probability(p: dict) -> list:
    return sorted(p, key=lambda i: (-p[i], i))


def up_to(order: list, p: dict, mass: float) -> list:
    """The shortest beginning of `order` whose probability reaches `mass`."""
    kept, total = [], 0.0
    for i in order:
        kept.append(i)
        total += p[i]
        apart(total, mass)
        if total >= mass:
            break
    return kept


def unbroken(history: list, pieces: list, breakers: list) -> int:
    """Ids at the end since the one in which a breaker ended."""
    text, ends = "", []
    for i in history:
        text += pieces[i]
        ends.append(len(text))
    broken = {at + len(b) for b in breakers if b for at in range(len(text)) if text.startswith(b, at)}
    for count, at in enumerate(range(len(history) - 1, -1, -1)):
        begin = ends[at - 1] if at > 0 else 0
        if any(begin < end <= ends[at] for end in broken):
            return count
    return len(history)


def dry(logits: dict, p: dict, history: list, pieces: list) -> None:
    limit = unbroken(history, pieces, p.get("dry_breakers", BREAKERS))
    if p.get("dry_range", 0):
        history = history[-p["dry_range"] :]
    longest = {}
    for at in range(1, len(history)):  # history[at] followed what ended at at - 1
        length = 0
        while length < min(at, limit) and history[at - 1 - length] == history[len(history) - 1 - length]:
            length += 1
        longest[history[at]] = max(longest.get(history[at], 0), length)
    for i, length in longest.items():
        if length >= max(1, p.get("dry_length", 2)) and i in logits:
            logits[i] -= p["dry_multiplier"] * p.get("dry_base", 1.75) ** (length - p.get("dry_length", 2))


def penalise(logits: dict, p: dict, history: list) -> None:
    for i in sorted(set(history) & set(logits)):
        r = p.get("repetition_penalty", 1.0)
        logits[i] = logits[i] / r if logits[i] > 0 else logits[i] * r
        logits[i] -= p.get("presence_penalty", 0.0) + p.get("frequency_penalty", 0.0) * history.count(i)


def top_n_sigma(logits: dict, n: float) -> dict:
    values = np.array(list(logits.values()))
    floor = values.max() - n * values.std()
    for x in logits.values():
        apart(x, floor)
    return {i: x for i, x in logits.items() if x >= floor}


def temperature(logits: dict, p: dict) -> float:
    t, reach = p["temperature"], p.get("temperature_range", 0.0)
    if not reach or len(logits) < 2:
        return t
    low, high = max(0.0, t - reach), t + reach
    share = entropy(softmax(logits)) / math.log(len(logits))
    return max(1e-3, low + (high - low) * share ** p.get("temperature_exponent", 1.0))


def typical(logits: dict, mass: float) -> dict:
    p = softmax(logits)
    h = entropy(p)
    distance = {i: abs(-math.log(x) - h) for i, x in p.items()}
    order = sorted(p, key=lambda i: (distance[i], i))
    for a, b in zip(order, order[1:]):
        apart(distance[a], distance[b])
    kept = up_to(order, p, mass)
    return {i: logits[i] for i in kept}


def xtc(logits: dict, p: dict, position: int) -> dict:
    if uniform(p.get("seed", 0), p.get("choice", 0), position, EXCLUDE, 0) >= p["xtc_probability"]:
        return logits
    threshold = p.get("xtc_threshold", 0.1)
    if threshold > 0.5:
        return logits
    probability = softmax(logits)
    for x in probability.values():
        apart(x, threshold)
    top = [i for i in by_probability(probability) if probability[i] >= threshold]
    return {i: x for i, x in logits.items() if i not in top[:-1]}


def distribution(logits: np.ndarray, p: dict, case: dict, pieces: list) -> dict:
    history = case.get("history", [])
    left = {i: float(x) for i, x in enumerate(logits)}
    for i, bias in p.get("logit_bias", []):
        left[i] += bias
    penalise(left, p, history)
    if p.get("dry_multiplier"):
        dry(left, p, history, pieces)
    if "allowed" in case:
        left = {i: x for i, x in left.items() if i in case["allowed"]}
    if p["temperature"] == 0:
        return {max(left, key=lambda i: (left[i], -i)): 1.0}
    if p.get("top_n_sigma"):
        left = top_n_sigma(left, p["top_n_sigma"])
    t = temperature(left, p)
    left = {i: x / t for i, x in left.items()}
    if p.get("top_k"):
        left = {i: left[i] for i in by_probability(left)[: p["top_k"]]}
    if p.get("typical_p", 1.0) < 1:
        left = typical(left, p["typical_p"])
    if p.get("top_p", 1.0) < 1:
        probability = softmax(left)
        left = {i: left[i] for i in up_to(by_probability(probability), probability, p["top_p"])}
    if p.get("min_p"):
        best = max(left.values())
        for x in left.values():
            apart(x - best, math.log(p["min_p"]))
        left = {i: x for i, x in left.items() if x - best >= math.log(p["min_p"])}
    if p.get("xtc_probability"):
        left = xtc(left, p, case.get("position", 0))
    return softmax(left)


def history_of(rng, vocab: int) -> list:
    """Ids with repetitions long and short, the last of them at the end."""
    phrase = rng.integers(0, vocab, int(rng.integers(3, 9))).tolist()
    ids = []
    for _ in range(4):
        ids += rng.integers(0, vocab, int(rng.integers(0, 5))).tolist()
        ids += phrase[int(rng.integers(0, 2)) :]
    return ids + phrase[: int(rng.integers(1, len(phrase)))]


def parameters(rng, name: str) -> dict:
    pick = lambda *choices: choices[int(rng.integers(len(choices)))]
    own = {
        "typical": lambda: {"typical_p": pick(0.1, 0.3, 0.5, 0.8, 0.95)},
        "top_n_sigma": lambda: {"top_n_sigma": pick(0.3, 0.7, 1.0, 1.5, 2.5)},
        "xtc": lambda: {"xtc_probability": pick(0.3, 0.5, 1.0), "xtc_threshold": pick(0.03, 0.05, 0.1, 0.2, 0.6),
                        "seed": int(rng.integers(1 << 40)), "choice": int(rng.integers(3))},
        "dry": lambda: {"dry_multiplier": pick(0.3, 0.8, 2.0), "dry_base": pick(1.0, 1.2, 1.75),
                        "dry_length": pick(1, 2, 3, 4), "dry_range": pick(0, 0, 8, 20),
                        **pick({}, {}, {"dry_breakers": []}, {"dry_breakers": ["ab", "c:"]})},
        "temperature": lambda: {"temperature_range": pick(0.2, 0.5, 2.0), "temperature_exponent": pick(0.5, 1.0, 2.0)},
        "older": lambda: {k: v for k, v in {
            "top_k": pick(0, 3, 10), "top_p": pick(1.0, 0.5, 0.9), "min_p": pick(0.0, 0.05, 0.3),
            "repetition_penalty": pick(1.0, 1.3), "presence_penalty": pick(0.0, 0.4),
            "frequency_penalty": pick(0.0, 0.2), "logit_bias": pick([], [[3, 2.0], [5, -4.0]])}.items()},
    }
    base = {"temperature": pick(0.5, 0.8, 1.0, 1.5)}
    if name != "chain":
        return base | own[name]()
    for kind in own.values():
        base |= kind()
    return base | pick({}, {}, {}, {"temperature": 0.0})


def make_file(name: str) -> dict:
    rng = np.random.Generator(np.random.PCG64(list(name.encode())))
    vocab = 48
    letters = ["a", "b", "ab", "c", ":", "\n", "x", "y", "c:", '"']
    pieces = [letters[i] if i < len(letters) else f"<{i}>" for i in range(vocab)]
    logits = (rng.standard_normal(vocab) * 2.5).astype(np.float32)
    cases, wanted = [], 24 if name == "chain" else 16
    while len(cases) < wanted:
        case = {"params": parameters(rng, name), "position": int(rng.integers(1 << 20))}
        if name in ("dry", "older", "chain"):
            case["history"] = history_of(rng, vocab)
        if name == "chain" and rng.random() < 0.5:
            case["allowed"] = sorted(rng.choice(vocab, 20, replace=False).tolist())
        try:
            left = distribution(logits, case["params"], case, pieces)
        except TooClose:
            continue
        case["distribution"] = {str(i): float(f"{left[i]:.12g}") for i in sorted(left)}
        cases.append(case)
    return {"logits": [float(np.format_float_positional(x, unique=True)) for x in logits], "pieces": pieces,
            "cases": cases}


FILES = ("typical", "top_n_sigma", "xtc", "dry", "temperature", "older", "chain")


def make(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        golden = make_file(name)
        lines = ",\n  ".join(json.dumps(c) for c in golden["cases"])
        (folder / f"{name}.json").write_text(
            f'{{"logits": {json.dumps(golden["logits"])},\n "pieces": {json.dumps(golden["pieces"])},\n'
            f' "cases": [\n  {lines}\n ]}}\n')


def same(old, new) -> bool:
    """Equal but for the last digits, which hang on the machine's exp and log."""
    if isinstance(old, dict):
        return isinstance(new, dict) and old.keys() == new.keys() and all(same(old[k], new[k]) for k in old)
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(same, old, new))
    if isinstance(old, float):
        return math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-12)
    return old == new


def check(folder: pathlib.Path) -> int:
    faults = 0
    with tempfile.TemporaryDirectory() as temporary:
        fresh = pathlib.Path(temporary)
        make(fresh)
        for file in sorted(fresh.iterdir()):
            old = folder / file.name
            good = old.exists() and same(json.loads(old.read_text()), json.loads(file.read_text()))
            print(f"sampling/{file.name}: {'same' if good else 'differs'}")
            faults += not good
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="make them in a temporary folder and fail on a difference")
    parser.add_argument("--out", type=pathlib.Path, default=HERE, help="their folder (default: the committed one)")
    args = parser.parse_args()
    if args.check:
        return 1 if check(args.out) else 0
    make(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
