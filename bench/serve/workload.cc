#include "serve/workload.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "formats/json.h"
#include "serve/arrivals.h"
#include "serve/random.h"

namespace wring::load {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxPromptsBytes = uint64_t{1} << 30;

void AppendIds(uint64_t seed, Stream stream, uint64_t index, uint32_t count,
               std::pair<uint32_t, uint32_t> range, std::vector<uint32_t>* ids) {
  const uint32_t span = range.second - range.first;
  for (uint32_t i = 0; i < count; ++i) {
    const auto words = Words(seed, stream, index, i / 4);
    ids->push_back(range.first + words[i % 4] % span);
  }
}

std::string Joined(const std::vector<uint32_t>& ids) {
  std::string text = "[";
  for (const uint32_t id : ids) fmt::format_to(std::back_inserter(text), "{},", id);
  if (text.back() == ',') text.pop_back();
  return text + "]";
}

// A chat has no place for ids. These words are one token each in the vocabularies in use today, so a text of n words
// has about n tokens; the server's own count is what is reported.
std::string Prose(const std::vector<uint32_t>& ids) {
  static constexpr std::string_view kWords[] = {
      "time",    "year",    "people",   "way",    "day",        "man",    "thing",   "woman",
      "life",    "child",   "world",    "school", "state",      "family", "student", "group",
      "country", "problem", "hand",     "part",   "place",      "case",   "week",    "company",
      "system",  "program", "question", "work",   "government", "number", "night",   "point"};
  std::string text;
  for (const uint32_t id : ids) {
    if (!text.empty()) text.push_back(' ');
    text.append(kWords[id % std::size(kWords)]);
  }
  return text;
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json Message(std::string_view role, const std::string& content) {
  return {{"role", role}, {"content", content}};
}

}  // namespace

Result<Workload> Workload::Create(Options options) {
  Workload load(std::move(options));
  Options& o = load.options_;
  if (!o.extra_body.empty() && !json::parse(o.extra_body, nullptr, false).is_object()) {
    return Error(Code::kInvalid, "--extra-body is no JSON object: write {{\"name\": value}}");
  }
  if (!o.trace.empty()) {
    WRING_ASSIGN(load.trace_, ReadTrace(o.trace));
    auto& rows = load.trace_.rows;
    if (o.limit > 0 && rows.size() > o.limit) rows.resize(o.limit);
    if (o.requests > 0 && rows.size() > o.requests) rows.resize(o.requests);
    load.size_ = rows.size();
    return load;
  }
  if (!o.prompts.empty()) WRING_TRY(load.ReadPrompts());
  load.size_ = o.requests;
  if (load.size_ == 0 && o.duration_s > 0) {
    load.size_ = o.rate > 0 ? static_cast<uint64_t>(std::ceil(o.rate * o.duration_s))
                            : std::numeric_limits<uint64_t>::max();
  }
  if (load.size_ == 0) load.size_ = load.texts_.size();
  if (o.rate > 0) load.arrivals_ = Arrivals(load.size_, o.rate, o.burstiness, o.seed);
  return load;
}

Status Workload::ReadPrompts() {
  WRING_ASSIGN(const std::string text, ReadText(options_.prompts, kMaxPromptsBytes));
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (line.find_first_not_of(" \r\t") == std::string_view::npos) continue;
    const json row = json::parse(line, nullptr, false);
    const bool chat = options_.chat;
    const auto prompt = row.is_object() ? row.value("prompt", json()) : json();
    auto messages = row.is_object() ? row.value("messages", json()) : json();
    if (chat && !messages.is_array() && prompt.is_string()) {
      messages = json::array({Message("user", prompt.get<std::string>())});
    }
    if (chat ? !messages.is_array() : !(prompt.is_string() || prompt.is_array())) {
      return Error(Code::kCorrupt, "{} line {} has no {}: write {}", options_.prompts, number,
                   chat ? "messages" : "prompt",
                   chat ? R"({"messages": [...]})" : R"({"prompt": "text"})");
    }
    Text entry;
    entry.field = chat ? "\"messages\":" + Dump(messages) : "\"prompt\":" + Dump(prompt);
    for (const char* name : {"output_tokens", "max_tokens"}) {
      const auto length = row.find(name);
      if (length != row.end() && length->is_number_unsigned())
        entry.output_len = length->get<uint32_t>();
    }
    texts_.push_back(std::move(entry));
  }
  if (texts_.empty()) return Error(Code::kCorrupt, "{} has no prompt in it", options_.prompts);
  return {};
}

