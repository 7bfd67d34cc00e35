// Pictures of distributions: how pauses, overlaps and segments of one set of recordings lie beside another's.
#pragma once

#include <string>
#include <vector>

#include "speech/labels/statistics.h"

namespace wring::speech {

struct Sample {
  std::string name;
  const std::vector<double>* values;
};

// Density by length in seconds over a logarithmic axis; sets without values are left out.
std::string HistogramSvg(const std::string& title, const std::vector<Sample>& samples);

// The three that a profile is judged by: silences, overlaps, segments.
std::string HistogramsSvg(const std::string& name_a, const Statistics& a, const std::string& name_b,
                          const Statistics& b);

// "mean 1.58, median 1.01, 90 % below 3.16" of lengths; "none" of no lengths.
std::string LengthsText(std::vector<double> lengths);

}  // namespace wring::speech
