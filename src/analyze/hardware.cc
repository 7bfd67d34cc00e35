#include "analyze/hardware.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/checked.h"
#include "formats/mapped_file.h"
#include "formats/printable.h"

namespace wring::analyze {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kTable =
#include "analyze/hardware.inc"
    ;

Result<double> Number(const Json& object, const char* key, std::string_view what) {
  const auto at = object.find(key);
  if (at == object.end() || !at->is_number() || !(at->get<double>() > 0)) {
    return Error(Code::kInvalid, "{}: a machine needs \"{}\", a number above 0", what, key);
  }
  return at->get<double>();
}

constexpr const char* kUnitKeys[kUnits] = {"packed_products", "plain_products", "attention",
                                           "other"};

Result<Constants> ReadConstants(const Json& object, std::string_view what) {
  Constants c;
  WRING_ASSIGN(c.compute, Number(object, "compute", what));
  WRING_ASSIGN(c.memory, Number(object, "memory", what));
  c.start = object.value("start_us", 0.0) * 1e-6;
  c.beside = object.value("beside_ns", 0.0) * 1e-9;
  c.unpack = object.value("unpack_ns", 0.0) * 1e-9;
  c.expand = object.value("expand_ns", 0.0) * 1e-9;
  c.meet = object.value("meet_us", 0.0) * 1e-6;
  c.tile = std::max(1U, object.value("tile", 1U));
  return c;
}

Result<std::vector<Cache>> ReadCaches(const Json& list, std::string_view what) {
  std::vector<Cache> caches;
  for (const Json& one : list) {
    Cache c;
    c.name = one.value("name", "");
    WRING_ASSIGN(c.bytes, Number(one, "mb", what));
    c.bytes *= 1e6;
    c.bandwidth = std::max(one.value("gb_s", 0.0), 0.0) * 1e9;
    if (c.name.empty()) return Error(Code::kInvalid, "{}: a cache needs a \"name\"", what);
    caches.push_back(std::move(c));
  }
  return caches;
}

Result<Hardware> Read(const Json& object, std::string_view what) {
  if (!object.is_object() || !object.contains("name") || !object["name"].is_string()) {
    return Error(Code::kInvalid, "{}: a machine is an object with a \"name\"", what);
  }
  Hardware h;
  h.name = object["name"];
  h.title = object.value("title", h.name);
  h.source = object.value("source", "");
  h.fitted = object.value("fitted", "");
  WRING_ASSIGN(const double memory, Number(object, "memory_gb", what));
  WRING_ASSIGN(const double bandwidth, Number(object, "bandwidth_gb_s", what));
  h.memory = memory * 1e9;
  h.bandwidth = bandwidth * 1e9;
  h.threads = object.value("threads", 0U);
  h.meeting = object.value("meeting_us", 0.0) * 1e-6;
  h.piece = object.value("piece_us", 0.0) * 1e-6;
  WRING_ASSIGN(h.caches, ReadCaches(object.value("caches", Json::array()), what));
  const auto peaks = object.find("tflops");
  if (peaks == object.end() || !peaks->is_object() || peaks->empty()) {
    return Error(Code::kInvalid, "{}: {} needs \"tflops\", rates by arithmetic as {{\"f16\": 312}}",
                 what, h.name);
  }
  for (const auto& [arithmetic, rate] : peaks->items()) {
    WRING_ASSIGN(const double tera, Number(*peaks, arithmetic.c_str(), what));
    h.peaks[arithmetic] = tera * 1e12;
  }
  if (const auto e = object.find("efficiency"); e != object.end() && e->is_object()) {
    if (e->contains("compute")) {  // the same for all
      WRING_ASSIGN(const Constants c, ReadConstants(*e, what));
      h.constants.fill(c);
    }
    for (size_t u = 0; u < kUnits; ++u) {
      if (!e->contains(kUnitKeys[u])) continue;
      WRING_ASSIGN(h.constants[u], ReadConstants((*e)[kUnitKeys[u]], what));
    }
  }
  return h;
}

std::string Names() {
  std::string names;
  for (const Hardware& h : AllHardware()) names += (names.empty() ? "" : ", ") + h.name;
  return names;
}

}  // namespace

double Hardware::Peak(const std::vector<std::string>& arithmetics) const {
  for (const std::string& a : arithmetics) {
    if (const auto at = peaks.find(a); at != peaks.end()) return at->second;
  }
  return 0;
}

