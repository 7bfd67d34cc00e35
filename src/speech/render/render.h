// Makes the sound of a planned session. Nothing is decided here but levels, rooms and noise, each drawn from a stream
// of its own; sums run in the plan's order, so a session's samples depend on its plan, its sources and the options alone.
//
// Invariant: mix = sum of stems + noise, to float rounding (and dither where asked for). Outside its labels, widened by
// kPreRoll on both sides, a dry stem is exactly silent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "speech/corpus/sound_cache.h"
#include "speech/plan/session_plan.h"
#include "speech/render/room.h"

namespace wring::speech {

// What sounds before a turn's first word and after its last, as far as the source is free of words there.
inline constexpr Micros kPreRoll = 100 * kMillisecond;

// Sounds of one kind, at the session's rate.
struct SoundBank {
  std::vector<std::vector<float>> sounds;
  std::vector<std::string> names;
};
// `paths`: files, or folders of them.
Result<SoundBank> LoadBank(const std::vector<std::string>& paths, uint32_t rate);
// The same for room responses: each is scaled to an energy of 1, so that none is louder than the dry sound.
Result<SoundBank> LoadResponses(const std::vector<std::string>& paths, uint32_t rate);

enum class Levels : uint8_t { kRms, kLoudness, kSource };

struct RenderOptions {
  uint64_t seed = 42;
  uint32_t rate = 16000;
  double fade = 0.010;           // seconds
  Levels levels = Levels::kRms;  // speakers made equal by RMS within words, by BS.1770, or not
  double speaker_db = 3;         // speakers differ uniformly by up to so much
  double turn_db = 1;            // standard deviation from turn to turn
  double least_level = -35, most_level = -15;  // dBFS of the speech, uniform
  double room_share = 0;                       // of sessions that lie in a room
  RoomRange room;                              // image sources, where `responses` has none
  SoundBank responses;                         // recorded; a speaker each, drawn
  SoundBank noises;                            // none: synthetic noise
  std::optional<double> least_snr, most_snr;   // dB, uniform; absent: no noise
  double clatter = 0;                          // short noises a minute, part of the noise
  double telephone_share = 0;                  // of sessions that pass a telephone's band
  bool dither = false;                         // triangular, of two steps of 16 bits
  bool stems = false;
  uint32_t microphones = 1;
};

struct SessionSound {
  uint32_t channels = 1;
  std::vector<float> mix;                 // interleaved
  std::vector<std::vector<float>> stems;  // of each speaker, interleaved; empty unless asked for
  std::vector<float> noise;               // the same
  // What was drawn and what came out.
  double level = 0;  // dBFS of the speech, over its labels
  double peak = 0;
  std::optional<double> snr_wanted, snr;  // dB
  std::optional<double> t60;
  std::string room;  // empty, "image source" or the names of responses
  bool telephone = false;
  std::vector<double> speaker_db;  // gains relative to the first speaker's level
  std::vector<std::string> noises;
};

Result<SessionSound> Render(const SessionPlan& plan, const SourceCorpus& corpus, SoundCache& cache,
                            const RenderOptions& options);

// The mean square of `samples` (interleaved) where the labels have speech; 0 where they have none.
double SpeechPower(const std::vector<float>& samples, uint32_t channels, uint32_t rate,
                   const Recording& labels);

}  // namespace wring::speech
