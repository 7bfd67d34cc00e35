// A FileDescription as a table for people and as JSON for programs.
#include <algorithm>
#include <iterator>

#include "formats/describe.h"
#include "formats/json.h"
#include "formats/printable.h"

namespace wring {
namespace {

constexpr size_t kMaxColumn = 64;

std::string ShapeText(const TensorRecord& tensor) {
  return fmt::format("{}", fmt::join(tensor.shape, " x "));
}

// 1234567 as 1.23 M: parameters in powers of 1000.
std::string CountText(uint64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.2f} G", value / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.2f} M", value / 1e6);
  if (count >= 1'000) return fmt::format("{:.2f} k", value / 1e3);
  return std::to_string(count);
}

std::string BytesText(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= uint64_t{1} << 30) return fmt::format("{:.2f} GiB", value / 0x1p30);
  if (bytes >= uint64_t{1} << 20) return fmt::format("{:.2f} MiB", value / 0x1p20);
  if (bytes >= uint64_t{1} << 10) return fmt::format("{:.2f} KiB", value / 0x1p10);
  return fmt::format("{} B", bytes);
}

using Out = std::back_insert_iterator<std::string>;

void PrintMetadata(const FileDescription& d, Out out) {
  if (d.metadata.empty()) return;
  size_t key_width = 3;
  size_t type_width = 4;
  for (const auto& line : d.metadata) {
    key_width = std::max(key_width, std::min(Printable(line.key, kMaxColumn).size(), kMaxColumn));
    type_width = std::max(type_width, line.type.size());
  }
  fmt::format_to(out, "\nmetadata ({})\n", d.metadata.size());
  for (const auto& line : d.metadata) {
    fmt::format_to(out, "  {:<{}}  {:<{}}  {}\n", Printable(line.key, kMaxColumn), key_width,
                   line.type, type_width, line.text);
  }
}

void PrintTensors(const FileDescription& d, Out out) {
  if (d.tensors.empty()) return;
  size_t name_width = 4;
  size_t shape_width = 5;
  for (const auto& tensor : d.tensors) {
    name_width =
        std::max(name_width, std::min(Printable(tensor.name, kMaxColumn).size(), kMaxColumn));
    shape_width = std::max(shape_width, ShapeText(tensor).size());
  }
  fmt::format_to(out, "\ntensors ({})\n", d.tensors.size());
  for (const auto& tensor : d.tensors) {
    fmt::format_to(out, "  {:<{}}  {:<5} {:>{}} {:>14}\n", Printable(tensor.name, kMaxColumn),
                   name_width, Info(tensor.dtype).name, ShapeText(tensor), shape_width,
                   tensor.bytes);
  }
}

}  // namespace

std::string DescriptionText(const FileDescription& d) {
  std::string text;
  const Out out(text);
  fmt::format_to(out, "{}\n{}{}{}, {} in {} file{}\n", Printable(d.path, 4096), d.kind,
                 d.version.empty() ? "" : " version ", d.version, BytesText(d.file_bytes),
                 d.files.size(), d.files.size() == 1 ? "" : "s");
  PrintMetadata(d, out);
  PrintTensors(d, out);
  fmt::format_to(out, "\ntotal\n");
  for (const auto& total : d.totals) {
    fmt::format_to(
        out, "  {:<5} {:>6} tensors {:>10} parameters {:>12}  {:.2f} bits each\n",
        Info(total.dtype).name, total.tensors, CountText(total.elements), BytesText(total.bytes),
        total.elements == 0
            ? 0.0
            : 8.0 * static_cast<double>(total.bytes) / static_cast<double>(total.elements));
  }
  fmt::format_to(out, "  all   {:>6} tensors {:>10} parameters {:>12}\n", d.tensors.size(),
                 CountText(d.parameters), BytesText(d.tensor_bytes));
  return text;
}

std::string DescriptionJson(const FileDescription& d) {
  nlohmann::ordered_json root;
  root["path"] = d.path;
  root["kind"] = d.kind;
  if (!d.version.empty()) root["version"] = d.version;
  root["file_bytes"] = d.file_bytes;
  root["files"] = d.files;
  auto& metadata = root["metadata"] = nlohmann::ordered_json::object();
  for (const auto& line : d.metadata) {
    // Rendered by us, so it parses; discarded values cannot occur.
    metadata[line.key] = nlohmann::ordered_json::parse(line.json, nullptr, false);
  }
  auto& tensors = root["tensors"] = nlohmann::ordered_json::array();
  for (const auto& t : d.tensors) {
    tensors.push_back({{"name", t.name},
                       {"dtype", Info(t.dtype).name},
                       {"shape", t.shape},
                       {"file", t.file},
                       {"offset", t.offset},
                       {"bytes", t.bytes}});
  }
  auto& totals = root["totals"] = nlohmann::ordered_json::array();
  for (const auto& t : d.totals) {
    totals.push_back({{"dtype", Info(t.dtype).name},
                      {"tensors", t.tensors},
                      {"parameters", t.elements},
                      {"bytes", t.bytes}});
  }
  root["parameters"] = d.parameters;
  root["tensor_bytes"] = d.tensor_bytes;
  return root.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace wring
