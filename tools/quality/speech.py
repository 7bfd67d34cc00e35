"""What the speech simulator is good for: trains the detectors that Wring ships, and measures simulator and detectors.

  speech.py train vad|embedding OUT    the shipped weights: src/speech/detect/{vad,embedding}.safetensors
  speech.py detect [--weights FILE]    speech detection on real meetings (AMI excerpts) and on simulated sessions
  speech.py diarize [--weights FILE]   diarization on simulated sessions of unheard speakers, and on the AMI excerpts
  speech.py ablate vad|embedding|diarizer   three seeds each, with matched and mismatched silence and overlap
  speech.py simulate                   shares and lengths that the rules of placing reach; needs no speakers

Speakers: tools/fetch-speakers, and the spoken digits of the test material. A person is in one of three sets: trained on,
used to fix thresholds and clustering, or heard in the tests alone. Noise is that of the test material.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

from folders import cache_folder, test_data

BUILT = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "wring"

DIGITS = {"jackson": "train", "nicolas": "train", "theo": "check", "yweweler": "test"}
# Of the persons to train on, every fourth fixes thresholds; those that tools/fetch-speakers holds out are the test's.
CHECK_EVERY = 4
SOUND = ["--rooms", "0.6", "--snr", "0,35", "--clatter", "30", "--telephone", "0.1", "--level=-45,-12"]
VAD = ["--least-range", "33", "--profile", "varied", "--seconds", "20", "--batch", "4", "--speaker-db", "5", "--turn-db", "2"]
VOICE = ["--profile", "varied", "--speakers", "3", "--seconds", "12", "--batch", "8"]
SPEEDS = ["--speed", "0.9", "--speed", "1.1"]
STEPS = {"vad": 1500, "embedding": 3600}
ABLATION_STEPS = {"vad": 500, "embedding": 400, "diarizer": 200}
MISMATCH = ["--silence", "0.02", "--overlap", "0"]
LEARNING_RATE = {"vad": "0.003", "embedding": "0.002"}


def wring(*arguments: object) -> str:
    command = [os.environ.get("WRING_BINARY") or str(BUILT), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return done.stdout


def persons() -> dict[str, tuple[str, list[pathlib.Path]]]:
    """Set and files of each person."""
    folder = cache_folder() / "speech" / "speakers"
    if not (folder / "speakers.json").is_file():
        raise SystemExit(f"{folder}: no speakers; run tools/fetch-speakers")
    found: dict[str, tuple[str, list[pathlib.Path]]] = {}
    train = 0
    for row in json.loads((folder / "speakers.json").read_text()):
        person = row["person"]
        if person not in found:
            part = "test"
            if row["split"] == "train":
                train += 1
                part = "check" if train % CHECK_EVERY == 0 else "train"
            found[person] = (part, [])
        found[person][1].extend(sorted((folder / row["id"]).glob("*.wav")))
    for file in sorted((test_data("speech/fsdd")).glob("*.wav")):
        name = file.stem.split("_")[1]
        found.setdefault(name, (DIGITS[name], []))[1].append(file)
    return found


def make_sets(folder: pathlib.Path) -> None:
    """FOLDER/SET/PERSON/ROW_NAME.wav, links to the recordings."""
    for person, (part, files) in persons().items():
        to = folder / part / person
        to.mkdir(parents=True)
        for file in files:
            os.symlink(file, to / f"{file.parent.name}_{file.name}")


def noises() -> list[str]:
    return ["--noises", str(test_data("speech/rir_noise/noise"))]


def train(kind: str, sets: pathlib.Path, out: str, steps: int, seed: int, extra: list[str]) -> str:
    check = [flag for p in sorted((sets / "check").iterdir()) for flag in ("--check", p.name)]
    return wring("speech", "train", kind, out, "--sources", sets / "train", "--sources", sets / "check", *check, *SPEEDS,
                 *SOUND, *noises(), *(VAD if kind == "vad" else VOICE), "--steps", steps, "--training-seed", seed, "--seed", seed,
                 "--learning-rate", LEARNING_RATE[kind], *extra)


def ami(work: pathlib.Path) -> tuple[list[pathlib.Path], pathlib.Path, pathlib.Path]:
    """The excerpts under the names that their labels have (trn00 for the file with a tilde), labels and UEM."""
    folder = test_data("speech/ami_excerpts")
    to = work / "ami"
    to.mkdir(exist_ok=True)
    files = []
    for file in sorted(folder.glob("*.wav")):
        link = to / (file.stem.replace("n\u0303", "n").replace("\u00f1", "n") + ".wav")
        if not link.exists():
            os.symlink(file, link)
        files.append(link)
    for end in ("rttm", "uem"):
        (work / f"ami.{end}").write_text("".join(f.read_text() for f in sorted(folder.glob(f"*.{end}"))))
    return sorted(files), work / "ami.rttm", work / "ami.uem"


def detect_one(detector: str, files: list, rttm, uem, *extra: str) -> dict:
    return json.loads(wring("speech", "vad", *files, "--detector", detector, "--reference", rttm, "--uem", uem, "--json", "-", *extra))


def corpus(work: pathlib.Path, sets: pathlib.Path, name: str, *options: object) -> pathlib.Path:
    wring("speech", "simulate", work / name, "--sources", sets / "test", "--format", "wav16", *options)
    return work / name


def detect(sets: pathlib.Path, work: pathlib.Path, weights: str) -> None:
    silero = str(test_data("speech/silero_vad/silero-v6.2.0-ggml.bin"))
    files, rttm, uem = ami(work)
    print("| detector, 12 AMI excerpts | detection error | miss | false alarm | AUROC | error of frames at the best threshold |")
    print("|---|---|---|---|---|---|")
    rows = [("energy over a second", "energy", []), ("Silero, threshold .5", silero, []),
            ("Silero over a second, threshold .5", silero, ["--average", "1"]), ("ours", weights, [])]
    for name, detector, extra in rows:
        r = detect_one(detector, files, rttm, uem, *extra)
        print(f"| {name} | {r['detection_error']:.4f} | {r['miss']:.4f} | {r['false_alarm']:.4f} | {r['auroc']:.4f} | {r['best_frame_error']:.4f} |")
    for name, sound in (("clean", []), ("5 dB", ["--snr", "5", *noises()])):
        c = corpus(work, sets, f"vad-{name.replace(' ', '')}", "--sessions", 20, "--seconds", 60, "--speakers", 3, "--profile", "telephone",
                   "--telephone", "0", "--seed", 99, *sound)
        r = detect_one(weights, sorted(c.glob("session*.wav")), c / "all.rttm", c / "all.uem")
        miss, false = r["miss"], r["false_alarm"]
        print(f"simulated, unheard speakers, {name}: F1 {2 * (1 - miss) / (2 * (1 - miss) + miss + false):.4f}, detection error {r['detection_error']:.4f}, AUROC {r['auroc']:.4f}")


def one_speaker(rttm: pathlib.Path, uem: pathlib.Path, oracle: bool, out: pathlib.Path) -> pathlib.Path:
    """Labels that call all speech, or all time, one speaker's."""
    spans: dict[str, list[tuple[float, float]]] = {}
    if oracle:
        for line in rttm.read_text().splitlines():
            field = line.split()
            spans.setdefault(field[1], []).append((float(field[3]), float(field[3]) + float(field[4])))
    else:
        for line in uem.read_text().splitlines():
            name, _, start, end = line.split()
            spans[name] = [(float(start), float(end))]
    text = ""
    for name, of in spans.items():
        end = -1.0
        for a, b in sorted(of):
            a = max(a, end)
            if b > a:
                text += f"SPEAKER {name} 1 {a:.6f} {b - a:.6f} <NA> <NA> one <NA> <NA>\n"
                end = b
    out.write_text(text)
    return out


