// Sound in files: read and written through libsndfile (WAV, FLAC, Ogg, MP3 and what else it knows),
// which is loaded when it is first needed; plain WAV is written without it.
//
// Integers of b bits are fractions of full scale: the code c stands for c / 2^(b-1). Encoding takes
// the code nearest to x * 2^(b-1), ties to the even one, and clamps to [-2^(b-1), 2^(b-1) - 1]; so
// what was read from integers of at most b bits is written without a change. The bytes of a file
// depend on the samples alone (FLAC's also on the version of libFLAC): they hold no date.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "speech/audio/audio.h"

namespace wring::speech {

// What lies outside is taken for damage.
inline constexpr uint32_t kMinRate = 1000;
inline constexpr uint32_t kMaxRate = 384000;
inline constexpr uint64_t kMaxSamples = uint64_t{1} << 31;  // of all channels: 37 h at 16 kHz

enum class AudioFormat { kWav16, kWav24, kWavFloat, kFlac };  // FLAC has 16 bits

// wav16, wav24, float or flac.
Result<AudioFormat> AudioFormatByName(std::string_view name);
// With its dot: ".wav" or ".flac".
const char* Extension(AudioFormat format);

struct AudioInfo {
  uint32_t rate = 0;
  uint32_t channels = 0;
  uint64_t frames = 0;  // as the header says; 0 if it does not
};

// The header alone.
Result<AudioInfo> ProbeAudio(const std::string& path);

// A file that was cut gives the frames that are there. Values that are not finite are refused.
Result<Audio> ReadAudio(const std::string& path);
// `what` names the bytes in messages.
Result<Audio> ReadAudio(std::span<const std::byte> bytes, const std::string& what);

// A whole file. A NaN becomes silence.
Result<std::vector<std::byte>> EncodeAudio(std::span<const float> interleaved, uint32_t rate,
                                           uint32_t channels, AudioFormat format);

// The mean of the channels.
std::vector<float> Mono(const Audio& audio);

}  // namespace wring::speech
