// PromQL's functions: one table, from which the parser checks arguments and the lowering knows what to make.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/promql/ast.hpp"
#include "runtime/plan/plan.hpp"

namespace signalbox::promql_text {

struct Function {
  std::string_view name;
  std::string_view
      args;  // a letter each: s scalar, v vector, m matrix, t text; after `?` they may be left out,
             // `*`: the last one any number of times
  Sort result;
};
const Function* find_function(std::string_view name);
struct Signature {
  std::string letters;  // of each argument; the last one's for those beyond
  std::size_t least = 0, most = 0;
};
// "1 or 2 arguments".
std::string takes(const Signature& of);
Signature signature_of(const Function& function);
std::span<const Function> functions();

struct Aggregation {
  std::string_view name;
  plan::Aggregate op;
};
const Aggregation* find_aggregation(std::string_view name);
std::span<const Aggregation> aggregations();
// 's', 't' or 0: what stands before the family.
char aggregation_parameter(plan::Aggregate op);

// The labels of `absent(selector)`: those that one `=` alone speaks of; name, value, name, value, ….
std::vector<std::string> absent_labels(const std::vector<Matcher>& matchers);

bool is_label_name(std::string_view name);

}  // namespace signalbox::promql_text
