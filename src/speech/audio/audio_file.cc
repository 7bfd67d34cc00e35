#include "speech/audio/audio_file.h"

#include <dlfcn.h>
#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>

#include "base/byte_writer.h"
#include "formats/mapped_file.h"

namespace wring::speech {
namespace {

static_assert(std::endian::native == std::endian::little, "WAV's values are written as they lie");

struct SndFile {
  decltype(&sf_open_virtual) open_virtual = nullptr;
  decltype(&sf_close) close = nullptr;
  decltype(&sf_readf_float) read = nullptr;
  decltype(&sf_writef_short) write = nullptr;
  decltype(&sf_command) command = nullptr;
  decltype(&sf_strerror) error = nullptr;
};

Result<SndFile> LoadSndFile() {
  void* library = dlopen("libsndfile.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Error(Code::kNotFound,
                 "sound files need libsndfile.so.1, and it is not here: install it (Debian: "
                 "libsndfile1)");
  }
  SndFile snd;
  bool complete = true;
  const auto find = [&](const char* name, auto& to) {
    to = reinterpret_cast<std::decay_t<decltype(to)>>(dlsym(library, name));
    complete &= to != nullptr;
  };
  find("sf_open_virtual", snd.open_virtual);
  find("sf_close", snd.close);
  find("sf_readf_float", snd.read);
  find("sf_writef_short", snd.write);
  find("sf_command", snd.command);
  find("sf_strerror", snd.error);
  if (!complete)
    return Error(Code::kUnsupported, "libsndfile.so.1 is too old: install a newer one");
  return snd;
}

const Result<SndFile>& Library() {
  static const Result<SndFile> library = LoadSndFile();
  return library;
}

// A file in memory as libsndfile sees it: `view` when it reads, `bytes` when it writes.
struct Memory {
  std::span<const std::byte> view;
  std::vector<std::byte> bytes;
  // Where not negative, reads go to this file, whose size `view` has: one that shrinks is only short. libsndfile gets no
  // descriptor itself, since it closes one that it cannot open, which by then may be another thread's.
  int descriptor = -1;
  uint64_t at = 0;

