// wring inspect: what is inside a model file.
#include "cli/models.h"
#include "cli/options.h"
#include "cli/output.h"
#include "formats/describe.h"

namespace wring::cli {

Status Inspect(const Arguments& arguments) {
  WRING_ASSIGN(const std::string path, FindModel(arguments.Text("FILE")));
  WRING_ASSIGN(const auto description, Describe(path));
  if (arguments.Has("--json")) return Print(DescriptionJson(description) + "\n");
  return Print(DescriptionText(description));
}

}  // namespace wring::cli
