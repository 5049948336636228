#include "runtime/eval/histogram_quantile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace signalbox::eval {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// A bound of NaN has no place in an order: of a dozen buckets at most, where Prometheus puts them one by one,
// it stays where that leaves it.
void sort_by_bounds(std::vector<Bucket>& buckets) {
  const auto before = [](const Bucket& a, const Bucket& b) { return a.upper_bound < b.upper_bound; };
  if (std::none_of(buckets.begin(), buckets.end(), [](const Bucket& b) { return std::isnan(b.upper_bound); }))
    return std::stable_sort(buckets.begin(), buckets.end(), before);
  for (std::size_t i = 1; i < buckets.size(); ++i)
    for (std::size_t k = i; k > 0 && before(buckets[k], buckets[k - 1]); --k)
      std::swap(buckets[k], buckets[k - 1]);
}

void merge_equal_bounds(std::vector<Bucket>& sorted) {
  std::size_t last = 0;
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i].upper_bound == sorted[last].upper_bound) {
      sorted[last].count += sorted[i].count;
    } else {
      sorted[++last] = sorted[i];
    }
  }
  sorted.resize(last + 1);
}

// Equal but for the noise that summing rates in another order leaves.
bool nearly_equal(double a, double b) {
  constexpr double tolerance = 1e-12;
  constexpr double least_normal = std::numeric_limits<double>::min();
  if (std::isnan(a) && std::isnan(b)) return true;
  if (a == b) return true;
  const double magnitude = std::fabs(a) + std::fabs(b);
  const double difference = std::fabs(a - b);
  if (a == 0 || b == 0 || magnitude < least_normal) return difference < tolerance * least_normal;
  return difference / std::min(magnitude, std::numeric_limits<double>::max()) < tolerance;
}

// Cumulative counts cannot fall; where scrapes or rates make them, the larger one before holds.
void force_monotonic(std::vector<Bucket>& buckets, Semantics semantics) {
  double highest = buckets[0].count;
  for (std::size_t i = 1; i < buckets.size(); ++i) {
    double& count = buckets[i].count;
    if (semantics == Semantics::prometheus2) {
      if (count > highest) {
        highest = count;
      } else if (count < highest) {
        count = highest;
      }
    } else if (nearly_equal(highest, count) || count < highest) {
      count = highest;
    } else {
      highest = count;
    }
  }
}

}  // namespace

std::optional<double> histogram_quantile(double q, std::vector<Bucket> buckets, Semantics semantics) {
  if (buckets.empty()) return std::nullopt;
  if (std::isnan(q)) return nan;
  if (q < 0) return -infinity;
  if (q > 1) return infinity;
  sort_by_bounds(buckets);
  if (buckets.back().upper_bound != infinity) return nan;
  merge_equal_bounds(buckets);
  force_monotonic(buckets, semantics);
  if (buckets.size() < 2) return nan;
  const double observations = buckets.back().count;
  if (observations == 0) return nan;

  double rank = q * observations;
  // Written out: where counts are NaN the answer depends on which ones the search looks at.
  const std::size_t last = buckets.size() - 1;
  std::size_t at = 0;
  for (std::size_t end = last; at < end;) {
    const std::size_t middle = (at + end) / 2;
    if (buckets[middle].count >= rank) {
      end = middle;
    } else {
      at = middle + 1;
    }
  }
  if (at == last) return buckets[last - 1].upper_bound;
  const double upper = buckets[at].upper_bound;
  if (at == 0 && upper <= 0) return upper;
  double lower = 0;
  double count = buckets[at].count;
  if (at > 0) {
    lower = buckets[at - 1].upper_bound;
    count -= buckets[at - 1].count;
    rank -= buckets[at - 1].count;
  }
  return lower + (upper - lower) * (rank / count);
}

std::optional<double> histogram_fraction(double lower, double upper, std::vector<Bucket> buckets) {
  if (buckets.empty()) return std::nullopt;
  sort_by_bounds(buckets);
  if (buckets.back().upper_bound != infinity) return nan;
  merge_equal_bounds(buckets);
  const double observations = buckets.back().count;
  if (observations == 0 || std::isnan(lower) || std::isnan(upper)) return nan;
  if (lower >= upper) return 0;
  const auto below = [&](double value) {
    double begin = buckets[0].upper_bound > 0 ? 0 : -infinity, before = 0;
    for (const Bucket& b : buckets) {
      if (begin >= value) return before;
      if (b.upper_bound > value && begin == -infinity) return b.count;
      if (b.upper_bound > value)
        return before + (b.count - before) * (value - begin) / (b.upper_bound - begin);
      begin = b.upper_bound;
      before = b.count;
    }
    return observations;
  };
  return (std::min(below(upper), observations) - std::min(below(lower), observations)) / observations;
}

}  // namespace signalbox::eval
