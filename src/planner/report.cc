// What a plan says.
#include <nlohmann/json.hpp>

#include "planner/planner.h"
#include "plot/svg.h"

namespace wring::planner {
namespace {

using plot::SecondsText;
using Json = nlohmann::ordered_json;

std::string LossText(const std::optional<double>& loss) {
  return loss ? fmt::format("{:+.2f} %", 100 * *loss) : "unknown";
}

std::string Row(std::string_view what, const Summary& s) {
  const Figures& f = s.figures;
  return fmt::format("    {:<10}{:>12}{:>12}{:>12.1f}{:>12}{:>11}\n", what,
                     plot::SecondsText(f.ttft), plot::SecondsText(f.tpot), f.throughput,
                     fmt::format("{:.2f} GB", f.memory / 1e9), LossText(f.loss));
}

std::string Limits(const Goal& goal) {
  std::string text;
  for (size_t i = 0; i < kLimits; ++i) {
    const auto l = static_cast<Limit>(i);
    if (LimitOf(goal, l) <= 0) continue;
    text += fmt::format(", {} {}", LimitName(l), LimitText(l, LimitOf(goal, l)));
  }
  return text.empty() ? ", no limits" : text;
}

Json FiguresJson(const Summary& s) {
  const Figures& f = s.figures;
  Json o = {{"ttft_s", f.ttft},
            {"tpot_s", f.tpot},
            {"ttft_median_s", s.ttft_median},
            {"tpot_median_s", s.tpot_median},
            {"ttft_p99_s", s.ttft_p99},
            {"tpot_p99_s", s.tpot_p99},
            {"tokens_per_second", f.throughput},
            {"memory_bytes", f.memory},
            {"requests", s.requests},
            {"within_limits", s.within}};
  o["loss"] = f.loss ? Json(*f.loss) : Json(nullptr);
  return o;
}

}  // namespace

std::string ServeCommand(const std::string& model, const Pricing& pricing, const Choice& c,
                         const Goal& goal) {
  std::string text = fmt::format("wring serve {}", model);
  if (c.weights != nullptr) text += fmt::format("-{}", c.weights->name());
  if (pricing.gpu()) text += " --device cuda";
  text += fmt::format(" --kv {} --sequences {} --rows {}", Codec(c.kv).name, c.sequences, c.rows);
  text += fmt::format(" --context {} --pool {}",
                      std::min(pricing.subject().spec.context, goal.prompt + goal.output),
                      (pricing.PoolBytes(c, goal) + (1 << 20) - 1) >> 20);
  if (c.threads > 0 && !pricing.gpu()) text += fmt::format(" --threads {}", c.threads);
  return text;
}

std::string PlanText(const Plan& plan, const std::string& model,
                     const std::vector<Pricing>& pricings) {
  const Pricing& first = pricings[0];
  const std::string load =
      plan.arrivals == 0
          ? fmt::format("prompts of {}, answers of {} tokens", plan.goal.prompt, plan.goal.output)
          : fmt::format("{} requests as they arrived, prompts to {}, answers to {} tokens",
                        plan.arrivals, plan.goal.prompt, plan.goal.output);
  std::string text = fmt::format(
      "{} on {}: {}{}\n{} choices estimated, {} replayed through the scheduler, {} run here{}\n\n",
      first.subject().name, first.hardware().title, load, Limits(plan.goal), plan.looked_at,
      plan.replayed, plan.run,
      plan.decode_scale == 1 && plan.prompt_scale == 1
          ? ""
          : fmt::format("; by those runs decode steps take {:.2f} and prompts {:.2f} times their "
                        "price",
                        plan.decode_scale, plan.prompt_scale));
  if (plan.tried.empty()) return text + plan.why + "\n";
  const Tried& best = plan.tried[0];
  if (plan.found) {
    text += fmt::format(
        "  {}\n\n", ServeCommand(model, PricingOf(pricings, best.choice), best.choice, plan.goal));
    if (best.choice.weights != nullptr) {
      text += fmt::format("  which needs the model in {}: its file is not\n\n",
                          best.choice.weights->name());
    }
  } else {
    text += fmt::format("  nothing holds: {}\n\n", plan.why);
  }
  text += fmt::format("    {:<10}{:>12}{:>12}{:>12}{:>12}{:>11}\n", "", "first token", "per token",
                      "tokens/s", "memory", "loss");
  const size_t shown = std::min<size_t>(plan.tried.size(), 6);
  for (size_t i = 0; i < shown; ++i) {
    const Tried& t = plan.tried[i];
    text += fmt::format("  {}\n", ChoiceText(t.choice));
    text += Row("predicted", t.predicted);
    if (t.measured) text += Row("measured", *t.measured);
  }
  text +=
      "\nTimes: nine of ten requests are faster. Loss: of perplexity against float16, from a "
      "table measured on one small model and assumed for this one, weights and cache taken as "
      "independent.\n";
  if (!plan.bound.empty()) text += fmt::format("By the prices {}.\n", plan.bound);
  if (!plan.binds.empty()) text += fmt::format("What binds: {}.\n", plan.binds);
  if (!plan.note.empty()) text += fmt::format("{}\n", plan.note);
  return text;
}

std::string PlanJson(const Plan& plan, const std::string& model,
                     const std::vector<Pricing>& pricings) {
  Json o = {{"model", pricings[0].subject().name},
            {"machine", pricings[0].hardware().title},
            {"found", plan.found},
            {"why", plan.why},
            {"binds", plan.binds},
            {"bound", plan.bound},
            {"estimated", plan.looked_at},
            {"replayed", plan.replayed},
            {"run", plan.run},
            {"rounds", plan.rounds},
            {"decode_scale", plan.decode_scale},
            {"prompt_scale", plan.prompt_scale},
            {"loss_is_assumed", true}};
  Json choices = Json::array();
  for (const Tried& t : plan.tried) {
    const Choice& c = t.choice;
    Json one = {{"weights", c.weights == nullptr ? Json(nullptr) : Json(c.weights->name())},
                {"kv", Codec(c.kv).name},
                {"sequences", c.sequences},
                {"rows", c.rows},
                {"threads", c.threads},
                {"command", ServeCommand(model, PricingOf(pricings, c), c, plan.goal)},
                {"predicted", FiguresJson(t.predicted)}};
    one["measured"] = t.measured ? FiguresJson(*t.measured) : Json(nullptr);
    choices.push_back(std::move(one));
  }
  o["choices"] = std::move(choices);
  return o.dump(2) + "\n";
}

}  // namespace wring::planner
