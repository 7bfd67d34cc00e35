#include "speech/render/room.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <numbers>

#include "base/rng.h"
#include "speech/audio/audio.h"
#include "speech/audio/biquad.h"
#include "speech/audio/fft.h"
#include "speech/render/image_source.h"

namespace wring::speech {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr double kLatePulses = 10000;  // a second; noise of pulses sounds smooth from some 2,000 on
constexpr double kMaxSeconds = 10;
constexpr double kHighPass = 60;  // Hz, of the reflections
// Third counter words of what is drawn here, "Roo" and a letter; the purposes of base/rng.h count
// from 1.
constexpr uint32_t kDrawSize = 0x526F6F61U, kDrawPlace = 0x526F6F62U, kDrawPulse = 0x526F6F63U;

// One signal for each octave, or a single one.
using Signals = std::vector<std::vector<float>>;

// Adds pulses at fractions of a sample: sinc(t) (1 + cos(pi t / H)) / 2 for |t| < H. With t = j -
// frac for whole j the sine is one value of alternating sign, and the cosine follows from cos(pi j
// / H) by the sum formula.
class PulseAdder {
 public:
  explicit PulseAdder(uint32_t rate)
      : half_(std::max<size_t>((rate + 200) / 400, 8)),
        sign_(2 * half_),
        cosine_(2 * half_),
        sine_(2 * half_),
        pulse_(2 * half_) {
    for (size_t j = 0; j < 2 * half_; ++j) {
      const double angle = kPi * (static_cast<double>(j + 1) / static_cast<double>(half_) - 1);
      const double sign = (j + 1 + half_) % 2 == 0 ? -0.5 : 0.5;
      sign_[j] = static_cast<float>(sign);
      cosine_[j] = static_cast<float>(sign * std::cos(angle));
      sine_[j] = static_cast<float>(sign * std::sin(angle));
    }
  }
  // Signals have this many samples before time 0 and at least as many after the last position.
  size_t margin() const { return half_; }

  // `position` >= 0 in samples; one gain for each signal.
  void Add(double position, std::span<const float> gains, Signals* signals) {
    double whole = std::floor(position);
    // In float from here on, so that the sine and the t below are of the same fraction where both
    // are near 0.
    auto frac = static_cast<float>(position - whole);
    if (frac > 1 - 1e-6F) {
      whole += 1;
      frac = 0;
    }
    const size_t first = static_cast<size_t>(whole) + 1;  // of the signal: margin - (half - 1)
    if (frac < 1e-6F) {
      for (size_t b = 0; b < gains.size(); ++b) (*signals)[b][first + half_ - 1] += gains[b];
      return;
    }
    const double turn = kPi * static_cast<double>(frac) / static_cast<double>(half_);
    const auto c = static_cast<float>(std::cos(turn)), s = static_cast<float>(std::sin(turn));
    const auto scale = static_cast<float>(std::sin(kPi * static_cast<double>(frac)) / kPi);
    const int before = static_cast<int>(half_) - 1;
    const size_t taps = 2 * half_;
    float* __restrict pulse = pulse_.data();
    const float *__restrict sign = sign_.data(), *__restrict cosine = cosine_.data(),
                            *__restrict sine = sine_.data();
    for (size_t j = 0; j < taps; ++j) {
      const float t = static_cast<float>(static_cast<int>(j) - before) - frac;
      pulse[j] = scale * (sign[j] + cosine[j] * c + sine[j] * s) / t;
    }
    for (size_t b = 0; b < gains.size(); ++b) {
      float* __restrict out = (*signals)[b].data() + first;
      const float gain = gains[b];
      for (size_t j = 0; j < taps; ++j) out[j] += gain * pulse[j];
    }
  }