Job Workload::At(uint64_t index) const {
  const Options& o = options_;
  Job job;
  job.index = index;
  job.prompt = o.distinct ? Words(o.seed, Stream::kPick, index, 0)[0] % o.distinct : index;
  job.input_len = o.input_len;
  job.output_len = o.output_len;
  if (!trace_.rows.empty()) {
    const auto& row = trace_.rows[index];
    job.arrival_s = row.arrival_s / o.speed;
    job.input_len = std::max(row.input_len, 1U);
    job.output_len = std::max(row.output_len, 1U);
  } else if (!texts_.empty()) {
    job.prompt %= texts_.size();
    if (texts_[job.prompt].output_len) job.output_len = texts_[job.prompt].output_len;
  }
  if (o.max_input) job.input_len = std::min(job.input_len, o.max_input);
  if (o.max_output) job.output_len = std::min(job.output_len, o.max_output);
  if (!arrivals_.empty()) job.arrival_s = arrivals_[index];
  const auto vanish = Words(o.seed, Stream::kVanish, index, 0);
  if (Unit(vanish[0]) < o.abandon) {
    job.vanish = static_cast<Vanish>(1 + vanish[1] % 5);
    job.draw = Unit(vanish[2]);
  }
  job.slow = Unit(Words(o.seed, Stream::kSlow, index, 0)[0]) < o.slow;
  return job;
}

std::vector<uint32_t> Workload::Ids(const Job& job) const {
  std::vector<uint32_t> ids;
  ids.reserve(job.input_len + options_.shared_prefix);
  if (!options_.chat) {
    AppendIds(options_.seed, Stream::kPrefix, 0, options_.shared_prefix, options_.vocabulary, &ids);
  }
  const size_t length = ids.size() + job.input_len;
  if (!trace_.rows.empty()) {
    for (const uint64_t block : trace_.rows[job.index].blocks) {
      if (ids.size() >= length) break;
      const auto rest = static_cast<uint32_t>(std::min<size_t>(kTraceBlock, length - ids.size()));
      AppendIds(options_.seed, Stream::kBlock, block, rest, options_.vocabulary, &ids);
    }
  }
  AppendIds(options_.seed, Stream::kTokens, job.prompt, static_cast<uint32_t>(length - ids.size()),
            options_.vocabulary, &ids);
  return ids;
}

std::string Workload::Prompt(const Job& job) const {
  if (!texts_.empty()) return texts_[job.prompt].field;
  if (!options_.chat) return "\"prompt\":" + Joined(Ids(job));
  json messages = json::array();
  if (options_.shared_prefix) {
    std::vector<uint32_t> ids;
    AppendIds(options_.seed, Stream::kPrefix, 0, options_.shared_prefix, options_.vocabulary, &ids);
    messages.push_back(Message("system", Prose(ids)));
  }
  messages.push_back(Message("user", Prose(Ids(job))));
  return "\"messages\":" + Dump(messages);
}

std::string Workload::Body(const Job& job) const {
  json rest = {{"model", options_.model},
               {options_.chat ? "max_completion_tokens" : "max_tokens", job.output_len},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}},
               {"temperature", options_.temperature},
               {"seed", job.prompt & 0x7fffffff}};
  if (options_.ignore_eos) rest["ignore_eos"] = true;
  if (!options_.extra_body.empty()) rest.update(json::parse(options_.extra_body, nullptr, false));
  std::string body = "{";
  body += Prompt(job);
  body += ',';
  return body.append(Dump(rest), 1);  // without its opening brace
}

std::string Workload::Line(const Job& job) const {
  return fmt::format("{{{},\"input_tokens\":{},\"output_tokens\":{}}}", Prompt(job),
                     job.input_len + (options_.chat ? 0 : options_.shared_prefix), job.output_len);
}

}  // namespace wring::load