def der(rttm, hypothesis, uem) -> dict:
    return json.loads(wring("speech", "score", rttm, hypothesis, "--uem", uem, "--json", "-"))["all"]


def diarize(sets: pathlib.Path, work: pathlib.Path, weights: str) -> None:
    files, rttm, uem = ami(work)
    sets_of = [("AMI excerpts", files, rttm, uem)]
    for speakers in (2, 3, 4):
        c = corpus(work, sets, f"diarize{speakers}", "--sessions", 20, "--seconds", 60, "--speakers", speakers, "--profile", "ami", "--seed", 7,
                   *SOUND[:2], "--snr", "10,30", *noises())
        sets_of.insert(speakers - 2, (f"simulated, {speakers} unheard speakers", sorted(c.glob("session*.wav")), c / "all.rttm", c / "all.uem"))
    print("| sessions | one speaker | oracle speech, one speaker | ours | ours, oracle speech | better than the better baseline |")
    print("|---|---|---|---|---|---|")
    for name, sounds, labels, region in sets_of:
        found = work / "found.rttm"
        baselines = [der(labels, one_speaker(labels, region, oracle, work / "one.rttm"), region)["der"] for oracle in (False, True)]
        ours = []
        for speech in ([], ["--speech", labels]):
            wring("speech", "diarize", *sounds, "--rttm", found, "--embedding", weights, *speech)
            ours.append(der(labels, found, region)["der"])
        print(f"| {name} | {baselines[0]:.4f} | {baselines[1]:.4f} | {ours[0]:.4f} | {ours[1]:.4f} | {100 * (1 - ours[0] / min(baselines)):.0f} % |")


