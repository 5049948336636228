// The functions of the language: one table of names, one rule of typing each.
#pragma once

#include "compiler/promql/functions.hpp"
#include "compiler/sema/typer.hpp"

namespace signalbox::sema {

// Whether the language has, or will have, a function of this name.
bool is_function(const std::string& name);

class Functions {
 public:
  explicit Functions(Typer& typer) : t_(typer) {}
  TypedPtr call(const syntax::Expr& e);

 private:
  TypedPtr range_function(const syntax::Expr& e, RangeFn fn);
  TypedPtr aggregate(const syntax::Expr& e, plan::Aggregate op);
  TypedPtr count_true(const syntax::Expr& e);
  TypedPtr quantifier(const syntax::Expr& e, bool all);
  TypedPtr histogram_quantile(const syntax::Expr& e);
  TypedPtr percentile(const syntax::Expr& e, int percent);
  TypedPtr clamp(const syntax::Expr& e);
  TypedPtr clamp_one(const syntax::Expr& e, plan::ShapeOp op);
  TypedPtr absolute(const syntax::Expr& e);
  TypedPtr absent(const syntax::Expr& e);
  TypedPtr time(const syntax::Expr& e);
  TypedPtr unknown(const syntax::Expr& e);
  // promql_functions.cpp: those that are only what PromQL has, and PromQL itself.
  TypedPtr promql_function(const syntax::Expr& e, const promql_text::Function& function);
  TypedPtr promql(const syntax::Expr& e);
  bool check_argument(const syntax::Expr& e, const TypedPtr& arg, Span span, char letter);
  bool check_label(const TypedPtr& arg, Span span);
  bool check_range_kind(const syntax::Expr& e, RangeFn fn, const TypedPtr& range);

  bool arity(const syntax::Expr& e, std::size_t n, const char* form);
  RowType group_rows(const syntax::Expr& e, const RowType& rows, bool& good);
  std::uint32_t without(const RowType& rows, const std::vector<std::string>& labels);
  std::vector<std::string> group_labels(const syntax::Expr& e);
  // The labels that `absent` of it has, sorted.
  static std::vector<std::string> rows_of_absent(const Typed& selector);

  Typer& t_;
};

}  // namespace signalbox::sema
