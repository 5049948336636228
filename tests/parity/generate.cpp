#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>

#include "runtime/plan/plan.hpp"
#include "tests/parity/expression.hpp"
#include "tests/parity/forms.hpp"

namespace signalbox::parity {
namespace {

using Listed = Expression::Labels;
using Group = Expression::Group;

const Names plain_metrics = {"calm_a", "calm_b", "wild", "wild", "sparse"};
const Names histogram_metrics = {"hist", "hist_wild"};
const Names plain_key = {"inst", "job", "version"}, histogram_key = {"inst", "job", "le"};

class Generator final : public Operands {
 public:
  Generator(Rng& rng, const World& world, bool at_border) : rng_(rng), world_(world), at_border_(at_border) {}

  ExpressionPtr make() {
    const auto any = static_cast<Feature>(below(rng_, static_cast<std::int64_t>(feature_count)));
    // These have few points, or few series that suit the rarer hazards.
    static constexpr std::pair<Feature, int> rare[] = {{Feature::absent_over_time, 6},
                                                       {Feature::absent, 4},
                                                       {Feature::vector, 2},
                                                       {Feature::set_unless, 2},
                                                       {Feature::quantile, 2},
                                                       {Feature::topk, 2},
                                                       {Feature::bottomk, 2},
                                                       {Feature::equal, 2},
                                                       {Feature::less, 2},
                                                       {Feature::label_join, 2},
                                                       {Feature::fallback, 1},
                                                       {Feature::time, 1},
                                                       {Feature::pow, 1},
                                                       {Feature::subquery, 1},
                                                       {Feature::rounding, 1},
                                                       {Feature::label_replace, 1},
                                                       {Feature::quantile_of, 1},
                                                       {Feature::roots, 1},
                                                       {Feature::trigonometry, 1},
                                                       {Feature::calendar, 1},
                                                       {Feature::set_and, 1},
                                                       {Feature::greater, 1},
                                                       {Feature::count_values, 1},
                                                       {Feature::set_or, 1},
                                                       {Feature::fixed_time, 1},
                                                       {Feature::not_equal, 1}};
    Made out = about(chance(rng_, 45) ? weighted(rare) : any);
    if (chance(rng_, 30) && out.e->kind != Kind::absent) out = aggregate(out, some_fold(), some_listing());
    if (chance(rng_, 20)) out.e = unary(out.e, some_unary());
    return out.e;
  }

  Made operand_of_a_family() override { return some_operand(); }
  ExpressionPtr same_series(const ExpressionPtr& as) override { return leaf(as->matchers, some_leaf()); }
  Made exact_rows(const Names& by) override { return grouped(by, true); }
  Made range_that_ends() override { return narrow_one(true); }
  Expression some_range_function() override {
    Expression out;
    out.feature = static_cast<Feature>(below(rng_, range_features));
    give_parameters(out);
    return out;
  }

 private:
  template <class List>
  Feature weighted(const List& list) {
    int all = 0;
    for (const auto& [feature, weight] : list) all += weight;
    std::int64_t left = below(rng_, all);
    for (const auto& [feature, weight] : list)
      if ((left -= weight) < 0) return feature;
    return std::begin(list)->first;
  }

  Made about(Feature f) {
    if (f >= first_form) return Forms(rng_, *this, world_, at_border_).make(f);
    if (f <= Feature::selector) return around(leaf(some_metric(), f));
    if (f == Feature::offset || (f >= Feature::match_equal && f <= Feature::match_not_regex)) {
      forced_ = f;
      return around(some_operand());
    }
    if (f >= Feature::sum && f <= Feature::stdvar) return aggregate(operand(), f, some_listing());
    if (f == Feature::by) return aggregate(operand(), some_fold(), Listed::by);
    if (f == Feature::without) return aggregate(operand(), some_fold(), Listed::without);
    if (f >= Feature::add && f <= Feature::pow) return binary(f);
    if (f == Feature::on || f == Feature::ignoring) return one_to_one(some_operator(), f);
    if (f == Feature::group_left || f == Feature::group_right) return many_to_one(some_operator(), f);
    if (f == Feature::quantile) return quantile();
    if (f == Feature::absent) return absent();
    if (f == Feature::time) return timed();
    if (f == Feature::fallback) return fallback();
    Made out = operand();
    out.e = unary(out.e, f);
    return out;
  }

  // --- leaves ---