  uint64_t size() const { return view.data() != nullptr ? view.size() : bytes.size(); }
};

sf_count_t MemorySize(void* user) {
  return static_cast<sf_count_t>(static_cast<Memory*>(user)->size());
}

sf_count_t MemorySeek(sf_count_t offset, int whence, void* user) {
  auto& memory = *static_cast<Memory*>(user);
  const uint64_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? memory.at : memory.size();
  // A damaged header may ask for any place.
  const sf_count_t to =
      static_cast<sf_count_t>(from) + std::clamp<sf_count_t>(offset, -static_cast<sf_count_t>(from),
                                                             std::numeric_limits<int32_t>::max());
  memory.at = std::min(static_cast<uint64_t>(to), memory.size());
  return static_cast<sf_count_t>(memory.at);
}

sf_count_t MemoryRead(void* to, sf_count_t count, void* user) {
  auto& memory = *static_cast<Memory*>(user);
  const uint64_t n =
      std::min(static_cast<uint64_t>(std::max<sf_count_t>(count, 0)), memory.size() - memory.at);
  if (memory.descriptor >= 0) {
    const ssize_t got = pread(memory.descriptor, to, n, static_cast<off_t>(memory.at));
    memory.at += static_cast<uint64_t>(std::max<ssize_t>(got, 0));
    return std::max<ssize_t>(got, 0);
  }
  if (n > 0) std::memcpy(to, memory.view.data() + memory.at, n);
  memory.at += n;
  return static_cast<sf_count_t>(n);
}

sf_count_t MemoryWrite(const void* from, sf_count_t count, void* user) {
  auto& memory = *static_cast<Memory*>(user);
  const auto n = static_cast<uint64_t>(std::max<sf_count_t>(count, 0));
  if (n == 0) return 0;
  memory.bytes.resize(std::max<uint64_t>(memory.bytes.size(), memory.at + n));
  std::memcpy(memory.bytes.data() + memory.at, from, n);
  memory.at += n;
  return count;
}

sf_count_t MemoryTell(void* user) {
  return static_cast<sf_count_t>(static_cast<Memory*>(user)->at);
}

using Handle = std::unique_ptr<SNDFILE, int (*)(SNDFILE*)>;

Handle OpenMemory(const SndFile& snd, Memory* memory, int mode, SF_INFO* info) {
  SF_VIRTUAL_IO io{MemorySize, MemorySeek, MemoryRead, MemoryWrite, MemoryTell};
  return {snd.open_virtual(&io, mode, info, memory), snd.close};
}

// What the header says, when it can be believed; the handle is null when libsndfile refused.
Result<AudioInfo> Check(const SndFile& snd, const Handle& handle, const SF_INFO& info,
                        const std::string& what) {
  if (handle == nullptr) {
    return Error(Code::kCorrupt,
                 "{}: this is no sound that libsndfile can read ({}); convert it to WAV", what,
                 snd.error(nullptr));
  }
  if (info.channels < 1 || info.channels > static_cast<int>(kMaxChannels)) {
    return Error(Code::kCorrupt,
                 "{}: its header claims {} channels, and 1 to {} are read; it is damaged, or cut "
                 "it into files of fewer channels",
                 what, info.channels, kMaxChannels);
  }
  if (info.samplerate < static_cast<int>(kMinRate) ||
      info.samplerate > static_cast<int>(kMaxRate)) {
    return Error(Code::kCorrupt,
                 "{}: its header claims {} samples a second, and {} to {} are read; it is "
                 "damaged, or resample it",
                 what, info.samplerate, kMinRate, kMaxRate);
  }
  AudioInfo checked{static_cast<uint32_t>(info.samplerate), static_cast<uint32_t>(info.channels),
                    static_cast<uint64_t>(std::max<sf_count_t>(info.frames, 0))};
  if (checked.frames == SF_COUNT_MAX) checked.frames = 0;
  if (checked.frames > kMaxSamples / checked.channels) {
    return Error(Code::kLimit,
                 "{}: its header claims {} frames of {} channels, and a file may hold 2^31 "
                 "samples; cut it into parts",
                 what, checked.frames, checked.channels);
  }
  return checked;
}

// x - x is 0 for all values but NaN and the infinities.
bool AllFinite(std::span<const float> values) {
  uint32_t bad = 0;
  for (const float v : values) bad |= static_cast<uint32_t>(v - v != 0);
  return bad == 0;
}

// The header's count of frames is not believed: memory grows with what is decoded. Few files decode
// to more than 8 samples a byte (MP3: about 6), so the reserve serves most, and a lie is bounded.
Result<Audio> ReadAll(const SndFile& snd, const Handle& handle, const AudioInfo& info,
                      uint64_t bytes, const std::string& what) {
  constexpr uint64_t kBlock = 1 << 18;  // samples
  Audio audio{info.rate, info.channels, {}};
  audio.samples.reserve(std::min(info.frames * info.channels, 8 * bytes) + kBlock);
  const uint64_t frames = kBlock / info.channels;
  for (size_t at = 0;;) {
    audio.samples.resize(at + frames * info.channels);
    const sf_count_t got =
        snd.read(handle.get(), audio.samples.data() + at, static_cast<sf_count_t>(frames));
    const size_t n = static_cast<size_t>(std::max<sf_count_t>(got, 0)) * info.channels;
    audio.samples.resize(at + n);
    if (!AllFinite(std::span(audio.samples).subspan(at))) {
      return Error(Code::kCorrupt,
                   "{}: it holds samples that are no finite numbers; export it again", what);
    }
    at += n;
    if (at > kMaxSamples) {
      return Error(Code::kLimit, "{}: a file may hold 2^31 samples; cut it into parts", what);
    }
    if (n < frames * info.channels) break;
  }
  if (audio.samples.empty() && info.frames > 0) {
    return Error(Code::kCorrupt,
                 "{}: its header claims {} frames, but none can be read; it is damaged or its "
                 "download was cut, get it again",
                 what, info.frames);
  }
  return audio;
}

// --- Encoding ---------------------------------------------------------------------------------

// Adding 1.5 * 2^23 leaves a float no bits for fractions, so the addition itself rounds, to the
// nearest and ties to even; the low bits then hold the integer. Unlike lrint, it is vectorised.
int16_t Code16(float x) {
  float y = x * 32768.0F;
  y = y == y ? y : 0;
  y = y < 32767.0F ? y : 32767.0F;
  y = y > -32768.0F ? y : -32768.0F;
  constexpr float kMagic = 0x1.8p23F;
  return static_cast<int16_t>(std::bit_cast<int32_t>(y + kMagic) - std::bit_cast<int32_t>(kMagic));
}

// The same in double precision: 24 bits and halves are more than a float's 24 bits.
int32_t Code24(float x) {
  double y = static_cast<double>(x) * 0x1p23;
  y = y == y ? y : 0;
  y = y < 0x1p23 - 1 ? y : 0x1p23 - 1;
  y = y > -0x1p23 ? y : -0x1p23;
  constexpr double kMagic = 0x1.8p52;
  return static_cast<int32_t>(std::bit_cast<int64_t>(y + kMagic) - std::bit_cast<int64_t>(kMagic));
}

void Fill16(std::span<const float> samples, int16_t* to) {
  for (size_t i = 0; i < samples.size(); ++i) to[i] = Code16(samples[i]);
}

void Fill24(std::span<const float> samples, std::byte* to) {
  for (const float x : samples) {
    const int32_t code = Code24(x);
    std::memcpy(to, &code, 3);
    to += 3;
  }
}

void PutWord(std::vector<std::byte>* to, const char (&name)[5]) {
  for (size_t i = 0; i < 4; ++i) to->push_back(static_cast<std::byte>(name[i]));
}

// RIFF/WAVE of "Multimedia Programming Interface and Data Specifications 1.0" (IBM and Microsoft,
// 1991). Its revision 3 gives formats other than PCM a `fact` chunk and a size of their extension,
// 0 here.
Result<std::vector<std::byte>> EncodeWav(std::span<const float> samples, uint32_t rate,
                                         uint32_t channels, AudioFormat format) {
  const bool is_float = format == AudioFormat::kWavFloat;
  const uint32_t width = is_float ? 4 : format == AudioFormat::kWav24 ? 3 : 2;
  const uint64_t header = is_float ? 58 : 44;
  const uint64_t data = samples.size() * width;
  const uint64_t pad = data % 2;  // chunks have even sizes
  if (header + data + pad - 8 > std::numeric_limits<uint32_t>::max()) {
    return Error(Code::kLimit,
                 "{} samples of {} bytes are more than the 4 GiB of a WAV file: use "
                 "FLAC or cut the sound into parts",
                 samples.size(), width);
  }
  std::vector<std::byte> out;
  out.reserve(header + data + pad);
  PutWord(&out, "RIFF");
  PutValue(&out, static_cast<uint32_t>(header + data + pad - 8));
  PutWord(&out, "WAVE");
  PutWord(&out, "fmt ");
  PutValue<uint32_t>(&out, is_float ? 18 : 16);
  PutValue<uint16_t>(&out, is_float ? 3 : 1);  // WAVE_FORMAT_IEEE_FLOAT, WAVE_FORMAT_PCM
  PutValue(&out, static_cast<uint16_t>(channels));
  PutValue(&out, rate);
  PutValue(&out, rate * channels * width);
  PutValue(&out, static_cast<uint16_t>(channels * width));
  PutValue(&out, static_cast<uint16_t>(8 * width));
  if (is_float) {
    PutValue<uint16_t>(&out, 0);
    PutWord(&out, "fact");
    PutValue<uint32_t>(&out, 4);
    PutValue(&out, static_cast<uint32_t>(samples.size() / channels));
  }
  PutWord(&out, "data");
  PutValue(&out, static_cast<uint32_t>(data));
  out.resize(header + data + pad);
  std::byte* to = out.data() + header;
  if (is_float) {
    if (data > 0) std::memcpy(to, samples.data(), data);
  } else if (width == 2) {
    Fill16(samples, reinterpret_cast<int16_t*>(to));  // at an even offset
  } else {
    Fill24(samples, to);
  }
  return out;
}

Result<std::vector<std::byte>> EncodeFlac(std::span<const float> samples, uint32_t rate,
                                          uint32_t channels) {
  const auto& snd = Library();
  if (!snd.ok()) return snd.status();
  constexpr uint32_t kFlacChannels = 8;
  if (channels > kFlacChannels) {
    return Error(Code::kUnsupported, "FLAC holds at most {} channels, not {}: use WAV",
                 kFlacChannels, channels);
  }
  if (samples.empty()) {
    return Error(Code::kUnsupported, "libsndfile writes no FLAC of no frames: use WAV");
  }
  const auto failed = [&](const Handle& handle) {
    return Error(Code::kInternal, "libsndfile could not write FLAC ({}): use WAV",
                 snd->error(handle.get()));
  };
  Memory memory;
  memory.bytes.reserve(samples.size() + 65536);  // about half of the codes' bytes
  SF_INFO info{};
  info.samplerate = static_cast<int>(rate);
  info.channels = static_cast<int>(channels);
  info.format = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
  Handle handle = OpenMemory(*snd, &memory, SFM_WRITE, &info);
  if (handle == nullptr) return failed(handle);
  // libFLAC's level 2 of 0..8: the largest without a search over stereo modes and predictors.
  double level = 2.0 / 8;
  snd->command(handle.get(), SFC_SET_COMPRESSION_LEVEL, &level, sizeof(level));
  std::vector<int16_t> codes(std::min<size_t>(samples.size(), 4096 * channels));
  for (size_t at = 0; at < samples.size(); at += codes.size()) {
    const size_t n = std::min(codes.size(), samples.size() - at);
    Fill16(samples.subspan(at, n), codes.data());
    const auto frames = static_cast<sf_count_t>(n / channels);
    if (snd->write(handle.get(), codes.data(), frames) != frames) return failed(handle);
  }
  if (snd->close(handle.release()) != 0) return failed(handle);
  return std::move(memory.bytes);
}

}  // namespace

