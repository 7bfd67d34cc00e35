"""tools/fetch-speakers against packages made here: an apt-get before Debian's on PATH hands them out, or says what it
says without a network. The table itself is checked as it is."""
import array
import collections
import gzip
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import wave

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "fetch-speakers"
APT = """#!/bin/bash
echo "$*" >>"$FAKE_ROOT/calls"
case " $* " in
  *" update "*) exit 0 ;;
  *" download "*)
    if [ -e "$FAKE_ROOT/offline" ]; then
      echo "E: Failed to fetch http://deb.debian.org/x.deb  Could not resolve 'deb.debian.org'"
      exit 100
    fi
    cp "$FAKE_ROOT/${@: -1}.deb" . ;;
esac
"""


def write_wav(path, seconds, rate=22050, peak=0.5, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = array.array("h", (round(32767 * peak * math.sin(0.1 * (i // channels))) for i in range(round(seconds * rate) * channels)))
    with wave.open(str(path), "wb") as out:
        out.setparams((channels, 2, rate, 0, "NONE", ""))
        out.writeframes(tone.tobytes())


class FetchSpeakers(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.root)
        self.folder = self.root / "speakers"
        tools = self.root / "bin"
        tools.mkdir()
        (tools / "apt-get").write_text(APT)
        (tools / "apt-get").chmod(0o755)
        self.environment = {**os.environ, "FAKE_ROOT": str(self.root), "PATH": f"{tools}:{os.environ['PATH']}"}

    def package(self, name, fill):
        tree = self.root / name
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(f"Package: {name}\nVersion: 7.1\nArchitecture: all\n"
                                                 "Maintainer: test <t@example.org>\nDescription: test\n")
        document = tree / "usr/share/doc" / name
        document.mkdir(parents=True)
        (document / "copyright").write_text("the licence of " + name)
        fill(tree)
        subprocess.run(["dpkg-deb", "-b", "--root-owner-group", tree, self.root / f"{name}.deb"], check=True,
                       stdout=subprocess.DEVNULL)

    def klettres(self):
        def fill(tree):
            write_wav(tree / "usr/share/klettres/de/alpha/a.wav", 0.5)
            write_wav(tree / "usr/share/klettres/de/alpha/b c.wav", 0.4, rate=44100, channels=2)
            write_wav(tree / "usr/share/klettres/de/alpha/same as a.wav", 0.5)
            write_wav(tree / "usr/share/klettres/de/alpha/short.wav", 0.2)
            write_wav(tree / "usr/share/klettres/de/alpha/silent.wav", 0.5, peak=0.001)
            write_wav(tree / "usr/share/klettres/de/alpha/telephone.wav", 0.5, rate=8000)
            write_wav(tree / "usr/share/klettres/de/syllab/affe.wav", 0.5)
        self.package("klettres-data", fill)

    def call(self, *ids, **more):
        return subprocess.run([SCRIPT, self.folder, *ids], capture_output=True, text=True, timeout=100,
                              env={**self.environment, **more})

    def downloads(self):
        calls = self.root / "calls"
        return [line.split()[-1] for line in calls.read_text().splitlines() if " download " in line] if calls.exists() else []

    def speakers(self):
        return {row["id"]: row for row in json.loads((self.folder / "speakers.json").read_text())}

    def leftovers(self):
        return sorted(p.name for p in self.folder.glob(".fetch-*"))

    def test_files_become_16_khz_mono_and_useless_ones_are_left_out(self):
        self.klettres()
        result = self.call("de-klettres-1")
        self.assertEqual(result.returncode, 0, result.stderr)
        made = self.folder / "de-klettres-1"
        self.assertEqual(sorted(p.name for p in made.iterdir()), ["alpha_a.wav", "alpha_b_c.wav", "speaker.json"])
        for name, seconds in (("alpha_a", 0.5), ("alpha_b_c", 0.4)):
            with wave.open(str(made / f"{name}.wav")) as out:
                self.assertEqual((out.getframerate(), out.getnchannels(), out.getsampwidth()), (16000, 1, 2))
                self.assertAlmostEqual(out.getnframes() / 16000, seconds, delta=0.01)
                samples = array.array("h", out.readframes(out.getnframes()))
            self.assertGreater(max(samples), 10000)

    def test_speakers_json_and_the_licences_tell_of_each_speaker(self):
        self.klettres()
        self.assertEqual(self.call("de-klettres-1", "de-klettres-2").returncode, 0)
        rows = self.speakers()
        self.assertEqual(list(rows), ["de-klettres-1", "de-klettres-2"])
        row = rows["de-klettres-1"]
        self.assertEqual((row["package"], row["version"], row["sample_rate"]), ("klettres-data", "7.1", 22050))
        self.assertEqual((row["language"], row["sex"], row["sex_from"], row["files"]), ("de", "f", "pitch", 2))
        self.assertAlmostEqual(row["seconds"], 0.9, delta=0.05)
        self.assertIn(row["split"], ("train", "held-out"))
        self.assertIn("GPL-2+", row["licence"])
        self.assertEqual(json.loads((self.folder / "de-klettres-1/speaker.json").read_text()), row)
        licences = (self.folder / "LICENSES.md").read_text()
        self.assertRegex(licences, r"\| de-klettres-2 \| klettres-data 7\.1 \| GPL-2\+ \| .*Mahfouf.* \| https://")
        self.assertEqual((self.folder / "copyright/klettres-data.txt").read_text(), "the licence of klettres-data")

    def test_transcripts_come_from_the_package_of_the_texts(self):
        def sounds(tree):
            write_wav(tree / "usr/share/asterisk/sounds/en_US_f_Allison/digits/1.wav", 0.5)
            write_wav(tree / "usr/share/asterisk/sounds/en_US_f_Allison/silence/1.wav", 0.5)
            write_wav(tree / "usr/share/asterisk/sounds/en_US_f_Allison/beeperr.wav", 0.5)

        def texts(tree):
            folder = tree / "usr/share/doc/asterisk-core-sounds-en"
            folder.mkdir(parents=True, exist_ok=True)
            content = "; a comment\n\ndigits/1: one, \"two\"\r\ngoodbye: Goodbye.\n"
            (folder / "core-sounds-en.txt.gz").write_bytes(gzip.compress(content.encode()))
        self.package("asterisk-core-sounds-en-g722", sounds)
        self.package("asterisk-core-sounds-en", texts)
        result = self.call("en-allison")
        self.assertEqual(result.returncode, 0, result.stderr)
        made = self.folder / "en-allison"
        self.assertEqual([p.name for p in made.glob("*.wav")], ["digits_1.wav"])
        self.assertEqual((made / "transcripts.tsv").read_bytes(), b'digits_1\tone, "two"\n')

    def test_a_second_call_downloads_nothing_and_a_changed_row_is_made_again(self):
        self.klettres()
        self.assertEqual(self.call("de-klettres-1").returncode, 0)
        self.assertEqual(self.call("de-klettres-1").returncode, 0)
        self.assertEqual(self.downloads(), ["klettres-data"])
        about = self.folder / "de-klettres-1/speaker.json"
        about.write_text(about.read_text().replace('"recipe": "', '"recipe": "9'))
        (self.folder / "de-klettres-1/old.wav").write_bytes(b"")
        self.assertEqual(self.call("de-klettres-1").returncode, 0)
        self.assertEqual(self.downloads(), ["klettres-data"] * 2)
        self.assertFalse((self.folder / "de-klettres-1/old.wav").exists())

    def test_without_a_network_one_sentence_and_nothing_half_done(self):
        (self.root / "offline").touch()
        result = self.call("de-klettres-1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("fetch-speakers: no network: Debian's package klettres-data could not be fetched", result.stderr)
        self.assertNotIn("Traceback", result.stderr)
        self.assertFalse((self.folder / "de-klettres-1").exists())
        self.assertEqual(self.leftovers(), [])

    def test_a_package_without_the_recordings_is_named(self):
        self.package("klettres-data", lambda tree: None)
        result = self.call("de-klettres-1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("klettres-data 7.1 holds no recordings of de-klettres-1", result.stderr)
        self.assertFalse((self.folder / "de-klettres-1").exists())

    def test_a_broken_recording_fails_the_call(self):
        def fill(tree):
            bad = tree / "usr/share/klettres/de/alpha/a.ogg"
            bad.parent.mkdir(parents=True)
            bad.write_bytes(b"no sound" * 100)
        self.package("klettres-data", fill)
        result = self.call("de-klettres-1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("a.ogg", result.stderr)
        self.assertFalse((self.folder / "de-klettres-1").exists())

    def test_an_interrupted_call_leaves_whole_speakers_only(self):
        self.klettres()
        (self.root / "bin/ffmpeg").write_text("#!/bin/bash\ntouch \"$FAKE_ROOT/started\"\nsleep 30\n")
        (self.root / "bin/ffmpeg").chmod(0o755)
        child = subprocess.Popen([SCRIPT, self.folder, "de-klettres-1"], env=self.environment, start_new_session=True,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not (self.root / "started").exists() and child.poll() is None:
            time.sleep(0.02)
        os.killpg(child.pid, signal.SIGINT)
        stderr = child.communicate(timeout=60)[1]
        self.assertEqual(child.returncode, 130)
        self.assertIn("stopped", stderr)
        self.assertFalse((self.folder / "de-klettres-1").exists())
        self.assertEqual(self.leftovers(), [])
        (self.root / "bin/ffmpeg").unlink()
        self.assertEqual(self.call("de-klettres-1").returncode, 0)

    def test_an_absent_ffmpeg_is_asked_for(self):
        few = self.root / "few"
        few.mkdir()
        for tool in ("bash", "cat", "grep", "mkdir"):
            (few / tool).symlink_to(shutil.which(tool))
        for tool in ("apt-get", "dpkg-deb"):
            (few / tool).symlink_to("/bin/true")
        result = self.call("de-klettres-1", PATH=str(few))
        self.assertEqual((result.returncode, result.stderr), (1, "fetch-speakers: ffmpeg is missing: install ffmpeg.\n"))

    def test_an_unknown_speaker_or_option_is_named(self):
        self.assertIn("there is no speaker nobody", self.call("nobody").stderr)
        result = subprocess.run([SCRIPT, "--nothing"], capture_output=True, text=True)
        self.assertEqual((result.returncode, "no option --nothing" in result.stderr), (1, True))

    def test_the_table_splits_by_person_and_holds_a_quarter_out_of_both_sexes(self):
        listed = subprocess.run([SCRIPT, "--list"], capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in listed.splitlines()]
        self.assertEqual({len(row) for row in rows}, {9})
        ids = [row[0] for row in rows]
        self.assertEqual(len(set(ids)), len(ids))
        packages = [row[2] for row in rows]
        changes = sum(a != b for a, b in zip(packages, packages[1:])) + 1
        self.assertEqual(changes, len(set(packages)), "a package's rows must stand together, or it is fetched twice")
        splits, sexes = collections.defaultdict(set), collections.defaultdict(set)
        for row in rows:
            self.assertIn(row[7], ("f", "m", "f?", "m?", "-"))
            self.assertIn(row[8], ("train", "held-out"))
            splits[row[1]].add(row[8])
            sexes[row[8]].add(row[7][0])
        self.assertEqual([person for person, split in splits.items() if len(split) > 1], [])
        held = sum(split == {"held-out"} for split in splits.values())
        self.assertAlmostEqual(held / len(splits), 0.25, delta=0.05)
        self.assertLessEqual({"f", "m"}, sexes["held-out"])
        self.assertLessEqual({"f", "m"}, sexes["train"])


if __name__ == "__main__":
    for needed in ("bash", "dpkg-deb", "ffmpeg", "flock"):
        if not shutil.which(needed):
            print(f"skipped: {needed} is missing")
            sys.exit(77)
    unittest.main()