  const std::string& some_metric() {
    return one_of(rng_, chance(rng_, 25) ? histogram_metrics : plain_metrics);
  }
  static bool is_histogram(const std::string& metric) { return metric.starts_with("hist"); }
  Feature some_leaf() {
    return chance(rng_, at_border_ ? 5 : 25) ? Feature::selector
                                             : static_cast<Feature>(below(rng_, range_features));
  }
  std::int64_t some_window() {
    static constexpr std::int64_t windows[] = {1118,   5000,   15'000, 15'274,  30'000,    45'000,   60'000,
                                               61'000, 75'000, 90'001, 300'000, 1'020'000, 3'600'000};
    static constexpr std::int64_t of_some_samples[] = {45'000, 60'000, 75'000, 300'000};
    return at_border_ ? one_of(rng_, of_some_samples) : one_of(rng_, windows);
  }

  std::vector<Matcher> some_matchers(const std::string& metric) {
    static const std::vector<Matcher> common = {
        {"job", MatchOp::equal, "api"},       {"job", MatchOp::not_equal, "db"},
        {"job", MatchOp::regex, "a.i|web"},   {"job", MatchOp::not_regex, "w.*"},
        {"inst", MatchOp::equal, "0"},        {"inst", MatchOp::not_equal, "1"},
        {"inst", MatchOp::regex, "[0-2]"},    {"inst", MatchOp::not_regex, "2|3"},
        {"job", MatchOp::not_regex, "none|"}, {"nowhere", MatchOp::equal, ""}};
    static const std::vector<Matcher> of_plain = {
        {"version", MatchOp::equal, "v1"},    {"version", MatchOp::not_equal, "v1"},
        {"version", MatchOp::regex, "v[12]"}, {"zone", MatchOp::equal, ""},
        {"zone", MatchOp::not_equal, ""},     {"zone", MatchOp::regex, "|ea.*"},
        {"zone", MatchOp::not_regex, ".+st"}};
    static const std::vector<Matcher> of_buckets = {{"le", MatchOp::equal, "+Inf"},
                                                    {"le", MatchOp::not_equal, "1"},
                                                    {"le", MatchOp::regex, "0\\.."},
                                                    {"le", MatchOp::not_regex, ".*5"}};
    std::vector<Matcher> out;
    const auto any = [&] {
      if (chance(rng_, 60)) return one_of(rng_, common);
      return one_of(rng_, is_histogram(metric) ? of_buckets : of_plain);
    };
    for (std::int64_t n = chance(rng_, 55) ? 0 : 1 + below(rng_, 2); n > 0; --n) out.push_back(any());
    if (forced_ && *forced_ != Feature::offset) {
      const auto op =
          static_cast<MatchOp>(static_cast<int>(*forced_) - static_cast<int>(Feature::match_equal));
      Matcher m = any();
      while (m.op != op) m = any();
      out.push_back(m);
    }
    out.push_back({std::string(metric_name_label), MatchOp::equal, metric});
    return out;
  }

  void give_parameters(Expression& e) {
    static constexpr double quantiles[] = {-0.5, 0,   0.25,
                                           0.5,  0.9, 0.99,
                                           1,    1.5, std::numeric_limits<double>::quiet_NaN()},
                            ahead[] = {0, 60, 3600, -300, 0.5}, factors[] = {0.1, 0.3, 0.5, 0.9};
    if (e.feature == Feature::quantile_over_time) e.number = one_of(rng_, quantiles);
    if (e.feature == Feature::predict_linear) e.number = one_of(rng_, ahead);
    if (e.feature == Feature::holt_winters) {
      e.number = one_of(rng_, factors);
      e.second = one_of(rng_, factors);
    }
  }

