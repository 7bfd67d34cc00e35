#include "model/weights.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "model/file_rows.h"

namespace wring {
namespace {

// A weight to load: where it is and where it goes.
struct Item {
  const WeightDecl* decl = nullptr;
  const TensorRecord* tensor = nullptr;
  PackedMatrix* matrix = nullptr;
  std::shared_ptr<const RowSource> source;  // of a matrix
  std::byte* panels = nullptr;
};

// Rows packed in one piece: whole heads where rows are reordered within heads.
uint32_t ChunkRows(const PackedMatrix& m) {
  if (m.order == RowOrder::kPlain) return kPanelRows;
  uint32_t rows = m.head_dim;
  while (rows % kPanelRows != 0) rows += m.head_dim;
  return rows;
}

Status NotFinite(const std::string& what, const std::string& tensor) {
  return Error(
      Code::kCorrupt,
      "{}: tensor {} holds values that are not finite (NaN or infinity): the model is damaged, "
      "get it again",
      what, tensor);
}

}  // namespace

class WeightLoader {
 public:
  WeightLoader(const ModelSpec& spec, const Weights::Source& source, ThreadPool& pool,
               Progress* progress, Device& device)
      : spec_(spec), source_(source), pool_(pool), progress_(progress), device_(device) {}

  Result<std::unique_ptr<Weights>> Run(bool repack) {
    weights_.reset(new Weights());
    weights_->layers_ = spec_.layers;
    weights_->matrices_.resize(size_t{kWeightRoles} * spec_.layers);
    weights_->fragments_.resize(size_t{kWeightRoles} * spec_.layers);
    weights_->vectors_.resize(size_t{kWeightRoles} * spec_.layers);
    WRING_TRY(Plan());
    WRING_TRY(LoadVectors());
    if (device_.kind() != DeviceKind::kHost) {
      WRING_TRY(UploadVectors());
      WRING_TRY(UploadMatrices());
      Account();
      return std::move(weights_);
    }
    for (Item& m : matrices_) {
      if (repack || m.source->mapped() == nullptr) {
        packed_.push_back(&m);
      } else {
        m.matrix->stored =
            m.source->mapped() + m.decl->first_row * m.matrix->format->row_bytes(m.decl->cols);
      }
    }
    WRING_TRY(PackMatrices());
    Account();
    return std::move(weights_);
  }

 private:
  Status Plan() {
    for (const WeightDecl& d : source_.weights) {
      const uint32_t stored_cols = d.stored_cols != 0 ? d.stored_cols : d.cols;
      QuantizedMatrix q = {source_.file, source_.what, d.name, d.stored_rows, stored_cols};
      const bool matrix = IsMatrix(d.ref.role);
      Item item{&d, source_.file->Find(d.name), nullptr, nullptr, nullptr};
      if (matrix && source_.method != nullptr && source_.method->Holds(q)) {
        WRING_ASSIGN(item.source, source_.method->Open(q));
      } else {
        WRING_TRY(CheckTensor(d, item.tensor));
      }
      if (!matrix) {
        vectors_.push_back(item);
        continue;
      }
      if (item.source == nullptr) {
        item.source =
            std::make_shared<FileRows>(*source_.file, *item.tensor, *FormatFor(item.tensor->dtype));
      }
      if (d.cols != stored_cols)
        item.source = std::make_shared<ColumnSlice>(std::move(item.source), d.first_col, d.cols);
      PackedMatrix& m = weights_->matrices_[weights_->Index(d.ref)];
      m.format = &item.source->format();
      m.rows = d.rows;
      m.cols = d.cols;
      m.panel_stride = RoundUp<uint64_t>(m.format->panel_bytes(d.cols), 64);
      m.order = d.order;
      m.head_dim = spec_.head_dim;
      item.matrix = &m;
      matrices_.push_back(item);
    }
    return {};
  }

