// wring perplexity: how well a model predicts a text, alone or beside a saved reference.
#include <nlohmann/json.hpp>
#include <optional>

#include "base/atomic_file.h"
#include "bench/machine.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/reference_file.h"
#include "cli/score.h"
#include "cli/session_options.h"
#include "formats/json.h"

namespace wring::cli {
namespace {

constexpr uint64_t kMaxText = uint64_t{1} << 30;

struct Text {
  std::vector<int32_t> ids;
  std::vector<Window> windows;
  // What a window begins with instead of its own first token, as llama-perplexity does; none otherwise.
  std::optional<int32_t> bos;
};

struct Scores {
  Mean loss;
  std::optional<Divergence> divergence;
};

// The tokenizer's own beginning of text, when it adds one to a plain text.
std::optional<int32_t> AddedBos(const Model& model) {
  if (model.tokenizer == nullptr || !model.tokenizer->bos()) return std::nullopt;
  const auto ids = model.tokenizer->Encode("a", true, false);
  return ids.ok() && !ids->empty() && ids->front() == *model.tokenizer->bos()
             ? model.tokenizer->bos()
             : std::nullopt;
}

Result<Text> Prepare(const Arguments& arguments, const Model& model) {
  Text text;
  const std::string file = arguments.Text("FILE");
  if (arguments.Has("--tokens")) {
    WRING_ASSIGN(text.ids, ReadIds(file));
  } else {
    if (model.tokenizer == nullptr) {
      return Error(Code::kUnsupported, "{} carries no tokenizer: give token ids with --tokens",
                   model.path);
    }
    WRING_ASSIGN(const std::string raw, ReadText(file, kMaxText));
    const Waiting waiting("splitting the text into tokens");
    WRING_ASSIGN(text.ids, model.tokenizer->Encode(raw, true, false));
  }
  const auto context = static_cast<size_t>(arguments.Integer("--context"));
  if (arguments.Text("--mode") == "hf") {
    const size_t stride = arguments.Has("--stride")
                              ? static_cast<size_t>(arguments.Integer("--stride"))
                              : context / 2;
    if (stride > context) {
      return Error(Code::kInvalid,
                   "--stride {} is more than --context {}: tokens between windows would not count",
                   stride, context);
    }
    text.windows = SlidingWindows(text.ids.size(), context, stride);
  } else {
    if (arguments.Has("--stride"))
      return Error(Code::kInvalid, "--stride belongs to --mode hf: give both or neither");
    text.windows = LlamaWindows(text.ids.size(), context);
    text.bos = AddedBos(model);
  }
  const auto limit = static_cast<size_t>(arguments.Integer("--windows"));
  if (limit != 0 && text.windows.size() > limit) text.windows.resize(limit);
  if (text.windows.empty()) {
    return Error(
        Code::kInvalid,
        "{}: {} tokens do not fill a window of {}: give a longer text or a smaller --context", file,
        text.ids.size(), context);
  }
  return text;
}

class Scorer {
 public:
  Scorer(Session& session, const Text& text) : session_(session), text_(text) {}

  Status Open(const Arguments& arguments, const ReferenceHeader& header) {
    if (arguments.Has("--kl-base")) {
      WRING_ASSIGN(base_, ReferenceReader::Open(arguments.Text("--kl-base"), header));
      scores_.divergence.emplace();
    }
    if (arguments.Has("--kl-save")) {
      WRING_ASSIGN(save_, ReferenceWriter::Create(arguments.Text("--kl-save"), header));
    }
    return {};
  }

  Result<Scores> Run() {
    uint64_t total = 0;
    for (const Window& w : text_.windows) total += w.end - w.begin;
    uint64_t done = 0;
    for (const Window& w : text_.windows) {
      WRING_TRY(Score(w, done, total));
      done += w.end - w.begin;
    }
    if (save_) WRING_TRY(save_->Commit());
    return scores_;
  }

 private:
  Status Score(const Window& w, uint64_t done, uint64_t total) {
    std::vector<int32_t> ids(text_.ids.begin() + static_cast<std::ptrdiff_t>(w.begin),
                             text_.ids.begin() + static_cast<std::ptrdiff_t>(w.end));
    if (text_.bos) ids[0] = *text_.bos;
    session_.Truncate(0);
    // Logits after token i predict token i + 1: those before `first` are nobody's, and the last token's too.
    const size_t first = w.scored - w.begin - 1;
    const auto all = std::span<const int32_t>(ids);
    if (first > 0) WRING_TRY(session_.Append(all.first(first), &cancel_));
    Status saved;
    Status computed = session_.AppendAll(
        all.subspan(first, ids.size() - 1 - first),
        [&](size_t i, std::span<const float> logits) {
          if (saved.ok()) saved = Add(logits, ids[first + i + 1]);
          if (!saved.ok()) cancel_.Cancel();
          bar_.Report("scoring", done + first + i + 1, total);
        },
        &cancel_);
    WRING_TRY(saved);  // it cancelled the rest
    return computed;
  }

