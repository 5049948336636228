// Windows over what was kept of earlier ones against windows made anew: rows, their order, and every number.
#include "runtime/eval/subquery_history.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "runtime/store/window.hpp"

namespace signalbox::eval {
namespace {

constexpr std::int64_t step = 10;

// What an expression might be: rows come and go in stretches, with the same pointer or an equal one, and now
// and then in another order.
class Expression {
 public:
  explicit Expression(std::uint64_t seed) : seed_(seed) {}

  Column at(std::int64_t time) {
    const std::uint64_t stretch = mixed(static_cast<std::uint64_t>(time / step / 7));
    Column out;
    out.rows = rows(stretch % 5, time);
    for (std::size_t row = 0; row < out.rows->size(); ++row) {
      const std::uint64_t cell =
          mixed(static_cast<std::uint64_t>(time) * 31 + LabelsHash{}((*out.rows)[row]));
      out.evidence.push_back(cell % 4 == 0 ? 2 : 0);
      out.value.push_back(out.evidence.back() == 0 ? static_cast<double>(cell % 1000) : 0.0);
    }
    return out;
  }

 private:
  std::uint64_t mixed(std::uint64_t v) const {
    v = (v + seed_) * 0x9e3779b97f4a7c15ull;
    return v ^ (v >> 29);
  }
  Rows rows(std::uint64_t kind, std::int64_t time) {
    Rows& known = known_[kind];
    const bool anew = mixed(static_cast<std::uint64_t>(time)) % 9 == 0;
    if (known != nullptr && !anew) return known;
    std::vector<Labels> out;
    for (std::uint64_t i = 0; i < kind + 1; ++i) {
      const std::uint64_t number =
          (kind % 2 == 0 ? i : kind - i) + (kind == 4 ? mixed(static_cast<std::uint64_t>(time)) % 50 : 0);
      out.push_back(Labels(std::vector<Labels::Pair>{{"__name__", "m"}, {"i", std::to_string(number)}}));
    }
    return known = std::make_shared<const std::vector<Labels>>(std::move(out));
  }

