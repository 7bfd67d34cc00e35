// Fields of the sampling chain and of how a request is run.
#include <algorithm>
#include <charconv>

#include "server/api/common_fields.h"
#include "server/api/limits.h"

namespace wring::server {
namespace {

// The engine's smallest probability; what clients send as 0 means "only the most likely", which this is too.
constexpr double kLeastProbability = 1e-6;

void ReadChain(const Fields& body, SamplingParams* p) {
  const struct {
    const char* name;
    float SamplingParams::*value;
    double least;
  } rows[] = {
      {"temperature", &SamplingParams::temperature, 0},
      {"top_p", &SamplingParams::top_p, kLeastProbability},
      {"min_p", &SamplingParams::min_p, 0},
      {"typical_p", &SamplingParams::typical_p, kLeastProbability},
      {"top_n_sigma", &SamplingParams::top_n_sigma, 0},
      {"xtc_probability", &SamplingParams::xtc_probability, 0},
      {"xtc_threshold", &SamplingParams::xtc_threshold, kLeastProbability},
      {"dynatemp_range", &SamplingParams::temperature_range, 0},
      {"dynatemp_exponent", &SamplingParams::temperature_exponent, 0},
      {"presence_penalty", &SamplingParams::presence_penalty, -2},
      {"frequency_penalty", &SamplingParams::frequency_penalty, -2},
      {"repeat_penalty", &SamplingParams::repetition_penalty, 0},
      {"repetition_penalty", &SamplingParams::repetition_penalty, 0},
  };
  p->temperature = 1.0F;  // as OpenAI's
  for (const auto& row : rows) {
    if (const auto value = body.Number(row.name)) {
      p->*row.value = static_cast<float>(std::max(*value, row.least));
    }
  }
  if (const auto top_k = body.Integer("top_k")) {
    p->top_k = static_cast<int32_t>(std::max<int64_t>(*top_k, 0));
  }
}

void ReadDry(const Fields& body, DryParams* dry) {
  if (const auto v = body.Number("dry_multiplier")) dry->multiplier = static_cast<float>(*v);
  if (const auto v = body.Number("dry_base")) dry->base = static_cast<float>(*v);
  if (const auto v = body.Integer("dry_allowed_length")) {
    dry->allowed_length = static_cast<uint32_t>(*v);
  }
  if (const auto v = body.Integer("dry_penalty_last_n")) {
    dry->range = static_cast<uint32_t>(std::max<int64_t>(*v, 0));
    if (*v == 0) dry->multiplier = 0;
  }
  const Json* breakers = body.Array("dry_sequence_breakers");
  if (breakers == nullptr) return;
  dry->breakers.clear();
  for (const auto& b : *breakers) {
    const auto* text = b.get_ptr<const std::string*>();
    if (text == nullptr || text->empty() || text->size() > kMaxStopBytes ||
        dry->breakers.size() == kMaxBreakers) {
      return body.Fail(
          "dry_sequence_breakers",
          fmt::format("must be at most {} strings of 1 to {} bytes", kMaxBreakers, kMaxStopBytes));
    }
    dry->breakers.push_back(*text);
  }
}

void ReadBias(const Fields& body, uint32_t vocab_size, SamplingParams* p) {
  const Json* bias = body.Object("logit_bias");
  if (bias == nullptr) return;
  const NumberField& range = *FindNumberField("logit_bias.*");
  if (bias->size() > vocab_size) {
    return body.Fail("logit_bias", "has more entries than the vocabulary: give each id once");
  }
  for (const auto& [key, value] : bias->items()) {
    uint32_t id = 0;
    const auto [end, wrong] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (wrong != std::errc() || end != key.data() + key.size() || id >= vocab_size) {
      return body.Fail("logit_bias",
                       fmt::format("has a key that is no token id: give ids from 0 to {}",
                                   vocab_size == 0 ? 0 : vocab_size - 1));
    }
    const double number = value.is_number() ? value.get<double>() : 1e9;
    if (!(number >= range.low && number <= range.high)) {
      return body.Fail("logit_bias",
                       fmt::format("must give each id a number {}", RangeText(range)));
    }
    p->logit_bias.emplace_back(static_cast<int32_t>(id), static_cast<float>(number));
  }
}

void ReadCodec(const Fields& body, GenerateCall* call) {
  const std::string* name = body.Text("kv_codec");
  if (name == nullptr) return;
  if (*name == "f32") {
    call->request.codec = CodecId::kF32;
  } else if (*name == "f16") {
    call->request.codec = CodecId::kF16;
  } else if (*name == "int8" || *name == "i8") {
    call->request.codec = CodecId::kI8;
  } else {
    body.Fail("kv_codec", "must be \"f32\", \"f16\" or \"int8\"");
  }
}

}  // namespace

void ReadSampling(const Fields& body, const ParseContext& context, GenerateCall* call) {
  if (const std::string* model = body.Text("model")) call->model = *model;
  EngineRequest& request = call->request;
  ReadChain(body, &request.sampling);
  ReadDry(body, &request.sampling.dry);
  ReadBias(body, context.vocab_size, &request.sampling);
  ReadCodec(body, call);

  const auto seed = body.Seed("seed");
  call->seed_given = seed.has_value();
  // A drawn seed is told in the answer; 53 bits of it pass through a JavaScript number unharmed.
  request.sampling.seed = seed.value_or(context.random & ((uint64_t{1} << 53) - 1));

  if (const std::string* salt = body.Text("cache_salt")) {
    if (salt->empty() || salt->size() > kMaxNameBytes) {
      body.Fail("cache_salt", fmt::format("must have 1 to {} bytes", kMaxNameBytes));
    }
    request.cache_salt = *salt;
  }
  if (const auto v = body.Integer("priority")) request.priority = static_cast<int32_t>(*v);
  if (const auto v = body.Flag("ignore_eos")) request.ignore_stop_ids = *v;
  if (const auto v = body.Number("timeout")) {
    request.deadline =
        context.now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                          std::chrono::duration<double>(*v));
  }
  if (const Json* least = body.Find("min_tokens"); least != nullptr && *least != 0) {
    body.Fail("min_tokens", "is not supported: leave it out, or use ignore_eos with max_tokens");
  }
}

void ReadStops(const Fields& body, std::string_view name, GenerateCall* call) {
  const Json* stop = body.Find(name);
  if (stop == nullptr) return;
  const auto wrong = [&] {
    body.Fail(name, fmt::format("must be a string or an array of at most {} strings, each of 1 to "
                                "{} bytes",
                                kMaxStops, kMaxStopBytes));
  };
  const auto add = [&](const Json& value) {
    const auto* text = value.get_ptr<const std::string*>();
    if (text == nullptr || text->empty() || text->size() > kMaxStopBytes) return false;
    call->request.stop.push_back(*text);
    return true;
  };
  if (!stop->is_array()) {
    if (!add(*stop)) wrong();
    return;
  }
  if (stop->size() > kMaxStops) return wrong();
  for (const auto& value : *stop) {
    if (!add(value)) return wrong();
  }
}

void ReadStream(const Fields& body, GenerateCall* call) {
  call->output.stream = body.Flag("stream").value_or(false);
  const Json* options = body.Object("stream_options");
  if (options == nullptr) return;
  if (!call->output.stream) {
    return body.Fail("stream_options", "needs \"stream\": true: set it or leave the options out");
  }
  const Fields fields(*options, "stream_options", body.failure());
  call->output.include_usage = fields.Flag("include_usage").value_or(false);
  call->output.continuous_usage = fields.Flag("continuous_usage_stats").value_or(false);
}

}  // namespace wring::server
