#include "speech/detect/cluster.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace wring::speech {
namespace {

struct Merge {
  size_t a, b;
  double cosine;
};

// All n - 1 merges. With average linkage no merge makes a pair nearer than it was before, so chains of nearest neighbours
// find the same tree as taking the nearest pair each time.
std::vector<Merge> Tree(std::vector<float>& cosines, size_t n) {
  std::vector<double> weights(n, 1);
  std::vector<bool> gone(n, false);
  std::vector<Merge> merges;
  std::vector<size_t> chain;
  while (merges.size() + 1 < n) {
    if (chain.empty()) {
      size_t first = 0;
      while (gone[first]) ++first;
      chain.push_back(first);
    }
    const size_t top = chain.back();
    const size_t before = chain.size() > 1 ? chain[chain.size() - 2] : n;
    size_t next = before;  // of equals the one before, so that chains end
    float best = before < n ? cosines[top * n + before] : -2;
    for (size_t i = 0; i < n; ++i) {
      if (i != top && !gone[i] && cosines[top * n + i] > best) {
        best = cosines[top * n + i];
        next = i;
      }
    }
    if (next != before) {
      chain.push_back(next);
      continue;
    }
    chain.resize(chain.size() - 2);
    const double sum = weights[top] + weights[next];
    for (size_t i = 0; i < n; ++i) {
      if (gone[i] || i == top || i == next) continue;
      const double mean = (weights[top] * static_cast<double>(cosines[top * n + i]) +
                           weights[next] * static_cast<double>(cosines[next * n + i])) /
                          sum;
      cosines[top * n + i] = cosines[i * n + top] = static_cast<float>(mean);
    }
    weights[top] = sum;
    gone[next] = true;
    merges.push_back({top, next, static_cast<double>(best)});
  }
  return merges;
}

size_t Root(std::vector<size_t>& parents, size_t i) {
  while (parents[i] != i) i = parents[i] = parents[parents[i]];
  return i;
}

}  // namespace

std::vector<uint32_t> ClusterByCosine(std::span<const float> rows, size_t size, size_t count) {
  const size_t n = rows.size() / size;
  std::vector<uint32_t> clusters(n, 0);
  if (n < 2) return clusters;
  std::vector<float> cosines(n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      float sum = 0;
      for (size_t k = 0; k < size; ++k) sum += rows[i * size + k] * rows[j * size + k];
      cosines[i * n + j] = cosines[j * n + i] = sum;
    }
  }
  std::vector<Merge> merges = Tree(cosines, n);
  std::stable_sort(merges.begin(), merges.end(),
                   [](const Merge& x, const Merge& y) { return x.cosine > y.cosine; });
  std::vector<size_t> parents(n);
  std::iota(parents.begin(), parents.end(), size_t{0});
  for (size_t i = 0; i + std::max<size_t>(1, count) < n; ++i)
    parents[Root(parents, merges[i].b)] = Root(parents, merges[i].a);
  std::map<size_t, uint32_t> numbers;
  for (size_t i = 0; i < n; ++i)
    clusters[i] =
        numbers.emplace(Root(parents, i), static_cast<uint32_t>(numbers.size())).first->second;
  return clusters;
}

}  // namespace wring::speech
