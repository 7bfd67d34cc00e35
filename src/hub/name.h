// Names of the hub: repositories and the files in them, checked before they become addresses or paths.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace wring::hub {

struct RepoName {
  std::string repo;               // "owner/name"
  std::string revision = "main";  // a branch, a tag or a commit
  std::string file;               // "" for the repository as a whole

  // The name as a user writes it; the revision only when it is not main.
  std::string Text() const;
  // What the pulled model is called in the folder of models: "owner--name", "owner--name@revision", or the
  // file's own name without its folders. Hub names hold no "--", so two repositories never share one.
  std::string Folder() const;
};

// Whether the text has the shape of a repository's name: one that is no path to a file.
bool LooksLikeRepo(std::string_view text);

// "owner/name", "owner/name@revision", "owner/name:file", "owner/name@revision:file".
Result<RepoName> ParseRepoName(std::string_view text);

// kCorrupt for a name that must not become a path below a folder: absolute, with "..", ".", empty or
// overlong parts, backslashes, control characters, or an end that belongs to partial files.
Status CheckFileName(std::string_view name);

}  // namespace wring::hub
