#include "runtime/jit/support.hpp"

#include <algorithm>
#include <cstring>

namespace signalbox::jit {
namespace {

// As machine code reads columns: doubles, side by side.
bool lies_as_it_should(const eval::ColumnView& column) {
  return column.step == 1 && column.value != nullptr;
}

}  // namespace

std::size_t place(const eval::ColumnView* inputs, const Layout* layout, void* room, Placed* placed,
                  std::size_t start, std::size_t left) {
  bool all = true;
  for (std::size_t k = 0; k < layout->columns; ++k) {
    const eval::ColumnView& column = inputs[layout->column[k]];
    if (!lies_as_it_should(column)) {
      all = false;
      continue;
    }
    placed[k] = {column.value + start, column.evidence + start};
  }
  if (all) return left;
  const std::size_t rows = std::min(left, layout->rows);
  auto* const values = static_cast<double*>(room);
  auto* const evidences = reinterpret_cast<std::uint8_t*>(values + layout->columns * layout->rows);
  for (std::size_t k = 0; k < layout->columns; ++k) {
    const eval::ColumnView& column = inputs[layout->column[k]];
    if (lies_as_it_should(column)) continue;
    double* const value = values + k * layout->rows;
    std::uint8_t* const evidence = evidences + k * layout->rows;
    placed[k] = {value, evidence};
    // The first stretch is the longest: what repeats one row is there already in the others.
    if (column.step == 0 && start > 0) continue;
    for (std::size_t i = 0; i < rows; ++i) {
      const std::size_t from = (start + i) * column.step;
      evidence[i] = column.evidence[from];
      // As bytes: a number that passes through arithmetic might lose the kind of its NaN.
      if (column.value != nullptr)
        std::memcpy(&value[i], &column.value[from], sizeof(double));
      else
        value[i] = column.truth[from];
    }
  }
  return rows;
}

}  // namespace signalbox::jit