  // Presence, shape and type of a weight that is one tensor.
  Status CheckTensor(const WeightDecl& d, const TensorRecord* t) const {
    const bool matrix = IsMatrix(d.ref.role);
    const uint32_t stored_cols = d.stored_cols != 0 ? d.stored_cols : d.cols;
    if (t == nullptr) {
      return Error(Code::kCorrupt, "{}: tensor {} is missing: the file is incomplete, get it again",
                   source_.what, d.name);
    }
    const std::vector<uint64_t> wanted = matrix ? std::vector<uint64_t>{d.stored_rows, stored_cols}
                                                : std::vector<uint64_t>{d.stored_rows};
    if (t->shape != wanted) {
      return Error(Code::kCorrupt, "{}: tensor {} is [{}] where the configuration says [{}]: {}",
                   source_.what, d.name, fmt::join(t->shape, ", "), fmt::join(wanted, ", "),
                   d.ref.role == WeightRole::kEmbedding
                       ? "the tokenizer or configuration belongs to another model"
                       : "the file is damaged or belongs to another model");
    }
    const WeightFormat* format = FormatFor(t->dtype);
    if (format == nullptr || (!matrix && format->block_cols() != 1)) {
      return Error(Code::kUnsupported,
                   "{}: tensor {} has type {}, which has no kernel here: use a file in {}",
                   source_.what, d.name, Info(t->dtype).name,
                   matrix ? SupportedNames() : "F32, F16 or BF16");
    }
    return {};
  }

  static std::string SupportedNames() {
    std::string names;
    for (size_t i = 0; i < kFormatCount; ++i) {
      names += fmt::format("{}{}", i == 0 ? "" : ", ", Format(static_cast<FormatId>(i)).name());
    }
    return names;
  }

  Status LoadVectors() {
    uint64_t floats = 0;
    for (const Item& v : vectors_) floats += RoundUp<uint64_t>(v.decl->rows, 16);
    WRING_ASSIGN(weights_->vector_memory_, HostDevice().Allocate(floats * sizeof(float)));
    auto* at = weights_->vector_memory_.as<float>();
    for (const Item& v : vectors_) {
      const WeightDecl& d = *v.decl;
      std::vector<float> stored(d.stored_rows);
      FormatFor(v.tensor->dtype)
          ->DequantStored(source_.file->Bytes(*v.tensor).data(), d.stored_rows, stored.data());
      PackedMatrix order;
      order.order = d.order;
      order.head_dim = spec_.head_dim;
      for (uint32_t i = 0; i < d.rows; ++i) {
        at[i] = stored[d.first_row + order.StoredRow(i)] + d.add;
        if (!(std::abs(at[i]) <= 3.4028235e38F)) return NotFinite(source_.what, v.tensor->name);
      }
      weights_->vectors_[weights_->Index(d.ref)] = at;
      at += RoundUp<uint64_t>(d.rows, 16);
    }
    return {};
  }

  Status UploadVectors() {
    Buffer& host = weights_->vector_memory_;
    WRING_ASSIGN(Buffer there, device_.Allocate(host.size()));
    WRING_TRY(device_.CopyIn(there, 0, {host.data(), host.size()}));
    for (const float*& v : weights_->vectors_) {
      if (v != nullptr) v = there.as<float>() + (v - host.as<float>());
    }
    host = std::move(there);
    return {};
  }

  // One matrix after another: its panels become fragments in host memory, then it is copied whole.
  Status UploadMatrices() {
    uint64_t total = 0;
    uint64_t largest = 0;
    for (const Item& m : matrices_) {
      const FragmentMatrix f = {m.matrix->format->id(), m.matrix->rows, m.matrix->cols, nullptr};
      if (FragmentsOf(f.format).record_strips == 0) {
        return Error(
            Code::kUnsupported,
            "{}: tensor {} has type {}, which has no GPU kernel: use --device cpu, or a file "
            "in F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K",
            source_.what, m.decl->name, m.matrix->format->name());
      }
      weights_->fragments_[weights_->Index(m.decl->ref)] = f;
      total += RoundUp<uint64_t>(f.bytes(), 256);
      largest = std::max(largest, f.bytes());
    }
    WRING_ASSIGN(weights_->matrix_memory_, device_.Allocate(total));
    std::vector<std::byte> staging(largest);
    uint64_t at = 0;
    for (const Item& m : matrices_) {
      FragmentMatrix& f = weights_->fragments_[weights_->Index(m.decl->ref)];
      WRING_TRY(PackToFragments(m, f, staging.data()));
      WRING_TRY(device_.CopyIn(weights_->matrix_memory_, at, {staging.data(), f.bytes()}));
      f.data = weights_->matrix_memory_.data() + at;
      at += RoundUp<uint64_t>(f.bytes(), 256);
      if (progress_ != nullptr) progress_->Report("loading", at, total);
    }
    return {};
  }

