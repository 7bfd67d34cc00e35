// Who speaks when: speech by a detector, voices of windows of it, windows given to speakers, frames to the speaker
// of most windows around them.
#pragma once

#include <memory>
#include <optional>

#include "speech/detect/detector.h"
#include "speech/detect/embedding.h"
#include "speech/detect/speaker_hmm.h"
#include "speech/detect/voice_space.h"

namespace wring::speech {

struct DiarizeOptions {
  uint32_t least_speakers = 1, most_speakers = 4;
};

// Windows of a recording and their voices.
struct Voices {
  std::vector<Micros> centres;  // of windows, ascending
  std::vector<float> rows;      // kVoiceSize values a window, of length 1
};

inline constexpr Micros kVoiceWindow = 1500 * kMicrosPerSecond / 1000;

// Of the speech in `spans`; windows lie a quarter of a second apart, or further where there would be more than 2,000.
Voices VoicesOf(const Embedding& embedding, std::span<const float> samples16k,
                const std::vector<Span>& spans, ThreadPool& pool);

// Segments of speakers named speaker0, speaker1, ... in order of appearance.
std::vector<Segment> SegmentsByVoice(const Voices& voices, const std::vector<Span>& spans,
                                     const VoiceSpace& space, const SpeakerHmm& hmm,
                                     const DiarizeOptions& options);

}  // namespace wring::speech
