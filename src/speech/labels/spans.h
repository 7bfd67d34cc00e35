// Sets of time: spans in order and apart from each other, so that each moment is in one of them or
// in none. Every function takes linear time in its lists, Union what sorting takes.
#pragma once

#include <span>
#include <vector>

#include "speech/labels/segment.h"

namespace wring::speech {

// The set that spans in any order cover. Those that touch become one.
std::vector<Span> Union(std::vector<Span> spans);

// When anybody speaks.
std::vector<Span> Speech(const Recording& recording);
// When at least two different speakers speak at once.
std::vector<Span> Overlap(const Recording& recording);

// Of two sets: what is in both, and what is in `a` alone.
std::vector<Span> Intersect(std::span<const Span> a, std::span<const Span> b);
std::vector<Span> Subtract(std::span<const Span> a, std::span<const Span> b);

Micros Length(std::span<const Span> set);

}  // namespace wring::speech
