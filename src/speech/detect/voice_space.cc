#include "speech/detect/voice_space.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "speech/detect/embedding.h"

namespace wring::speech {
namespace {

constexpr size_t kN = kVoiceSize;
constexpr size_t kLeast = 8;         // rows of a group
using Square = std::vector<double>;  // kN x kN, row-major

void AddOuter(Square& to, std::span<const double> x) {
  for (size_t i = 0; i < kN; ++i) {
    for (size_t j = 0; j < kN; ++j) to[i * kN + j] += x[i] * x[j];
  }
}

// Lower L with L L^T = a.
Square Cholesky(const Square& a) {
  Square l(kN * kN, 0);
  for (size_t i = 0; i < kN; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i * kN + j];
      for (size_t k = 0; k < j; ++k) sum -= l[i * kN + k] * l[j * kN + k];
      l[i * kN + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / l[j * kN + j];
    }
  }
  return l;
}

// Solves L x = b for each column of b, in place.
void SolveLower(const Square& l, Square& b) {
  for (size_t c = 0; c < kN; ++c) {
    for (size_t i = 0; i < kN; ++i) {
      double sum = b[i * kN + c];
      for (size_t k = 0; k < i; ++k) sum -= l[i * kN + k] * b[k * kN + c];
      b[i * kN + c] = sum / l[i * kN + i];
    }
  }
}

Square Transposed(const Square& a) {
  Square t(kN * kN);
  for (size_t i = 0; i < kN; ++i) {
    for (size_t j = 0; j < kN; ++j) t[j * kN + i] = a[i * kN + j];
  }
  return t;
}

// Eigenvectors of the symmetric `a` in the columns of the result, its eigenvalues left on a's diagonal (cyclic Jacobi).
Square Eigenvectors(Square& a) {
  Square v(kN * kN, 0);
  for (size_t i = 0; i < kN; ++i) v[i * kN + i] = 1;
  for (int sweep = 0; sweep < 30; ++sweep) {
    double off = 0;
    for (size_t i = 0; i < kN; ++i) {
      for (size_t j = 0; j < i; ++j) off += a[i * kN + j] * a[i * kN + j];
    }
    if (off < 1e-18) break;
    for (size_t p = 0; p < kN; ++p) {
      for (size_t q = p + 1; q < kN; ++q) {
        const double x = a[p * kN + q];
        if (std::abs(x) < 1e-300) continue;
        const double theta = (a[q * kN + q] - a[p * kN + p]) / (2 * x);
        const double t = (theta < 0 ? -1 : 1) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (size_t k = 0; k < kN; ++k) {
          const double kp = a[k * kN + p], kq = a[k * kN + q];
          a[k * kN + p] = c * kp - s * kq;
          a[k * kN + q] = s * kp + c * kq;
        }
        for (size_t k = 0; k < kN; ++k) {
          const double pk = a[p * kN + k], qk = a[q * kN + k];
          a[p * kN + k] = c * pk - s * qk;
          a[q * kN + k] = s * pk + c * qk;
          const double vp = v[k * kN + p], vq = v[k * kN + q];
          v[k * kN + p] = c * vp - s * vq;
          v[k * kN + q] = s * vp + c * vq;
        }
      }
    }
  }
  return v;
}

struct Covariances {
  std::vector<double> mean = std::vector<double>(kN, 0);  // of the groups' means
  Square within = Square(kN * kN, 0), between = Square(kN * kN, 0);
};

Covariances CovariancesOf(std::span<const float> rows, std::span<const int32_t> groups) {
  std::map<int32_t, std::vector<size_t>> members;
  for (size_t i = 0; i < groups.size(); ++i) members[groups[i]].push_back(i);
  std::erase_if(members, [](const auto& m) { return m.second.size() < kLeast; });
  Covariances c;
  std::vector<std::vector<double>> means;
  size_t windows = 0;
  for (const auto& [group, of] : members) {
    std::vector<double> mean(kN, 0), x(kN);
    const auto count = static_cast<double>(of.size());
    for (const size_t i : of) {
      for (size_t k = 0; k < kN; ++k) mean[k] += static_cast<double>(rows[i * kN + k]) / count;
    }
    for (const size_t i : of) {
      for (size_t k = 0; k < kN; ++k) x[k] = static_cast<double>(rows[i * kN + k]) - mean[k];
      AddOuter(c.within, x);
    }
    windows += of.size();
    for (size_t k = 0; k < kN; ++k) c.mean[k] += mean[k] / static_cast<double>(members.size());
    means.push_back(std::move(mean));
  }
  for (std::vector<double>& mean : means) {
    for (size_t k = 0; k < kN; ++k) mean[k] -= c.mean[k];
    AddOuter(c.between, mean);
  }
  for (double& w : c.within) w /= static_cast<double>(std::max<size_t>(1, windows));
  for (double& b : c.between) b /= static_cast<double>(std::max<size_t>(1, means.size()));
  return c;
}

}  // namespace

VoiceSpace FitVoiceSpace(std::span<const float> rows, std::span<const int32_t> groups) {
  Covariances c = CovariancesOf(rows, groups);
  for (size_t i = 0; i < kN; ++i) c.within[i * kN + i] += 1e-4;
  const Square l = Cholesky(c.within);
  // L^-1 B L^-T has the same eigenvalues as W^-1 B; its eigenvectors u give the axes L^-T u.
  Square m = c.between;
  SolveLower(l, m);
  m = Transposed(m);
  SolveLower(l, m);
  const Square u = Eigenvectors(m);
  Square inverse(kN * kN, 0);
  for (size_t i = 0; i < kN; ++i) inverse[i * kN + i] = 1;
  SolveLower(l, inverse);
  std::vector<size_t> order(kN);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return m[a * kN + a] > m[b * kN + b]; });
  VoiceSpace space;
  space.mean.assign(c.mean.begin(), c.mean.end());
  for (size_t a = 0; a < kVoiceAxes; ++a) {
    space.between.push_back(static_cast<float>(std::max(1e-3, m[order[a] * kN + order[a]])));
    for (size_t k = 0; k < kN; ++k) {
      double sum = 0;
      for (size_t i = 0; i < kN; ++i) sum += inverse[i * kN + k] * u[i * kN + order[a]];
      space.axes.push_back(static_cast<float>(sum));
    }
  }
  return space;
}

std::vector<double> VoiceSpace::Coordinates(std::span<const float> rows) const {
  std::vector<double> out;
  out.reserve(rows.size() / kN * kVoiceAxes);
  for (size_t r = 0; r < rows.size() / kN; ++r) {
    for (size_t a = 0; a < kVoiceAxes; ++a) {
      double sum = 0;
      for (size_t k = 0; k < kN; ++k)
        sum +=
            static_cast<double>(axes[a * kN + k]) * static_cast<double>(rows[r * kN + k] - mean[k]);
      out.push_back(sum);
    }
  }
  return out;
}

}  // namespace wring::speech
