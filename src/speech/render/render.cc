#include "speech/render/render.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "speech/audio/biquad.h"
#include "speech/audio/convolve.h"
#include "speech/labels/spans.h"
#include "speech/plan/draws.h"
#include "speech/render/noise.h"

namespace wring::speech {
namespace {

double FromDb(double db) { return std::pow(10.0, db / 20); }

// Peaks stay below full scale by a quarter of a decibel.
constexpr double kMostPeak = 0.97;

// A source's samples with quiet ends: half a Hann window where it was cut.
class Cutter {
 public:
  explicit Cutter(const RenderOptions& o)
      : rate_(o.rate), fade_(std::max<size_t>(1, static_cast<size_t>(o.fade * o.rate))) {
    for (size_t i = 0; i < fade_; ++i) {
      const double x = (static_cast<double>(i) + 0.5) / static_cast<double>(fade_);
      ramp_.push_back(static_cast<float>(0.5 - 0.5 * std::cos(std::numbers::pi * x)));
    }
  }

  // Adds the piece to `out`, where the session's sample `origin` is the first.
  void Add(const SourceUtterance& u, const Piece& p, const Sound& sound, Micros turn, float gain,
           size_t origin, std::vector<float>* out) const {
    const Micros quiet_before = p.from - (p.first > 0 ? u.words[p.first - 1].end : 0);
    const Micros next = p.last < u.words.size() ? u.words[p.last].start : u.length;
    const Micros before = std::clamp<Micros>(quiet_before, 0, std::min(kPreRoll, turn + p.at));
    const Micros after = std::clamp<Micros>(next - p.to, 0, kPreRoll);
    const size_t from = SamplesOf(p.from - before, rate_);
    const size_t to = std::min(SamplesOf(p.to + after, rate_), sound.samples.size());
    if (to <= from) return;
    const size_t at = SamplesOf(turn + p.at - before, rate_) - origin;
    const size_t count = std::min(to - from, out->size() > at ? out->size() - at : 0);
    const float* in = sound.samples.data() + from;
    float* to_samples = out->data() + at;
    const size_t fade = std::min(fade_, count / 2);
    for (size_t i = 0; i < fade; ++i) to_samples[i] += gain * ramp_[i * fade_ / fade] * in[i];
    for (size_t i = fade; i < count - fade; ++i) to_samples[i] += gain * in[i];
    for (size_t i = count - fade; i < count; ++i)
      to_samples[i] += gain * ramp_[(count - 1 - i) * fade_ / fade] * in[i];
  }

 private:
  uint32_t rate_;
  size_t fade_;
  std::vector<float> ramp_;
};

class Renderer {
 public:
  Renderer(const SessionPlan& plan, const SourceCorpus& corpus, SoundCache& cache,
           const RenderOptions& o)
      : plan_(plan),
        corpus_(corpus),
        cache_(cache),
        options_(o),
        labels_(SegmentsOf(plan, corpus)),
        frames_(SamplesOf(plan.length, o.rate)),
        cutter_(o),
        levels_(o.seed, plan.index, Purpose::kLevels) {
    sound_.channels = o.microphones;
  }

  Result<SessionSound> Make() {
    WRING_TRY(FetchSounds());
    DrawLevels();
    WRING_TRY(DrawRooms());
    sound_.mix.assign(frames_ * sound_.channels, 0);
    if (options_.stems) sound_.stems.resize(plan_.speakers.size());
    for (auto& stem : sound_.stems) stem.assign(frames_ * sound_.channels, 0);
    for (size_t i = 0; i < plan_.turns.size(); ++i) AddTurn(i);
    if (levels_.Uniform() < options_.telephone_share) sound_.telephone = true;
    // Noise at its level is part of what passes the telephone.
    double speech = SpeechPower(sound_.mix, sound_.channels, options_.rate, labels_);
    AddNoise(speech);
    if (sound_.telephone) {
      PassTelephone();
      speech = SpeechOfStems(speech);
    }
    SetLevel(speech);
    if (options_.dither) AddDither();
    return std::move(sound_);
  }

 private:
  Status FetchSounds() {
    for (const Turn& t : plan_.turns) {
      for (const Piece& p : t.pieces) {
        auto& held = sounds_[p.utterance];
        if (held == nullptr) {
          WRING_ASSIGN(held, cache_.Get(p.utterance));
        }
      }
    }
    return {};
  }