  Status Add(std::span<const float> logits, int32_t target) {
    if (target < 0 || static_cast<size_t>(target) >= logits.size()) {
      return Error(
          Code::kInvalid,
          "token {} is outside the model's vocabulary of {}: the ids belong to another model",
          target, logits.size());
    }
    LogSoftmax(logits, &log_probabilities_);
    scores_.loss.Add(-log_probabilities_[static_cast<size_t>(target)]);
    if (base_)
      scores_.divergence->Add(base_->Row(scores_.loss.count() - 1), log_probabilities_, target);
    return save_ ? save_->Add(log_probabilities_) : Status();
  }

  Session& session_;
  const Text& text_;
  CancelToken cancel_;
  const Interrupt interrupt_{
      &cancel_};  // before the writer: Ctrl-C must not leave its partial file
  std::optional<ReferenceReader> base_;
  std::optional<ReferenceWriter> save_;
  Scores scores_;
  std::vector<float> log_probabilities_;
  Bar bar_;
};

std::string TableText(const Scores& scores, const std::string& how) {
  const Estimate loss = scores.loss.Get();
  const Estimate p = Perplexity(loss);
  std::string text = fmt::format(
      "perplexity              {:.4f} ± {:.4f}\nloss                    {:.6f} ± {:.6f} nats a "
      "token\n",
      p.value, p.error, loss.value, loss.error);
  text += fmt::format("scored                  {} tokens in {}\n", scores.loss.count(), how);
  if (!scores.divergence) return text;
  const Divergence& d = *scores.divergence;
  const Estimate base = Perplexity(d.base_loss.Get());
  const Estimate difference = d.loss_difference.Get();
  const Estimate kl = d.kl.Get();
  const Estimate change = Root(d.squared_change.Get());
  const Estimate top = d.same_top.Get();
  text += fmt::format("reference's perplexity  {:.4f} ± {:.4f}\n", base.value, base.error);
  text +=
      fmt::format("loss - reference's      {:+.6f} ± {:.6f}\n", difference.value, difference.error);
  text += fmt::format("KL divergence           {:.6f} ± {:.6f}\n", kl.value, kl.error);
  text += fmt::format("RMS change of p         {:.3f} ± {:.3f} %\n", 100 * change.value,
                      100 * change.error);
  text +=
      fmt::format("same top token          {:.3f} ± {:.3f} %\n", 100 * top.value, 100 * top.error);
  return text;
}

std::string JsonText(const Arguments& arguments, const Model& model, const Scores& scores,
                     const Text& text) {
  using Json = nlohmann::ordered_json;
  const auto estimate = [](const Estimate& e) {
    return Json{{"value", e.value}, {"error", e.error}};
  };
  const auto machine = bench::ThisMachine();
  Json j;
  j["machine"] = {
      {"cpu", machine.cpu}, {"threads", model.threads->threads()}, {"isa", machine.isa}};
  j["model"] = model.name;
  j["commit"] = bench::Commit();
  j["measured"] = true;
  j["mode"] = arguments.Text("--mode");
  j["context"] = arguments.Integer("--context");
  j["exact"] = arguments.Has("--exact");
  j["windows"] = text.windows.size();
  j["scored_tokens"] = scores.loss.count();
  j["loss_nats"] = estimate(scores.loss.Get());
  j["perplexity"] = estimate(Perplexity(scores.loss.Get()));
  if (scores.divergence) {
    const Divergence& d = *scores.divergence;
    j["reference_loss_nats"] = estimate(d.base_loss.Get());
    j["loss_difference_nats"] = estimate(d.loss_difference.Get());
    j["kl_divergence_nats"] = estimate(d.kl.Get());
    j["rms_probability_change"] = estimate(Root(d.squared_change.Get()));
    j["same_top"] = estimate(d.same_top.Get());
  }
  return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Status Perplexity(const Arguments& arguments) {
  const std::string json = arguments.Text("--json");
  WRING_TRY(MappedFile::Open(arguments.Text("FILE")));  // before the model is loaded for nothing
  WRING_TRY(CheckWritable(json));
  WRING_TRY(CheckWritable(arguments.Text("--kl-save")));
  WRING_ASSIGN(Loaded loaded, LoadModel(arguments, !arguments.Has("--tokens")));
  const Model& model = *loaded.model;
  loaded.session.context = static_cast<uint32_t>(arguments.Integer("--context"));
  WRING_ASSIGN(auto session, Session::Create(*loaded.model, loaded.session));
  WRING_ASSIGN(const Text text, Prepare(arguments, model));
  const auto header =
      ReferenceHeader::For(text.ids, text.windows, model.spec.vocab, loaded.session.context);
  Scorer scorer(*session, text);
  WRING_TRY(scorer.Open(arguments, header));
  WRING_ASSIGN(const Scores scores, scorer.Run());
  if (json == "-") return Print(JsonText(arguments, model, scores, text));
  if (!json.empty()) WRING_TRY(WriteFileAtomically(json, JsonText(arguments, model, scores, text)));
  return Print(TableText(scores, fmt::format("{} windows of {}, mode {}", text.windows.size(),
                                             loaded.session.context, arguments.Text("--mode"))));
}

}  // namespace wring::cli