  std::uint64_t seed_;
  std::map<std::uint64_t, Rows> known_;
};

struct Naive {
  std::vector<Labels> rows;
  std::vector<store::Samples> numbers;
};
Naive naive(const std::map<std::int64_t, Column>& all, std::int64_t first, std::int64_t end,
            bool keep_names) {
  Naive out;
  std::vector<Labels> full;
  for (auto at = all.lower_bound(first); at != all.end() && at->first <= end; ++at)
    for (std::size_t row = 0; row < at->second.size(); ++row) {
      const Labels& labels = (*at->second.rows)[row];
      const auto found = std::find(full.begin(), full.end(), labels);
      const auto place = static_cast<std::size_t>(found - full.begin());
      if (found == full.end()) {
        full.push_back(labels);
        out.rows.push_back(keep_names ? labels : labels.without_name());
        out.numbers.emplace_back();
      }
      if (at->second.evidence[row] != 0) continue;
      out.numbers[place].times.push_back(at->first);
      out.numbers[place].values.push_back(at->second.value[row]);
    }
  return out;
}

TEST(SubqueryHistory, KeptIsWhatIsMadeAnew) {
  std::size_t asked = 0, windows = 0, shared = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 rng(seed);
    Expression expression(seed);
    std::map<std::int64_t, Column> all;  // an instant's column is always the same
    SubqueryHistory history;
    // Now and then shorter than a step: such a window may have no instant in it.
    const auto length = static_cast<std::int64_t>(rng() % 5 == 0 ? 1 + rng() % 9 : step * (1 + rng() % 40));
    const bool keep_names = seed % 2 == 0;
    std::int64_t end = 1000;
    Rows before;
    for (int move = 0; move < 60; ++move, ++windows) {
      const std::uint64_t dice = rng() % 20;
      end += dice < 14    ? static_cast<std::int64_t>(rng() % 25)
             : dice < 17  ? -static_cast<std::int64_t>(rng() % 60)
             : dice == 17 ? 0
                          : static_cast<std::int64_t>(rng() % 900);
      const std::int64_t first = (end - length + step - 1) / step * step;
      for (Instant at = history.next(Instant{first}, Duration{step}); at.ms <= end;
           at = at + Duration{step}, ++asked) {
        const auto [entry, fresh] = all.try_emplace(at.ms);
        if (fresh) entry->second = expression.at(at.ms);
        history.add(at, entry->second);
      }
      for (std::int64_t at = first; at <= end; at += step)
        ASSERT_TRUE(all.count(at)) << "an instant was left out";
      if (rng() % 3 == 0) history.forget_before(Instant{first - length}, Duration{length});
      const Naive want = naive(all, first, end, keep_names);
      const SubqueryHistory::Window& got = history.window(Instant{first}, Instant{end}, keep_names);
      ASSERT_EQ(*got.rows, want.rows) << seed << " " << move;
      shared += got.rows == before;
      before = got.rows;
      for (std::size_t row = 0; row < want.rows.size(); ++row) {
        const store::SamplesView numbers = history.numbers(got.place[row], Instant{first}, Instant{end});
        ASSERT_EQ(UnsetVector<std::int64_t>(numbers.times.begin(), numbers.times.end()),
                  want.numbers[row].times);
        ASSERT_EQ(UnsetVector<double>(numbers.values.begin(), numbers.values.end()),
                  want.numbers[row].values);
        if (numbers.size() == 0) continue;
        const bool greatest = seed % 3 == 0;
        const auto extreme =
            store::window_value(numbers, greatest ? RangeFn::max_over_time : RangeFn::min_over_time,
                                Instant{end}, Duration{length}, Semantics::prometheus3, {});
        ASSERT_EQ(history.extreme(got.place[row], greatest, Instant{first}, Instant{end}), extreme)
            << seed << " " << move;
      }
    }
  }
  EXPECT_LT(asked, windows * 20) << "nothing is kept";
  EXPECT_GT(shared, windows / 20);
}

TEST(SubqueryHistory, CountsWhatItHoldsAgainstItsBound) {
  SubqueryHistory history(40);
  Expression expression(3);
  std::size_t held = 0;
  Instant at = history.next(Instant{0}, Duration{step});
  for (; !history.is_full(); at = at + Duration{step}) {
    const Column column = expression.at(at.ms);
    for (std::size_t row = 0; row < column.size(); ++row) held += column.evidence[row] == 0 ? 1 : 0;
    history.add(at, column);
    ASSERT_EQ(history.is_full(), held > 40);
  }
  // What is forgotten no longer counts.
  history.forget_before(at, {});
  EXPECT_FALSE(history.is_full());
  for (held = 0; held <= 40; at = at + Duration{step}) {
    EXPECT_FALSE(history.is_full());
    const Column column = expression.at(at.ms);
    for (std::size_t row = 0; row < column.size(); ++row) held += column.evidence[row] == 0 ? 1 : 0;
    history.add(at, column);
  }
  EXPECT_TRUE(history.is_full());
}

// Of two series of one name's labels, one may have nothing but a stale marker.
TEST(SubqueryHistoryRows, WithTheSameLabelsAreOne) {
  SubqueryHistory history;
  Column column;
  const Labels labels = Labels().with("s", "b");
  column.rows = std::make_shared<const std::vector<Labels>>(std::vector<Labels>{labels, labels});
  column.value = {0, 7};
  column.evidence = {static_cast<std::uint8_t>(plan::Evidence::stale), 0};
  history.next(Instant{1'000}, Duration{1'000});
  for (const std::int64_t at : {1'000, 2'000}) history.add(Instant{at}, column);
  const SubqueryHistory::Window& window = history.window(Instant{1'000}, Instant{2'000}, false);
  ASSERT_EQ(window.place.size(), 1u);
  EXPECT_EQ(*window.rows, std::vector<Labels>{labels});
  EXPECT_EQ(history.numbers(window.place[0], Instant{1'000}, Instant{2'000}).size(), 2u);
}

}  // namespace
}  // namespace signalbox::eval