  // Gains that make speakers equal, then different as drawn. A speaker's own power is that of the pieces he says.
  void DrawLevels() {
    const size_t speakers = plan_.speakers.size();
    std::vector<double> power(speakers, 0), weight(speakers, 0);
    for (const Turn& t : plan_.turns) {
      for (const Piece& p : t.pieces) {
        const Sound& s = *sounds_[p.utterance];
        const double seconds = Seconds(p.to - p.from);
        power[t.speaker] +=
            seconds *
            (options_.levels == Levels::kLoudness ? std::pow(10.0, s.loudness / 10) : s.power);
        weight[t.speaker] += seconds;
      }
    }
    for (size_t i = 0; i < speakers; ++i) {
      const double drawn = levels_.Uniform(-options_.speaker_db, options_.speaker_db);
      sound_.speaker_db.push_back(drawn);
      const double mean = weight[i] > 0 ? power[i] / weight[i] : 0;
      const double equal =
          options_.levels == Levels::kSource || mean <= 0 ? 1 : 0.1 / std::sqrt(mean);
      gains_.push_back(equal * FromDb(drawn));
    }
  }

  Status DrawRooms() {
    Draws draws(options_.seed, plan_.index, Purpose::kRoom);
    if (draws.Uniform() >= options_.room_share) return {};
    const size_t speakers = plan_.speakers.size();
    const auto& recorded = options_.responses;
    if (!recorded.sounds.empty()) {
      for (size_t s = 0; s < speakers; ++s) {
        const uint32_t i = draws.Below(static_cast<uint32_t>(recorded.sounds.size()));
        sound_.room += (s > 0 ? ", " : "") + recorded.names[i];
        rooms_.emplace_back();
        for (uint32_t m = 0; m < sound_.channels; ++m)
          rooms_.back().emplace_back(recorded.sounds[i]);
      }
      return {};
    }
    RoomRange range = options_.room;
    range.microphones = sound_.channels;
    Room room = DrawRoom(options_.seed, plan_.index, range);
    sound_.room = "image source";
    sound_.t60 = room.t60;
    for (size_t s = 0; s < speakers; ++s) {
      // The room and its microphones stay; each speaker has his place.
      if (s > 0) {
        const auto key = static_cast<uint32_t>(0x80000000U | (plan_.index * 1024 + s));
        room.source = DrawPlace(key, room, range);
      }
      WRING_ASSIGN(const auto responses, RoomResponses(room, options_.rate, options_.seed));
      rooms_.emplace_back();
      for (const auto& r : responses) rooms_.back().emplace_back(r);
    }
    return {};
  }

  Point DrawPlace(uint32_t key, const Room& room, const RoomRange& range) const {
    Draws draws(options_.seed, key, Purpose::kRoom);
    Point best = room.source;
    for (int attempt = 0; attempt < 64; ++attempt) {
      for (size_t axis = 0; axis < 3; ++axis)
        best[axis] = draws.Uniform(range.wall_gap, room.size[axis] - range.wall_gap);
      bool apart = true;
      for (const Point& m : room.microphones)
        apart &= std::hypot(m[0] - best[0], m[1] - best[1], m[2] - best[2]) >= range.source_gap;
      if (apart) break;
    }
    return best;
  }

  void AddTurn(size_t i) {
    const Turn& t = plan_.turns[i];
    const double jitter = options_.turn_db * levels_.Normal();
    const auto gain = static_cast<float>(gains_[t.speaker] * FromDb(jitter));
    const bool wet = !rooms_.empty();
    if (!wet && sound_.channels == 1 && !options_.stems) {
      for (const Piece& p : t.pieces) AddPiece(t, p, gain, 0, &sound_.mix);
      return;
    }
    const size_t origin = SamplesOf(std::max<Micros>(0, t.start - kPreRoll), options_.rate);
    const size_t end = std::min(frames_, SamplesOf(t.end() + kPreRoll, options_.rate) + 1);
    if (end <= origin) return;
    dry_.assign(end - origin, 0);
    for (const Piece& p : t.pieces) AddPiece(t, p, gain, origin, &dry_);
    for (uint32_t m = 0; m < sound_.channels; ++m) {
      const std::vector<float>* part = &dry_;
      if (wet) {
        const Convolver& room = rooms_[t.speaker][m];
        wet_.assign(dry_.size() + room.response_size() - 1, 0);
        room.Apply(dry_, wet_);
        part = &wet_;
      }
      AddTo(*part, origin, m, &sound_.mix);
      if (options_.stems) AddTo(*part, origin, m, &sound_.stems[t.speaker]);
    }
  }

  void AddPiece(const Turn& t, const Piece& p, float gain, size_t origin, std::vector<float>* out) {
    cutter_.Add(corpus_.utterances[p.utterance], p, *sounds_[p.utterance], t.start, gain, origin,
                out);
  }

  void AddTo(const std::vector<float>& part, size_t origin, uint32_t channel,
             std::vector<float>* to) const {
    const size_t count = std::min(part.size(), frames_ - origin);
    float* out = to->data() + origin * sound_.channels + channel;
    for (size_t i = 0; i < count; ++i) out[i * sound_.channels] += part[i];
  }

