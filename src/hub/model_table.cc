#include "hub/model_table.h"

#include <iterator>

namespace wring::hub {
namespace {

constexpr ModelRow kRows[] = {
#include "hub/model_table.inc"  // made from tools/models.json by model_table.cmake
};

}  // namespace

std::span<const ModelRow> ModelTable() { return kRows; }

const ModelRow* FindModelRow(std::string_view name) {
  for (const auto& row : kRows) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace wring::hub