std::string HardwareJson(const Hardware& h) {
  Json o = {{"name", h.name},
            {"title", h.title},
            {"source", h.source},
            {"fitted", h.fitted},
            {"memory_gb", h.memory / 1e9},
            {"threads", h.threads},
            {"meeting_us", h.meeting * 1e6},
            {"piece_us", h.piece * 1e6},
            {"bandwidth_gb_s", h.bandwidth / 1e9}};
  for (const Cache& c : h.caches)
    o["caches"].push_back({{"name", c.name}, {"mb", c.bytes / 1e6}, {"gb_s", c.bandwidth / 1e9}});
  for (const auto& [arithmetic, rate] : h.peaks) o["tflops"][arithmetic] = rate / 1e12;
  for (size_t u = 0; u < kUnits; ++u) {
    const Constants& c = h.constants[u];
    o["efficiency"][kUnitKeys[u]] = {{"compute", c.compute},        {"memory", c.memory},
                                     {"start_us", c.start * 1e6},   {"beside_ns", c.beside * 1e9},
                                     {"unpack_ns", c.unpack * 1e9}, {"expand_ns", c.expand * 1e9},
                                     {"meet_us", c.meet * 1e6},     {"tile", c.tile}};
  }
  return o.dump(2) + "\n";
}

Result<std::vector<Hardware>> ParseHardware(std::string_view json, std::string_view what) {
  const Json all = Json::parse(json, nullptr, false);
  if (all.is_discarded()) return Error(Code::kInvalid, "{}: this is no JSON", what);
  std::vector<Hardware> machines;
  const Json list = all.is_array() ? all : Json::array({all});
  for (const Json& one : list) {
    try {
      WRING_ASSIGN(Hardware h, Read(one, what));
      machines.push_back(std::move(h));
    } catch (const Json::exception&) {  // a value of another type than it must have
      return Error(Code::kInvalid, "{}: a field of a machine has the wrong type", what);
    }
  }
  return machines;
}

const std::vector<Hardware>& AllHardware() {
  static const std::vector<Hardware> all = [] {
    auto machines = *ParseHardware(kTable, "hardware.json");
    std::sort(machines.begin(), machines.end(),
              [](const Hardware& a, const Hardware& b) { return a.name < b.name; });
    return machines;
  }();
  return all;
}

Result<Hardware> FindHardware(const std::string& name_or_file) {
  for (const Hardware& h : AllHardware()) {
    if (h.name == name_or_file) return h;
  }
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(name_or_file, ignored)) {
    return Error(Code::kNotFound,
                 "there is no machine {}: use {}, or a JSON file of one (wring analyze --help)",
                 Quoted(name_or_file), Names());
  }
  WRING_ASSIGN(const auto file, MappedFile::Open(name_or_file));
  const auto bytes = file->bytes();
  WRING_ASSIGN(
      auto machines,
      ParseHardware({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name_or_file));
  if (machines.empty()) {
    return Error(Code::kInvalid, "{}: it lists no machine: give one object", name_or_file);
  }
  return std::move(machines[0]);
}

std::string_view BoundName(Bound bound) {
  constexpr std::string_view kNames[] = {"compute", "memory", "start"};
  return kNames[static_cast<size_t>(bound)];
}

double PeakOf(Unit unit, const Hardware& hardware) {
  if (unit == Unit::kVector) return hardware.Peak({"f32"});
  if (unit == Unit::kMatrix && hardware.Peak({"f16"}) == 0) return hardware.Peak({"int8", "f32"});
  return hardware.Peak({"f16", "f32"});
}

namespace {

// Of what is used again after so many bytes: the share that cache `level` has lost by then. A near one loses all that it
// cannot hold, since it replaces by age; the last one, whose replacement is not that, keeps as much as before of what passes.
double Lost(double between, const std::vector<Cache>& caches, size_t level) {
  constexpr double kKept = 0.6;
  constexpr double kGone = 0.8;
  const double passed = between / caches[level].bytes;
  if (level + 1 == caches.size()) return std::max(1 - kKept / std::max(passed, kKept), 0.0);
  return std::clamp((passed - kKept) / (kGone - kKept), 0.0, 1.0);
}
// The share that no cache has.
double FromMemory(double between, const Hardware& hardware) {
  double share = 1;
  for (size_t i = 0; i < hardware.caches.size(); ++i)
    share = std::min(share, Lost(between, hardware.caches, i));
  return share;
}

// What the thread that gets most does of so many pieces, as ThreadPool hands them out.
double BusiestShare(uint64_t pieces, uint32_t threads) {
  const uint64_t chunk = CeilDiv<uint64_t>(pieces, uint64_t{4} * threads);
  const uint64_t chunks = CeilDiv(pieces, chunk);
  const uint64_t last = pieces - (chunks - 1) * chunk;
  const uint64_t most = chunks % threads == 1 ? chunks / threads * chunk + last
                                              : CeilDiv<uint64_t>(chunks, threads) * chunk;
  return static_cast<double>(std::min(most, pieces)) / static_cast<double>(pieces);
}

// Attention: threads share units, or blocks of few units; a run over a block waits where that comes from memory.
void Attend(const OpCost& op, const Hardware& hardware, uint32_t threads, Load* load) {
  const bool few = threads > 1 && op.pieces < 4 * threads && op.blocks > op.pieces;
  const double share = BusiestShare(few ? op.blocks : op.pieces, threads);
  load->compute *= share * threads;
  load->beside = op.beside * share;
  load->unpacked = op.unpacked * share * FromMemory(op.step_bytes, hardware) * hardware.late;
  load->expanded = op.expanded * share;
  load->meetings = few ? 1 : 0;
}

}  // namespace

