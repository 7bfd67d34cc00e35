#include "speech/audio/resample.h"

#include <dlfcn.h>
#include <soxr.h>

#include <type_traits>

#include "speech/audio/audio_file.h"

namespace wring::speech {
namespace {

struct Soxr {
  decltype(&soxr_oneshot) oneshot = nullptr;
  decltype(&soxr_io_spec) io = nullptr;
  decltype(&soxr_quality_spec) quality = nullptr;
  decltype(&soxr_runtime_spec) runtime = nullptr;
};

Result<Soxr> LoadSoxr() {
  void* library = dlopen("libsoxr.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return Error(Code::kNotFound,
                 "a change of sampling rate needs libsoxr.so.0, and it is not here: install it "
                 "(Debian: libsoxr0)");
  }
  Soxr soxr;
  bool complete = true;
  const auto find = [&](const char* name, auto& to) {
    to = reinterpret_cast<std::decay_t<decltype(to)>>(dlsym(library, name));
    complete &= to != nullptr;
  };
  find("soxr_oneshot", soxr.oneshot);
  find("soxr_io_spec", soxr.io);
  find("soxr_quality_spec", soxr.quality);
  find("soxr_runtime_spec", soxr.runtime);
  if (!complete) return Error(Code::kUnsupported, "libsoxr.so.0 is too old: install a newer one");
  return soxr;
}

const Result<Soxr>& Library() {
  static const Result<Soxr> library = LoadSoxr();
  return library;
}

}  // namespace

Result<std::vector<float>> Resample(std::span<const float> mono, uint32_t from, uint32_t to) {
  for (const uint32_t rate : {from, to}) {
    if (rate < kMinRate || rate > kMaxRate) {
      return Error(Code::kInvalid, "{} samples a second are not resampled: use {} to {}", rate,
                   kMinRate, kMaxRate);
    }
  }
  if (from == to || mono.empty()) return std::vector<float>(mono.begin(), mono.end());
  // 2^31 * 384000 * 2 < 2^51: no overflow.
  const uint64_t frames = mono.size() > kMaxSamples
                              ? mono.size()
                              : (2 * mono.size() * to + from) / (2 * uint64_t{from});
  if (frames > kMaxSamples) {
    return Error(Code::kLimit, "{} frames at {} Hz are more than 2^31 samples at {} Hz: cut them",
                 mono.size(), from, to);
  }
  if (frames == 0) return std::vector<float>();
  const auto& soxr = Library();
  if (!soxr.ok()) return soxr.status();
  const soxr_io_spec_t io = soxr->io(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr->quality(SOXR_HQ, 0);
  const soxr_runtime_spec_t runtime = soxr->runtime(1);  // threads
  std::vector<float> out(frames);
  size_t done = 0;
  const char* error = soxr->oneshot(from, to, 1, mono.data(), mono.size(), nullptr, out.data(),
                                    out.size(), &done, &io, &quality, &runtime);
  if (error != nullptr) {
    return Error(Code::kInternal, "libsoxr could not resample {} Hz to {} Hz: {}", from, to, error);
  }
  if (done != frames) {
    return Error(Code::kInternal, "libsoxr gave {} frames of {} from {} Hz to {} Hz", done, frames,
                 from, to);
  }
  return out;
}

Result<std::vector<float>> ReadMono(const std::string& path, uint32_t rate) {
  WRING_ASSIGN(const Audio audio, ReadAudio(path));
  return Resample(Mono(audio), audio.rate, rate);
}

}  // namespace wring::speech
