#include "runtime/jit/support.hpp"

#include <algorithm>
#include <cstring>

namespace signalbox::jit {

std::size_t place(const eval::ColumnView* inputs, const Layout* layout, void* room, Placed* placed,
                  std::size_t start, std::size_t left) {
  bool all_by_one = true;
  for (std::size_t k = 0; k < layout->columns; ++k) {
    const eval::ColumnView& column = inputs[layout->column[k]];
    placed[k] = {column.value + start, column.evidence + start};
    all_by_one = all_by_one && column.step == 1;
  }
  if (all_by_one) return left;
  const std::size_t rows = std::min(left, layout->rows);
  auto* const values = static_cast<double*>(room);
  auto* const evidences = reinterpret_cast<std::uint8_t*>(values + layout->columns * layout->rows);
  for (std::size_t k = 0; k < layout->columns; ++k) {
    const eval::ColumnView& column = inputs[layout->column[k]];
    if (column.step == 1) continue;
    double* const value = values + k * layout->rows;
    std::uint8_t* const evidence = evidences + k * layout->rows;
    placed[k] = {value, evidence};
    // The first stretch is the longest: what repeats one row is there already in the others.
    if (column.step == 0 && start > 0) continue;
    for (std::size_t i = 0; i < rows; ++i) {
      // As bytes: a number that passes through arithmetic might lose the kind of its NaN.
      std::memcpy(&value[i], &column.value[(start + i) * column.step], sizeof(double));
      evidence[i] = column.evidence[(start + i) * column.step];
    }
  }
  return rows;
}

}  // namespace signalbox::jit
