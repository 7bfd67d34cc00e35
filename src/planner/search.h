// All choices of a grid, estimated, and the best of them.
#pragma once

#include <vector>

#include "planner/candidate.h"

namespace wring::planner {

// Values of each knob that are looked at.
struct Grid {
  std::vector<const WeightFormat*> weights;  // null: the file as it is
  std::vector<CodecId> kv;
  std::vector<uint32_t> sequences, rows;
};
// What the registry has for the machine: every format of which a loss is known and that the shapes allow, the file's own
// first; every codec; sequences to 256; rows to 2,048, on a GPU 8,192.
Grid WholeGrid(const Pricing& pricing);

struct Ranked {
  Choice choice;
  Figures figures;
};
// Better: more tokens a second, then less loss.
bool Better(const Figures& a, const Figures& b);

// One pricing for each number of threads. Every choice that the engine can be set to, the best first.
std::vector<Ranked> EstimateAll(const std::vector<Pricing>& pricings, const Grid& grid,
                                const Goal& goal);

// Why none of these holds: the limit that fails and by how much. The choice nearest to holding, and its limits that are broken.
std::string WhyNone(const std::vector<Ranked>& all, const Goal& goal);
// What keeps from more than `chosen` gives: the best one that is faster, and the limit it breaks; empty when the grid ends.
std::string WhatBinds(const std::vector<Ranked>& all, const Ranked& chosen, const Goal& goal);

// "Q4_K weights, int8 cache, 8 sequences, 256 rows".
std::string ChoiceText(const Choice& choice);

}  // namespace wring::planner
