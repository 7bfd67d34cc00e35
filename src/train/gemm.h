// Matrix products in float32: C += A B, vectorised for the instruction set found at start.
// Invariant: element (i, j) of C is one chain of fused multiply-adds, c = fma(a[i][k], b[k][j], c)
// for k = 0, 1, ..., begun with what C held. Neither vector width nor tiles nor threads change that
// order, so the bits are the same on every machine that has fused multiply-add.
#pragma once

#include <cstddef>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/cpu/isa.h"

namespace wring::train {

// C is [m x n], A [m x k], B [k x n]. Strides count floats: A's element (i, p) lies at
// a[i * a_row + p * a_column], so that a transposed A needs no copy and a row may be repeated
// (stride 0); the columns of B and C are neighbours. C overlaps neither A nor B.
struct Product {
  size_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  size_t a_row = 0, a_column = 1;
  const float* b = nullptr;
  size_t b_row = 0;
  float* c = nullptr;
  size_t c_row = 0;
};

// In the calling thread.
void Gemm(const Product& p);
// The same with the rows of C spread over the pool.
void Gemm(ThreadPool& pool, const Product& p);

// The kernel of one instruction set that this machine has.
using GemmFn = void (*)(const Product& p);
GemmFn GemmFor(cpu::Isa isa);

// in [rows x columns] as [columns x rows]: what a product with B transposed takes.
std::vector<float> Transposed(const float* in, size_t rows, size_t columns);

inline constexpr size_t kGemmTile = 12;  // rows of C a tile; a multiple of every target's
// How many rows are worth handing to another thread, in whole tiles: about 5 us of work against
// about 1 us for the hand-over.
size_t RowGrain(size_t multiply_adds_per_row);

}  // namespace wring::train