def ablate(kind: str, sets: pathlib.Path, work: pathlib.Path, steps: int) -> None:
    """vad and embedding each alone; diarizer: both, trained on the same kind of sessions, finding speech themselves."""
    files, rttm, uem = ami(work)
    c = corpus(work, sets, "ablation", "--sessions", 24, "--seconds", 60, "--speakers", 3, "--profile", "ami", "--seed", 7,
               "--snr", "10,30", *noises())
    sounds = sorted(c.glob("session*.wav"))
    found = work / "found.rttm"
    for name, extra in (("matched", []), ("mismatched", MISMATCH)):
        results = []
        for seed in (1, 2, 3):
            weights = {}
            for part in ("vad", "embedding") if kind == "diarizer" else (kind,):
                weights[part] = work / f"{part}-{name}-{seed}.safetensors"
                train(part, sets, str(weights[part]), steps, seed, extra)
            if kind == "vad":
                real = detect_one(str(weights["vad"]), files, rttm, uem)
                simulated = detect_one(str(weights["vad"]), sounds, c / "all.rttm", c / "all.uem")
                results.append((real["detection_error"], real["auroc"], simulated["detection_error"], simulated["auroc"]))
            else:
                speech = ["--detector", weights["vad"]] if kind == "diarizer" else ["--speech", c / "all.rttm"]
                wring("speech", "diarize", *sounds, "--rttm", found, "--embedding", weights["embedding"], *speech)
                results.append((der(c / "all.rttm", found, c / "all.uem")["der"],))
            print(name, seed, *(f"{x:.4f}" for x in results[-1]), flush=True)
        print(name, "mean", *(f"{sum(x) / 3:.4f}" for x in zip(*results)), flush=True)


def simulate(work: pathlib.Path) -> None:
    print("| session | wanted | rule | silence off by | overlap off by | not placed |\n|---|---|---|---|---|---|")
    cases = [(20, 2, 0.15, 0.10), (20, 2, 0.20, 0.13), (60, 2, 0.15, 0.10), (60, 4, 0.20, 0.13), (600, 4, 0.15, 0.10), (600, 4, 0.20, 0.30)]
    for number, (seconds, speakers, silence, overlap) in enumerate(cases):
        for rule in ("exact", "running-mean", "reference"):
            out = work / f"{rule}{number}"
            wring("speech", "simulate", out, "--plan-only", "--profile", "beta", "--sessions", 200, "--seconds", seconds,
                  "--speakers", speakers, "--silence", silence, "--overlap", overlap, "--rule", rule)
            plans = [json.loads(f.read_text()) for f in sorted(out.glob("session*.json"))]
            placed = [p for p in plans if p["feasible"]]
            off = [sum(abs(p[k] - p["wanted"][k]) for p in placed) / len(placed) for k in ("silence", "overlap")]
            print(f"| {seconds} s, {speakers} speakers | {silence:.2f}, {overlap:.2f} | {rule} | {off[0]:.4f} | {off[1]:.4f} | {len(plans) - len(placed)} of 200 |")
    for rule in ("exact", "running-mean", "reference"):
        wring("speech", "simulate", work / f"ami-{rule}", "--plan-only", "--profile", "ami", "--sessions", 500, "--rule", rule)
        ks = json.loads(wring("speech", "profile", "compare", work / f"ami-{rule}", test_data("speech/rttm/ami_dev"), "--json", "-"))["ks"]
        print(f"{rule}, profile ami against AMI dev: KS " + ", ".join(f"{k} {v:.3f}" for k, v in ks.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["train", "detect", "diarize", "ablate", "simulate"])
    parser.add_argument("kind", nargs="?", choices=["vad", "embedding", "diarizer"])
    parser.add_argument("out", nargs="?")
    parser.add_argument("--weights", default="built-in")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", dest="start", help="weights to begin with; with --steps 0 only what is fixed afterwards is made anew")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if a.part == "simulate":
            simulate(work)
            return
        make_sets(work / "sets")
        if a.part == "train":
            print(train(a.kind, work / "sets", a.out, STEPS[a.kind] if a.steps is None else a.steps, a.seed, ["--from", a.start] if a.start else []), end="")
        elif a.part == "detect":
            detect(work / "sets", work, a.weights)
        elif a.part == "diarize":
            diarize(work / "sets", work, a.weights)
        else:
            ablate(a.kind, work / "sets", work, a.steps or ABLATION_STEPS[a.kind])


if __name__ == "__main__":
    main()