 private:
  size_t half_;
  std::vector<float> sign_, cosine_, sine_, pulse_;
};

Status Check(const Room& room, uint32_t rate) {
  if (rate < 4000 || rate > 192000)
    return Error(Code::kInvalid, "room: a rate of {} Hz is not between 4000 and 192000", rate);
  for (const double side : room.size) {
    if (!(side >= 0.5 && side <= 100))
      return Error(Code::kInvalid, "room: a side of {} m is not between 0.5 and 100 m", side);
  }
  if (!(room.t60 >= 0 && room.t60 <= kMaxSeconds)) {
    return Error(Code::kInvalid, "room: a T60 of {} s is not between 0 and {} s", room.t60,
                 kMaxSeconds);
  }
  const auto check_absorption = [](std::span<const double> values) {
    for (const double a : values) {
      if (!(a >= 0 && a <= 1)) {
        return Error(Code::kInvalid,
                     "room: an absorption of {} is not between 0 (all is reflected) and 1", a);
      }
    }
    return Status();
  };
  WRING_TRY(check_absorption(room.absorption));
  if (room.octaves) WRING_TRY(check_absorption(*room.octaves));
  if (room.microphones.empty() || room.microphones.size() > kMaxChannels) {
    return Error(Code::kInvalid, "room: {} microphones; there must be 1 to {}",
                 room.microphones.size(), kMaxChannels);
  }
  const auto check_inside = [&](std::string_view what, const Point& p) {
    for (size_t a = 0; a < 3; ++a) {
      if (!(p[a] > 0 && p[a] < room.size[a])) {
        return Error(Code::kInvalid,
                     "room: the {} at {} m along axis {} is outside, which ends at {} m", what,
                     p[a], "xyz"[a], room.size[a]);
      }
    }
    return Status();
  };
  WRING_TRY(check_inside("source", room.source));
  for (const Point& m : room.microphones) {
    WRING_TRY(check_inside("microphone", m));
    if (Distance(m, room.source) < 0.01)
      return Error(Code::kInvalid, "room: a microphone is less than 1 cm from the source");
  }
  return Status();
}

// Reflection coefficients of a room that tells its absorption, for each octave or once for all.
std::vector<Walls> ReflectionsOf(const Room& room) {
  std::vector<Walls> bands;
  Walls walls;
  if (room.octaves) {
    for (const double a : *room.octaves) {
      walls.fill(std::sqrt(1 - a));
      bands.push_back(walls);
    }
    return bands;
  }
  for (size_t i = 0; i < walls.size(); ++i) walls[i] = std::sqrt(1 - room.absorption[i]);
  bands.push_back(walls);
  return bands;
}

// What makes the responses of one room: its reflections at every microphone, band by band.
class Renderer {
 public:
  Renderer(const Room& room, std::vector<Walls> bands, uint32_t rate, size_t length)
      : room_(room),
        bands_(std::move(bands)),
        samples_per_metre_(rate / kSpeedOfSound),
        length_(length),
        pulse_(rate),
        out_(room.microphones.size(),
             Signals(bands_.size(), std::vector<float>(length + 2 * pulse_.margin()))),
        gains_(bands_.size()) {}

  void AddImages() {
    const Images images(room_);
    std::array<std::vector<double>, 3> kept;  // [axis image][band]
    for (size_t a = 0; a < 3; ++a) {
      for (const AxisImage& i : images.axes[a]) {
        for (const Walls& w : bands_)
          kept[a].push_back(std::pow(w[2 * a], i.near) * std::pow(w[2 * a + 1], i.far));
      }
    }
    // 120 dB below the direct sound at 1 m nothing is heard.
    constexpr double kLeast = 1e-6;
    const size_t n = bands_.size();
    std::vector<double> amplitude(n);
    images.ForEach([&](size_t x, size_t y, size_t z) {
      if (images.Order(x, y, z) == 0) return;
      double most = 0;
      for (size_t b = 0; b < n; ++b) {
        amplitude[b] = kept[0][x * n + b] * kept[1][y * n + b] * kept[2][z * n + b];
        most = std::max(most, amplitude[b]);
      }
      const Point at = images.At(x, y, z);
      if (most < kLeast * Distance(at, images.centre)) return;
      for (size_t m = 0; m < out_.size(); ++m) {
        const double d = Distance(at, room_.microphones[m]);
        for (size_t b = 0; b < n; ++b) gains_[b] = static_cast<float>(amplitude[b] / (4 * kPi * d));
        Add(m, d);
      }
    });
  }

