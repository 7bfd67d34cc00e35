// What `wring analyze` says of a model on a machine: the price and the predicted time of each op of a step, what binds it,
// and where that changes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analyze/hardware.h"
#include "analyze/training.h"

namespace wring::analyze {

struct PhaseReport {
  Workload work;
  std::vector<OpCost> ops;
  std::vector<Predicted> times;    // of `ops`
  std::vector<LevelBytes> levels;  // of `ops`, all their layers
  LevelBytes level_total;
  Cost total;
  double seconds = 0, roofline = 0;

  // What the step's time becomes, as a factor, with 10 % more bandwidth, 10 % more arithmetic, weights 10 % smaller, a cache
  // 10 % smaller.
  double with_bandwidth = 1, with_arithmetic = 1, with_weights = 1, with_cache = 1;
};

struct Report {
  std::string model, weights;  // "SmolLM2", "Q4_1"
  Hardware hardware;
  std::string codec;
  uint32_t ranks = 1;  // figures are of one of so many
  double parameters = 0;
  double weight_bytes = 0;  // held
  double cache_bytes = 0;   // of a position
  std::vector<PhaseReport> phases;
  std::optional<TrainingCost> training;
  TrainingOptions training_options;
  // Decode: the batch from which products are bound by arithmetic, the context from which a sequence's cache is more bytes
  // than the weights.
  double turning_batch = 0, turning_context = 0;
  // Sequences of `held_context` positions whose cache fits beside the weights.
  double fitting_sequences = 0;
  uint32_t held_context = 0;
};

struct ReportOptions {
  CostOptions cost;
  std::vector<Workload> phases;
  std::optional<TrainingOptions> training;
};

Report Analyze(const ModelSpec& spec, const Matrices& matrices, const Hardware& hardware,
               const ReportOptions& options);

// Sentences of a step that the reports share: its speed; what would change it.
std::string SpeedText(const PhaseReport& phase);
std::string WhatIfText(const PhaseReport& phase);

// The levels of a machine, nearest first, and an op's bytes at each; none where only memory is known.
std::vector<std::string> LevelNames(const Hardware& hardware);
std::vector<double> ByLevel(const LevelBytes& bytes);

std::string ReportText(const Report& report);
std::string ReportCsv(const Report& report);
std::string ReportJson(const Report& report);
// One file without anything beside it: tables, the roofline, where the time goes, the encoder and the decoder of the paper.
std::string ReportHtml(const Report& report);

}  // namespace wring::analyze
