#include "runtime/eval/eval_cache.hpp"

namespace signalbox::eval {

const RowIndex& row_index(EvalCache& cache, const Rows& rows) {
  const auto known = cache.row_indexes.find(rows.get());
  if (known != cache.row_indexes.end()) return known->second;
  // Rows that nobody else holds any more are not asked about again. Looked for when there are twice as many.
  if (cache.row_indexes.size() >= cache.row_indexes_to_sweep) {
    std::erase_if(cache.row_indexes, [](const auto& entry) { return entry.second.rows.use_count() == 1; });
    cache.row_indexes_to_sweep = 2 * cache.row_indexes.size() + 16;
  }
  RowIndex& index = cache.row_indexes[rows.get()];
  index.rows = rows;
  index.place.reserve(rows->size());
  for (std::uint32_t i = 0; i < rows->size(); ++i) index.place.try_emplace((*rows)[i], i);
  return index;
}

}  // namespace signalbox::eval
