// Gives expressions their meaning. One Typer serves a whole program; what an expression may refer to depends
// on where it stands (Place).
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "compiler/sema/scope.hpp"

namespace signalbox::sema {

struct Place {
  std::size_t module = 0;        // whose lets are seen
  bool in_verify = false;        // `since done` may stand here
  std::vector<std::string> per;  // labels that a percentile keeps
};

// a.b.c, from the part numbered `from` on.
std::string dotted(const std::vector<syntax::Name>& path, std::size_t from = 0);

class Typer {
 public:
  Typer(const Scope& scope, const Limits& limits, source::Diagnostics& diagnostics)
      : scope_(scope), limits_(limits), diagnostics_(diagnostics), most_nodes_(limits.plan_nodes) {}

  // Null after an error, which was reported.
  TypedPtr type(const syntax::ExprPtr& expr, const Place& place);
  TypedPtr condition(const syntax::ExprPtr& expr, const Place& place);

  // Constants of clauses; nothing after an error. `what` names the value in messages.
  std::optional<Duration> duration(const syntax::ExprPtr& expr, const Place& place, const char* what);
  TypedPtr number(const syntax::ExprPtr& expr, const Place& place, const char* what);  // plain or ratio
  std::optional<std::uint32_t> count(const syntax::ExprPtr& expr, const Place& place, const char* what,
                                     std::uint32_t least);

  // The burn table that a path names, or null (reported).
  const syntax::BurnBlock* burn_table(const std::vector<syntax::Name>& path, Span span, const Place& place,
                                      std::size_t& module);

  bool used(const syntax::Let* let) const { return used_.count(let) != 0; }

 private:
  friend class Functions;
  using Locals = std::map<std::string, TypedPtr>;

  TypedPtr visit(const syntax::ExprPtr& expr);
  TypedPtr visit_kind(const syntax::ExprPtr& expr);
  TypedPtr literal(const syntax::Expr& e);
  TypedPtr reference(const syntax::Expr& e);
  TypedPtr use_let(const syntax::Let& let, std::size_t module, const std::vector<TypedPtr>* args, Span span);
  TypedPtr member(const syntax::Expr& e);
  TypedPtr slo_member(const syntax::Expr& e, std::uint32_t slo);
  bool read_window(const syntax::Expr& arg, plan::Window& window, bool& bounded);
  TypedPtr selector(const std::string& metric, const std::vector<syntax::MatcherNode>& matchers, Span span);
  TypedPtr range(const syntax::Expr& e);
  TypedPtr subquery(const syntax::Expr& e);
  TypedPtr offset(const syntax::Expr& e);
  TypedPtr call(const syntax::Expr& e);
  TypedPtr sign(const syntax::Expr& e);
  TypedPtr negation(const syntax::Expr& e);
  TypedPtr binary(const syntax::Expr& e);
  TypedPtr fold(const syntax::Expr& e, plan::ShapeOp op, const TypedPtr& a, const TypedPtr& b);
  bool check_units(const syntax::Expr& e, plan::ShapeOp op, const TypedPtr& a, const TypedPtr& b, Unit& out);
  bool join_rows(const syntax::Expr& e, bool logic, const TypedPtr& a, const TypedPtr& b,
                 plan::Matching& matching, RowType& out);
  TypedPtr hold(const syntax::Expr& e);

  std::shared_ptr<Typed> make(TypedOp op, Span span);
  TypedPtr fail(source::Code code, Span span, std::string message, std::string hint = {});
  TypedPtr as_condition(TypedPtr t, Span span);
  bool is_number(const TypedPtr& t, Span span, const std::string& where);
  // The same number for the same description of series, never 0.
  std::uint32_t series(const std::string& description);

  const Scope& scope_;
  const Limits& limits_;
  source::Diagnostics& diagnostics_;
  Place place_;
  std::vector<Locals> locals_;
  struct OpenLet {
    const syntax::Let* let;
    Span call;
  };
  std::vector<OpenLet> open_lets_;  // whose definitions are being read
  // What a let without parameters means depends on where it stands: percentiles keep the labels of `per`.
  std::map<std::tuple<const syntax::Let*, std::vector<std::string>, bool>, TypedPtr> memo_;
  std::map<std::string, std::uint32_t> series_;
  std::map<const syntax::Let*, bool> used_;
  std::size_t most_nodes_, nodes_ = 0;
  bool lets_too_deep_ = false;  // said
};

}  // namespace signalbox::sema
