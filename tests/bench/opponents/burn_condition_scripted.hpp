// The burn condition as programs write it that have one number a cell: NaN is a row without a value. Why a
// condition is unknown is not carried.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace signalbox::bench {

struct BurnDoubles {
  const double *bad_long, *total_long, *bad_short, *total_short;
  double theta;
  double* out;             // 1, 0 or, where it is unknown, NaN; of those who know doubles alone
  std::uint8_t* out_byte;  // 1, 0 or, where it is unknown, 2; of the others
};
class ScriptedBurn {
 public:
  virtual ~ScriptedBurn() = default;
  virtual void tick() = 0;  // writes every `out`, or every `out_byte`
};
// Over columns of `count` cells, which outlive what is returned. Failing is the end of the program.
// `way`: "early" or "whole", see burn_condition.lua.
std::unique_ptr<ScriptedBurn> burn_in_luajit(const char* script, const char* way,
                                             const std::vector<BurnDoubles>& rows, std::size_t count);
// In bulk on one thread, or by one call for each instance.
std::unique_ptr<ScriptedBurn> burn_in_muparser(bool bulk, std::vector<BurnDoubles> rows, std::size_t count);

}  // namespace signalbox::bench