  Status PackToFragments(const Item& item, const FragmentMatrix& f, std::byte* out) {
    const PackedMatrix& m = *item.matrix;
    const uint32_t step = ChunkRows(m);
    const uint64_t panels = CeilDiv(step, kPanelRows);
    std::vector<std::vector<std::byte>> rows(pool_.threads()), packed(pool_.threads());
    std::mutex mutex;
    Status failed;
    pool_.ParallelFor(CeilDiv(m.rows, step), 1, [&](size_t begin, size_t end, size_t thread) {
      rows[thread].resize(step * m.format->row_bytes(m.cols));
      packed[thread].resize(panels * m.panel_stride);
      for (size_t i = begin; i < end; ++i) {
        const auto first = static_cast<uint32_t>(i) * step;
        Item here = item;
        here.panels = packed[thread].data() - first / kPanelRows * m.panel_stride;
        const uint32_t count = std::min(step, m.rows - first);
        Status s = PackChunk(here, first, count, rows[thread].data());
        for (uint32_t p = 0; s.ok() && p < CeilDiv(count, kPanelRows); ++p) {
          s = PackFragments(f.format, packed[thread].data() + p * m.panel_stride, m.cols,
                            out + (first / kPanelRows + p) * f.tile_bytes());
        }
        if (!s.ok()) {
          const std::lock_guard lock(mutex);
          failed = s;
          return;
        }
      }
    });
    return failed;
  }

  Status PackMatrices() {
    struct Chunk {
      const Item* item;
      uint32_t first_row, rows;
    };
    std::vector<Chunk> chunks;
    uint64_t total = 0;
    uint64_t largest = 0;
    for (const Item* m : packed_) total += m->matrix->bytes();
    WRING_ASSIGN(weights_->matrix_memory_, HostDevice().Allocate(total));
    std::byte* at = weights_->matrix_memory_.data();
    for (Item* m : packed_) {
      m->panels = at;
      m->matrix->panels = at;
      at += m->matrix->bytes();
      const uint32_t step = ChunkRows(*m->matrix);
      for (uint32_t r = 0; r < m->decl->rows; r += step) {
        const uint32_t rows = std::min(step, m->decl->rows - r);
        chunks.push_back({m, r, rows});
        largest = std::max(largest, rows * m->matrix->format->row_bytes(m->decl->cols));
      }
    }
    std::vector<std::vector<std::byte>> buffers(pool_.threads(), std::vector<std::byte>(largest));
    std::mutex mutex;
    Status failed;
    std::atomic<uint64_t> done{0};
    pool_.ParallelFor(chunks.size(), 8, [&](size_t begin, size_t end, size_t thread) {
      for (size_t i = begin; i < end; ++i) {
        Status s =
            PackChunk(*chunks[i].item, chunks[i].first_row, chunks[i].rows, buffers[thread].data());
        if (!s.ok()) {
          std::lock_guard lock(mutex);
          failed = s;
          return;
        }
        if (progress_ != nullptr) {
          const uint64_t bytes = chunks[i].rows * chunks[i].item->matrix->format->row_bytes(
                                                      chunks[i].item->decl->cols);
          progress_->Report("loading", done += bytes, total);
        }
      }
    });
    return failed;
  }

  Status PackChunk(const Item& item, uint32_t first_row, uint32_t rows, std::byte* buffer) {
    const PackedMatrix& m = *item.matrix;
    const uint64_t row_bytes = m.format->row_bytes(m.cols);
    WRING_TRY(item.source->Read(item.decl->first_row + first_row, rows, buffer));
    for (uint32_t panel = first_row / kPanelRows; panel * kPanelRows < first_row + rows; ++panel) {
      const std::byte* lanes[kPanelRows];
      for (uint32_t lane = 0; lane < kPanelRows; ++lane) {
        const uint32_t row = panel * kPanelRows + lane;
        lanes[lane] = row < m.rows ? buffer + (m.StoredRow(row) - first_row) * row_bytes : nullptr;
      }
      std::byte* out = item.panels + panel * m.panel_stride;
      m.format->Pack(lanes, m.cols, out);
      if (!m.format->FinitePanel(out, m.cols)) return NotFinite(source_.what, item.decl->name);
    }
    return {};
  }

