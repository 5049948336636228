// Whether two stores hold the same, series by series and byte by byte of what is packed.
#pragma once

#include <cstring>
#include <span>
#include <string>

#include "runtime/store/series_store.hpp"

namespace signalbox::test {

// "" when they do, else what differs. Series of which samples were forgotten count as a difference, unless
// that may be.
inline std::string difference(const store::SeriesStore& a, const store::SeriesStore& b,
                              bool forgetful = false) {
  if (a.series_count() != b.series_count()) return "how many series there are";
  if (a.sample_count() != b.sample_count()) return "how many samples there are";
  const auto same_doubles = [](std::span<const double> x, std::span<const double> y) {
    return x.size() == y.size() &&
           (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(double)) == 0);
  };
  // Ids of dropped series lie between those of the others.
  for (store::SeriesId id = 0, seen = 0; seen < a.series_count(); ++id) {
    if (!a.labels(id).empty()) ++seen;
    const std::string of = " of " + to_string(a.labels(id));
    if (a.labels(id) != b.labels(id)) return "the labels" + of;
    const auto x = a.view(id), y = b.view(id);
    if (forgetful && !x && !y) continue;
    if (!x || !y) return "something was forgotten" + of;
    const store::Column &p = *x->column, &q = *y->column;
    if (p.chunks.size() != q.chunks.size()) return "how many chunks there are" + of;
    for (std::size_t i = 0; i < p.chunks.size(); ++i)
      if (p.chunks[i].first_time != q.chunks[i].first_time || p.packed_chunk(i) != q.packed_chunk(i))
        return "a chunk" + of;
    if (p.tail_times != q.tail_times || !same_doubles(p.tail_values, q.tail_values)) return "the tail" + of;
    if (!p.chunks.empty() && !same_doubles({&p.before_tail, 1}, {&q.before_tail, 1}))
      return "the value before the tail" + of;
    if (p.chunks_from != q.chunks_from || p.irregular != q.irregular) return "what is irregular" + of;
    if (p.end_place() != 0 && p.last_sample != q.last_sample) return "the last sample" + of;
    if (*x->ends != *y->ends) return "the ends" + of;
    if (x->births->size() != y->births->size()) return "how many births there are" + of;
    for (std::size_t i = 0; i < x->births->size(); ++i)
      if ((*x->births)[i].place != (*y->births)[i].place ||
          (*x->births)[i].absent_at != (*y->births)[i].absent_at)
        return "a birth" + of;
  }
  return "";
}

}  // namespace signalbox::test
