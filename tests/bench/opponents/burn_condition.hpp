// The opponent of the kernel benchmark: one burn row over columns, by hand. It knows that bad counts fall
// back to zero and that no window is anchored; what a row without a value says is the same.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

struct BurnColumn {
  const double* value;
  const std::uint8_t* evidence;
};
// (bad_long default 0) ÷ total_long > θ and (bad_short default 0) ÷ total_short > θ, for `rows` instances: 1
// where that is known to be true, else 0, and the evidence.
using BurnCondition = void(const BurnColumn* bad_long, const BurnColumn* total_long,
                           const BurnColumn* bad_short, const BurnColumn* total_short, double theta,
                           std::size_t rows, std::uint8_t* out_truth, std::uint8_t* out_evidence);
BurnCondition burn_condition_gnu, burn_condition_clang;
}
