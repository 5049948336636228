// Aggregations and orders that look at which values are largest. Rows without a value take no part.
#pragma once

#include "runtime/eval/aggregate.hpp"

namespace signalbox::eval {

// The rows with the `k` largest (smallest) values of each group, the first of them first; groups in the order
// of their first row. Of equal values those stay that Prometheus keeps. NaN is the least wanted.
Column top(bool smallest, double k, const Column& input, const Grouping& grouping);

// The φ-quantile of each group.
Column quantile_of(double q, const Column& input, const Grouping& grouping);

// How often each value is met: a row for each, with label node.relabel.to for the value.
Column count_values(const plan::Node& node, const Column& input);

// Rows in rising (falling) order of value, NaN last, those without a value after all others.
Column sorted(const Column& input, bool descending);

}  // namespace signalbox::eval
