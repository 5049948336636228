#include "compiler/sema/thresholds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

namespace signalbox::sema {
namespace {

using syntax::Expr;
using syntax::ExprKind;
using syntax::ExprPtr;

ExprPtr with(const ExprPtr& old, const NewAmount& amount) {
  if (!amount.scale) return amount.literal;
  auto product = std::make_shared<Expr>();
  product->kind = ExprKind::binary;
  product->text = "*";
  product->args = {old, amount.literal};
  product->span = amount.literal->span;
  return product;
}

bool compares(const Expr& e) {
  return e.kind == ExprKind::binary && (e.text == ">" || e.text == ">=" || e.text == "<" || e.text == "<=" ||
                                        e.text == "==" || e.text == "!=");
}

// A condition copied, so that parts of it can be changed; holds and the literals that something is compared
// with, in reading order.
class Parts {
 public:
  std::vector<Expr*> holds;
  struct Compared {
    Expr *comparison, *literal;
  };
  std::vector<Compared> literals;
  ExprPtr copy(const ExprPtr& e) {
    if (e == nullptr) return nullptr;
    auto out = std::make_shared<Expr>(*e);
    if (e->kind == ExprKind::hold) holds.push_back(out.get());
    for (ExprPtr& arg : out->args) {
      const bool literal = compares(*e) && arg != nullptr && arg->kind == ExprKind::number;
      if (!literal) {
        arg = copy(arg);
        continue;
      }
      auto own = std::make_shared<Expr>(*arg);
      literals.push_back({out.get(), own.get()});
      arg = own;
    }
    return out;
  }
};

class Collector {
 public:
  Collector(std::vector<Module>& modules, std::size_t roots, source::SourceSet& sources)
      : modules_(modules), roots_(roots), sources_(sources) {}
  std::vector<Threshold> out;

  void slo(syntax::SloDecl& d) {
    name_ = d.name.text;
    if (!d.indicator.empty()) {
      syntax::Indicator& indicator = d.indicator[0];
      amount({"at_most"}, indicator.at_most);
      literals_of("where", indicator.condition);
    }
    if (!d.objective.empty()) {
      amount({"objective"}, d.objective[0].ratio);
      amount({"period"}, d.objective[0].period);
    }
    if (!d.burn.empty()) burn(d.burn[0]);
    if (!d.coverage.empty()) amount({"coverage"}, d.coverage[0].amount);
    if (!d.floor.empty())
      amount({"floor"}, d.floor[0].amount);
    else
      add({"floor"}, "").set_amount = [&d](const NewAmount& a) {
        d.floor.push_back({a.literal, a.literal->span});
      };
    if (!d.missing.empty()) amount({"missing"}, d.missing[0].keep);
    for (std::size_t i = 0; i < d.defer.size(); ++i)
      amount({numbered("defer", i, d.defer.size()), "defer"}, d.defer[i].at_most);
  }

  void policy(syntax::PolicyDecl& d) {
    name_ = d.name.text;
    if (!d.when.empty()) condition("", "when", d.when[0].condition);
    if (!d.events.empty()) {
      amount({"events"}, d.events[0].at_least);
      amount({"bad"}, d.events[0].bad);
    }
    if (!d.verify.empty()) {
      syntax::VerifyNode& v = d.verify[0];
      condition("verify.", "verify", v.condition);
      amount({"verify.after"}, v.after);
      amount({"verify.within"}, v.within);
      if (v.events) {
        amount({"verify.events"}, v.events->at_least);
        amount({"verify.bad"}, v.events->bad);
      }
    }
    if (!d.limit.empty()) {
      amount({"limit"}, d.limit[0].count);
      amount({"limit.per"}, d.limit[0].per);
    }
    if (!d.cooldown.empty()) amount({"cooldown"}, d.cooldown[0].amount);
    if (!d.repeat.empty()) amount({"repeat"}, d.repeat[0].amount);
  }

 private:
  static std::string numbered(const std::string& word, std::size_t i, std::size_t n) {
    return n == 1 ? word : fmt::format("{}.{}", word, i + 1);
  }
  std::string text(const ExprPtr& e) const { return std::string(sources_.text(e->span)); }

  Threshold& add(std::vector<std::string> keys, std::string written) {
    out.push_back({name_, std::move(keys), std::move(written), {}, {}});
    return out.back();
  }
  void amount(std::vector<std::string> keys, ExprPtr& place) {
    if (place == nullptr) return;
    add(std::move(keys), text(place)).set_amount = [&place](const NewAmount& a) { place = with(place, a); };
  }

