// An input of a map, row by row of the result.
#pragma once

#include "runtime/eval/align.hpp"
#include "runtime/eval/evaluate.hpp"

namespace signalbox::eval {

using plan::Evidence;

// What a row that an input does not have stands for.
inline Evidence absence(const plan::Plan& plan, const plan::Node& map, std::size_t input) {
  return plan.nodes[map.inputs[input]].scalar ? Evidence::no_data : map.matching.absent;
}

// Keeps alive what was gathered.
struct Gathered {
  std::vector<double> value;
  std::vector<std::uint8_t> truth, evidence;
};

inline ColumnView gather(const Column& input, const Alignment::Source& source, Evidence absent,
                         Gathered& into) {
  if (source.direct) return input.view(0, 1);
  if (source.broadcast) {
    if (input.size() > 0) return input.view(0, 0);
    into.value = {0.0};
    into.evidence = {static_cast<std::uint8_t>(absent)};
    return {into.value.data(), into.evidence.data(), 0};
  }
  const auto pick = [&](const auto& from, auto& to, auto otherwise) {
    to.reserve(source.pick.size());
    for (const std::uint32_t row : source.pick)
      to.push_back(row != Alignment::absent ? from[row] : otherwise);
  };
  pick(input.evidence, into.evidence, static_cast<std::uint8_t>(absent));
  if (input.has_truths()) {
    pick(input.truth, into.truth, std::uint8_t{0});
    return {nullptr, into.evidence.data(), 1, into.truth.data()};
  }
  pick(input.value, into.value, 0.0);
  return {into.value.data(), into.evidence.data(), 1};
}

}  // namespace signalbox::eval
