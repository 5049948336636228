// Minima and maxima of long windows asked for one after the other, as ticks, slices and ranges of instants
// ask: what is kept from one question to the next is not seen in any answer.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>

#include "runtime/eval/store_provider.hpp"

namespace signalbox::eval {
namespace {

constexpr std::int64_t spacing = 1000;

class Asked {
 public:
  explicit Asked(store::SeriesStore& store) : store_(store), provider_(store, 64u << 10) {
    for (const RangeFn fn : {RangeFn::min_over_time, RangeFn::max_over_time})
      for (const std::int64_t samples : {10, 100, 700})
        for (const std::int64_t offset : {0, 50}) {
          plan::Leaf leaf;
          leaf.matchers = {{std::string(metric_name_label), MatchOp::equal, "m"}};
          leaf.fn = plan::LeafFn::range;
          leaf.range_fn = fn;
          leaf.window.kind = plan::WindowKind::trailing;
          leaf.window.length = Duration{samples * spacing};
          leaf.window.offset = Duration{offset * spacing};
          leaves_.push_back(std::move(leaf));
        }
  }
  StoreProvider& provider() { return provider_; }

  // Of every leaf at `at`, against a look at all samples of the window.
  void compare(Instant at, Semantics semantics) {
    for (const plan::Leaf& leaf : leaves_) {
      LeafQuery query;
      query.leaf = &leaf;
      query.at = at - leaf.window.offset;
      query.lookback = minutes(5);
      query.semantics = semantics;
      const Column column = provider_.read(query);
      const std::vector<store::SeriesId> ids = *store_.select(leaf.matchers);
      std::size_t row = 0;
      for (const store::SeriesId id : ids) {
        series_.open(id);
        const auto wanted =
            store::window_value(series_, leaf.range_fn, query.at, leaf.window.length, semantics, samples_);
        const auto first = store_.first_time(id);
        if (!first || *first > query.at) continue;
        ASSERT_LT(row, column.size());
        ASSERT_EQ(column.evidence[row] == 0, wanted.has_value())
            << "series " << id << " over " << leaf.window.length.ms << " ms at " << query.at.ms;
        if (wanted) {
          const double got = column.value[row];
          ASSERT_TRUE(std::isnan(*wanted)
                          ? std::isnan(got)
                          : std::bit_cast<std::uint64_t>(*wanted) == std::bit_cast<std::uint64_t>(got))
              << got << " for " << *wanted << " at " << at.ms;
        }
        ++row;
      }
    }
  }

 private:
  store::SeriesStore& store_;
  store::Cursor series_{store_};
  store::Samples samples_;
  StoreProvider provider_;
  std::vector<plan::Leaf> leaves_;
};

TEST(MovingExtremes, AreThoseOfEachWindowWhateverWasAskedBefore) {
  std::mt19937_64 rng(7);
  for (const Semantics semantics : {Semantics::prometheus2, Semantics::prometheus3}) {
    store::SeriesStore store{Limits{}};
    Asked asked(store);
    std::vector<store::SeriesId> ids;
    for (const char* n : {"1", "2", "3"})
      ids.push_back(*store.series(Labels(std::vector<Labels::Pair>{{"__name__", "m"}, {"n", n}})));
    double rising = 0;
    std::int64_t ask_at = 0, forgotten = 0;  // what windows still reach over
    for (std::int64_t i = 0; i < 2500; ++i) {
      const Instant at{i * spacing};
      const auto put = [&](std::size_t which, double value) {
        if (rng() % 8 == 0) return;
        const double odd = rng() % 50 == 0    ? std::nan("")
                           : rng() % 50 == 0  ? -0.0
                           : rng() % 200 == 0 ? INFINITY
                                              : value;
        ASSERT_TRUE(store.append(ids[which], at, odd));
      };
      put(0, rising += 1);                        // of which the least is always the oldest
      if (i < 1000 || i > 1900) put(1, -rising);  // with a gap longer than windows
      put(2, static_cast<double>(rng() % 7));
      if (rng() % 5 == 0) asked.compare(at, semantics);
      if (rng() % 40 == 0) {  // back, and forward again from there
        ask_at = forgotten + static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(i + 1 - forgotten));
        for (int k = 0; k < 5 && ask_at <= i; ++k, ask_at += static_cast<std::int64_t>(rng() % 90))
          asked.compare(Instant{ask_at * spacing + static_cast<std::int64_t>(rng() % 2)}, semantics);
      }
      if (i % 500 == 499) {
        forgotten = std::max<std::int64_t>(0, i - 500);
        store.retain_from(Instant{(forgotten - 760) * spacing});
        asked.provider().refresh();
      }
    }
  }
}

}  // namespace
}  // namespace signalbox::eval