LevelBytes BytesByLevel(const OpCost& op, const Hardware& hardware) {
  LevelBytes bytes;
  bytes.caches.resize(hardware.caches.size());
  const auto add = [&](double amount, double between) {
    double lost = 1;
    for (size_t i = 0; i < hardware.caches.size(); ++i) {
      const double here = std::min(lost, Lost(between, hardware.caches, i));
      bytes.caches[i] += (lost - here) * amount;
      lost = here;
    }
    bytes.memory += lost * amount;
  };
  const Cost& c = op.cost;
  const double fresh = op.fresh * c.kv_read;
  add(c.weights + c.kv_read - fresh + c.kv_written, op.step_bytes);
  add(c.in + c.out + fresh, c.in + c.out + fresh);
  return bytes;
}

Load LoadOf(const OpCost& op, const Hardware& hardware) {
  const double peak = PeakOf(op.unit, hardware);
  Load load;
  load.apart = hardware.apart;
  load.compute = peak > 0 ? (op.done > 0 ? op.done : op.cost.flops) / peak : 0;
  const LevelBytes bytes = BytesByLevel(op, hardware);
  load.memory = bytes.memory / hardware.bandwidth;
  for (size_t i = 0; i < bytes.caches.size(); ++i) {
    const double known = hardware.caches[i].bandwidth;
    load.memory += bytes.caches[i] / (known > 0 ? known : hardware.bandwidth);
  }
  load.rows = IsProduct(op.unit) ? op.rows : 0;
  const uint32_t threads = std::max(hardware.threads, 1U);
  if (op.unit == Unit::kAttention && op.blocks > 0) {
    Attend(op, hardware, threads, &load);
    return load;
  }
  if (op.unit == Unit::kVector && hardware.threads > 0) {
    const double share = BusiestShare(op.pieces, threads);
    load.compute *= share * threads;
    load.unpacked = op.unpacked * share;
    load.expanded = op.expanded * share;
    load.meetings = op.pieces > 1 && threads > 1 ? 1 : 0;
    return load;
  }
  load.beside = op.beside * CeilDiv(op.pieces, threads) / op.pieces;
  load.unpacked = op.unpacked / threads;
  load.expanded = op.expanded / threads;
  return load;
}

namespace {

struct Parts {
  double compute, memory, beside;
};
Parts PartsOf(const Load& load, const Constants& c) {
  const double rounded = load.rows == 0
                             ? 1
                             : static_cast<double>(RoundUp<uint64_t>(load.rows, c.tile)) /
                                   static_cast<double>(load.rows);
  return {load.compute * rounded / c.compute + c.unpack * load.unpacked + c.expand * load.expanded,
          load.memory / c.memory,
          (c.start + c.beside * load.beside + c.meet * load.meetings) * load.apart};
}

}  // namespace

double SecondsOf(const Load& load, const Constants& c) {
  const Parts p = PartsOf(load, c);
  return std::max(p.compute, p.memory) + p.beside;
}

Predicted Predict(const OpCost& op, const Hardware& hardware) {
  const Load load = LoadOf(op, hardware);
  const Parts parts = PartsOf(load, hardware.of(op.unit));
  const double longer = std::max(parts.compute, parts.memory);
  Predicted p;
  const double peak = PeakOf(op.unit, hardware);
  p.roofline = op.layers *
               std::max(op.cost.bytes() / hardware.bandwidth, peak > 0 ? op.cost.flops / peak : 0);
  p.seconds = op.layers * (longer + parts.beside);
  p.bound = parts.beside > longer          ? Bound::kStart
            : parts.compute > parts.memory ? Bound::kCompute
                                           : Bound::kMemory;
  return p;
}

}  // namespace wring::analyze
