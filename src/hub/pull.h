// Whole models from the hub into the folder of models.
#pragma once

#include <string>
#include <vector>

#include "hub/hub.h"
#include "hub/model_table.h"

namespace wring::hub {

struct PullOptions {
  std::string models;                 // the folder
  std::vector<std::string> patterns;  // of --file; empty: what a model needs to run
  bool update = false;                // ask the hub even when everything is there
};

// Each gives the path to use as MODEL. What is there and right is not fetched again; a complete pull does not
// ask the hub at all. kLimit while another process pulls the same model.
Result<std::string> PullRepo(Hub& hub, const RepoName& name, const PullOptions& options);
// name.file is not empty; the file becomes `models`/FILE.gguf.
Result<std::string> PullFile(Hub& hub, const RepoName& name, const PullOptions& options);
// The row's hub source; the table's size and SHA-256 decide.
Result<std::string> PullRow(Hub& hub, const ModelRow& row, const PullOptions& options);

}  // namespace wring::hub
