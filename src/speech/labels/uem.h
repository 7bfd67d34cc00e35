// UEM, Un-partitioned Evaluation Map (NIST, plans of the RT evaluations): which parts of a
// recording are scored. One line a part, times in seconds; the channel is skipped, as in rttm.h:
//   recording channel start end
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "speech/labels/segment.h"

namespace wring::speech {

// The parts of each recording, in order, apart from each other: those that overlap or touch become
// one.
using Uem = std::map<std::string, std::vector<Span>>;

Result<Uem> ParseUem(std::string_view text, const std::string& what);
Result<Uem> ReadUem(const std::string& path);
std::string UemText(const Uem& uem);

}  // namespace wring::speech