Result<AudioFormat> AudioFormatByName(std::string_view name) {
  if (name == "wav16") return AudioFormat::kWav16;
  if (name == "wav24") return AudioFormat::kWav24;
  if (name == "float") return AudioFormat::kWavFloat;
  if (name == "flac") return AudioFormat::kFlac;
  return Error(Code::kInvalid, "there is no sound format {}: use wav16, wav24, float or flac",
               name);
}

const char* Extension(AudioFormat format) {
  return format == AudioFormat::kFlac ? ".flac" : ".wav";
}

Result<AudioInfo> ProbeAudio(const std::string& path) {
  const auto& snd = Library();
  if (!snd.ok()) return snd.status();
  // Opened as MappedFile for its checks.
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  SF_INFO info{};
  Memory memory{file->bytes(), {}, file->descriptor()};
  const Handle handle = OpenMemory(*snd, &memory, SFM_READ, &info);
  return Check(*snd, handle, info, path);
}

Result<Audio> ReadAudio(const std::string& path) {
  const auto& snd = Library();
  if (!snd.ok()) return snd.status();
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  SF_INFO info{};
  Memory memory{file->bytes(), {}, file->descriptor()};
  const Handle handle = OpenMemory(*snd, &memory, SFM_READ, &info);
  WRING_ASSIGN(const AudioInfo checked, Check(*snd, handle, info, path));
  return ReadAll(*snd, handle, checked, file->bytes().size(), path);
}

