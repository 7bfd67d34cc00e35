// tools/models.json as it was when this was built: the models that have a short name.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace wring::hub {

struct ModelRow {
  std::string_view name, about, licence;
  uint64_t size = 0;        // bytes of the whole file
  std::string_view sha256;  // of the whole file, hex
  std::string_view hub;     // "owner/repo"; "" when no hub has it
  std::string_view file;    // its name there
  bool package = false;     // a package index has it too; tools/fetch-model reads those
};

std::span<const ModelRow> ModelTable();
const ModelRow* FindModelRow(std::string_view name);

}  // namespace wring::hub
