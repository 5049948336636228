// The functions that machine code may call, besides memcpy, memset and those of math_table.hpp. The names are
// not libm's, since LLVM rewrites calls that it knows (pow(x, 2) to x * x).
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/base/math_table.hpp"
#include "runtime/eval/kernel.hpp"

namespace signalbox::jit {

inline constexpr const char* mod_symbol = "signalbox_mod";
inline constexpr const char* pow_symbol = "signalbox_pow";
inline constexpr const char* place_symbol = "signalbox_place";

// Where the rows of one column lie side by side, from the stretch's first row on.
struct Placed {
  const double* value;
  const std::uint8_t* evidence;
};

// The columns that a kernel reads, constant for each kernel, and the room that it has on its stack for those
// that are truths or whose step is not 1: `rows` doubles a column, then `rows` evidences a column.
struct Layout {
  std::size_t rows;
  std::size_t columns;
  const std::uint32_t* column;  // indices into the inputs
};

// A kernel does its rows in stretches in which every column is doubles with step 1. Says how many rows from
// `start` on make the next one, and puts into `placed` where they are: all that are left, if no column needs
// the room. `left` is not 0. The room must stay as it is from one stretch of a call to the next.
std::size_t place(const eval::ColumnView* inputs, const Layout* layout, void* room, Placed* placed,
                  std::size_t start, std::size_t left);

}  // namespace signalbox::jit
