// Room responses beside what acoustics and geometry say of them.
#include "speech/render/room.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

#include "speech/audio/fft.h"

namespace wring::speech {
namespace {

using Responses = std::vector<std::vector<float>>;

double DistanceOf(const Point& a, const Point& b) {
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

Responses MustRender(const Room& room, uint32_t rate = 16000, uint64_t seed = 1) {
  auto r = RoomResponses(room, rate, seed);
  EXPECT_TRUE(r.ok()) << r.status().message();
  return r.ok() ? *std::move(r) : Responses(room.microphones.size(), std::vector<float>(1));
}

Room OneRoom() {
  Room room;
  room.size = {6, 5, 3};
  room.t60 = 0.4;
  room.source = {2, 1.5, 1.6};
  room.microphones = {{4, 3, 1.2}};
  return room;
}

// Nothing comes back but the direct sound.
Room OpenRoom() {
  Room room = OneRoom();
  room.t60 = 0;
  room.absorption.fill(1);
  return room;
}

double Energy(std::span<const float> x) {
  double sum = 0;
  for (const float s : x) sum += static_cast<double>(s) * static_cast<double>(s);
  return sum;
}

// Index of the first sample that reaches half of the direct sound's amplitude at distance d.
size_t Onset(std::span<const float> x, double d) {
  const double half = 0.5 / (4 * std::numbers::pi * d);
  size_t i = 0;
  while (i < x.size() && std::abs(static_cast<double>(x[i])) < half) ++i;
  return i;
}

TEST(Room, FiftyDrawnRoomsHaveTheirT60) {
  double shortest = 1, longest = 0;
  for (uint32_t i = 0; i < 50; ++i) {
    const Room room = DrawRoom(2024, i);
    const auto r = MustRender(room, 16000, i);
    EXPECT_NEAR(MeasureT60(r[0], 16000) / room.t60, 1, 0.15) << "room " << i;
    shortest = std::min(shortest, room.t60);
    longest = std::max(longest, room.t60);
  }
  EXPECT_LT(shortest, 0.2);
  EXPECT_GT(longest, 0.7);
}

// Rooms whose echoes interfere so that the energies alone would put the T60 15 to 23 % off.
TEST(Room, T60HoldsWhereEchoesInterfere) {
  for (const uint32_t i : {63U, 699U, 771U, 899U, 965U}) {
    const Room room = DrawRoom(3, i);
    EXPECT_NEAR(MeasureT60(MustRender(room, 16000, i)[0], 16000) / room.t60, 1, 0.13) << i;
  }
}

TEST(Room, T60HoldsAtEveryRateAndOnAverageOverMicrophones) {
  RoomRange range;
  range.microphones = 4;
  for (const uint32_t rate : {8000U, 16000U, 48000U}) {
    for (uint32_t i = 0; i < 5; ++i) {
      const Room room = DrawRoom(11, i, range);
      double mean = 0;
      for (const auto& r : MustRender(room, rate)) mean += MeasureT60(r, rate) / 4;
      EXPECT_NEAR(mean / room.t60, 1, 0.15) << rate << " Hz, room " << i;
    }
  }
}

TEST(Room, DirectSoundComesWithItsDelayAndAmplitude) {
  Room room = OpenRoom();
  for (const double x : {2.5, 3.1, 3.7777, 5.9}) {
    room.microphones = {{x, room.source[1], room.source[2]}};
    const double d = x - room.source[0];
    const auto r = MustRender(room)[0];
    const auto peak = std::max_element(r.begin(), r.end());
    EXPECT_NEAR(static_cast<double>(peak - r.begin()), d / 343 * 16000, 1) << d;
    // A band-limited pulse keeps its sum, wherever between samples it lies.
    double sum = 0;
    for (const float s : r) sum += static_cast<double>(s);
    EXPECT_NEAR(sum * 4 * std::numbers::pi * d, 1, 0.01) << d;
  }
}

TEST(Room, DirectSoundIsPlacedToTheFractionOfASample) {
  Room room = OpenRoom();
  for (const double extra : {0.0, 0.25, 0.5, 0.999999}) {
    const double d = (100 + extra) * 343 / 16000;
    room.microphones = {{room.source[0] + d, room.source[1], room.source[2]}};
    auto r = MustRender(room)[0];
    r.resize(4096);
    std::vector<float> re(2049), im(2049);
    Fft(4096).Forward(r.data(), re.data(), im.data());
    const double phase = std::arg(std::complex<double>(re[256], im[256]));  // 1 kHz
    const double want = -2 * std::numbers::pi * 256 / 4096 * (100 + extra);
    EXPECT_NEAR(std::remainder(phase - want, 2 * std::numbers::pi), 0, 0.004) << extra;
  }
}

TEST(Room, DrawnRoomsBeginWithTheirDirectSound) {
  for (uint32_t i = 0; i < 10; ++i) {
    const Room room = DrawRoom(5, i);
    const double d = DistanceOf(room.source, room.microphones[0]);
    EXPECT_NEAR(static_cast<double>(Onset(MustRender(room)[0], d)), d / 343 * 16000, 1.5) << i;
  }
}

TEST(Room, FirstEchoesComeFromTheMirroredSource) {
  Room room = OpenRoom();
  room.absorption[4] = 0.19;  // the floor keeps 0.9 of the amplitude
  const Point image = {room.source[0], room.source[1], -room.source[2]};
  const double d = DistanceOf(image, room.microphones[0]);
  auto r = MustRender(room)[0];
  const auto direct = MustRender(OpenRoom())[0];
  r.resize(direct.size());
  for (size_t i = 0; i < r.size(); ++i) r[i] -= direct[i];
  const auto peak = std::max_element(r.begin(), r.end());
  EXPECT_NEAR(static_cast<double>(peak - r.begin()), d / 343 * 16000, 1);
  const double want = std::pow(0.9 / (4 * std::numbers::pi * d), 2);
  EXPECT_NEAR(Energy(r) / want, 1, 0.05);  // the high-pass takes a little
}

TEST(Room, DirectEnergyFallsWithTheSquareOfTheDistance) {
  Room room = OpenRoom();
  room.size = {20, 5, 3};
  std::vector<double> energies;
  for (const double d : {1.0, 2.0, 4.0, 8.0}) {
    room.microphones = {{room.source[0] + d * 343 / 320, room.source[1], room.source[2]}};
    energies.push_back(Energy(MustRender(room)[0]));
  }
  for (size_t i = 1; i < energies.size(); ++i)
    EXPECT_NEAR(energies[i - 1] / energies[i], 4, 0.01) << i;
}

TEST(Room, ReverberantEnergyHardlyDependsOnTheDistance) {
  Room room = OneRoom();
  room.t60 = 0.6;
  room.microphones = {{2.6, 1.5, 1.6}, {5.4, 4.2, 1.2}};
  const auto r = MustRender(room);
  const double near = Energy(std::span(r[0]).subspan(1600));
  const double far = Energy(std::span(r[1]).subspan(1600));
  EXPECT_NEAR(10 * std::log10(near / far), 0, 2);
  EXPECT_GT(Energy(std::span(r[0]).first(400)), 4 * Energy(std::span(r[1]).first(400)));
}

TEST(Room, MicrophonesDifferAsGeometrySays) {
  Room room = OneRoom();
  room.microphones = {{3, 1.5, 1.6}, {4.5, 1.5, 1.6}, {4.5, 1.5, 1.6}};
  const auto r = MustRender(room);
  EXPECT_EQ(r[0].size(), r[1].size());
  EXPECT_EQ(r[1], r[2]);
  EXPECT_NE(r[0], r[1]);
  const auto apart = static_cast<double>(Onset(r[1], 2.5)) - static_cast<double>(Onset(r[0], 1));
  EXPECT_NEAR(apart, 1.5 / 343 * 16000, 1);
}

// Late pulses reach neighbours together: the tail of a diffuse field is coherent where the spacing
// is small.
TEST(Room, TailIsAlikeAtCloseMicrophonesAndUnlikeAtDistantOnes) {
  Room room = OneRoom();
  room.t60 = 0.6;
  room.microphones = {{4, 3, 1.2}, {4.01, 3, 1.2}, {5, 4, 1.6}};
  const auto r = MustRender(room);
  const auto alike = [&](size_t a, size_t b) {
    double product = 0, energy_a = 0, energy_b = 0;
    for (size_t i = 2400; i < r[a].size(); ++i) {
      product += static_cast<double>(r[a][i]) * static_cast<double>(r[b][i]);
      energy_a += static_cast<double>(r[a][i]) * static_cast<double>(r[a][i]);
      energy_b += static_cast<double>(r[b][i]) * static_cast<double>(r[b][i]);
    }
    return product / std::sqrt(energy_a * energy_b);
  };
  EXPECT_GT(alike(0, 1), 0.8);
  EXPECT_LT(std::abs(alike(0, 2)), 0.2);
}

// Mean squares of 20 ms on both sides of 100 ms, where counted images end and drawn ones begin.
TEST(Room, LevelGoesOnWhereTheDrawnTailBegins) {
  double before = 0, after = 0, expected = 0;
  for (uint32_t i = 0; i < 40; ++i) {
    Room room = DrawRoom(77, i);
    room.t60 = 0.5;
    const auto r = MustRender(room, 16000, i)[0];
    before += std::log10(Energy(std::span(r).subspan(1280, 320))) / 40;
    after += std::log10(Energy(std::span(r).subspan(1600, 320))) / 40;
  }
  expected = -6 * 0.02 / 0.5;
  EXPECT_NEAR(10 * (after - before), 10 * expected, 1.2);
}

TEST(Room, OctavesDecayOnTheirOwn) {
  Room room = OneRoom();
  room.t60 = 0;
  room.octaves = {0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5};
  auto r = MustRender(room)[0];
  const double d = DistanceOf(room.source, room.microphones[0]);
  EXPECT_NEAR(static_cast<double>(Onset(r, d)), d / 343 * 16000, 1.5);
  std::vector<float> late(16384);
  std::copy(r.begin() + 3200, r.begin() + 8000, late.begin());
  std::vector<float> re(8193), im(8193);
  Fft(16384).Forward(late.data(), re.data(), im.data());
  double low = 0, high = 0;
  for (size_t k = 300; k < 900; ++k) low += re[k] * re[k] + im[k] * im[k];  // 293 to 879 Hz
  for (size_t k = 5000; k < 5600; ++k) high += re[k] * re[k] + im[k] * im[k];
  EXPECT_GT(low, 100 * high);
}

TEST(Room, EqualOctavesAreTheSameAsEqualWalls) {
  Room walls = OneRoom();
  walls.t60 = 0;
  walls.absorption.fill(0.3);
  Room octaves = walls;
  octaves.octaves.emplace();
  octaves.octaves->fill(0.3);
  const auto a = MustRender(walls)[0], b = MustRender(octaves)[0];
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-6) << i;
}

TEST(Room, ResponsesAreAPureFunctionOfTheirArguments) {
  const auto a = MustRender(OneRoom(), 16000, 3), b = MustRender(OneRoom(), 16000, 3);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, MustRender(OneRoom(), 16000, 4));
}

TEST(Room, MeasureT60ReadsTheSlope) {
  for (const double t60 : {0.1, 0.5, 2.0}) {
    std::vector<float> x(48000);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(std::pow(10, -3 * static_cast<double>(i) / 16000 / t60));
    EXPECT_NEAR(MeasureT60(x, 16000), t60, 0.002 * t60) << t60;
  }
  // What comes before the sound counts for nothing.
  std::vector<float> late(32000);
  for (size_t i = 0; i < 28000; ++i)
    late[i + 4000] = static_cast<float>(std::pow(10, -3 * static_cast<double>(i) / 16000 / 0.4));
  EXPECT_NEAR(MeasureT60(late, 16000), 0.4, 0.001);
  EXPECT_EQ(MeasureT60({}, 16000), 0);
  EXPECT_EQ(MeasureT60(std::vector<float>(100), 16000), 0);
  EXPECT_EQ(MeasureT60(std::vector<float>{0, 1, 0}, 16000), 0);
}

TEST(Room, EyringIsSabineWhereLittleIsAbsorbed) {
  const Point size = {6, 5, 3};  // 90 m^3, 126 m^2
  EXPECT_NEAR(EyringAbsorption(size, 10), 0.161 * 90 / (126 * 10.0), 1e-4);
  EXPECT_NEAR(EyringAbsorption(size, 0.2), 1 - std::exp(-0.161 * 90 / (126 * 0.2)), 1e-12);
  EXPECT_LT(EyringAbsorption(size, 0.01), 1);
}

TEST(DrawRoom, StaysInItsRangeAndFillsIt) {
  RoomRange range;
  range.microphones = 2;
  Point least = {100, 100, 100}, most{};
  for (uint32_t i = 0; i < 300; ++i) {
    const Room room = DrawRoom(9, i, range);
    ASSERT_EQ(room.microphones.size(), 2U);
    ASSERT_GE(room.t60, 0.1);
    ASSERT_LE(room.t60, 0.8);
    for (size_t a = 0; a < 3; ++a) {
      ASSERT_GE(room.size[a], range.least[a]);
      ASSERT_LE(room.size[a], range.most[a]);
      least[a] = std::min(least[a], room.size[a]);
      most[a] = std::max(most[a], room.size[a]);
      for (const Point& p : {room.source, room.microphones[0], room.microphones[1]}) {
        ASSERT_GE(p[a], 0.5);
        ASSERT_LE(p[a], room.size[a] - 0.5);
      }
    }
    for (const Point& m : room.microphones) ASSERT_GE(DistanceOf(m, room.source), 0.5);
    ASSERT_NE(room.microphones[0], room.microphones[1]);
  }
  for (size_t a = 0; a < 3; ++a) {
    const double span = range.most[a] - range.least[a];
    EXPECT_LT(least[a], range.least[a] + 0.05 * span);
    EXPECT_GT(most[a], range.most[a] - 0.05 * span);
  }
}

TEST(DrawRoom, IsAPureFunctionOfSeedAndIndex) {
  const Room a = DrawRoom(1, 2), b = DrawRoom(1, 2), c = DrawRoom(1, 3), d = DrawRoom(2, 2);
  EXPECT_EQ(a.size, b.size);
  EXPECT_EQ(a.source, b.source);
  EXPECT_EQ(a.microphones, b.microphones);
  EXPECT_EQ(a.t60, b.t60);
  EXPECT_NE(a.size, c.size);
  EXPECT_NE(a.size, d.size);
  EXPECT_NE(a.source, c.source);
}

void ExpectRefused(const Room& room, const char* words, uint32_t rate = 16000) {
  const auto r = RoomResponses(room, rate, 0);
  ASSERT_FALSE(r.ok()) << words;
  EXPECT_NE(r.status().message().find(words), std::string::npos) << r.status().message();
}

TEST(Room, RefusesWhatCannotBe) {
  Room room = OneRoom();
  room.size[1] = 0.1;
  ExpectRefused(room, "side");
  room.size[1] = NAN;
  ExpectRefused(room, "side");
  room = OneRoom();
  room.t60 = -1;
  ExpectRefused(room, "T60");
  room = OneRoom();
  room.absorption[3] = 1.5;
  ExpectRefused(room, "absorption");
  room = OneRoom();
  room.octaves.emplace();
  room.octaves->fill(-0.5);
  ExpectRefused(room, "absorption");
  room = OneRoom();
  room.source[2] = 3;
  ExpectRefused(room, "source");
  room = OneRoom();
  room.microphones.push_back({1, 1, -0.1});
  ExpectRefused(room, "microphone");
  room.microphones.clear();
  ExpectRefused(room, "microphones");
  room.microphones = {room.source};
  ExpectRefused(room, "1 cm");
  ExpectRefused(OneRoom(), "rate", 100);
}

TEST(Room, T60OutOfReachIsASentence) {
  Room room = OneRoom();
  room.size = {10, 8, 4};
  room.t60 = 0.03;
  ExpectRefused(room, "cannot have a T60");
}

}  // namespace
}  // namespace wring::speech
