// The options of wring speech.
#include "cli/option_rows.h"

namespace wring::cli {
namespace {

constexpr std::string_view kSourcesHelp =
    "real speech: a folder with a sub-folder a speaker, a manifest of JSON lines (audio_filepath, "
    "speaker_id, words, alignments), or a tar shard; repeatable";

Rows SourceOptions() {
  return {
      {"--sources", "PATH", Kind::kTexts, "", 0, 0, "", kSourcesHelp},
      {"--pattern", "TEXT", Kind::kText, "", 0, 0, "",
       "what names of files in no speaker's folder say, as {word}_{speaker}_{take}"},
      {"--only", "SPEAKER", Kind::kTexts, "", 0, 0, "", "take this speaker; repeatable"},
      {"--without", "SPEAKER", Kind::kTexts, "", 0, 0, "", "leave this speaker out; repeatable"},
      {"--least-range", "DB", Kind::kNumber, "0", 0, 100, "",
       "leave out recordings without an alignment whose background is nearer to their speech"},
      {"--speed", "X", Kind::kTexts, "", 0, 0, "",
       "each speaker also so much faster, as a speaker of his own; repeatable"},
  };
}

Rows PlanOptions() {
  return {
      {"--profile", "NAME", Kind::kText, "ami", 0, 0, "",
       "what the conversations are like: ami, voxconverse, telephone, beta, or a JSON file of "
       "wring "
       "speech profile fit"},
      {"--sessions", "N", Kind::kInteger, "10", 1, 100000000, "", "conversations to make"},
      {"--first", "N", Kind::kInteger, "0", 0, 100000000, "",
       "begin with this one: a part of a corpus has the bytes that it has in the whole"},
      {"--seconds", "X", Kind::kNumber, "600", 1, 86400, "", "how long each is"},
      {"--speakers", "N", Kind::kInteger, "", 1, 1000, "", "instead of the profile's numbers"},
      {"--silence", "X", Kind::kNumber, "", 0, 0.98, "",
       "share of time in which nobody speaks, instead of the profile's"},
      {"--overlap", "X", Kind::kNumber, "", 0, 0.9, "",
       "share of speech in which two or more speak, instead of the profile's"},
      {"--rule", "NAME", Kind::kChoice, "exact", 0, 0, "exact|running-mean|reference",
       "how turns are placed: exact meets the shares; running-mean only tends to them, turn by "
       "turn; reference is that as NeMo has it, for comparison"},
      {"--seed", "N", Kind::kInteger, "42", 0, 9.2e18, "", "the same seed gives the same bytes"},
      {"--prefix", "TEXT", Kind::kText, "session", 0, 0, "", "how names begin"},
  };
}

Rows SoundOptions() {
  return {
      {"--rate", "HZ", Kind::kInteger, "16000", 8000, 96000, "", "samples a second"},
      {"--format", "NAME", Kind::kChoice, "wav16", 0, 0, "wav16|wav24|float|flac", "of the sound"},
      {"--stems", "", Kind::kFlag, "", 0, 0, "",
       "also a file a speaker and one of the noise, which add up to the mix"},
      {"--levels", "KIND", Kind::kChoice, "rms", 0, 0, "rms|loudness|source",
       "speakers are made equally loud by RMS, by ITU-R BS.1770, or left as they are"},
      {"--speaker-db", "X", Kind::kNumber, "3", 0, 40, "", "speakers differ by up to so much"},
      {"--turn-db", "X", Kind::kNumber, "1", 0, 20, "", "standard deviation from turn to turn"},
      {"--level", "LOW,HIGH", Kind::kText, "-35,-15", 0, 0, "",
       "of the speech in dBFS, drawn for each session"},
      {"--rooms", "SHARE", Kind::kNumber, "0", 0, 1, "",
       "share of sessions that lie in a room, by image sources or --responses"},
      {"--t60", "LOW,HIGH", Kind::kText, "0.1,0.8", 0, 0, "",
       "seconds a room takes to fall by 60 dB"},
      {"--responses", "PATH", Kind::kTexts, "", 0, 0, "",
       "recorded room responses, files or folders; repeatable"},
      {"--microphones", "N", Kind::kInteger, "1", 1, 16, "",
       "channels, each at its place in the room"},
      {"--snr", "LOW,HIGH", Kind::kText, "", 0, 0, "",
       "dB of the speech over the noise, measured where there is speech; by default no noise"},
      {"--noises", "PATH", Kind::kTexts, "", 0, 0, "",
       "recordings of noise, files or folders; repeatable; by default synthetic noise"},
      {"--clatter", "N", Kind::kNumber, "0", 0, 600, "",
       "knocks, clicks and rustles a minute, part of the noise"},
      {"--telephone", "SHARE", Kind::kNumber, "", 0, 1, "",
       "share of sessions that pass a telephone's band; by default 0, and 1 with the profile "
       "telephone"},
      {"--dither", "", Kind::kFlag, "", 0, 0, "", "triangular dither of two steps of 16 bits"},
  };
}

CommandRow SimulateCommand() {
  return {
      "speech simulate",
      "make conversations from recordings of single speakers",
      "Plans each conversation first, so that its shares of silence and overlap are those wanted, "
      "then makes its sound. OUT gets, for each session, sound, labels (RTTM), words (CTM) and "
      "metadata (JSON: wanted and achieved values, SHA-256 of each file), and for all of them "
      "all.rttm, all.ctm, all.uem, manifest.jsonl (NeMo), cuts.jsonl (lhotse) and report.html. OUT "
      "appears when it is whole; an existing one is left as it is. The same seed gives the same "
      "bytes with any number of threads, in any part of a corpus, and under mpirun, whose ranks "
      "divide the sessions of one shared OUT.",
      {{"OUT", true, "the folder to make"}},
      Join(
          {SourceOptions(),
           PlanOptions(),
           {{"--plan-only", "", Kind::kFlag, "", 0, 0, "",
             "labels and metadata without sound; without --sources the words are made up"},
            {"--resume", "", Kind::kFlag, "", 0, 0, "", "go on with what OUT.part holds"}},
           SoundOptions(),
           {{"--cache", "MB", Kind::kInteger, "2048", 1, 1 << 24, "", "memory for decoded sources"},
            {"--threads", "N", Kind::kInteger, "0", 0, 1024, "", "0: every processor"}}}),
      SpeechSimulate};
}

}  // namespace

std::vector<CommandRow> SpeechCommands() {
  return {
      SimulateCommand(),
      {"speech profile fit",
       "the statistics of real conversations as a profile",
       "",
       {{"RTTM", true, "label files", true}},
       {{"--out", "FILE", Kind::kText, "-", 0, 0, "", "where the profile goes; - prints it"},
        {"--name", "TEXT", Kind::kText, "fitted", 0, 0, "", "the profile's name"},
        {"--uem", "FILE", Kind::kText, "", 0, 0, "",
         "where recordings end; by default at the last label"}},
       SpeechProfileFit},
      {"speech profile compare",
       "how the timing of two sets of conversations differs",
       "A and B are RTTM files or folders of them. Prints means, shares and the distances of "
       "Kolmogorov and Smirnov between lengths.",
       {{"A", true, "an RTTM file or a folder"}, {"B", true, "another"}},
       {{"--svg", "FILE", Kind::kText, "", 0, 0, "", "write the histograms of lengths"},
        {"--json", "FILE", Kind::kText, "", 0, 0, "", "write the figures; - prints them instead"}},
       SpeechProfileCompare},
      {"speech score",
       "diarization and detection errors of labels against reference labels",
       "",
       {{"REFERENCE", true, "an RTTM file"}, {"HYPOTHESIS", true, "an RTTM file"}},
       {{"--collar", "S", Kind::kNumber, "0", 0, 10, "",
         "seconds on both sides of each boundary of the reference that do not count"},
        {"--uem", "FILE", Kind::kText, "", 0, 0, "", "what is scored"},
        {"--skip-overlap", "", Kind::kFlag, "", 0, 0, "",
         "leave out where the reference has two speakers or more"},
        {"--json", "FILE", Kind::kText, "", 0, 0, "", "write the figures; - prints them instead"}},
       SpeechScore},
      {"speech convert",
       "labels of speakers from one format to another",
       "By the ends of the names: RTTM (.rttm), STM (.stm), SegLST (.json), read also Praat's "
       "TextGrid (.TextGrid), written also Audacity's labels (.txt) and lhotse's supervisions "
       "(.jsonl).",
       {{"IN", true, "the file to read"}, {"OUT", true, "the file to write"}},
       {},
       SpeechConvert},
      {"speech vad",
       "when anybody speaks",
       "Prints a line a segment: file, start, end. With --reference also the detection error and "
       "the "
       "area under the ROC curve.",
       {{"FILE", true, "sound files", true}},
       {{"--detector", "NAME", Kind::kText, "built-in", 0, 0, "",
         "built-in, energy, or weights: of Silero VAD, or of wring speech train vad"},
        {"--threshold", "X", Kind::kNumber, "", 0, 1, "", "instead of the detector's"},
        {"--average", "S", Kind::kNumber, "", 0, 10, "",
         "seconds that probabilities are averaged over"},
        {"--bridge", "S", Kind::kNumber, "", 0, 10, "",
         "pauses up to so many seconds count as speech"},
        {"--rttm", "FILE", Kind::kText, "", 0, 0, "", "write the segments"},
        {"--picture", "FILE", Kind::kText, "", 0, 0, "",
         "an SVG of the wave with the segments; of one file"},
        {"--reference", "FILE", Kind::kText, "", 0, 0, "",
         "RTTM to score against; recordings are named as files"},
        {"--uem", "FILE", Kind::kText, "", 0, 0, "", "what is scored"},
        {"--json", "FILE", Kind::kText, "", 0, 0, "", "write the scores; - prints them instead"},
        {"--threads", "N", Kind::kInteger, "0", 0, 1024, "", "0: every processor"}},
       SpeechVad},
      {"speech diarize",
       "who speaks when",
       "Prints RTTM. Speech is found by a detector, or given.",
       {{"FILE", true, "sound files", true}},
       {{"--rttm", "FILE", Kind::kText, "", 0, 0, "", "write the labels instead of printing them"},
        {"--least-speakers", "N", Kind::kInteger, "1", 1, 1000, "", "at least so many"},
        {"--most-speakers", "N", Kind::kInteger, "4", 1, 1000, "", "at most so many"},
        {"--speech", "FILE", Kind::kText, "", 0, 0, "", "RTTM that says when anybody speaks"},
        {"--detector", "NAME", Kind::kText, "built-in", 0, 0, "", "as for wring speech vad"},
        {"--embedding", "NAME", Kind::kText, "built-in", 0, 0, "",
         "built-in, or weights of wring speech train embedding"},
        {"--picture", "FILE", Kind::kText, "", 0, 0, "",
         "an SVG of the wave with the speakers; of one file"},
        {"--threads", "N", Kind::kInteger, "0", 0, 1024, "", "0: every processor"}},
       SpeechDiarize},
      {"speech train",
       "train a detector on simulated conversations alone",
       "vad: when anybody speaks. embedding: voices, for wring speech diarize. What is fixed after "
       "training (threshold and smoothing, how speakers are told apart) is fixed on simulated "
       "sessions of the speakers of --check, or of the same ones.",
       {{"WHAT", true, "vad or embedding"}, {"OUT", true, "the safetensors file to write"}},
       Join({SourceOptions(),
             PlanOptions(),
             SoundOptions(),
             {{"--check", "SPEAKER", Kind::kTexts, "", 0, 0, "",
               "not trained on: for what is fixed after training; repeatable"},
              {"--steps", "N", Kind::kInteger, "2000", 0, 1000000, "", "of the optimiser"},
              {"--from", "FILE", Kind::kText, "", 0, 0, "", "begin with these weights"},
              {"--batch", "N", Kind::kInteger, "4", 1, 256, "", "sessions a step"},
              {"--learning-rate", "X", Kind::kNumber, "0.003", 1e-6, 1, "", "the largest"},
              {"--bridge", "S", Kind::kNumber, "0.9", 0, 10, "",
               "pauses of a speaker up to this are labelled as speech"},
              {"--training-seed", "N", Kind::kInteger, "1", 0, 9.2e18, "", "of weights"},
              {"--threads", "N", Kind::kInteger, "0", 0, 1024, "", "0: every processor"}}}),
       SpeechTrain},
  };
}

}  // namespace wring::cli
