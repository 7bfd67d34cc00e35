#include "serve/options.h"

#include <CLI/CLI.hpp>
#include <charconv>

namespace wring::load {
namespace {

std::optional<double> Positive(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value > 0)) return std::nullopt;
  return value;
}

// "256:16000": ids from 256 up to, not including, 16000.
Result<std::pair<uint32_t, uint32_t>> ParseVocabulary(const std::string& text) {
  const size_t colon = text.find(':');
  uint32_t low = 0, high = 0;
  const char* begin = text.data();
  if (colon != std::string::npos) {
    const auto first = std::from_chars(begin, begin + colon, low);
    const auto second = std::from_chars(begin + colon + 1, begin + text.size(), high);
    if (first.ptr == begin + colon && second.ptr == begin + text.size() && low < high) {
      return std::pair(low, high);
    }
  }
  return Error(Code::kInvalid, "--vocab {} is no range of ids: write it as 256:16000", text);
}

void AddLoad(CLI::App& app, Options* o) {
  app.add_option("--requests", o->requests,
                 "how many; by default as the duration, trace or file says");
  app.add_option("--concurrency", o->concurrency,
                 "closed loop: clients that each wait for their answer")
      ->check(CLI::Range(1, 100'000));
  app.add_option("--rate", o->rate, "open loop: arrivals a second")->check(CLI::PositiveNumber);
  app.add_option("--burstiness", o->burstiness,
                 "shape of the gaps' gamma distribution; 1 is Poisson")
      ->check(CLI::PositiveNumber);
  app.add_option("--duration", o->duration_s, "seconds after which no request begins");
  app.add_option("--warmup", o->warmup, "requests before the measurement");
  app.add_flag("--hold", o->hold, "connect every client first, then open all streams at once");
  app.add_option("--trace", o->trace, "Azure CSV or Mooncake JSON lines: arrivals and lengths");
  app.add_option("--speed", o->speed, "the trace's clock runs so much faster")
      ->check(CLI::PositiveNumber);
  app.add_option("--limit", o->limit, "only the trace's first requests");
  app.add_option("--seed", o->seed, "of prompts, arrivals and clients");
}

void AddPrompts(CLI::App& app, Options* o, std::string* vocabulary) {
  app.add_option("--input-len", o->input_len, "tokens of a random prompt");
  app.add_option("--output-len", o->output_len, "tokens of an answer");
  app.add_option("--max-input", o->max_input, "cut a trace's longer prompts");
  app.add_option("--max-output", o->max_output, "cut a trace's longer answers");
  app.add_option("--shared-prefix", o->shared_prefix,
                 "tokens that all prompts begin with (chat: the system prompt)");
  app.add_option("--distinct", o->distinct, "draw from so many different prompts");
  app.add_option("--prompts", o->prompts,
                 "JSON lines: {\"prompt\": text or ids} or {\"messages\": [...]}");
  app.add_option("--vocab", *vocabulary, "random ids come from LOW:HIGH");
  app.add_option("--temperature", o->temperature, "0 is greedy");
  app.add_flag("!--stop-at-eos", o->ignore_eos, "answers may end before --output-len");
}

void AddRest(CLI::App& app, Options* o, std::vector<std::string>* slo) {
  app.add_option("--abandon", o->abandon, "share of clients that vanish, each in a random state")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--slow", o->slow, "share of clients that read slowly")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--timeout", o->timeout_s, "seconds a request may take")
      ->check(CLI::PositiveNumber);
  app.add_option("--deadline", o->deadline_s, "seconds within which an answer is of use");
  app.add_option("--goodput", *slo, "limits in ms: ttft:500 tpot:50 e2el:2000");
  app.add_flag("--verify", o->verify, "the same prompt and seed must give the same text");
  app.add_option("--json", o->json, "write the figures to this file (- for standard output)");
  app.add_option("--dump-prompts", o->dump_prompts,
                 "write the prompts as JSON lines and send nothing");
}

Status Check(const std::vector<std::string>& slo, const std::string& vocabulary, Options* o) {
  WRING_ASSIGN(o->endpoint, ParseEndpoint(o->url));
  WRING_ASSIGN(o->slo, ParseSlo(slo));
  WRING_ASSIGN(o->vocabulary, ParseVocabulary(vocabulary));
  if (!o->trace.empty() && (o->rate > 0 || o->hold || !o->prompts.empty())) {
    return Error(Code::kInvalid,
                 "--trace has its own arrivals and prompts: leave out --rate, --hold, --prompts");
  }
  if (o->hold && o->rate > 0) {
    return Error(Code::kInvalid, "--hold opens all streams at once: leave out --rate");
  }
  if (o->requests == 0 && o->duration_s <= 0 && o->trace.empty() && o->prompts.empty()) {
    o->requests = o->concurrency;
  }
  if (o->hold) o->concurrency = static_cast<uint32_t>(o->requests);
  return {};
}

}  // namespace

Result<Slo> ParseSlo(const std::vector<std::string>& words) {
  Slo slo;
  for (const auto& word : words) {
    const std::string_view text = word;
    const size_t colon = std::min(text.find(':'), text.size());
    const auto name = text.substr(0, colon);
    const auto value = Positive(text.substr(std::min(colon + 1, text.size())));
    double* field = name == "ttft"   ? &slo.ttft_ms
                    : name == "tpot" ? &slo.tpot_ms
                    : name == "e2el" ? &slo.e2el_ms
                                     : nullptr;
    if (!field || !value) {
      return Error(Code::kInvalid, "--goodput {}: write ttft:MS, tpot:MS or e2el:MS", word);
    }
    *field = *value;
  }
  return slo;
}

Result<Endpoint> ParseEndpoint(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  std::string_view rest = url;
  if (rest.starts_with(kScheme)) {
    rest.remove_prefix(kScheme.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
    const size_t colon = rest.rfind(':');
    uint16_t port = colon == std::string_view::npos ? 80 : 0;
    if (port == 0) {
      std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), port);
    }
    auto host = rest.substr(0, colon);
    if (port != 0 && !host.empty() && rest.find('/') == std::string_view::npos) {
      return Endpoint{std::string(host), port};
    }
  }
  return Error(Code::kInvalid, "--url {} is no address like http://127.0.0.1:8080", url);
}

std::optional<int> ParseOptions(int argc, char** argv, Options* options) {
  CLI::App app("Drives an OpenAI-compatible server and measures it as vLLM's benchmark does.");
  app.option_defaults()->always_capture_default();
  std::vector<std::string> slo;
  std::string vocabulary = "256:16000", endpoint = "completions";
  app.add_option("--url", options->url, "the server, without a path");
  app.add_option("--endpoint", endpoint, "completions or chat")
      ->check(CLI::IsMember({"completions", "chat"}));
  app.add_option("--model", options->model, "by default the first of /v1/models");
  app.add_option("--api-key", options->api_key, "sent as a bearer token");
  app.add_option("--header", options->headers, "\"Name: value\", sent with every request")
      ->allow_extra_args(false);
  app.add_option("--extra-body", options->extra_body, "JSON object merged into every request");
  AddLoad(app, options);
  AddPrompts(app, options, &vocabulary);
  AddRest(app, options, &slo);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options->chat = endpoint == "chat";
  if (const Status status = Check(slo, vocabulary, options); !status.ok()) {
    std::fprintf(stderr, "wring_load: %s.\n", status.message().c_str());
    return 2;
  }
  return std::nullopt;
}

}  // namespace wring::load
