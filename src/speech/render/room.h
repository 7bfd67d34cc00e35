// Impulse responses of shoebox rooms by image sources (Allen & Berkley 1979, "Image method for
// efficiently simulating small-room acoustics", JASA 65): each wall mirrors the source, mirrors
// mirror mirrors, and an image at distance d whose path met the walls n times adds a pulse of
// amplitude beta^n / (4 pi d) after d / 343 s. So the direct sound at 1 m has amplitude 0.0796, and
// is the same with and without walls. A pulse is a sinc under a Hann window of 5 ms, placed to the
// fraction of a sample.
//
// Images are counted one by one up to 100 ms (as distance from the microphones' centre). A room of
// V m^3 has 170,000 / V of them, and eight times as many for each doubling of the time, so what
// comes later is drawn: 10,000 pulses a second from Philox directions, of random sign, with the
// energy that images of that direction and distance have on average, c beta^(2n) / (4 pi V) a
// second, n = d (|ux|/Lx + |uy|/Ly + |uz|/Lz) (Lehmann & Johansson 2008). Level and slope therefore
// go on where the images end, and each microphone hears the drawn pulses at its own distance, as a
// diffuse field.
//
// Reflections all have one sign, so their dense part has a mean that a room's walls would not keep
// up: a second-order high-pass at 60 Hz takes it off the reflections, as in the paper; the direct
// sound does not pass it.
//
// T60: image sources of a shoebox decay slower than Eyring's formula says, for paths along the
// longest side meet few walls. So the reflection coefficient, one for all walls, is sought by
// bisection from Eyring's until the T60 measured on the energies of images and tail (no pulses
// made) is the one asked for. A response whose own T60 is more than 5 % off is aimed anew, and none
// is given that is more than 15 % off.
//
// A response is a pure function of its arguments.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"

namespace wring::speech {

inline constexpr double kSpeedOfSound = 343;  // m/s, dry air of 20 degrees Celsius
inline constexpr std::array<double, 7> kOctaves = {125, 250, 500, 1000, 2000, 4000, 8000};  // Hz
using Point = std::array<double, 3>;  // metres

// One corner of the room is the origin. What its walls absorb is told in one of three ways: `t60`,
// where it is above 0; else `octaves`, where present; else `absorption`.
struct Room {
  Point size{};  // 0.5 to 100 m a side
  // Seconds for the energy to fall by 60 dB, read off the fall from -5 to -35 dB; at most 10.
  double t60 = 0;
  // The part of the energy that each wall takes, 0 to 1: x = 0, x = size, y = 0, y = size, floor,
  // ceiling.
  std::array<double, 6> absorption{};
  std::optional<std::array<double, 7>> octaves;  // of all walls, at kOctaves
  Point source{};
  std::vector<Point> microphones;  // 1 to kMaxChannels, each at least 1 cm from the source
};

// A response for each microphone, all of one length, from the instant of the sound to where it has
// fallen by 60 dB (at most 10 s). `seed` picks the late pulses. Fails where the T60 is out of the
// room's reach: open windows for walls cannot shorten it further, or so few reflections are left
// that no decay can be told.
Result<std::vector<std::vector<float>>> RoomResponses(const Room& room, uint32_t rate,
                                                      uint64_t seed);

// Schroeder's backward integral and the line through its fall from -5 to -35 dB, in seconds for 60
// dB; 0 where there is no decay to measure. The response is taken to be free of noise.
double MeasureT60(std::span<const float> response, uint32_t rate);

// The absorption that Eyring's formula wants for a T60: 1 - exp(-0.161 V / (S T)); for small ones
// it is Sabine's 0.161 V / (S T).
double EyringAbsorption(const Point& size, double t60);

// What rooms are drawn from: each side, the T60 and each coordinate of each position uniformly and
// on its own.
struct RoomRange {
  Point least{2.5, 2.5, 2.2}, most{10, 8, 4};  // sides; above 2 wall_gap
  double least_t60 = 0.1, most_t60 = 0.8;
  double wall_gap = 0.5;    // metres from every wall, of source and microphones
  double source_gap = 0.5;  // metres between source and each microphone
  uint32_t microphones = 1;
};

// The room of that number. Its T60 is drawn from the part of the range that its size allows: paths
// along the longest side meet the fewest walls, and walls that absorb 91 % leave about 18 ms for
// each metre of it.
inline constexpr double kLeastT60PerMetre = 0.018;
Room DrawRoom(uint64_t seed, uint32_t index, const RoomRange& range = {});

}  // namespace wring::speech
