// What the folder of models remembers of a pull: which model, which commit, which files, whether all of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "hub/name.h"

namespace wring::hub {

struct PulledFile {
  std::string name;
  uint64_t size = 0;
  std::string hash;  // "" when the hub named none
};

struct Pulled {
  std::string model;                  // RepoName::Text()
  std::string commit;                 // "" when the hub did not say
  std::vector<std::string> patterns;  // of --file
  bool complete = false;
  std::vector<PulledFile> files;

  const PulledFile* Find(const std::string& name) const;
};

// The note lies beside what it tells of: `models`/.NAME.json, NAME being name.Folder().
std::string NotePath(const std::string& models, const RepoName& name);
// An empty note when there is none or it cannot be read: then everything is looked at again.
Pulled ReadNote(const std::string& models, const RepoName& name);
Status WriteNote(const std::string& models, const RepoName& name, const Pulled& note);

// The path of a model that was pulled completely and still has its files; "" otherwise.
std::string FindPulled(const std::string& models, const RepoName& name);

}  // namespace wring::hub