  // The energy of the images beyond, in fewer pulses: sqrt(TailPower / pulses a second) each, less
  // what its walls took.
  void AddTail(uint64_t seed) {
    const Point centre = CentreOf(room_.microphones);
    const double start = Crossover(room_.size);
    const double level = std::sqrt(TailPower(room_.size) / kLatePulses);
    const double end = static_cast<double>(length_) / samples_per_metre_ / kSpeedOfSound;
    for (uint32_t k = 0;; ++k) {
      const auto words = Philox({k, 0, kDrawPulse, 0}, seed);
      const double time = start + (k + UniformFrom(words[0])) / kLatePulses;
      if (time > end) break;
      const double z = 2 * UniformFrom(words[1]) - 1, turn = 2 * kPi * UniformFrom(words[2]);
      const double flat = std::sqrt(1 - z * z), d = time * kSpeedOfSound;
      const Point direction = {flat * std::cos(turn), flat * std::sin(turn), z};
      Point at;
      for (size_t a = 0; a < 3; ++a) at[a] = centre[a] + d * direction[a];
      for (size_t b = 0; b < bands_.size(); ++b) {
        const double kept = std::exp(0.5 * time * DecayRate(room_.size, bands_[b], direction));
        gains_[b] = static_cast<float>((words[3] & 1) != 0 ? level * kept : -level * kept);
      }
      for (size_t m = 0; m < out_.size(); ++m) Add(m, Distance(at, room_.microphones[m]));
    }
  }

  // The one signal of a microphone, `length` samples from time 0.
  std::vector<float> Finish(size_t microphone, uint32_t rate) {
    Signals& signals = out_[microphone];
    std::vector<float> all =
        signals.size() == 1 ? std::move(signals[0]) : JoinOctaves(signals, rate);
    BiquadFilter(HighPass(kHighPass, rate, kButterworth2)).Apply(all);
    // The direct sound last: no wall and no filter touched it.
    signals.assign(1, std::move(all));
    const double d = Distance(room_.source, room_.microphones[microphone]);
    const auto gain = static_cast<float>(1 / (4 * kPi * d));
    pulse_.Add(d * samples_per_metre_, {&gain, 1}, &signals);
    const auto begin = signals[0].begin() + static_cast<std::ptrdiff_t>(pulse_.margin());
    return {begin, begin + static_cast<std::ptrdiff_t>(length_)};
  }

 private:
  void Add(size_t microphone, double distance) {
    const double position = distance * samples_per_metre_;
    if (position < static_cast<double>(length_)) pulse_.Add(position, gains_, &out_[microphone]);
  }

  // Sums the bands, each through a filter of zero phase; the filters' gains add up to 1 at every
  // frequency. From one octave's centre to the next they pass over as cos^2 and sin^2 of log f; the
  // outermost go on to 0 and to half the rate.
  static std::vector<float> JoinOctaves(const Signals& signals, uint32_t rate) {
    const size_t length = signals[0].size();
    const Fft fft(std::bit_ceil(2 * length));
    std::vector<float> padded(fft.size()), re(fft.bins()), im(fft.bins());
    std::vector<float> sum_re(fft.bins()), sum_im(fft.bins());
    for (size_t b = 0; b < signals.size(); ++b) {
      std::copy(signals[b].begin(), signals[b].end(), padded.begin());
      fft.Forward(padded.data(), re.data(), im.data());
      for (size_t k = 0; k < fft.bins(); ++k) {
        const double hz = static_cast<double>(k) * rate / static_cast<double>(fft.size());
        double place = std::log2(std::max(hz, 1.0) / kOctaves[0]);
        place = std::clamp(place, 0.0, static_cast<double>(signals.size() - 1));
        const double off = std::min(std::abs(place - static_cast<double>(b)), 1.0);
        const double c = std::cos(kPi / 2 * off);
        const auto weight = static_cast<float>(c * c);
        sum_re[k] += weight * re[k];
        sum_im[k] += weight * im[k];
      }
    }
    fft.Inverse(sum_re.data(), sum_im.data(), padded.data());
    padded.resize(length);
    return padded;
  }

  const Room& room_;
  std::vector<Walls> bands_;
  double samples_per_metre_;
  size_t length_;
  PulseAdder pulse_;
  std::vector<Signals> out_;  // of each microphone
  std::vector<float> gains_;
};

std::vector<std::vector<float>> Render(const Room& room, std::vector<Walls> bands, uint32_t rate,
                                       uint64_t seed) {
  double seconds = room.t60;
  if (seconds == 0) {
    for (const Walls& walls : bands) seconds = std::max(seconds, TailSeconds(room.size, walls));
  }
  double farthest = 0;
  for (const Point& m : room.microphones) farthest = std::max(farthest, Distance(m, room.source));
  seconds = std::min(seconds, kMaxSeconds) + farthest / kSpeedOfSound;
  // The pulse of what comes last reaches half a window further.
  const auto length = static_cast<size_t>(std::ceil(seconds * rate)) + rate / 400;
  Renderer renderer(room, std::move(bands), rate, length);
  renderer.AddImages();
  renderer.AddTail(seed);
  std::vector<std::vector<float>> responses;
  for (size_t m = 0; m < room.microphones.size(); ++m)
    responses.push_back(renderer.Finish(m, rate));
  return responses;
}

}  // namespace

