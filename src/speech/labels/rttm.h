// RTTM, Rich Transcription Time Marked, the exchange format of speaker segments (NIST, "RTTM-format
// specification, version 1.3"). One line a segment:
//   SPEAKER recording channel start duration <NA> <NA> speaker <NA> <NA>
// times in seconds. The last two fields (confidence, look-ahead) may be absent. Lines of the
// standard's other types are skipped, and so is the channel: channels of one recording are one
// conversation.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"

namespace wring::speech {

// The recordings in order of first appearance; `what` names the text in messages. Segments are as
// they stand: a speaker may overlap himself.
Result<std::vector<Recording>> ParseRttm(std::string_view text, const std::string& what);
Result<std::vector<Recording>> ReadRttm(const std::string& path);

// A line a segment, times with three decimals or as many more as they need. White space in a name
// becomes '_'.
std::string RttmText(const Recording& recording);

// Refuses a recording in which a speaker overlaps himself; touching segments are no overlap.
Status CheckNoSelfOverlap(const Recording& recording);

// Overlapping segments of one speaker become their union, as annotators of channels by microphone
// leave them (AMI); touching ones stay as they are. In order, whatever order they came in.
std::vector<Segment> MergeSelfOverlaps(std::vector<Segment> segments);

}  // namespace wring::speech
