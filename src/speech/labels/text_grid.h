// TextGrid, the annotation of Praat (Boersma and Weenink, manual page "TextGrid file formats"),
// long or short form. Praat's reader takes free-standing numbers, texts in double quotes ("" is a
// quote) and flags in <> one after another and skips all else up to the end of a word, as this one
// does: both forms are the same list of values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"

namespace wring::speech {

struct TextGridInterval {
  Micros start = 0, end = 0;  // end >= start
  std::string text;
};
// Interval tiers only; tiers of points are skipped.
struct TextGridTier {
  std::string name;
  std::vector<TextGridInterval> intervals;  // in the order of the file
};

// UTF-8 text.
Result<std::vector<TextGridTier>> ParseTextGrid(std::string_view text, const std::string& what);
Result<std::vector<TextGridTier>> ReadTextGrid(const std::string& path);

// The tiers as speakers: each interval with a text is a segment of its tier's name.
Recording SpeakersOf(const std::vector<TextGridTier>& tiers, const std::string& recording);

}  // namespace wring::speech
