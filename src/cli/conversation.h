// The messages of a chat and what of them the session has computed already.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/engine.h"

namespace wring::cli {

class Conversation {
 public:
  explicit Conversation(Engine engine) : engine_(std::move(engine)) {}

  // Sends a message and streams the answer; both join the history. When it fails nothing joins.
  Result<wring_generate_stats> Say(const std::string& text, const SamplingOptions& sampling,
                                   const TextSink& on_text);
  void Reset() { messages_.clear(); }
  // Replaces the system message; empty removes it.
  void SetSystem(std::string text) { system_ = std::move(text); }

  Status Save(const std::string& path) const;
  Status Load(const std::string& path);
  size_t messages() const { return messages_.size(); }
  const Engine& engine() const { return engine_; }

 private:
  using Json = nlohmann::ordered_json;
  Json All() const;

  Engine engine_;
  std::string system_;
  std::vector<std::pair<std::string, std::string>> messages_;  // role, content
  std::vector<int32_t> held_;  // ids that the session holds, from position 0
};

}  // namespace wring::cli