  void Account() {
    for (const Item& m : matrices_) {
      const uint64_t row = m.matrix->format->row_bytes(m.decl->cols);
      weights_->matrix_bytes_ += m.decl->rows * row;
      weights_->bytes_per_token_ += Weights::RowsRead(spec_, *m.decl) * row;
      weights_->parameters_ += uint64_t{m.decl->rows} * m.decl->cols;
    }
    for (const Item& v : vectors_) weights_->parameters_ += v.decl->rows;
    weights_->ShareHead(spec_);
  }

  const ModelSpec& spec_;
  const Weights::Source& source_;
  ThreadPool& pool_;
  Progress* progress_;
  Device& device_;
  std::unique_ptr<Weights> weights_;
  std::vector<Item> matrices_;
  std::vector<Item> vectors_;
  std::vector<Item*> packed_;  // of matrices_
};

Result<std::unique_ptr<Weights>> Weights::Load(const ModelSpec& spec, const Source& source,
                                               bool repack, ThreadPool& pool, Progress* progress,
                                               Device& device) {
  return WeightLoader(spec, source, pool, progress, device).Run(repack);
}

uint64_t Weights::RowsRead(const ModelSpec& spec, const WeightDecl& d) {
  if (!IsGathered(d.ref.role)) return d.rows;
  if (d.ref.role != WeightRole::kEmbedding || !spec.tied_head) return 1;
  const Sharding& s = spec.sharding;
  return s.divided() ? s.outputs[s.rank].count : d.rows;
}

void Weights::ShareHead(const ModelSpec& spec) {
  const Sharding& s = spec.sharding;
  if (!s.divided() || !spec.tied_head || !spec.causal) return;
  shares_head_ = true;
  const Range mine = s.outputs[s.rank];
  PackedMatrix& head = matrices_[Index({WeightRole::kHead, 0})];
  head = matrix({WeightRole::kEmbedding, 0});
  head.rows = mine.count;
  if (head.panels != nullptr) head.panels += mine.first / kPanelRows * head.panel_stride;
  if (head.stored != nullptr) head.stored += mine.first * head.format->row_bytes(head.cols);
  FragmentMatrix& there = fragments_[Index({WeightRole::kHead, 0})];
  there = fragments({WeightRole::kEmbedding, 0});
  there.rows = mine.count;
  if (there.data != nullptr) there.data += mine.first / kPanelRows * there.tile_bytes();
}

std::string Weights::FormatSummary() const {
  std::map<uint64_t, std::string, std::greater<>> by_bytes;
  for (size_t f = 0; f < kFormatCount; ++f) {
    uint64_t bytes = 0;
    for (const auto& m : matrices_) {
      const bool shared = shares_head_ && &m == &matrix({WeightRole::kHead, 0});
      if (m.format == &Format(static_cast<FormatId>(f)) && !shared)
        bytes += m.rows * m.format->row_bytes(m.cols);
    }
    if (bytes != 0) {
      by_bytes[bytes] = fmt::format("{} ({:.1f} MB)", Format(static_cast<FormatId>(f)).name(),
                                    static_cast<double>(bytes) / 1e6);
    }
  }
  std::string summary;
  for (const auto& [bytes, text] : by_bytes)
    summary += fmt::format("{}{}", summary.empty() ? "" : ", ", text);
  return summary;
}

Result<std::unique_ptr<Weights>> Weights::Shapes(const std::vector<WeightDecl>& decls,
                                                 Device& device) {
  std::unique_ptr<Weights> weights(new Weights());
  WRING_ASSIGN(weights->vector_memory_, device.Allocate(64));
  for (const WeightDecl& d : decls) weights->parameters_ += uint64_t{d.rows} * d.cols;
  return weights;
}

}  // namespace wring