  void AddNoise(double speech) {
    if (!options_.least_snr) return;
    Draws draws(options_.seed, plan_.index, Purpose::kNoise);
    const double wanted =
        draws.Uniform(*options_.least_snr, options_.most_snr.value_or(*options_.least_snr));
    sound_.snr_wanted = wanted;
    std::vector<float> noise =
        MakeNoise(options_.noises, frames_, sound_.channels, draws, &sound_.noises);
    AddClatter(noise, sound_.channels, options_.rate, options_.clatter, draws);
    double power = 0;
    for (const float x : noise) power += static_cast<double>(x) * static_cast<double>(x);
    power /= static_cast<double>(std::max<size_t>(1, noise.size()));
    if (power <= 0 || speech <= 0) return;
    const auto scale = static_cast<float>(std::sqrt(speech / power) / FromDb(wanted));
    for (float& x : noise) x *= scale;
    sound_.snr =
        10 * std::log10(speech / (power * static_cast<double>(scale) * static_cast<double>(scale)));
    for (size_t i = 0; i < noise.size(); ++i) sound_.mix[i] += noise[i];
    if (options_.stems) sound_.noise = std::move(noise);
  }

  void PassTelephone() {
    const auto pass = [&](std::vector<float>& samples) {
      std::vector<float> one(frames_);
      for (uint32_t m = 0; m < sound_.channels; ++m) {
        for (size_t i = 0; i < frames_; ++i) one[i] = samples[i * sound_.channels + m];
        TelephoneBand(one, options_.rate);
        for (size_t i = 0; i < frames_; ++i) samples[i * sound_.channels + m] = one[i];
      }
    };
    pass(sound_.mix);
    for (auto& stem : sound_.stems) pass(stem);
    if (!sound_.noise.empty()) pass(sound_.noise);
  }

  // The band takes part of the speech: its level is measured anew, over the mix where there are no stems.
  double SpeechOfStems(double before) const {
    if (!options_.least_snr)
      return SpeechPower(sound_.mix, sound_.channels, options_.rate, labels_);
    if (!options_.stems) return before;
    std::vector<float> sum(sound_.mix.size());
    for (size_t i = 0; i < sum.size(); ++i) sum[i] = sound_.mix[i] - sound_.noise[i];
    return SpeechPower(sum, sound_.channels, options_.rate, labels_);
  }

  void SetLevel(double speech) {
    const double level = levels_.Uniform(options_.least_level, options_.most_level);
    double gain = speech > 0 ? FromDb(level) / std::sqrt(speech) : 1;
    float most = 0;
    for (const float x : sound_.mix) most = std::max(most, std::abs(x));
    gain = std::min(gain, most > 0 ? kMostPeak / static_cast<double>(most) : 1);
    const auto scale = static_cast<float>(gain);
    for (float& x : sound_.mix) x *= scale;
    for (auto& stem : sound_.stems) {
      for (float& x : stem) x *= scale;
    }
    for (float& x : sound_.noise) x *= scale;
    sound_.peak = static_cast<double>(most) * gain;
    sound_.level = speech > 0 ? 10 * std::log10(speech * gain * gain) : -100;
  }

  void AddDither() {
    Draws draws(options_.seed, plan_.index, Purpose::kDither);
    for (float& x : sound_.mix)
      x += static_cast<float>((draws.Uniform() - draws.Uniform()) / 32768);
  }

  const SessionPlan& plan_;
  const SourceCorpus& corpus_;
  SoundCache& cache_;
  const RenderOptions& options_;
  Recording labels_;
  size_t frames_;
  Cutter cutter_;
  Draws levels_;
  SessionSound sound_;
  std::unordered_map<uint32_t, std::shared_ptr<const Sound>> sounds_;
  std::vector<double> gains_;
  std::vector<std::vector<Convolver>> rooms_;  // by speaker and microphone
  std::vector<float> dry_, wet_;
};

}  // namespace

double SpeechPower(const std::vector<float>& samples, uint32_t channels, uint32_t rate,
                   const Recording& labels) {
  double energy = 0;
  size_t count = 0;
  for (const Span& span : Speech(labels)) {
    const size_t from = SamplesOf(span.start, rate) * channels;
    const size_t to = std::min(SamplesOf(span.end, rate) * channels, samples.size());
    // Eight sums: one would wait for each addition. Their order is fixed.
    double sums[8] = {};
    for (size_t i = from; i < to; ++i)
      sums[i % 8] += static_cast<double>(samples[i]) * static_cast<double>(samples[i]);
    for (const double s : sums) energy += s;
    count += to > from ? to - from : 0;
  }
  return count > 0 ? energy / static_cast<double>(count) : 0;
}

Result<SessionSound> Render(const SessionPlan& plan, const SourceCorpus& corpus, SoundCache& cache,
                            const RenderOptions& options) {
  return Renderer(plan, corpus, cache, options).Make();
}

}  // namespace wring::speech
