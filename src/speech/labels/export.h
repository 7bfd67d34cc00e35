// Segments and words in the formats of other programs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"

namespace wring::speech {

// What somebody says in a span: a line of STM, an object of SegLST.
struct Utterance {
  std::string recording;
  std::string speaker;
  Micros start = 0, end = 0;  // end > start
  std::string words;          // between single spaces

  friend bool operator==(const Utterance&, const Utterance&) = default;
};

// Label track of Audacity: start TAB end TAB speaker.
std::string AudacityText(const Recording& recording);

// STM, segment time marked (NIST sctk): recording channel speaker start end [<label>] words. A line
// without words is silence of its speaker. Read: the label is skipped.
Result<std::vector<Utterance>> ParseStm(std::string_view text, const std::string& what);
std::string StmText(const std::vector<Utterance>& utterances);

// SegLST (CHiME-7/8, meeteval): a JSON array of objects with session_id, speaker, start_time,
// end_time and words; times are numbers or decimals in quotes. Other keys are skipped.
Result<std::vector<Utterance>> ParseSegLst(std::string_view text, const std::string& what);
std::string SegLstText(const std::vector<Utterance>& utterances);

// lhotse: a SupervisionSegment a line (supervisions.jsonl), and a MonoCut of the whole recording
// with them on one line (cuts.jsonl).
std::string LhotseSupervisions(const Recording& recording);
struct LhotseAudio {
  std::string path;
  uint32_t rate = 0;
  uint64_t frames = 0;
};
std::string LhotseCut(const Recording& recording, const LhotseAudio& audio);

}  // namespace wring::speech
