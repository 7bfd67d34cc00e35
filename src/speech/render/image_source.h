// The images of a source in a shoebox room, the decay of what lies beyond them, and the reflection
// coefficient that gives a T60. The parts of room.h that make no sound.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "speech/render/room.h"

namespace wring::speech {

using Walls =
    std::array<double, 6>;  // a reflection coefficient each, in the order of Room::absorption

inline double Volume(const Point& size) { return size[0] * size[1] * size[2]; }
inline double Surface(const Point& s) { return 2 * (s[0] * s[1] + s[1] * s[2] + s[0] * s[2]); }
double Distance(const Point& a, const Point& b);
Point CentreOf(std::span<const Point> points);

// Seconds up to which images are counted one by one; the distance is taken from the microphones'
// centre.
double Crossover(const Point& size);

// An image along one axis: where, and how often its path met the wall at 0 and the wall at the far
// end.
struct AxisImage {
  double at;
  int near, far;
};

struct Images {
  explicit Images(const Room& room);

  std::array<std::vector<AxisImage>, 3> axes;
  Point centre;
  double radius;  // metres from the centre, up to the crossover

  // fn(x, y, z): indices into the axes of each image within the radius.
  template <typename Fn>
  void ForEach(const Fn& fn) const {
    for (size_t x = 0; x < axes[0].size(); ++x) {
      const double dx = axes[0][x].at - centre[0];
      for (size_t y = 0; y < axes[1].size(); ++y) {
        const double dy = axes[1][y].at - centre[1];
        const double left = radius * radius - dx * dx - dy * dy;
        if (left <= 0) continue;
        for (size_t z = 0; z < axes[2].size(); ++z) {
          const double dz = axes[2][z].at - centre[2];
          if (dz * dz < left) fn(x, y, z);
        }
      }
    }
  }
  Point At(size_t x, size_t y, size_t z) const {
    return {axes[0][x].at, axes[1][y].at, axes[2][z].at};
  }
  // Reflections of all walls together; 0 is the source itself.
  size_t Order(size_t x, size_t y, size_t z) const {
    return static_cast<size_t>(axes[0][x].near + axes[0][x].far + axes[1][y].near + axes[1][y].far +
                               axes[2][z].near + axes[2][z].far);
  }
};

// Beyond the images. Natural logarithm of what the energy of paths along the unit vector
// `direction` is multiplied by in a second, at most 0.
double DecayRate(const Point& size, const Walls& beta, const Point& direction);
// Energy a second of all directions together, without walls: c / (4 pi V), whatever the time.
double TailPower(const Point& size);
// Seconds until what is left of the tail is 60 dB below all of it.
double TailSeconds(const Point& size, const Walls& beta);

// T60 in seconds by Schroeder's integral over energies of `step` seconds each, `rest` being the
// energy after the last of them: a line by least squares through the levels from -5 to -35 dB. 0
// where they hold fewer than two steps.
double FitDecay(std::span<const double> energies, double rest, double step);

// The reflection coefficient of all walls, at least 0.3, that gives a T60 of `t60` seconds, on
// average over the first microphones. room.t60 is not read.
Result<double> SeekReflection(const Room& room, double t60);

}  // namespace wring::speech