  ExpressionPtr leaf(std::vector<Matcher> matchers, Feature f) {
    static constexpr std::int64_t offsets[] = {1, 7777, 15'000, 60'000, 300'000, 1'800'000};
    auto out = std::make_shared<Expression>();
    out->kind = f == Feature::selector ? Kind::selector : Kind::range;
    out->feature = f;
    out->matchers = std::move(matchers);
    if (out->kind == Kind::range) out->window = some_window();
    give_parameters(*out);
    if (chance(rng_, at_border_ ? 0 : 25) || forced_ == Feature::offset) out->offset = one_of(rng_, offsets);
    forced_.reset();
    return out;
  }
  Made leaf(const std::string& metric, Feature f) {
    Names labels = is_histogram(metric) ? histogram_key : plain_key;
    if (!is_histogram(metric)) labels.emplace_back("zone");
    std::vector<Matcher> matchers = some_matchers(metric);
    return {leaf(std::move(matchers), f), labels, false};
  }

  Made some_of_family(const Names& metrics) {
    const std::string& metric = one_of(rng_, metrics);
    return leaf(metric, some_leaf());
  }

  // --- what stands around them ---

  Made around(Made made) {
    if (chance(rng_, 15)) made.e = unary(made.e, some_unary());
    if (chance(rng_, 15)) made.e = with_number(some_operator(), made.e);
    return made;
  }
  Made operand() { return around(some_operand()); }
  Made some_operand() {
    const std::string& metric = some_metric();
    return leaf(metric, some_leaf());
  }

  Feature some_fold() {
    return static_cast<Feature>(static_cast<int>(Feature::sum) + static_cast<int>(below(rng_, 8)));
  }
  Feature some_operator() {
    return static_cast<Feature>(static_cast<int>(Feature::add) + static_cast<int>(below(rng_, 6)));
  }
  Feature some_unary() {
    static constexpr Feature all[] = {Feature::negate, Feature::clamp, Feature::clamp_min, Feature::clamp_max,
                                      Feature::abs};
    return one_of(rng_, all);
  }
  Listed some_listing() {
    static constexpr Listed all[] = {Listed::none, Listed::by, Listed::by, Listed::without};
    return one_of(rng_, all);
  }

  ExpressionPtr number() {
    static constexpr double all[] = {0.5, 2, 3, 100, 1e9, 0.001, 7, 0.1, 1e300, 1e-300};
    return number(one_of(rng_, all));
  }
  static ExpressionPtr number(double value) {
    auto out = std::make_shared<Expression>();
    out->number = value;
    return out;
  }
  static ExpressionPtr time() {
    auto out = std::make_shared<Expression>();
    out->kind = Kind::time;
    out->feature = Feature::time;
    return out;
  }

  ExpressionPtr unary(ExpressionPtr e, Feature f) {
    auto out = std::make_shared<Expression>();
    out->kind = Kind::call;
    out->feature = f;
    out->args = {std::move(e)};
    if (f == Feature::clamp) {
      static constexpr std::pair<double, double> bounds[] = {{0, 1}, {-5, 100}, {2, 2}, {0.001, 1e9}};
      std::tie(out->number, out->second) = one_of(rng_, bounds);
    }
    if (f == Feature::clamp_min || f == Feature::clamp_max)
      out->args.push_back(chance(rng_, 10) ? time() : bound());
    return out;
  }

  ExpressionPtr bound() { return chance(rng_, 25) ? number(0) : number(); }

  static ExpressionPtr operation(Feature f, ExpressionPtr a, ExpressionPtr b) {
    auto out = std::make_shared<Expression>();
    out->kind = Kind::binary;
    out->feature = f;
    out->args = {std::move(a), std::move(b)};
    return out;
  }
  ExpressionPtr with_number(Feature f, ExpressionPtr e) {
    if (f == Feature::pow) {
      static constexpr double powers[] = {2, 2, 3, -1, 0.5, 1.7, 10};
      const double power = one_of(rng_, powers);
      auto out = std::make_shared<Expression>(*operation(f, std::move(e), number(power)));
      out->in_last_digits = power != std::floor(power);
      return out;
    }
    if (chance(rng_, 30)) return operation(f, number(), std::move(e));
    return operation(f, std::move(e), number());
  }

  Names some_of(const Names& labels) {
    Names out;
    for (const std::string& label : labels)
      if (chance(rng_, 45)) out.push_back(label);
    return out;
  }

  Made aggregate(const Made& of, Feature fold, Listed listed) {
    auto out = std::make_shared<Expression>();
    out->kind = Kind::aggregate;
    out->feature = fold;
    out->args = {of.e};
    out->listed = listed;
    Made made{out, {}, true};
    if (listed == Listed::none) return made;
    out->labels = some_of(of.labels);
    if (listed == Listed::by) {
      made.labels = out->labels;
      return made;
    }
    made.closed = of.closed;
    for (const std::string& label : of.labels)
      if (std::find(out->labels.begin(), out->labels.end(), label) == out->labels.end())
        made.labels.push_back(label);
    return made;
  }
  Made grouped(const Names& by, bool exact) {
    const std::string& metric = is_bucketed(by) ? one_of(rng_, histogram_metrics) : some_metric_with(by);
    const Made of = leaf(metric, some_leaf());
    auto out = std::make_shared<Expression>();
    out->kind = Kind::aggregate;
    // What jumps is asked of what has exact values only.
    out->feature = exact ? one_of(rng_, exact_folds) : some_fold();
    out->listed = Listed::by;
    out->labels = by;
    out->args = {exact ? of.e : around(of).e};
    return {out, by, true};
  }
  static constexpr Feature exact_folds[] = {Feature::min, Feature::max, Feature::count};
  static bool is_bucketed(const Names& labels) {
    return std::find(labels.begin(), labels.end(), "le") != labels.end();
  }
  const std::string& some_metric_with(const Names& labels) {
    const bool of_plain = std::any_of(labels.begin(), labels.end(), [](const std::string& label) {
      return label == "version" || label == "zone";
    });
    return of_plain ? one_of(rng_, plain_metrics) : some_metric();
  }
  static bool jumps(Feature f) { return f == Feature::mod || f == Feature::pow; }

  // --- operators ---

  Made binary(Feature f) {
    if (f == Feature::pow) {
      Made out = some_operand();
      out.e = with_number(f, out.e);
      return out;
    }
    switch (below(rng_, 6)) {
      case 0: {
        Made out = some_operand();
        out.e = with_number(f, out.e);
        return out;
      }
      case 1: {  // the same series twice: they need no matching
        Made out = some_operand();
        out.e = operation(f, out.e, leaf(out.e->matchers, some_leaf()));
        return out;
      }
      case 2: {
        static const std::vector<Names> by = {{}, {"job"}, {"inst", "job"}, {"inst", "job", "le"}, {"zone"}};
        const Names& labels = one_of(rng_, by);
        const ExpressionPtr a = grouped(labels, jumps(f)).e;
        return {operation(f, a, grouped(labels, jumps(f)).e), labels, true};
      }
      case 3:
        return one_to_one(f, chance(rng_, 50) ? Feature::on : Feature::ignoring);
      default:
        return many_to_one(f, chance(rng_, 50) ? Feature::group_left : Feature::group_right);
    }
  }

  Made one_to_one(Feature f, Feature how) {
    if (f == Feature::pow) f = Feature::mul;
    const bool buckets = chance(rng_, 25);
    const Names& metrics = buckets ? histogram_metrics : plain_metrics;
    const Made a = some_of_family(metrics), b = some_of_family(metrics);
    auto out = std::make_shared<Expression>(*operation(f, a.e, b.e));
    out->listed = how == Feature::on ? Listed::on : Listed::ignoring;
    if (how == Feature::on) {
      out->labels = buckets ? histogram_key : plain_key;
      // A series and the one that replaced it meet the same partner, one after the other.
      // Fault: the old one is in the way also when it has ended.
      if (!buckets && chance(rng_, 15)) std::erase(out->labels, "version");
      return {out, out->labels, true};
    }
    out->labels = {"zone"};
    return {out, buckets ? histogram_key : plain_key, false};
  }

  Made many_to_one(Feature f, Feature side) {
    if (f == Feature::pow) f = Feature::mul;
    const Made many = some_operand();
    const bool left = side == Feature::group_left, team = chance(rng_, 35);
    Names by = {"job"};
    if (team)
      by.emplace_back("team");
    else if (chance(rng_, 50))
      by = {"inst", "job"};
    ExpressionPtr one = team ? of_info(by) : grouped(by, jumps(f)).e;
    auto out = std::make_shared<Expression>(*(left ? operation(f, many.e, one) : operation(f, one, many.e)));
    out->group = left ? Group::left : Group::right;
    if (team) out->include = {"team"};
    if (chance(rng_, 70)) {
      out->listed = Listed::on;
      out->labels = team ? Names{"job"} : by;
    } else {
      out->listed = Listed::ignoring;
      out->labels = {"inst", "le", "version", "zone"};
      if (team) out->labels.emplace_back("team");
      if (by.size() == 2 && !team) std::erase(out->labels, "inst");
    }
    Made made{out, many.labels, false};
    if (team) made.labels.emplace_back("team");
    return made;
  }
  ExpressionPtr of_info(const Names& by) {
    auto out = std::make_shared<Expression>();
    out->kind = Kind::aggregate;
    out->feature = one_of(rng_, exact_folds);
    out->listed = Listed::by;
    out->labels = by;
    out->args = {leaf({{std::string(metric_name_label), MatchOp::equal, "info"}}, some_leaf())};
    return out;
  }

  // --- the others ---

  Made quantile() {
    static constexpr double quantiles[] = {0, 0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 1, 1.5};
    const std::string& metric = one_of(rng_, histogram_metrics);
    Made of = leaf(metric, some_leaf());
    if (chance(rng_, 50)) {
      static const std::vector<Names> by = {{"le"}, {"job", "le"}, {"inst", "job", "le"}};
      auto sum = std::make_shared<Expression>();
      sum->kind = Kind::aggregate;
      sum->feature = chance(rng_, 70) ? Feature::sum : some_fold();
      sum->listed = chance(rng_, 80) ? Listed::by : Listed::without;
      sum->labels = sum->listed == Listed::by ? one_of(rng_, by) : Names{"inst"};
      sum->args = {of.e};
      of = {sum, sum->listed == Listed::by ? sum->labels : Names{"job", "le"}, sum->listed == Listed::by};
    }
    auto out = std::make_shared<Expression>();
    out->kind = Kind::quantile;
    out->feature = Feature::quantile;
    out->number = one_of(rng_, quantiles);
    out->args = {of.e};
    of.e = out;
    std::erase(of.labels, "le");
    return of;
  }

  Made narrow_one(bool range) {
    static constexpr Feature of_two[] = {Feature::rate, Feature::increase, Feature::irate, Feature::delta,
                                         Feature::idelta};
    const std::string& metric = some_metric();
    Made of = leaf(metric, range || chance(rng_, 60) ? one_of(rng_, of_two) : some_leaf());
    auto narrow = std::make_shared<Expression>(*of.e);
    static constexpr std::int64_t of_one_sample[] = {5000, 10'000, 14'000, 45'000};
    if (narrow->kind == Kind::range && chance(rng_, 80)) narrow->window = one_of(rng_, of_one_sample);
    // Of one series or few, so that now and then none has a value. With several matchers of one label
    // Prometheus' answer depends on their order, which a plan does not keep.
    const char* jobs[] = {"api", "db", "web"};
    std::erase_if(narrow->matchers, [](const Matcher& m) { return m.label != metric_name_label; });
    if (!is_histogram(metric) && chance(rng_, 50))
      narrow->matchers.push_back({"version", MatchOp::equal, chance(rng_, 50) ? "v1" : "v2"});
    if (is_histogram(metric) && chance(rng_, 60)) narrow->matchers.push_back({"le", MatchOp::regex, "1|1.0"});
    if (chance(rng_, 30)) narrow->matchers.push_back({"zone", MatchOp::not_equal, "none"});
    if (chance(rng_, 30)) narrow->matchers.push_back({"nowhere", MatchOp::not_regex, ".+"});
    narrow->matchers.push_back({"job", MatchOp::equal, one_of(rng_, jobs)});
    narrow->matchers.push_back({"inst", MatchOp::equal, std::to_string(below(rng_, 3))});
    of.e = narrow;
    return of;
  }

  Made absent() {
    Made of = narrow_one(false);
    if (chance(rng_, 15)) of.e = unary(of.e, some_unary());
    if (chance(rng_, 15)) of.e = with_number(some_operator(), of.e);
    if (chance(rng_, 15)) of = aggregate(of, some_fold(), some_listing());
    auto out = std::make_shared<Expression>();
    out->kind = Kind::absent;
    out->feature = Feature::absent;
    out->args = {of.e};
    return {out, {}, true};
  }

  Made timed() {
    Made out = some_operand();
    static constexpr Feature all[] = {Feature::mul, Feature::div, Feature::mod, Feature::add, Feature::sub};
    // What is a plain number is not added to a time.
    constexpr FeatureSet plain = bit(Feature::resets) | bit(Feature::changes) | bit(Feature::count_over_time);
    const Feature f = all[below(rng_, plain.has(out.e->feature) ? 3 : 5)];
    out.e = chance(rng_, 50) ? operation(f, out.e, time()) : operation(f, time(), out.e);
    return out;
  }

  Made fallback() {
    switch (below(rng_, 3)) {
      case 0: {
        const Made of = some_operand();
        const Made folded = aggregate(of, some_fold(), Listed::none);
        return {operation(Feature::fallback, folded.e, number(0)), {}, true};
      }
      case 1: {
        Made out = some_operand();
        out.e = operation(Feature::fallback, out.e, leaf(out.e->matchers, some_leaf()));
        return out;
      }
      default: {
        const Names by = {"inst", "job"};
        const ExpressionPtr a = grouped(by, true).e;
        return {operation(Feature::fallback, a, grouped(by, true).e), by, true};
      }
    }
  }

  Rng& rng_;
  const World& world_;
  bool at_border_;
  std::optional<Feature> forced_;
};

}  // namespace

ExpressionPtr make_expression(Rng& rng, const World& world, bool at_border) {
  return Generator(rng, world, at_border).make();
}

}  // namespace signalbox::parity
