#include "cli/conversation.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "formats/json.h"

namespace wring::cli {

Conversation::Json Conversation::All() const {
  Json all = Json::array();
  if (!system_.empty()) all.push_back({{"role", "system"}, {"content", system_}});
  for (const auto& [role, content] : messages_)
    all.push_back({{"role", role}, {"content", content}});
  return all;
}

Result<wring_generate_stats> Conversation::Say(const std::string& text,
                                               const SamplingOptions& sampling,
                                               const TextSink& on_text) {
  messages_.emplace_back("user", text);
  const auto fail = [&](Status status) {
    messages_.pop_back();
    return status;
  };
  auto ids = engine_.EncodeChat(All().dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!ids.ok()) return fail(ids.status());

  // What both conversations begin with is computed already; one id at least must be appended for logits.
  const auto differ = std::mismatch(held_.begin(), held_.end(), ids->begin(), ids->end()).second;
  const auto common = std::min<size_t>(static_cast<size_t>(differ - ids->begin()),
                                       ids->empty() ? 0 : ids->size() - 1);
  engine_.Truncate(static_cast<uint32_t>(common));
  held_.resize(common);

  std::string answer;
  const TextSink collect = [&](std::string_view piece) {
    answer += piece;
    return on_text(piece);
  };
  auto stats = engine_.Generate({ids->begin() + static_cast<std::ptrdiff_t>(common), ids->end()},
                                sampling, collect);
  // The C interface gives the answer's text and not its ids, so only the prompt's are known to be held.
  held_ = *ids;
  held_.resize(std::min<size_t>(held_.size(), engine_.length()));
  if (!stats.ok()) return fail(stats.status());
  if (stats->finish == 2 && answer.empty()) {
    messages_.pop_back();  // stopped before it began: as if never asked
  } else {
    messages_.emplace_back("assistant", std::move(answer));
  }
  return stats;
}

Status Conversation::Save(const std::string& path) const {
  Json saved;
  saved["model"] = engine_.path();
  saved["messages"] = All();
  return WriteFileAtomically(path,
                             saved.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

Status Conversation::Load(const std::string& path) {
  WRING_ASSIGN(const auto saved, ReadJsonObject(path));
  Status wrong = Error(Code::kInvalid,
                       "{}: this is no conversation that /save wrote: choose another file", path);
  const auto list = saved.find("messages");
  if (list == saved.end() || !list->is_array()) return wrong;
  std::string system;
  std::vector<std::pair<std::string, std::string>> messages;
  for (const auto& m : *list) {
    if (!m.is_object() || !m.contains("role") || !m["role"].is_string() || !m.contains("content") ||
        !m["content"].is_string()) {
      return wrong;
    }
    const auto role = m["role"].get<std::string>();
    auto content = m["content"].get<std::string>();
    if (role == "system" && messages.empty()) {
      system = std::move(content);
    } else {
      messages.emplace_back(role, std::move(content));
    }
  }
  system_ = std::move(system);
  messages_ = std::move(messages);
  return {};
}

}  // namespace wring::cli
