#include "speech/plan/session_plan.h"

#include <algorithm>

#include "formats/json.h"

namespace wring::speech {
namespace {

constexpr const char* kKinds[] = {"first", "same-pause", "change-pause", "change-overlap",
                                  "embedded"};

}  // namespace

const char* Name(TurnKind kind) { return kKinds[static_cast<size_t>(kind)]; }

std::vector<Run> RunsOf(const Turn& turn, const SourceCorpus& corpus) {
  std::vector<Run> runs;
  for (const Piece& p : turn.pieces) {
    for (uint32_t w = p.first; w < p.last; ++w) {
      const SourceWord& word = corpus.utterances[p.utterance].words[w];
      const Run run{p.at + word.start - p.from, p.at + word.end - p.from};
      if (runs.empty() || run.start - runs.back().end > kSplitPause) {
        runs.push_back(run);
      } else {
        runs.back().end = run.end;
      }
    }
  }
  return runs;
}

Recording SegmentsOf(const SessionPlan& plan, const SourceCorpus& corpus) {
  Recording r{plan.name, {}};
  for (const Turn& t : plan.turns) {
    for (const Run& run : RunsOf(t, corpus)) {
      r.segments.push_back(
          {t.start + run.start, t.start + run.end, corpus.speakers[plan.speakers[t.speaker]]});
    }
  }
  std::sort(r.segments.begin(), r.segments.end());
  return r;
}

std::vector<Word> WordsOf(const SessionPlan& plan, const SourceCorpus& corpus) {
  std::vector<Word> words;
  for (const Turn& t : plan.turns) {
    for (const Piece& p : t.pieces) {
      for (uint32_t w = p.first; w < p.last; ++w) {
        const SourceWord& word = corpus.utterances[p.utterance].words[w];
        const Micros start = t.start + p.at + word.start - p.from;
        Word& to = words.emplace_back();
        to.source = plan.name;
        to.start = start;
        to.end = start + word.end - word.start;
        to.token = word.text;
        to.speaker = corpus.speakers[plan.speakers[t.speaker]];
      }
    }
  }
  std::stable_sort(words.begin(), words.end(),
                   [](const Word& a, const Word& b) { return a.start < b.start; });
  return words;
}

nlohmann::json ToJson(const SessionPlan& plan, const SourceCorpus& corpus) {
  nlohmann::json turns = nlohmann::json::array();
  for (const Turn& t : plan.turns) {
    nlohmann::json pieces = nlohmann::json::array();
    for (const Piece& p : t.pieces) {
      pieces.push_back({{"source", corpus.utterances[p.utterance].key},
                        {"from", Seconds(p.from)},
                        {"to", Seconds(p.to)},
                        {"at", Seconds(p.at)},
                        {"words", p.last - p.first}});
    }
    turns.push_back({{"speaker", corpus.speakers[plan.speakers[t.speaker]]},
                     {"kind", Name(t.kind)},
                     {"start", Seconds(t.start)},
                     {"length", Seconds(t.length())},
                     {"pieces", pieces}});
  }
  return {{"session", plan.name},
          {"duration", Seconds(plan.length)},
          {"wanted",
           {{"duration", plan.wanted_seconds},
            {"silence", plan.wanted_silence},
            {"overlap", plan.wanted_overlap}}},
          {"silence", plan.silence},
          {"overlap", plan.overlap},
          {"pause_scale", plan.pause_scale},
          {"overlap_scale", plan.overlap_scale},
          {"attempts", plan.attempts},
          {"feasible", plan.infeasible.empty()},
          {"infeasible", plan.infeasible},
          {"turns", turns}};
}

}  // namespace wring::speech
