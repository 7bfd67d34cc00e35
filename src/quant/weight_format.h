// A weight format: how a matrix [rows, cols] lies in a file, and how it lies in memory for the kernels.
//
// In memory every format uses *panels* of 16 rows with one row a vector lane: 16 neighbouring rows are
// interleaved so that one broadcast activation serves all of them, no horizontal sum is ever needed,
// and the sum of a row has one order whatever the instruction set (contract 7). 16 lanes are one
// AVX-512 vector, two AVX2 vectors, four NEON vectors. A panel is one contiguous run of bytes, so that
// decode reads the matrix front to back. Rows past the end of the matrix are zero.
//
// Adding a format is adding a folder here, its kernels, and a line in weight_format.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/checked.h"
#include "base/result.h"
#include "quant/format_id.h"
#include "tensor/dtype.h"

namespace wring {

inline constexpr uint32_t kPanelRows = 16;

class WeightFormat {
 public:
  virtual ~WeightFormat() = default;
  virtual FormatId id() const = 0;
  virtual DType stored() const = 0;
  std::string_view name() const { return Info(stored()).name; }

  // Columns come in whole blocks of this many.
  uint32_t block_cols() const { return Info(stored()).block; }
  uint64_t row_bytes(uint64_t cols) const { return cols / block_cols() * Info(stored()).bytes; }
  // Bytes of one packed panel; about 16 * row_bytes(cols).
  virtual uint64_t panel_bytes(uint64_t cols) const = 0;

  // Packs 16 rows as stored (`rows[i]` is null for a row past the end) into `panel`.
  virtual void Pack(const std::byte* const rows[kPanelRows], uint64_t cols,
                    std::byte* panel) const = 0;

  // One row as float32: bit for bit what the reference dequantisers give. From the file's layout and
  // from a packed panel (lane < 16); both are equal.
  virtual void DequantStored(const std::byte* row, uint64_t cols, float* out) const = 0;
  virtual void DequantPacked(const std::byte* panel, uint32_t lane, uint64_t cols,
                             float* out) const = 0;

  // Whether every weight of a packed panel is finite (for block types: every scale).
  virtual bool FinitePanel(const std::byte* panel, uint64_t cols) const = 0;
};

const WeightFormat& Format(FormatId id);
// The format that holds tensors of this storage type, or null.
const WeightFormat* FormatFor(DType dtype);

// How the rows of a stored matrix map to the rows the engine works with.
enum class RowOrder : uint8_t {
  kPlain,
  // Each head's rows stand as rotary pairs (0, half), (1, half + 1) ... interleaved, the order of GGUF
  // llama files and of llama2.c; the engine rotates halves (Hugging Face's order).
  kInterleavedPairs,
};

// A weight matrix [rows, cols]; a view, the bytes belong to the weight store. Either packed into panels
// or as stored in the file (loaded without repacking; a kernel then packs a panel when it needs it).
struct PackedMatrix {
  const WeightFormat* format = nullptr;
  uint32_t rows = 0;
  uint32_t cols = 0;
  const std::byte* panels = nullptr;
  uint64_t panel_stride = 0;
  const std::byte* stored = nullptr;  // the file's rows, format->row_bytes(cols) apart
  RowOrder order = RowOrder::kPlain;
  uint32_t head_dim = 0;  // for kInterleavedPairs

  uint32_t panel_count() const { return CeilDiv(rows, kPanelRows); }
  const std::byte* panel(uint32_t i) const { return panels + i * panel_stride; }
  uint64_t bytes() const { return panel_count() * panel_stride; }
  // Where row `row` stands in the file.
  uint32_t StoredRow(uint32_t row) const;
  // Packs panel i from stored rows that begin at `from` (normally `stored`) into `out`.
  void PackInto(uint32_t i, std::byte* out) const { PackInto(i, stored, out); }
  void PackInto(uint32_t i, const std::byte* from, std::byte* out) const;
  // One row as float32.
  void DequantRow(uint32_t row, float* out) const;
};

}  // namespace wring
