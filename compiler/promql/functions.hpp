// PromQL's functions: one table, from which the parser checks arguments and the lowering knows what to make.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "compiler/promql/ast.hpp"

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
Signature signature_of(const Function& function);
std::span<const Function> functions();

std::span<const std::string_view> aggregations();  // by name
bool is_aggregation(std::string_view name);
// 's', 't' or 0: what stands before the family.
char aggregation_parameter(std::string_view name);

bool is_label_name(std::string_view name);

}  // namespace signalbox::promql_text