  void literals(const std::string& word, const std::shared_ptr<Parts>& parts) {
    const std::size_t n = parts->literals.size();
    for (std::size_t i = 0; i < n; ++i) {
      const Parts::Compared place = parts->literals[i];
      add({numbered(word, i, n)}, std::string(sources_.text(place.literal->span))).set_amount =
          [place, parts, this_sources = &sources_](const NewAmount& a) {
            quote(place, a, *this_sources);
            *place.literal = Expr(*with(std::make_shared<Expr>(*place.literal), a));
          };
    }
  }
  // Sentences quote a comparison: it reads as it is now.
  static void quote(const Parts::Compared& place, const NewAmount& a, source::SourceSet& sources) {
    const source::Span whole = place.comparison->span, literal = place.literal->span;
    if (literal.file != whole.file || literal.begin < whole.begin || literal.end > whole.end) return;
    const std::string now = a.scale
                                ? fmt::format("{} * {}", sources.text(literal), sources.text(a.literal->span))
                                : std::string(sources.text(a.literal->span));
    std::string text(sources.text(whole));
    text.replace(literal.begin - whole.begin, literal.end - literal.begin, now);
    const auto bytes = static_cast<std::uint32_t>(text.size());
    const std::string name = sources[a.literal->span.file].name();
    place.comparison->span = {sources.add(name, std::move(text)), 0, bytes};
  }
  void literals_of(const std::string& word, ExprPtr& place) {
    const auto parts = std::make_shared<Parts>();
    place = parts->copy(place);
    literals(word, parts);
  }
  // Its holds are called `for`; a condition without one gets one.
  void condition(const std::string& prefix, const std::string& word, ExprPtr& place) {
    if (place == nullptr) return;
    const auto parts = std::make_shared<Parts>();
    place = parts->copy(place);
    // The hold of the whole condition is the one that is meant.
    std::vector<Expr*> holds = parts->holds;
    if (place->kind == ExprKind::hold) holds.resize(1);
    for (std::size_t i = 0; i < holds.size(); ++i) {
      Expr* const hold = holds[i];
      source::Span words = hold->span;
      words.begin = std::min(hold->args[0]->span.end, words.end);
      std::string written(sources_.text(words));
      written.erase(0, written.find_first_not_of(" \t\r\n)"));
      add({prefix + numbered("for", i, holds.size())}, written).set_hold = [hold,
                                                                            parts](const syntax::Hold& h) {
        const ExprPtr unknown = hold->hold.unknown_at_most;
        hold->hold = h;
        hold->hold.unknown_at_most = unknown;
      };
    }
    if (holds.empty())
      add({prefix + "for"}, "").set_hold = [&place](const syntax::Hold& h) {
        auto hold = std::make_shared<Expr>();
        hold->kind = ExprKind::hold;
        hold->span = place->span;
        hold->args = {place};
        hold->hold = h;
        place = hold;
      };
    literals(word, parts);
  }

  // The rows that a clause has or names; null when the name leads nowhere, which is reported later.
  const syntax::BurnBlock* rows_of(const syntax::BurnClause& clause) const {
    if (clause.block) return &*clause.block;
    if (clause.path.empty()) return nullptr;
    std::string head;
    for (std::size_t i = 0; i + 1 < clause.path.size(); ++i) head += (i > 0 ? "." : "") + clause.path[i].text;
    const auto let_of = [&](std::size_t m) -> const syntax::BurnBlock* {
      for (const syntax::Let& let : modules_[m].ast.lets)
        if (let.name.text == clause.path.back().text && let.burn) return &*let.burn;
      return nullptr;
    };
    for (std::size_t m = 0; m < roots_; ++m) {
      if (head.empty()) {
        if (const auto* rows = let_of(m)) return rows;
      } else if (const auto use = modules_[m].uses.find(head); use != modules_[m].uses.end()) {
        return let_of(use->second);
      }
    }
    return nullptr;
  }

  void burn(syntax::BurnClause& clause) {
    const syntax::BurnBlock* const block = rows_of(clause);
    if (block == nullptr) return;
    const std::vector<syntax::BurnRowNode>& rows = block->rows;
    const auto length = [](const syntax::BurnRowNode& row) {
      return row.long_window != nullptr && row.long_window->kind == ExprKind::number ? row.long_window->value
                                                                                     : -1.0;
    };
    double shortest = -1, longest = -1;
    bool known = !rows.empty();
    for (const syntax::BurnRowNode& row : rows) {
      known = known && length(row) >= 0;
      shortest = shortest < 0 ? length(row) : std::min(shortest, length(row));
      longest = std::max(longest, length(row));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const syntax::BurnRowNode& row = rows[i];
      if (row.amount == nullptr) continue;
      const std::string severity = row.page ? "page" : "ticket";
      std::vector<std::string> keys = {fmt::format("burn.{}", i + 1), "burn", "burn." + severity};
      if (length(row) >= 0) {
        keys.push_back("burn." + row.long_window->text);
        keys.push_back(fmt::format("burn.{}.{}", severity, row.long_window->text));
      }
      if (known && length(row) == shortest) keys.emplace_back("burn.fast");
      if (known && length(row) == longest) keys.emplace_back("burn.slow");
      // The table may be others' too: the clause keeps what it has otherwise.
      add(std::move(keys), std::string(sources_.text(row.span))).set_amount = [&clause, &row,
                                                                               i](const NewAmount& a) {
        syntax::BurnRowNode changed = row;
        changed.amount = with(row.amount, a);
        if (!a.scale) changed.share = a.literal->unit == syntax::LiteralUnit::ratio;
        clause.changed[i] = std::move(changed);
      };
    }
  }

  std::vector<Module>& modules_;
  std::size_t roots_;
  source::SourceSet& sources_;
  std::string name_;
};

}  // namespace

bool Threshold::is_called(const std::string& key) const {
  return std::any_of(keys.begin(), keys.end(), [&](const std::string& own) {
    return own == key || (key.size() == declaration.size() + 1 + own.size() && key.starts_with(declaration) &&
                          key[declaration.size()] == '.' && key.ends_with(own));
  });
}

std::vector<Threshold> thresholds_of(std::vector<Module>& modules, std::size_t roots,
                                     source::SourceSet& sources) {
  Collector collector(modules, roots, sources);
  for (std::size_t m = 0; m < roots; ++m) {
    for (syntax::SloDecl& slo : modules[m].ast.slos) collector.slo(slo);
    for (syntax::PolicyDecl& policy : modules[m].ast.policies) collector.policy(policy);
  }
  return std::move(collector.out);
}

}  // namespace signalbox::sema
