#include "speech/score/assignment.h"

#include <cassert>
#include <limits>

namespace wring::speech {

namespace {

constexpr size_t kNone = std::numeric_limits<size_t>::max();

// Minimal cost, rows <= columns; cost = -weight. Potentials u of rows and v of columns keep every
// reduced cost cost - u - v >= 0, and 0 on the pairs made so far. Each row in turn searches the
// cheapest path to a free column (Dijkstra over reduced costs), and the pairs along it change over.
class Assigner {
 public:
  Assigner(std::span<const int64_t> weights, size_t rows, size_t columns, bool transposed)
      : weights_(weights),
        rows_(rows),
        columns_(columns),
        transposed_(transposed),
        u_(rows),
        v_(columns),
        row_of_(columns, kNone) {}

  // The row of each column, kNone for those left over.
  std::vector<size_t> Solve() {
    for (size_t row = 0; row < rows_; ++row) Augment(row);
    return row_of_;
  }

 private:
  int64_t Cost(size_t row, size_t column) const {
    return -(transposed_ ? weights_[column * rows_ + row] : weights_[row * columns_ + column]);
  }

  void Augment(size_t first) {
    std::vector<int64_t> distance(columns_, std::numeric_limits<int64_t>::max());
    std::vector<size_t> before(columns_, kNone);  // the column before each on its path
    std::vector<bool> done(columns_);
    size_t row = first;
    size_t column = kNone;
    int64_t reached = 0;
    do {
      size_t next = kNone;
      for (size_t j = 0; j < columns_; ++j) {
        if (done[j]) continue;
        const int64_t through = reached + Cost(row, j) - u_[row] - v_[j];
        if (through < distance[j]) {
          distance[j] = through;
          before[j] = column;
        }
        if (next == kNone || distance[j] < distance[next]) next = j;
      }
      column = next;
      done[column] = true;
      reached = distance[column];
      row = row_of_[column];
    } while (row != kNone);

    u_[first] += reached;
    for (size_t j = 0; j < columns_; ++j) {
      if (!done[j] || j == column) continue;
      u_[row_of_[j]] += reached - distance[j];
      v_[j] -= reached - distance[j];
    }
    while (before[column] != kNone) {
      row_of_[column] = row_of_[before[column]];
      column = before[column];
    }
    row_of_[column] = first;
  }

  std::span<const int64_t> weights_;
  size_t rows_, columns_;
  bool transposed_;
  std::vector<int64_t> u_, v_;
  std::vector<size_t> row_of_;
};

}  // namespace

std::vector<std::optional<uint32_t>> BestAssignment(std::span<const int64_t> weights, size_t rows,
                                                    size_t columns) {
  assert(weights.size() == rows * columns);
  std::vector<std::optional<uint32_t>> column_of(rows);
  const bool transposed = rows > columns;
  const auto row_of = transposed ? Assigner(weights, columns, rows, true).Solve()
                                 : Assigner(weights, rows, columns, false).Solve();
  for (size_t j = 0; j < row_of.size(); ++j) {
    if (row_of[j] == kNone) continue;
    const size_t row = transposed ? j : row_of[j];
    const size_t column = transposed ? row_of[j] : j;
    if (weights[row * columns + column] > 0) column_of[row] = static_cast<uint32_t>(column);
  }
  return column_of;
}

}  // namespace wring::speech
