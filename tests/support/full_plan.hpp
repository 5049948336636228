// A plan with something in every table and every field away from its default; and what format 1 could say of
// it.
#pragma once

#include "runtime/plan/plan.hpp"

namespace signalbox::test {

inline plan::Plan full_plan_of_format_1() {
  using namespace plan;
  Plan p;
  p.name = "shop";
  p.tick = seconds(5);
  p.phase = seconds(1);
  p.lookback = minutes(3);
  p.semantics = Semantics::prometheus3;
  p.shapes.push_back({0, 0, {}});
  p.shapes[0] = {2,
                 1,
                 {{ShapeOp::input, 0, 0, 0, 0},
                  {ShapeOp::input, 1, 0, 0, 0},
                  {ShapeOp::ratio, 0, 0, 1, 0},
                  {ShapeOp::param, 0, 0, 0, 0},
                  {ShapeOp::gt, 0, 2, 3, 0}}};
  Leaf sample;
  sample.matchers = {{"__name__", MatchOp::equal, "requests_total"}, {"code", MatchOp::regex, "5.."}};
  sample.window.offset = seconds(-30);
  Leaf range = sample;
  range.fn = LeafFn::range;
  range.range_fn = RangeFn::max_over_time;
  range.window = {WindowKind::trailing, hours(1), minutes(2), none, {}};
  Leaf since = sample;
  since.fn = LeafFn::raw_increase;
  since.window = {WindowKind::since, minutes(15), {}, 0, {}};
  Leaf before = since;
  before.window = {WindowKind::before, minutes(30), {}, 0, {}};
  p.leaves = {sample, range, since, before};

  const auto add = [&](NodeKind kind, std::vector<Index> inputs) -> Node& {
    Node& node = p.nodes.emplace_back();
    node.kind = kind;
    node.inputs = std::move(inputs);
    node.origin = 0;
    return node;
  };
  add(NodeKind::leaf, {}).index = 0;
  add(NodeKind::leaf, {}).index = 2;
  Node& map = add(NodeKind::map, {0, 1});
  map.index = 0;
  map.params = {0.014400000000000002};
  map.matching = {Join::ignoring, {"code"}, Matching::Group::left, {"owner"}, Evidence::outside};
  map.condition = true;
  Node& sum = add(NodeKind::aggregate, {0});
  sum.aggregate = Aggregate::max;
  sum.without = true;
  sum.labels = {"code", "pod"};
  sum.closed = true;
  sum.rows = {"region"};
  Node& hold = add(NodeKind::hold, {2});
  hold.hold = {Hold::Kind::of, 3, 5, minutes(2), 1};
  hold.condition = true;
  Node& constant = add(NodeKind::constant, {});
  constant.params = {-0.0};
  constant.scalar = true;
  Node& slices = add(NodeKind::slices, {4});
  slices.params = {60'000, 3'600'000};
  slices.known_only = true;
  add(NodeKind::quantile, {5, 3});
  add(NodeKind::any, {4}).labels = {"region"};

  p.readings.push_back({2, 0, 1, 0, 1, 0.001, 14.4, 0.0144});
  p.sources.push_back(
      {"shop", SourceType::prometheus, {"http://a", "http://b"}, seconds(5), seconds(1), seconds(2), 0});
  p.receivers.push_back(
      {"oncall", ReceiverType::webhook, "https://pager", "pager_key", seconds(3), minutes(1), 0});

  Slo slo;
  slo.name = "availability";
  slo.about = "Customers can pay";
  slo.owner = "payments";
  slo.runbook = "https://wiki";
  slo.per = {"region"};
  slo.max_instances = 50;
  slo.objective = *Rational::make(999, 1000);
  slo.period = days(30);
  slo.slices = true;
  slo.slice = minutes(1);
  slo.universe = 0;
  slo.spent = 1;
  slo.seen = 1;
  slo.coverage = 0;
  slo.traffic = 100;
  slo.least_coverage = 0.5;
  slo.rows.push_back(
      {Severity::ticket, 14.4, 0.0144, *Rational::make(-144, 10'000), hours(1), minutes(5), 2, 0, 1, 4, 0});
  slo.windows.push_back({hours(1), 1});
  slo.floor = 10;
  slo.missing_keep = minutes(1);
  slo.missing = Severity::page;
  slo.idle_keeps = true;
  slo.page = {0};
  slo.ticket = {0, 0};
  slo.defer.push_back({Severity::ticket, 0, minutes(5)});
  slo.origin = 1;
  p.slos.push_back(slo);

  Action action;
  action.name = "rollback";
  action.method = "POST";
  action.url = "http://checkout/rollback";
  action.delivery = Delivery::idempotent;
  action.body = {{"to", BodyValue::Kind::previous_version, "", 0}, {"n", BodyValue::Kind::number, "", 2.5}};
  action.origin = 0;
  p.targets.push_back({"checkout", "http://checkout/version", 0, {action}, "key", seconds(4), 1});

  Policy policy;
  policy.name = "roll_back";
  policy.about = "about";
  policy.owner = "owner";
  policy.runbook = "runbook";
  policy.target = 0;
  policy.per = {"region"};
  policy.max_instances = 7;
  policy.when = 4;
  policy.family = 2;
  policy.until = 4;
  policy.anchor = 0;
  policy.bound = minutes(15);
  policy.anchored_slos = {0};
  policy.events = {50, 5};
  policy.action = 0;
  policy.verify = {4, 2, seconds(15), minutes(2), {1000, 1}, 0, "it did not help"};
  policy.limit = 2;
  policy.limit_per = days(1);
  policy.cooldown = minutes(15);
  policy.repeat = 3;
  policy.missing_page = 0;
  policy.mode = Mode::approve;
  policy.origin = 1;
  p.policies.push_back(policy);
  p.origins = {{"shop.slo", 3, 5, "burn > 14.4"}, {"shop.slo", 9, 1, "slo availability"}};
  return p;
}

inline plan::Plan full_plan() {
  using namespace plan;
  Plan p = full_plan_of_format_1();
  p.leaves[0].window.at = Instant{-1500};
  p.nodes[2].matching.name = Matching::Name::kept;
  const auto add = [&](NodeKind kind, std::vector<Index> inputs) -> Node& {
    Node& node = p.nodes.emplace_back();
    node.kind = kind;
    node.inputs = std::move(inputs);
    return node;
  };
  Leaf quantile = p.leaves[1];
  quantile.range_fn = RangeFn::quantile_over_time;
  p.leaves.push_back(quantile);
  add(NodeKind::leaf, {5}).index = 4;
  add(NodeKind::set, {0, 1}).set = SetOp::unless;
  add(NodeKind::sort, {0}).descending = true;
  Node& relabel = add(NodeKind::relabel, {0});
  relabel.relabel = {Relabel::Kind::replace, "to", "$1", "(.*)", {"from"}};
  Node& subquery = add(NodeKind::subquery, {0});
  subquery.subquery = {
      RangeFn::max_over_time, {WindowKind::trailing, hours(1), minutes(1), none, {}}, minutes(5)};
  Node& top = add(NodeKind::aggregate, {0, 5});
  top.aggregate = Aggregate::topk;
  return p;
}

}  // namespace signalbox::test