Result<Audio> ReadAudio(std::span<const std::byte> bytes, const std::string& what) {
  const auto& snd = Library();
  if (!snd.ok()) return snd.status();
  if (bytes.empty()) return Error(Code::kCorrupt, "{}: the file is empty; get it again", what);
  Memory memory;
  memory.view = bytes;
  SF_INFO info{};
  const Handle handle = OpenMemory(*snd, &memory, SFM_READ, &info);
  WRING_ASSIGN(const AudioInfo checked, Check(*snd, handle, info, what));
  return ReadAll(*snd, handle, checked, bytes.size(), what);
}

Result<std::vector<std::byte>> EncodeAudio(std::span<const float> interleaved, uint32_t rate,
                                           uint32_t channels, AudioFormat format) {
  if (rate < kMinRate || rate > kMaxRate) {
    return Error(Code::kInvalid, "a sound of {} samples a second is not written: use {} to {}",
                 rate, kMinRate, kMaxRate);
  }
  if (channels < 1 || channels > kMaxChannels) {
    return Error(Code::kInvalid, "a sound of {} channels is not written: use 1 to {}", channels,
                 kMaxChannels);
  }
  if (interleaved.size() % channels != 0 || interleaved.size() > kMaxSamples) {
    return Error(Code::kInvalid, "{} samples are no whole frames of {} channels, or more than 2^31",
                 interleaved.size(), channels);
  }
  if (format == AudioFormat::kFlac) return EncodeFlac(interleaved, rate, channels);
  return EncodeWav(interleaved, rate, channels, format);
}

std::vector<float> Mono(const Audio& audio) {
  if (audio.channels == 1) return audio.samples;
  std::vector<float> mono(audio.frames());
  const float* at = audio.samples.data();
  for (float& m : mono) {
    double sum = 0;
    for (uint32_t c = 0; c < audio.channels; ++c) sum += static_cast<double>(*at++);
    m = static_cast<float>(sum / audio.channels);
  }
  return mono;
}

}  // namespace wring::speech