Result<std::vector<std::vector<float>>> RoomResponses(const Room& room, uint32_t rate,
                                                      uint64_t seed) {
  WRING_TRY(Check(room, rate));
  if (room.t60 == 0) return Render(room, ReflectionsOf(room), rate, seed);
  // Energies know nothing of how pulses interfere. Where that shifts the T60 another aim makes up
  // for it, first by all of the error, then by less and less, since few echoes answer in jumps.
  constexpr double kClose = 0.05, kNear = 0.12, kMost = 0.15;
  constexpr int kAims = 6;
  std::vector<std::vector<float>> best;
  double best_error = INFINITY, aim = room.t60;
  for (int i = 0; i < kAims && best_error > (i < 2 ? kClose : kNear); ++i) {
    const auto beta = SeekReflection(room, aim);
    if (!beta.ok() && i > 0) break;
    WRING_TRY(beta);
    Walls walls;
    walls.fill(*beta);
    auto responses = Render(room, {walls}, rate, seed);
    double measured = 0;
    for (const auto& r : responses)
      measured += MeasureT60(r, rate) / static_cast<double>(responses.size());
    const double error = std::abs(measured / room.t60 - 1);
    if (error < best_error) {
      best_error = error;
      best = std::move(responses);
    }
    if (measured <= 0) break;
    aim *= std::pow(room.t60 / measured, 2.0 / (i + 2));
  }
  if (best_error <= kMost) return best;
  return Error(Code::kUnsupported,
               "a room of {:.1f} x {:.1f} x {:.1f} m with these positions has too few echoes for a "
               "T60 of {:.3f} s: it came out {:.0f} % off; ask for more, or for a smaller room",
               room.size[0], room.size[1], room.size[2], room.t60, 100 * best_error);
}

double MeasureT60(std::span<const float> response, uint32_t rate) {
  std::vector<double> energies(response.size());
  for (size_t i = 0; i < response.size(); ++i)
    energies[i] = static_cast<double>(response[i]) * static_cast<double>(response[i]);
  return rate == 0 ? 0 : FitDecay(energies, 0, 1.0 / rate);
}

double EyringAbsorption(const Point& size, double t60) {
  return -std::expm1(-0.161 * Volume(size) / (Surface(size) * t60));
}

Room DrawRoom(uint64_t seed, uint32_t index, const RoomRange& range) {
  const auto between = [](double least, double most, uint32_t word) {
    return least + (most - least) * UniformFrom(word);
  };
  Room room;
  const auto words = Philox({index, 0, kDrawSize, 0}, seed);
  for (size_t a = 0; a < 3; ++a) {
    assert(range.least[a] > 2 * range.wall_gap && range.least[a] <= range.most[a]);
    room.size[a] = between(range.least[a], range.most[a], words[a]);
  }
  const double longest = std::max({room.size[0], room.size[1], room.size[2]});
  const double least =
      std::min(std::max(range.least_t60, kLeastT60PerMetre * longest), range.most_t60);
  room.t60 = between(least, range.most_t60, words[3]);
  const auto place = [&](uint32_t item, uint32_t attempt) {
    const auto w = Philox({index, item, kDrawPlace, attempt}, seed);
    Point p;
    for (size_t a = 0; a < 3; ++a)
      p[a] = between(range.wall_gap, room.size[a] - range.wall_gap, w[a]);
    return p;
  };
  room.source = place(0, 0);
  for (uint32_t m = 1; m <= range.microphones; ++m) {
    Point p = place(m, 0);
    // A gap that the room is too small for ends with the last place drawn.
    for (uint32_t i = 1; i < 64 && Distance(p, room.source) < range.source_gap; ++i)
      p = place(m, i);
    room.microphones.push_back(p);
  }
  return room;
}

}  // namespace wring::speech
